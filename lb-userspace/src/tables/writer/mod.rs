//! The map writer: from the desired [`Image`] to records, in an order in which no packet meets a half-written state.
//!
//! Indexes are stable: what stays keeps its own, so flows keep their backends. Backends come before the tables that name
//! them; a new Maglev table is written into free lines and swapped in by one word; the directory is written in its
//! other generation and swapped by one bit; what packets may still be reading is reused only after a grace period.
//!
//! - [`wanted`]: the image by address and port.
//! - [`books`]: what is where in the tables, and which [`indexes`] are free.
//! - [`controllers`]: where the MACs of the other hosts are.
//! - [`plan`] and [`round`]: books and image to steps and new books; nothing is written.
//! - [`step`]: one step, written.
//! - [`flows`]: what flows other hosts are told of, and tell.
//! - [`cut`]: which backends' flows were cut.
//! - [`adopt`]: the books of what an earlier daemon wrote.

mod adopt;
mod books;
mod controllers;
mod cut;
mod error;
mod flows;
mod indexes;
mod plan;
mod round;
mod step;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use lb_common::net::ipv4;
use lb_common::wire::address::Address;
use lb_common::wire::backend::Identity;
use lb_common::wire::directory::Key;
use lb_common::wire::link::{LEG, Link, MAX_PORTS, Port, VLANS, mac48};
use lb_common::wire::refusal::Refusal;

use self::books::Books;
use self::step::Step;
use self::wanted::{Wanted, bound};
use super::clock::Clock;
use super::memory::{ServiceTotals, TableMemory};
use super::occupancy;
use crate::core::config::model::Protocol;
use crate::core::event::{BackendKey, Mac};
use crate::core::plan::Image;
use crate::core::view::BackendState;

pub use self::error::TableError;
pub use crate::core::sync::record::Endpoint;

/// Waits until no packet that began before is under way.
pub type Grace = Box<dyn FnMut() -> Result<(), String>>;

/// The writer: memory, and what is where in it.
pub struct Writer {
    memory: TableMemory,
    clock: Clock,
    grace: Grace,
    books: Books,
    /// Steps that the books take for done; none but after a [`TableError::Grace`].
    pending: VecDeque<Step>,
    names: Names,
    /// How often the tables were changed.
    changes: u64,
    /// Backends whose flows were cut since [`Writer::take_cut`].
    cut: BTreeSet<u16>,
}

/// A backend that an earlier daemon had written, see [`Writer::adopt`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its service.
    pub service: Endpoint,
    /// Where it is bound.
    pub bound: SocketAddr,
    /// What it may be sent; `None` if it was no longer configured.
    pub state: Option<BackendState>,
    /// Whether its operator had drained it, down or not.
    pub drained: bool,
    /// Index of the interface and MAC that it was sent to, if they were known.
    pub next_hop: Option<(u32, Mac)>,
}

/// Names of what is in the tables, for views.
#[derive(Debug, Default, Clone)]
pub struct Names {
    /// Services by index.
    pub services: HashMap<u16, String>,
    /// Backends by index.
    pub backends: HashMap<u16, BackendKey>,
    /// VIPs by index.
    pub vips: HashMap<u16, String>,
}

impl Writer {
    /// Over tables that hold nothing.
    #[must_use]
    pub fn new(memory: TableMemory, clock: Clock, grace: Grace) -> Self {
        let books = Books::empty(&memory);
        Self {
            memory,
            clock,
            grace,
            books,
            pending: VecDeque::new(),
            names: Names::default(),
            changes: 0,
            cut: BTreeSet::new(),
        }
    }

    /// Over tables that an earlier daemon wrote and packets may be reading: takes over its indexes. Writes nothing.
    #[must_use]
    pub fn adopt(memory: TableMemory, clock: Clock, grace: Grace) -> (Self, Vec<Adopted>) {
        let (books, repairs, adopted) = adopt::read(&memory);
        (Self { books, pending: repairs.into(), ..Self::new(memory, clock, grace) }, adopted)
    }

    /// The tables, to be read.
    #[must_use]
    pub fn memory(&self) -> &TableMemory {
        &self.memory
    }

    /// What the indexes in the tables stand for.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The backend that a refusal is of, unless its index is another one's by now.
    #[must_use]
    pub fn refuser(&self, refusal: Refusal) -> Option<&BackendKey> {
        let record = self.memory.backends.get(usize::from(refusal.backend))?;
        let same = Identity::unpack(record.identity.get()).generation == refusal.generation;
        self.names.backends.get(&refusal.backend).filter(|_| same)
    }

    /// Index of a service.
    #[must_use]
    pub fn service_index(&self, endpoint: &Endpoint) -> Option<u16> {
        self.books.keys.get(&key_of(endpoint)).copied()
    }

    /// Index of a backend of a service.
    #[must_use]
    pub fn backend_index(&self, service: u16, bound: SocketAddr) -> Option<u16> {
        self.books.backend(service, &bound).map(|record| record.index)
    }

    /// A service's counters on all CPUs, by its index.
    #[must_use]
    pub fn service_totals(&self, service: u16) -> ServiceTotals {
        let backends = self.books.services.get(&service).map(|record| &record.backends);
        let indexes = backends.into_iter().flat_map(|backends| backends.values().map(|backend| backend.index));
        self.memory.service_totals(service, indexes)
    }

    /// Tells the packet path of an interface that frames come in and leave by: its MAC, and this host's address on it.
    /// Returns its port: the same as long as it is not removed, and as long as a backend is reached by it.
    ///
    /// # Errors
    /// [`TableError::Interface`] for an index beyond the table, [`TableError::Ports`] if there are too many.
    pub fn set_link(&mut self, name: &str, index: u32, mac: Mac, address: Option<IpAddr>) -> Result<u8, TableError> {
        if self.memory.links.get(index as usize).is_none() {
            return Err(TableError::Interface { name: name.to_owned(), index });
        }
        let number = self.port_for(name, index)?;
        let address = match address {
            Some(address @ IpAddr::V4(_)) => u64::from(Address::from(address).low_half()),
            _ => 0,
        };
        let port = Port { mac48: mac48(mac.0), number }.pack();
        if let Some(record) = self.memory.ports.get(usize::from(number)) {
            record.set(port);
        }
        if let Some(device) = self.memory.devices.get(usize::from(number)) {
            device.set(u64::from(index));
        }
        if let Some(link) = self.memory.links.get(index as usize) {
            let vlans = if itself(link) { link.port.get() & VLANS } else { 0 };
            link.address.set(address);
            link.port.set(port | vlans);
        }
        self.books.ports.insert(name.to_owned(), number);
        self.locate_vips();
        Ok(number)
    }

    /// Says where VIPs are whose interfaces have ports only now.
    fn locate_vips(&mut self) {
        let Self { books, pending, memory, .. } = self;
        for record in books.vips.values_mut() {
            let Some(step) = record.locate(&books.ports) else { continue };
            // What is pending may say otherwise, and comes first.
            if pending.is_empty() { step.write(memory) } else { pending.push_back(step) }
        }
    }

    /// The port of an interface: what it has, what it had when an earlier daemon attached to it, or the lowest free one.
    fn port_for(&mut self, name: &str, index: u32) -> Result<u8, TableError> {
        let attached = |link: &Link| Some(Port::unpack(link.port.get())).filter(|port| port.mac48 != 0);
        let links = self.memory.links.iter().filter_map(attached).map(|port| port.number);
        let taken: BTreeSet<u8> = links.chain(self.books.named_ports()).collect();
        self.books.ports.retain(|_, number| taken.contains(number));
        if let Some(number) = self.books.ports.get(name) {
            return Ok(*number);
        }
        let earlier = self.memory.links.get(index as usize).filter(|link| itself(link));
        if let Some(earlier) = earlier.and_then(attached) {
            return Ok(earlier.number);
        }
        let free = (0..MAX_PORTS as u8).find(|number| !taken.contains(number));
        free.ok_or_else(|| TableError::Ports { name: name.to_owned() })
    }

    /// Name of the interface that has a port.
    #[must_use]
    pub fn port_name(&self, number: u8) -> Option<&str> {
        self.books.ports.iter().find(|(_, port)| **port == number).map(|(name, _)| name.as_str())
    }

    /// Has the packet path forget an interface that is gone. Backends that were reached by it still name its port, which
    /// leads nowhere now; no other interface gets it before they are reached elsewhere, and if this one comes back, it is
    /// its own again. So `PORTS` stays as it is: only they lead there.
    pub fn remove_link(&mut self, index: u32) {
        if let Some(link) = self.memory.links.get(index as usize) {
            link.port.set(0);
            link.address.set(0);
        }
    }

    /// Whether an interface is to leave frames of VLANs to the VLAN devices on it.
    pub fn set_vlans(&mut self, index: u32, apart: bool) {
        let Some(link) = self.memory.links.get(index as usize).filter(|link| link.port.get() != 0) else { return };
        let port = link.port.get() & !VLANS;
        link.port.set(if apart { port | VLANS } else { port });
    }

    /// Has the packet path take frames that come in by a leg of a bond for the bond's; again whenever the bond's facts change.
    ///
    /// # Errors
    /// [`TableError::Interface`] for an index beyond the table.
    pub fn set_leg(&mut self, name: &str, leg: u32, bond: u32) -> Result<(), TableError> {
        let links = &self.memory.links;
        let Some(record) = links.get(leg as usize) else {
            return Err(TableError::Interface { name: name.to_owned(), index: leg });
        };
        let of_bond = links.get(bond as usize).map(|bond| bond.port.get()).filter(|port| *port != 0);
        record.port.set(of_bond.map_or(0, |port| port | LEG));
        Ok(())
    }

    /// Sets how many new flows each CPU puts into the flow table in a second; 0: any number.
    pub fn limit_new_flows(&mut self, per_second: u32) {
        self.memory.control_record().limits.set(self.clock.limits(per_second).pack());
    }

    /// Arranges the flow table by how full it is, see [`occupancy::arrange`].
    pub fn arrange_flows(&self) {
        occupancy::arrange(&self.memory.flows, self.memory.control_record(), self.clock.now());
    }

    /// The time by which the packet path goes.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Addresses of the VIPs in the tables.
    #[must_use]
    pub fn vips(&self) -> Vec<IpAddr> {
        self.books.vips.keys().map(|address| IpAddr::from(*address)).collect()
    }

    /// MACs of the other controllers in the tables.
    #[must_use]
    pub fn controllers(&self) -> BTreeSet<Mac> {
        let mac = |mac48: u64| {
            let [a, b, c, d, e, f, ..] = mac48.to_le_bytes();
            Mac([a, b, c, d, e, f])
        };
        self.books.controllers.macs().map(mac).collect()
    }

    /// Index of a VIP.
    #[must_use]
    pub fn vip_index(&self, address: IpAddr) -> Option<u16> {
        self.books.vips.get(&Address::from(address)).map(|record| record.index)
    }

    /// The services in the tables.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |key: &Key| Some((IpAddr::from(key.address), u16::from_be(key.l4 as u16), protocol_of(key)?));
        self.books.keys.keys().filter_map(endpoint).collect()
    }

    /// Whether the tables can be brought to the image; writes nothing.
    ///
    /// # Errors
    /// The [`TableError`] that [`Writer::apply`] would give, but for [`TableError::Grace`].
    pub fn check(&self, image: &Image) -> Result<(), TableError> {
        plan::plan(&self.books, &self.memory, self.clock, &Wanted::of(image, self.clock)?).map(drop)
    }

    /// Brings the tables to the image.
    ///
    /// # Errors
    /// [`TableError`]; the tables are as they were, but for [`TableError::Grace`].
    pub fn apply(&mut self, image: &Image) -> Result<(), TableError> {
        self.carry_on()?;
        let (books, steps) = plan::plan(&self.books, &self.memory, self.clock, &Wanted::of(image, self.clock)?)?;
        self.changes += u64::from(!steps.is_empty());
        self.books = books;
        self.pending = steps.into();
        self.names = self.names_in(image);
        self.carry_on()
    }

    /// Takes the steps that are left.
    fn carry_on(&mut self) -> Result<(), TableError> {
        while let Some(step) = self.pending.front() {
            match step {
                Step::Grace => (self.grace)().map_err(TableError::Grace)?,
                step => {
                    self.cut.extend(step.cuts(&self.memory));
                    step.write(&mut self.memory);
                }
            }
            self.pending.pop_front();
        }
        Ok(())
    }

    fn names_in(&self, image: &Image) -> Names {
        let mut names = Names::default();
        let addresses: HashMap<&str, IpAddr> = image.vips.iter().map(|vip| (vip.name.as_str(), vip.address)).collect();
        for vip in &image.vips {
            if let Some(record) = self.books.vips.get(&Address::from(vip.address)) {
                names.vips.insert(record.index, vip.name.clone());
            }
        }
        for service in &image.services {
            let Some(vip) = addresses.get(service.vip.as_str()) else { continue };
            let Some(index) = self.service_index(&(*vip, service.port, service.protocol)) else { continue };
            names.services.insert(index, service.name.clone());
            for backend in &service.backends {
                if let Some(i) = self.backend_index(index, bound(backend)) {
                    names.backends.insert(i, backend.key.clone());
                }
            }
        }
        names
    }
}

/// Whether a record is of an interface itself, not of a bond that it is a leg of.
fn itself(link: &Link) -> bool {
    link.port.get() & LEG == 0
}

/// The key of a service in the directory.
fn key_of((address, port, protocol): &Endpoint) -> Key {
    Key::new(Address::from(*address), port.to_be(), protocol.number())
}

/// The protocol of such a key, if this pivot knows it.
fn protocol_of(key: &Key) -> Option<Protocol> {
    match (key.l4 >> 16) as u8 {
        ipv4::TCP => Some(Protocol::Tcp),
        ipv4::UDP => Some(Protocol::Udp),
        _ => None,
    }
}
