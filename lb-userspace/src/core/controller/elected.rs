//! Who holds which VIP: what the configuration says, or what the election said last.
//!
//! What an election decides is in the data path before it is here: leases and announcements are its own. What is left to do
//! is slower and can wait: addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Controller;
use super::footprint::Footprint;
use crate::core::command::Command;
use crate::core::config::Config;
use crate::core::config::model::{Group, Holder, Vip};
use crate::core::election::{Peer, Role};
use crate::core::event::{Addressee, Now};
use crate::core::plan::Hold;

/// What an election said of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elected {
    pub(super) role: Role,
    /// The other host that holds it, if this one knows.
    pub(super) holder: Option<Peer>,
}

impl Controller {
    /// Takes in what an election said.
    pub(super) fn take_in(&mut self, group: String, elected: Elected, now: Now) -> Vec<Command> {
        self.elected.insert(group, elected);
        self.follow_holders(now);
        let Some(config) = &self.config else { return Vec::new() };
        let footprint = self.footprint_of(config);
        let tables = self.publish();
        let commands = self.footprint.change(&footprint, tables);
        self.footprint = footprint;
        commands
    }

    /// What a configuration wants of this host, as things stand.
    pub(super) fn footprint_of(&self, config: &Config) -> Footprint {
        let mut footprint = Footprint::of(config, &self.host, |vip| self.holds(vip));
        for group in &config.groups {
            self.peer(group).into_iter().for_each(|peer| footprint.want(addressee(group, peer)));
        }
        footprint
    }

    /// Whether this host holds a VIP.
    pub(super) fn holds(&self, vip: &Vip) -> bool {
        match &vip.holder {
            Holder::Host(name) => *name == self.host,
            Holder::Group(name) => self.elected.get(name).is_some_and(|elected| elected.role == Role::Holder),
        }
    }

    /// How the data path is told whether this host holds a VIP.
    pub(super) fn hold(&self, vip: &Vip) -> Hold {
        match vip.holder {
            Holder::Host(_) => Hold::from(self.holds(vip)),
            Holder::Group(_) => Hold::Elected,
        }
    }

    /// Addresses of the VIPs that this host holds.
    #[must_use]
    pub fn held(&self) -> BTreeSet<IpAddr> {
        let vips = self.config.iter().flat_map(|config| &config.vips);
        vips.filter(|vip| self.holds(vip)).map(|vip| vip.address).collect()
    }

    /// The host that holds a VIP, if it is known: its name, or the address that it speaks from.
    pub(super) fn holder(&self, config: &Config, vip: &Vip) -> Option<String> {
        match &vip.holder {
            Holder::Host(name) => Some(name.clone()),
            Holder::Group(_) if self.holds(vip) => Some(self.host.clone()),
            Holder::Group(name) => {
                let group = config.groups.iter().find(|group| group.name == *name)?;
                let peer = self.peer(group)?;
                let name = peer.name.clone().or_else(|| self.name_of(config, &addressee(group, peer)));
                Some(name.unwrap_or_else(|| peer.address.to_string()))
            }
        }
    }

    /// The other host that holds a group.
    pub(super) fn peer(&self, group: &Group) -> Option<&Peer> {
        self.elected.get(&group.name)?.holder.as_ref()
    }
}

/// Where to look for another host of a group.
pub(super) fn addressee(group: &Group, peer: &Peer) -> Addressee {
    Addressee::by(&group.interface, peer.address)
}
