//! The books of tables that an earlier daemon wrote, read back from the tables alone.
//!
//! It may have been killed between any two steps. What the directory lists is good; what it does not list is a step
//! begun or not ended, and is cleared before its record is used again.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use lb_common::wire::Line;
use lb_common::wire::backend::{Backend, Hop, Identity, State, Way};
use lb_common::wire::directory::{Key, Slot};
use lb_common::wire::link::{LEG, Port};
use lb_common::wire::service::{Affinity, Local, Table};
use lb_common::wire::vip::{Elsewhere, Vip};

use super::books::{self, BackendRecord, Books, ServiceRecord, VipRecord};
use super::controllers::Controllers;
use super::indexes::Indexes;
use super::step::Step;
use super::{Adopted, protocol_of};
use crate::core::event::Mac;
use crate::core::view::BackendState;
use crate::tables::lines::Run;
use crate::tables::memory::TableMemory;

/// What was found: the books, the steps that clear what nothing leads to, and the backends.
pub(super) fn read(memory: &TableMemory) -> (Books, Vec<Step>, Vec<Adopted>) {
    // The other generation of the directory, and lines that were in use, may still be read.
    let mut reading =
        Reading { books: Books::empty(memory), repairs: vec![Step::Grace], interfaces: interfaces(memory), memory };
    reading.directory();
    reading.services();
    reading.vips();
    reading.controllers();
    let adopted = reading.backends();
    (reading.books, reading.repairs, adopted)
}

struct Reading<'a> {
    books: Books,
    repairs: Vec<Step>,
    /// Index of the interface that has each port.
    interfaces: HashMap<u8, u32>,
    memory: &'a TableMemory,
}

impl Reading<'_> {
    /// VIPs and services that packets are led to.
    fn directory(&mut self) {
        let control = self.memory.control_record();
        let slots = control.directory_mask as usize + 1;
        let first = (control.generation.get() & 1) as usize * slots;
        for slot in self.memory.directory.iter().skip(first).take(slots).filter(|slot| **slot != Slot::EMPTY) {
            if let Some(vip) = self.memory.vips.get(usize::from(slot.vip)) {
                let (lease, elsewhere) = (Some(vip.lease.get()), Elsewhere::unpack(vip.elsewhere.get()));
                let (index, speaker) = (slot.vip, vip.speaker.get());
                self.books.vips.insert(slot.address, VipRecord { index, lease, elsewhere, speaker, place: None });
            }
            if usize::from(slot.service) < self.memory.services.len() {
                let key = Key { address: slot.address, l4: slot.l4 };
                self.books.keys.insert(key, slot.service);
                self.books.services.insert(slot.service, ServiceRecord::new(key, slot.idle));
            }
        }
    }

    fn services(&mut self) {
        for (index, record) in (0..=u16::MAX).zip(self.memory.services.iter()) {
            let (table, local) = (Table::unpack(record.table.get()), Local::unpack(record.local.get()));
            let affinity = Affinity::unpack(record.affinity.get());
            let run = Run { start: table.line, len: table.slots.div_ceil(Line::LEN) };
            match self.books.services.get_mut(&index) {
                Some(service) => {
                    service.local = local;
                    service.affinity = affinity;
                    if table.slots > 0 && self.books.lines.claim(run) {
                        (service.run, service.slots) = (Some(run), table.slots);
                    } else if table.slots > 0 {
                        // Beyond the map, or another's: written by nobody, but packets must not go by it.
                        self.repairs.push(Step::Table { service: index, table: Table::default() });
                    }
                }
                None if table == Table::default() && local == Local::NONE && affinity.is_none() => {}
                None => self.repairs.extend([
                    Step::Table { service: index, table: Table::default() },
                    Step::Local { service: index, local: Local::NONE },
                    Step::Affinity { service: index, affinity: None },
                ]),
            }
        }
        let used: BTreeSet<u16> = self.books.services.keys().copied().collect();
        self.books.service_indexes = Indexes::without(books::service_room(self.memory), &used);
    }

    fn vips(&mut self) {
        let used: BTreeSet<u16> = self.books.vips.values().map(|vip| vip.index).collect();
        for (index, vip) in (0..=u16::MAX).zip(self.memory.vips.iter()) {
            if used.contains(&index) {
                continue;
            }
            if vip.lease.get() != Vip::NOT_HELD {
                self.repairs.push(Step::Lease { vip: index, until: Vip::NOT_HELD });
            }
            if vip.elsewhere.get() != 0 || vip.speaker.get() != 0 {
                self.repairs.push(Step::Elsewhere { vip: index, elsewhere: None, speaker: 0 });
            }
        }
        self.books.vip_indexes = Indexes::without(self.memory.vips.len(), &used);
    }

    fn controllers(&mut self) {
        let (found, repairs) = Controllers::read(self.memory);
        self.books.controllers = found;
        self.repairs.extend(repairs);
    }

    /// Backends of services that are listed. Which of those that have left did so first is not known any more.
    fn backends(&mut self) -> Vec<Adopted> {
        let mut adopted = Vec::new();
        let mut used = BTreeSet::new();
        for (index, record) in (0..=u16::MAX).zip(self.memory.backends.iter()) {
            let identity = Identity::unpack(record.identity.get());
            self.books.generations[usize::from(index)] = identity.generation;
            let hop = Hop::from_word(record.hop.get());
            if hop.state() == State::Absent {
                continue;
            }
            match self.backend(index, record, identity, hop) {
                Some(found) => {
                    used.insert(index);
                    adopted.extend(found);
                }
                None => self.repairs.push(Step::Hop { backend: index, hop: Hop::ABSENT, drained: false }),
            }
        }
        self.books.backend_indexes = Indexes::without(self.memory.backends.len(), &used);
        adopted
    }

    /// Enters a backend into the books; `None` if it belongs to no service. Inside, what its service's protocol lets say.
    fn backend(&mut self, index: u16, record: &Backend, identity: Identity, hop: Hop) -> Option<Option<Adopted>> {
        let bound = SocketAddr::new(IpAddr::from(record.address), u16::from_be(identity.port));
        let service = self.books.services.get_mut(&identity.service)?;
        if service.backends.contains_key(&bound) {
            return None;
        }
        let (state, left) = match hop.state() {
            State::Absent => return None,
            State::Up => (Some(BackendState::Up), None),
            State::Drain => (Some(BackendState::Drain), None),
            State::Down | State::Kept => (Some(BackendState::Down), None),
            State::Leaving => (None, Some(self.books.departures)),
        };
        if let Some(number) = left {
            self.books.leaving.insert(number, (identity.service, bound));
            self.books.departures += 1;
        }
        let drained = record.drained.get() != 0;
        service.backends.insert(bound, BackendRecord { index, hop, drained, left });
        let key = service.key;
        let endpoint = |protocol| (IpAddr::from(key.address), u16::from_be(key.l4 as u16), protocol);
        let interface = self.interfaces.get(&hop.port()).filter(|_| hop.way() == Some(Way::L2) && hop.mac48() != 0);
        let next_hop = interface.map(|index| (*index, Mac(hop.mac())));
        // The word is its operator's alone; a hop may be drained by its agent. One that is up says it better: it is written last.
        let drained = drained && matches!(state, Some(BackendState::Drain | BackendState::Down));
        let service = protocol_of(&key).map(endpoint);
        Some(service.map(|service| Adopted { service, bound, state, drained, next_hop }))
    }
}

/// Indexes of the interfaces that programs are attached to, by port.
fn interfaces(memory: &TableMemory) -> HashMap<u8, u32> {
    let links = (0..).zip(memory.links.iter()).filter(|(_, link)| link.port.get() & LEG == 0);
    let ports = links.map(|(index, link)| (Port::unpack(link.port.get()), index));
    ports.filter(|(port, _)| port.mac48 != 0).map(|(port, index)| (port.number, index)).collect()
}
