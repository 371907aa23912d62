//! What the configuration puts on this host beside the tables: interfaces, addresses, routes, neighbours.
//!
//! In: two footprints, the one that is and the one that is to be. Out: the commands between them, in a safe order.
//!
//! What must hold, at every moment in between:
//! - The kernel never answers ARP, or neighbour solicitations, for a VIP that this host does not hold. It would for every
//!   address that is local to it, by address or by route, unless the tables name the VIP: so they come before a route is
//!   added, and stay until it is gone.
//! - A host that loses a VIP goes on serving its own backends: the route is not touched when the address goes.
//!
//! A VIP's `local` route is wanted where a backend of the VIP runs, held or not: packets for the VIP then find the
//! service through socket steering. It lies beside the route that the kernel makes for an address (tried: either may come
//! and go while the other stays), so moving a VIP touches the address alone. On hosts without a backend there is no route: it
//! would only keep local clients from reaching the VIP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::core::command::{Command, Level, Purpose};
use crate::core::config::Config;
use crate::core::config::model::{Holder, Vip};
use crate::core::event::Addressee;

/// Announcements when a VIP is taken: as many as keepalived sends.
const ANNOUNCEMENTS: u32 = 5;

/// What one configuration wants of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    /// Every VIP, held or not.
    vips: BTreeSet<IpAddr>,
    /// Interfaces that carry VIPs.
    interfaces: BTreeSet<String>,
    /// VIPs held by this host.
    addresses: BTreeSet<Address>,
    /// VIPs with a `local` route.
    routes: BTreeSet<IpAddr>,
    /// Addresses of other hosts, those of their backends among them, and what each is wanted for.
    neighbours: BTreeMap<Addressee, Purpose>,
}

/// A VIP on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Address {
    interface: String,
    address: IpAddr,
    prefix: u8,
    label: Option<String>,
    /// By an election, which announces it.
    elected: bool,
}

impl Footprint {
    /// What the configuration wants of this host, which holds some of its VIPs.
    pub(super) fn of(config: &Config, host: &str, holds: impl Fn(&Vip) -> bool) -> Self {
        let mut footprint = Self::default();
        for vip in &config.vips {
            footprint.vips.insert(vip.address);
            footprint.interfaces.insert(vip.interface.clone());
            if holds(vip) {
                let (interface, address, prefix, label) =
                    (vip.interface.clone(), vip.address, vip.prefix, vip.label.clone());
                let elected = matches!(vip.holder, Holder::Group(_));
                footprint.addresses.insert(Address { interface, address, prefix, label, elected });
            }
        }
        for service in &config.services {
            let Some(vip) = config.vips.iter().find(|vip| vip.name == service.vip) else { continue };
            for backend in &service.backends {
                if backend.host == host {
                    footprint.routes.insert(vip.address);
                } else {
                    footprint.neighbours.insert(backend.address.into(), Purpose::Backend);
                }
            }
        }
        for host in config.hosts.iter().filter(|other| other.name != host) {
            host.addresses.iter().for_each(|address| footprint.want((*address).into()));
        }
        footprint
    }

    /// Wants a controller's address, unless it is wanted for more.
    pub(super) fn want(&mut self, controller: Addressee) {
        self.neighbours.entry(controller).or_insert(Purpose::Controller);
    }

    /// Whether this address was asked to be kept resolved.
    pub(super) fn resolves(&self, addressee: &Addressee) -> bool {
        self.neighbours.contains_key(addressee)
    }

    /// The commands that lead from `self` to `next`, with the new tables where they belong.
    pub(super) fn change(&self, next: &Self, tables: impl IntoIterator<Item = Command>) -> Vec<Command> {
        // What is only labelled otherwise does not go.
        let gone =
            self.addresses.difference(&next.addresses).filter(|held| !next.addresses.iter().any(|it| it.is_at(held)));
        let (leaving, staying): (Vec<_>, Vec<_>) = gone.partition(|held| !next.vips.contains(&held.address));
        let (routes_leaving, routes_staying): (Vec<_>, Vec<_>) =
            self.routes.difference(&next.routes).partition(|address| !next.vips.contains(address));
        let taken: Vec<_> = next.addresses.difference(&self.addresses).collect();

        let mut commands = Vec::new();
        commands.extend(next.interfaces.difference(&self.interfaces).map(|interface| attach(interface)));
        commands.extend(routes_leaving.into_iter().map(remove_route));
        commands.extend(leaving.into_iter().map(Address::remove));
        commands.extend(tables);
        commands.extend(staying.into_iter().map(Address::remove));
        commands.extend(routes_staying.into_iter().map(remove_route));
        commands
            .extend(next.routes.difference(&self.routes).map(|address| Command::AddLocalRoute { address: *address }));
        commands.extend(taken.iter().map(|held| held.add()));
        commands.extend(taken.iter().filter(|held| !held.elected).map(|held| held.announce()));
        commands.extend(self.resolutions(next));
        commands.extend(self.interfaces.difference(&next.interfaces).map(|interface| detach(interface)));
        commands.extend(self.holding_changed(next));
        commands
    }

    /// What is to be resolved from now on, what backends need first: that has programs attached. Then what is to be forgotten.
    fn resolutions(&self, next: &Self) -> Vec<Command> {
        let new = |purpose: Purpose| {
            let of_purpose = next.neighbours.iter().filter(move |(_, wanted)| **wanted == purpose);
            of_purpose.filter(move |(addressee, _)| self.neighbours.get(addressee) != Some(&purpose))
        };
        let new = [Purpose::Backend, Purpose::Controller].into_iter().flat_map(new);
        let resolve =
            new.map(|(addressee, purpose)| Command::Resolve { addressee: addressee.clone(), purpose: *purpose });
        let gone = self.neighbours.keys().filter(|addressee| !next.neighbours.contains_key(addressee));
        resolve.chain(gone.map(|addressee| Command::Forget { addressee: addressee.clone() })).collect()
    }

    /// A line for each VIP that this host begins or ceases to hold.
    fn holding_changed(&self, next: &Self) -> Vec<Command> {
        let held = |footprint: &Self| footprint.addresses.iter().map(|held| held.address).collect::<BTreeSet<_>>();
        let (before, after) = (held(self), held(next));
        let log = |message| Command::Log { level: Level::Info, message };
        let taken = after.difference(&before).map(|vip| log(format!("this host holds VIP {vip} from now on")));
        let lost = before.difference(&after).map(|vip| log(format!("this host does not hold VIP {vip} any more")));
        taken.chain(lost).collect()
    }
}

impl Address {
    /// Whether it is the same one to the kernel.
    fn is_at(&self, other: &Self) -> bool {
        let place = |it: &Self| (it.interface.clone(), it.address, it.prefix, it.elected);
        place(self) == place(other)
    }

    fn add(&self) -> Command {
        let Self { interface, address, prefix, label, .. } = self.clone();
        Command::AddAddress { interface, address, prefix, label }
    }

    fn remove(&self) -> Command {
        Command::RemoveAddress { interface: self.interface.clone(), address: self.address, prefix: self.prefix }
    }

    fn announce(&self) -> Command {
        Command::Announce { interface: self.interface.clone(), address: self.address, count: ANNOUNCEMENTS }
    }
}

fn attach(interface: &str) -> Command {
    Command::Attach { interface: interface.to_owned() }
}

fn detach(interface: &str) -> Command {
    Command::Detach { interface: interface.to_owned() }
}

fn remove_route(address: &IpAddr) -> Command {
    Command::RemoveLocalRoute { address: *address }
}
