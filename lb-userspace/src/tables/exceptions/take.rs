//! What another host tells of a flow, into the flow table.

use lb_common::path::family::{Family, V4, V6};
use lb_common::path::flow::{Kept, Place, given, hash_of};
use lb_common::path::tables::Tables as _;
use lb_common::wire::address::Address;
use lb_common::wire::directory::Key;
use lb_common::wire::flow::{Entry, Owner, Stage};

use crate::core::sync::record::{Record, Subject};
use crate::tables::clock::Clock;
use crate::tables::memory::TableMemory;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is in the table.
    Stored,
    /// This host forwards the flow itself, and knows better.
    Known,
    /// There is no room for it: the flow table is full of established flows.
    Crowded,
}

/// Takes a record in, whose service and backend have these indexes here. `held`: this host holds the VIP.
#[must_use]
pub fn take(
    memory: &TableMemory,
    clock: Clock,
    record: &Record,
    (service, backend): (u16, u16),
    held: bool,
) -> Option<Taken> {
    match record.service.0.is_ipv4() {
        true => take_in::<V4>(memory, clock, record, (service, backend), held),
        false => take_in::<V6>(memory, clock, record, (service, backend), held),
    }
}

fn take_in<F: Family>(
    memory: &TableMemory,
    clock: Clock,
    record: &Record,
    (service, backend): (u16, u16),
    held: bool,
) -> Option<Taken> {
    let (vip, port, protocol) = record.service;
    let destination = Key::new(Address::from(vip), port.to_be(), protocol.number()).hash();
    let source = Address::from(record.subject.address());
    let (owner, port) = match record.subject {
        Subject::Flow(source) => (Owner::flow(service), source.port().to_be()),
        Subject::Client(_) => (Owner::client(service), 0),
    };
    let control = memory.control_record();
    let (key, hash) = (F::key(source, u32::from(port), owner), hash_of(destination, source, port));
    let place = Place::<F>::of(memory, control, key, hash).ok()?;
    let now = clock.now();
    let cell = place.find(memory, control).ok()?;
    if held && cell.is_some_and(|cell| place.entry(cell, now).is_some()) {
        return Some(Taken::Known);
    }
    let stage = if record.closing { Stage::Closing } else { Stage::Established };
    let given = given(memory.backend(backend)?, backend);
    let entry = Entry::new(backend, given.generation, place.tag(stage, now.after(clock.ticks(record.left))));
    Some(match place.keep(memory, control, cell, entry, now).ok()? {
        Kept::Stored | Kept::Evicting => Taken::Stored,
        Kept::Crowded => Taken::Crowded,
    })
}
