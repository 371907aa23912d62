//! Everything that a side has counted and remembered, by name, so that two sides can be compared.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use lb_common::path::verdict::Verdict;
use lb_common::wire::backend::{Hop, Identity, State};
use lb_common::wire::flow::Entry;
use lb_userspace::tables::writer::Writer;

/// More flows than any case has.
const ALL: usize = 10_000;

/// A flow: its service and its client.
pub(crate) type FlowName = (String, SocketAddr);

/// Counters and flows. What is zero is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Observed {
    /// Packets by verdict.
    pub(crate) verdicts: BTreeMap<&'static str, u64>,
    /// Packets, bytes, chosen, recalled by service.
    pub(crate) services: BTreeMap<String, [u64; 4]>,
    /// Packets, bytes, flows, steered by service and where the backend is bound.
    pub(crate) backends: BTreeMap<(String, SocketAddr), [u64; 4]>,
    /// By service and client, where the backend is bound that the flow was given; `None`: it is no more.
    pub(crate) flows: BTreeMap<FlowName, Option<SocketAddr>>,
}

impl Observed {
    /// What a side's tables say.
    pub(crate) fn of(writer: &Writer) -> Self {
        let memory = writer.memory();
        let verdicts = Verdict::ALL.iter().map(|verdict| (verdict.name(), memory.verdict_packets(*verdict)));
        let services = indexes(memory.services.len()).map(|i| (service_name(writer, i), memory.service_totals(i)));
        let backends =
            indexes(memory.backends.len()).filter_map(|i| Some((backend(writer, i)?, memory.backend_totals(i))));
        let flow = |(key, entry): (lb_common::wire::flow::FlowKey, Entry)| {
            let client = SocketAddr::new(IpAddr::from(key.source), u16::from_be(key.port()));
            ((service_name(writer, key.service()), client), given(writer, entry))
        };
        Self {
            verdicts: verdicts.filter(|(_, packets)| *packets > 0).collect(),
            services: services.filter(|(_, counters)| *counters != [0; 4]).collect(),
            backends: backends.filter(|(_, counters)| *counters != [0; 4]).collect(),
            flows: memory.flows.list(ALL).into_iter().map(flow).collect(),
        }
    }
}

fn indexes(len: usize) -> impl Iterator<Item = u16> {
    0..len as u16
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

/// The backend that an entry means, if it is still the one that has its index.
fn given(writer: &Writer, entry: Entry) -> Option<SocketAddr> {
    let record = writer.memory().backends.get(usize::from(entry.backend))?;
    let same = Identity::unpack(record.identity.get()).generation == entry.generation;
    backend(writer, entry.backend).filter(|_| same).map(|(_, bound)| bound)
}
