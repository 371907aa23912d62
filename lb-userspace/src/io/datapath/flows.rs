//! The flow table, decoded for people.

use std::net::{IpAddr, SocketAddr};

use lb_common::wire::address::Address;
use lb_common::wire::backend::{Hop, Identity, State};
use lb_common::wire::flow::{Entry, Kind, Owner, Stage, unpack4, unpack6};

use super::Datapath;
use crate::core::view::{BackendState, FlowView};
use crate::tables::memory::TableMemory;
use crate::tables::occupancy::entries;
use crate::tables::writer::Names;

/// An entry of the table with its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    source: Address,
    l4: u32,
    owner: Owner,
    pub(super) entry: Entry,
}

/// Entries of the IPv4 table.
pub(super) fn v4(memory: &TableMemory) -> impl Iterator<Item = Flow> + '_ {
    entries(&memory.flows.v4).map(|(key, entry)| Flow::new(unpack4(key), entry))
}

/// Entries of the IPv6 table.
pub(super) fn v6(memory: &TableMemory) -> impl Iterator<Item = Flow> + '_ {
    entries(&memory.flows.v6).map(|(key, entry)| Flow::new(unpack6(key), entry))
}

impl Flow {
    fn new((source, l4, owner): (Address, u32, Owner), entry: Entry) -> Self {
        Self { source, l4, owner, entry }
    }

    fn client(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::from(self.source), u16::from_be(self.l4 as u16))
    }

    /// What it is, in words.
    pub(super) fn name(&self, names: &Names) -> String {
        let named = |name: Option<&String>, index| name.cloned().unwrap_or_else(|| format!("#{index} (removed)"));
        match self.owner.kind() {
            Kind::Flow { service } => {
                format!("{} -> {}", self.client(), named(names.services.get(&service), service))
            }
            Kind::Client { service } => {
                format!("client {} of {}", IpAddr::from(self.source), named(names.services.get(&service), service))
            }
            Kind::Fragments { vip } => {
                format!(
                    "fragments {} -> {}, id {}",
                    IpAddr::from(self.source),
                    named(names.vips.get(&vip), vip),
                    self.l4
                )
            }
        }
    }
}

/// At most `limit` flows, of one service if named.
#[must_use]
pub fn flows(datapath: &Datapath, limit: usize, service: Option<&str>) -> Vec<FlowView> {
    let (memory, names) = (datapath.writer().memory(), datapath.writer().names());
    let clock = datapath.writer().clock();
    let now = clock.now();
    let live = |flow: &Flow| flow.entry.tag().until().left(now) > 0;
    v4(memory)
        .chain(v6(memory))
        .filter(live)
        .filter_map(|flow| view(memory, names, &flow, clock.time(flow.entry.tag().until().left(now)).as_secs()))
        .filter(|flow| service.is_none_or(|service| flow.service == service))
        .take(limit)
        .collect()
}

/// A flow whose service and backend still exist.
fn view(memory: &TableMemory, names: &Names, flow: &Flow, expires_s: u64) -> Option<FlowView> {
    let Kind::Flow { service } = flow.owner.kind() else { return None };
    let record = memory.backends.get(usize::from(flow.entry.backend()))?;
    if Identity::unpack(record.identity.get()).generation != flow.entry.generation() {
        return None;
    }
    let state = match Hop::from_word(record.hop.get()).state() {
        State::Absent => return None,
        State::Up => BackendState::Up,
        State::Drain | State::Leaving => BackendState::Drain,
        State::Down | State::Kept => BackendState::Down,
    };
    Some(FlowView {
        service: names.services.get(&service)?.clone(),
        client: flow.client().ip(),
        client_port: flow.client().port(),
        backend: backend_name(names, flow.entry.backend()),
        state,
        stage: stage_name(flow.entry.tag().stage()).to_owned(),
        expires_s,
    })
}

/// A backend by its index.
pub(super) fn backend_name(names: &Names, index: u16) -> String {
    names.backends.get(&index).map_or_else(|| format!("#{index} (removed)"), ToString::to_string)
}

/// A stage for people.
pub(super) fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::New => "new",
        Stage::Established => "established",
        Stage::Closing => "closing",
        Stage::Reset => "reset",
    }
}
