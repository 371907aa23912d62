//! Where VIPs are that this host does not hold, and which MACs are controllers': what decides about packets that come here for
//! such a VIP.
//!
//! In: addresses of the other hosts, and where each was seen last. A controller is known by the MACs of its node addresses and
//! of its backends: those that it sends from, as a director, on the segments of these addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Controller;
use super::elected::addressee;
use crate::core::config::Config;
use crate::core::config::model::{Holder, Host, Vip};
use crate::core::event::{Addressee, Mac, NextHop};

impl Controller {
    /// The way to the other host that holds a VIP, if both are known.
    pub(super) fn way_to_holder(&self, config: &Config, vip: &Vip) -> Option<NextHop> {
        if self.holds(vip) {
            return None;
        }
        let host = |name: &str| config.hosts.iter().find(|host| host.name == name);
        match &vip.holder {
            Holder::Host(name) => self.way_to(host(name)?, vip),
            Holder::Group(name) => {
                let group = config.groups.iter().find(|group| group.name == *name)?;
                let peer = self.peer(group)?;
                let named = peer.name.as_deref().and_then(host).and_then(|host| self.way_to(host, vip));
                named.or_else(|| self.neighbours.get(&addressee(group, peer)).cloned())
            }
        }
    }

    /// What the other host that holds a VIP is heard from, if it was elected.
    pub(super) fn speaker(&self, config: &Config, vip: &Vip) -> Option<IpAddr> {
        let Holder::Group(name) = &vip.holder else { return None };
        let group = config.groups.iter().find(|group| group.name == *name)?;
        self.peer(group).map(|peer| peer.address)
    }

    /// Whether anybody has answered at an address.
    #[must_use]
    pub fn has_seen(&self, addressee: &Addressee) -> bool {
        self.neighbours.contains_key(addressee)
    }

    /// The way to another host: by the interface that carries the VIP, if there is one.
    fn way_to(&self, host: &Host, vip: &Vip) -> Option<NextHop> {
        let ways = || host.addresses.iter().filter_map(|address| self.seen(*address));
        ways().find(|way| way.interface == vip.interface).or_else(|| ways().next()).cloned()
    }

    /// MACs of the other controllers.
    pub(super) fn controllers(&self, config: &Config) -> BTreeSet<Mac> {
        let backends = config.services.iter().flat_map(|service| &service.backends);
        let backends = backends.filter(|backend| backend.host != self.host).map(|backend| backend.address);
        let hosts = self.others(config).flat_map(|host| host.addresses.iter().copied());
        let mut macs: BTreeSet<Mac> =
            hosts.chain(backends).filter_map(|address| self.seen(address)).map(|way| way.mac).collect();
        if !self.others(config).all(|host| host.addresses.iter().any(|address| self.seen(*address).is_some())) {
            macs.extend(&self.inherited);
        }
        macs
    }

    /// Name of the host that an address leads to, by the MAC that answers there.
    pub(super) fn name_of(&self, config: &Config, addressee: &Addressee) -> Option<String> {
        let mac = self.neighbours.get(addressee)?.mac;
        let is_it = |address: &IpAddr| self.seen(*address).is_some_and(|way| way.mac == mac);
        self.others(config).find(|host| host.addresses.iter().any(is_it)).map(|host| host.name.clone())
    }

    fn seen(&self, address: IpAddr) -> Option<&NextHop> {
        self.neighbours.get(&address.into())
    }

    fn others<'c>(&'c self, config: &'c Config) -> impl Iterator<Item = &'c Host> {
        config.hosts.iter().filter(|host| host.name != self.host)
    }
}
