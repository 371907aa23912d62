//! Everything that a side has counted and remembered, by name, so that two sides can be compared.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use lb_common::path::verdict::Verdict;
use lb_common::wire::address::Address;
use lb_common::wire::backend::{Hop, Identity, State};
use lb_common::wire::flow::{Entry, Kind, Owner, Stage, Ticks, unpack4, unpack6};
use lb_userspace::tables::memory::{ServiceTotals, TableMemory};
use lb_userspace::tables::occupancy::entries;
use lb_userspace::tables::writer::Writer;

/// What an entry of the flow table is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// A flow, by service and client.
    Flow(String, SocketAddr),
    /// A client with affinity, by service and masked address.
    Client(String, IpAddr),
    /// The fragments of a packet: VIP, sender, identification, and whether it is TCP.
    Fragments(String, IpAddr, u32, bool),
}

/// An entry of the flow table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Remembered {
    /// Where the backend is bound; `None`: it is no more.
    pub(crate) backend: Option<SocketAddr>,
    pub(crate) stage: Stage,
    pub(crate) until: Ticks,
}

/// Counters and flows. What is zero is left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Observed {
    /// Packets by verdict.
    pub(crate) verdicts: BTreeMap<&'static str, u64>,
    /// By service.
    pub(crate) services: BTreeMap<String, ServiceTotals>,
    /// Packets, bytes, flows, steered by service and where the backend is bound.
    pub(crate) backends: BTreeMap<(String, SocketAddr), [u64; 4]>,
    /// The flow table.
    pub(crate) flows: BTreeMap<Name, Remembered>,
}

impl Observed {
    /// What a side's tables say.
    pub(crate) fn of(writer: &Writer) -> Self {
        let memory = writer.memory();
        let verdicts = Verdict::ALL.iter().map(|verdict| (verdict.name(), memory.verdict_packets(*verdict)));
        let services = indexes(memory.services.len()).map(|i| (service_name(writer, i), writer.service_totals(i)));
        let backends =
            indexes(memory.backends.len()).filter_map(|i| Some((backend(writer, i)?, backend_totals(memory, i))));
        let v4 = entries(&memory.flows.v4).map(|(key, entry)| (unpack4(key), entry));
        let v6 = entries(&memory.flows.v6).map(|(key, entry)| (unpack6(key), entry));
        let mut flows = BTreeMap::new();
        for (key, entry) in v4.chain(v6) {
            let entry = remembered(writer, entry);
            // A service that had this one's index may have left entries elsewhere under a key that is now of this one.
            flows.entry(name(writer, key)).and_modify(|known| *known = better(*known, entry)).or_insert(entry);
        }
        Self {
            verdicts: verdicts.filter(|(_, packets)| *packets > 0).collect(),
            services: services.filter(|(_, counters)| *counters != ServiceTotals::default()).collect(),
            backends: backends.filter(|(_, counters)| *counters != [0; 4]).collect(),
            flows,
        }
    }
}

/// The one whose backend is still there.
fn better(known: Remembered, entry: Remembered) -> Remembered {
    if known.backend.is_some() { known } else { entry }
}

fn indexes(len: usize) -> impl Iterator<Item = u16> {
    0..len as u16
}

fn name(writer: &Writer, (source, l4, owner): (Address, u32, Owner)) -> Name {
    let source = IpAddr::from(source);
    match owner.kind() {
        Kind::Flow { service } => {
            Name::Flow(service_name(writer, service), SocketAddr::new(source, u16::from_be(l4 as u16)))
        }
        Kind::Client { service } => Name::Client(service_name(writer, service), source),
        Kind::Fragments { vip } => {
            let name = writer.names().vips.get(&vip).cloned().unwrap_or_else(|| format!("no VIP, index {vip}"));
            // As the identification lies in the packet.
            let id = if source.is_ipv4() { u32::from(u16::from_be(l4 as u16)) } else { u32::from_be(l4) };
            Name::Fragments(name, source, id, owner == Owner::fragments(vip, true))
        }
    }
}

fn service_name(writer: &Writer, index: u16) -> String {
    writer.names().services.get(&index).cloned().unwrap_or_else(|| format!("no service, index {index}"))
}

/// The backend that has this index, if any has.
fn backend(writer: &Writer, index: u16) -> Option<(String, SocketAddr)> {
    let record = writer.memory().backends.get(usize::from(index))?;
    if Hop::from_word(record.hop.get()).state() == State::Absent {
        return None;
    }
    let identity = Identity::unpack(record.identity.get());
    let bound = SocketAddr::new(IpAddr::from(record.address), u16::from_be(identity.port));
    Some((service_name(writer, identity.service), bound))
}

/// What an entry says, as long as its backend is still the one that has its index.
fn remembered(writer: &Writer, entry: Entry) -> Remembered {
    let record = writer.memory().backends.get(usize::from(entry.backend()));
    let same = record.is_some_and(|record| Identity::unpack(record.identity.get()).generation == entry.generation());
    let backend = backend(writer, entry.backend()).filter(|_| same).map(|(_, bound)| bound);
    Remembered { backend, stage: entry.tag().stage(), until: entry.tag().until() }
}

/// Packets, bytes, flows and steered connections of a backend.
fn backend_totals(memory: &TableMemory, index: u16) -> [u64; 4] {
    let totals = memory.backend_totals(index);
    [totals.packets(), totals.bytes, totals.flows, totals.steered]
}
