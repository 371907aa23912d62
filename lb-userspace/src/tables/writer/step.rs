//! What the writer does to the tables, one step at a time: each leaves them good for packets.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use lb_common::wire::Line;
use lb_common::wire::address::Address;
use lb_common::wire::backend::{Backend, Hop, Identity};
use lb_common::wire::service::{Affinity, Local, Table};
use lb_common::wire::vip::{self, Elsewhere};
use lb_common::wire::word::Word;

use super::controllers::Place;
use crate::tables::directory::Directory;
use crate::tables::lines::Run;
use crate::tables::memory::TableMemory;

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Wait until no packet that began before is under way.
    Grace,
    /// Until when this host answers for a VIP.
    Lease { vip: u16, until: u64 },
    /// Where a VIP is that this host does not hold, and who has to be heard for that.
    Elsewhere { vip: u16, elsewhere: Option<Elsewhere>, speaker: u64 },
    /// The MAC of another controller into a place, or 0 to clear it.
    Controller { place: Place, mac48: u64 },
    /// Who an absent backend is. Nothing leads to it but flows of its predecessor, whose generation it does not have.
    Record { backend: u16, identity: Identity, address: Address },
    /// The counters of a backend that no packet is sent to start at zero; what they say is kept for its service.
    RetireBackend { backend: u16, service: Option<u16> },
    /// The counters of a service that no packet belongs to start at zero.
    ClearService(u16),
    /// Where and whether a backend is sent packets, and whether that is because its operator has drained it.
    Hop { backend: u16, hop: Hop, drained: bool },
    /// A Maglev table into lines that no packet reads: whose slots, and the index of each owner.
    Deal { run: Run, slots: Arc<[u16]>, owners: Arc<[u16]> },
    /// The Maglev table of a service.
    Table { service: u16, table: Table },
    /// The backend of a service that runs on this host.
    Local { service: u16, local: Local },
    /// Whether clients of a service keep their backend.
    Affinity { service: u16, affinity: Option<Affinity> },
    /// A new generation of the directory. Packets may be reading the old one until the next [`Step::Grace`].
    Directory(Box<Directory>),
}

impl Step {
    /// The backend whose flows it cuts, if they are not.
    pub(super) fn cuts(&self, memory: &TableMemory) -> Option<u16> {
        let Self::Hop { backend, hop, .. } = self else { return None };
        let before = Hop::from_word(memory.backends.get(usize::from(*backend))?.hop.get()).state();
        (hop.state().cuts_flows() && before.keeps_flows()).then_some(*backend)
    }

    /// Carries it out; waiting is the caller's.
    pub(super) fn write(&self, memory: &mut TableMemory) {
        // What earlier steps wrote is seen by whoever sees this one: a packet comes to a record through the word that
        // names it, so the order of its loads is that of the addresses.
        fence(Ordering::Release);
        match self {
            Self::Grace => {}
            Self::Lease { vip, until } => record(memory.vips.get(usize::from(*vip))).lease.set(*until),
            Self::Elsewhere { vip, elsewhere, speaker } => {
                // What one host says is never taken for a word on the way to another.
                let record = record(memory.vips.get(usize::from(*vip)));
                record.speaker.set(vip::NOBODY);
                fence(Ordering::Release);
                record.elsewhere.set(Elsewhere::pack(*elsewhere));
                fence(Ordering::Release);
                record.speaker.set(*speaker);
            }
            Self::Controller { place: (line, place), mac48 } => {
                record(memory.controllers.get(*line as usize)).0[*place].set(*mac48);
            }
            Self::Record { backend, identity, address } => {
                let record = Backend { address: *address, ..Backend::default() };
                record.identity.set(identity.pack());
                memory.backends.write(usize::from(*backend), record);
            }
            Self::RetireBackend { backend, service } => memory.retire_backend(*backend, *service),
            Self::ClearService(service) => {
                let all = memory.service_counters.column(usize::from(*service), memory.services.len());
                all.for_each(|c| clear([&c.packets, &c.bytes, &c.chosen, &c.evicted, &c.crowded, &c.limited]));
            }
            Self::Hop { backend, hop, drained } => {
                let record = record(memory.backends.get(usize::from(*backend)));
                record.drained.set(u64::from(*drained));
                fence(Ordering::Release);
                record.hop.set(hop.word());
            }
            Self::Deal { run, slots, owners } => {
                for (line, slots) in (run.start as usize..).zip(slots.chunks(Line::LEN as usize)) {
                    memory.maglev.write(line, deal(slots, owners));
                }
            }
            Self::Table { service, table } => {
                record(memory.services.get(usize::from(*service))).table.set(table.pack());
            }
            Self::Local { service, local } => {
                record(memory.services.get(usize::from(*service))).local.set(local.pack());
            }
            Self::Affinity { service, affinity } => {
                record(memory.services.get(usize::from(*service))).affinity.set(Affinity::pack(*affinity));
            }
            Self::Directory(directory) => swap(memory, directory),
        }
    }
}

/// A line of a Maglev table: the index of each slot's owner.
pub(super) fn deal(slots: &[u16], owners: &[u16]) -> Line {
    let mut line = Line([0; Line::LEN as usize]);
    for (cell, slot) in line.0.iter_mut().zip(slots) {
        *cell = owners[usize::from(*slot)];
    }
    line
}

fn swap(memory: &mut TableMemory, directory: &Directory) {
    let next = memory.control_record().generation.get() & 1 ^ 1;
    let first = next as usize * directory.slots.len();
    for (i, slot) in directory.slots.iter().enumerate() {
        memory.directory.write(first + i, *slot);
    }
    let first = next as usize * directory.pilots.len();
    for (i, line) in directory.pilots.iter().enumerate() {
        memory.pilots.write(first + i, *line);
    }
    fence(Ordering::Release);
    memory.control_record().generation.set(next);
}

fn clear<const N: usize>(counters: [&Word; N]) {
    counters.iter().for_each(|counter| counter.set(0));
}

/// A record whose index was given out within the bounds of its table.
fn record<T>(record: Option<&T>) -> &T {
    record.expect("indexes are given out within the bounds of their table")
}
