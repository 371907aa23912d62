//! What an operator is shown: snapshots of the controller, ready for JSON. The API serves them, the CLI prints them.
//!
//! - [`services`], [`backends`] and their [`agents`].
//! - [`checks`]: of health checks as a whole, and of those that somebody asked for.
//! - [`vips`]: of elections. [`hooks`]: of what is run for them.

pub mod agents;
pub mod backends;
pub mod checks;
pub mod hooks;
pub mod services;
pub mod vips;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::election::Role;

pub use agents::AgentView;
pub use backends::{BackendState, BackendView};
pub use checks::{CheckStepView, CheckView, CheckedView, ChecksView, LATE_MS, LateView};
pub use services::{BelowView, ServiceView, WriterView};

/// `pivot status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// This host's name in the configuration.
    pub host: String,
    /// Version of pivotd.
    pub version: String,
    /// Process id of pivotd.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Path of the configuration that runs.
    pub config: String,
    /// `true` if the maps and links of an earlier pivotd were adopted at start.
    pub adopted: bool,
    /// Interfaces with programs attached.
    pub interfaces: Vec<InterfaceView>,
    /// VIPs.
    pub vips: Vec<VipView>,
    /// Services, each with its backends.
    pub services: Vec<ServiceView>,
    /// The flow table of each address family; none in the first moments.
    pub flow_tables: Vec<FlowTableView>,
    /// Flow synchronisation with the other controllers, if the configuration has a [cluster].
    pub sync: Option<SyncView>,
    /// Health checks that this host makes.
    pub checks: ChecksView,
    /// pivotd's log.
    pub log: LogView,
    /// Packets by verdict of the packet path, most frequent first; zero counts left out.
    pub verdicts: Vec<VerdictView>,
}

/// pivotd's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogView {
    /// Lines that were lost since pivotd began, as nobody read its standard error in time.
    pub lines_lost: u64,
    /// Whether that was within the last minute.
    pub lately: bool,
}

/// Flow synchronisation with the other controllers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncView {
    /// The other controllers.
    pub peers: Vec<SyncPeerView>,
    /// Messages sent, to all of them.
    pub sent: u64,
    /// Messages that could not be sent.
    pub unsent: u64,
    /// Messages received.
    pub received: u64,
    /// Messages ignored: of strangers, changed, repeated.
    pub ignored: u64,
    /// Rounds through the flow table that were finished, of those that this host began as a holder.
    pub rounds: u64,
    /// Flows told of, each time that it was.
    pub flows_told: u64,
    /// Flows heard of.
    pub flows_heard: u64,
    /// Of these, put into the flow table.
    pub flows_stored: u64,
    /// Not put there, as it was full.
    pub flows_crowded: u64,
    /// Not put there, as this host's configuration has no such service or backend.
    pub flows_strange: u64,
}

/// Another controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPeerView {
    /// Its name.
    pub host: String,
    /// Where it speaks from.
    pub address: IpAddr,
    /// How long ago it was heard; none: not since this pivotd or that one began.
    pub heard_ms: Option<u64>,
    /// Whether that is recent.
    pub there: bool,
}

/// How full the flow table of one address family is. Clients with affinity and packets in fragments take a place each, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowTableView {
    /// `IPv4` or `IPv6`.
    pub family: String,
    /// Flows that it can hold.
    pub room: u64,
    /// Flows seen once.
    pub new: u64,
    /// Flows seen again.
    pub established: u64,
    /// Flows that their client has ended.
    pub ending: u64,
    /// How much of it is in use, 0.0..=100.0.
    pub percent: f64,
}

impl FlowTableView {
    /// Full enough to do something about it, in percent.
    const FULL: f64 = 80.0;
    /// The largest `tables.flows` there can be.
    const MOST: u64 = 1 << 26;

    /// What there is to warn of, and what to do.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        if self.percent <= Self::FULL {
            return None;
        }
        let Self { family, room, percent, .. } = self;
        let way_out = match room * 2 {
            more if more <= Self::MOST => format!("set tables.flows to {more} and restart pivotd"),
            _ => "shorten the idle timeouts of the services".to_owned(),
        };
        Some(format!("the {family} flow table is {percent:.1} % full: {way_out}"))
    }
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceView {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Its MAC.
    pub mac: String,
    /// `native` or `generic` XDP.
    pub xdp: String,
}

/// One VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipView {
    /// Name.
    pub name: String,
    /// Address.
    pub address: IpAddr,
    /// Interface.
    pub interface: String,
    /// Host that holds it, if it is known.
    pub holder: Option<String>,
    /// Whether that is this host.
    pub held: bool,
    /// Group whose hosts elect it; `None`: the configuration names it.
    pub group: Option<String>,
    /// What this host is for that group.
    pub role: Option<Role>,
    /// Why.
    pub why: Option<String>,
    /// Whether this host's operator holds it back: it does not become the holder.
    pub held_back: bool,
}

/// One verdict's count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictView {
    /// Name of the verdict.
    pub verdict: String,
    /// Packets.
    pub packets: u64,
}

/// One flow of the flow table (`pivot flows`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowView {
    /// Name of the service.
    pub service: String,
    /// Client's address.
    pub client: IpAddr,
    /// Client's port.
    pub client_port: u16,
    /// `service/backend`.
    pub backend: String,
    /// State of that backend.
    pub state: BackendState,
    /// `new`: seen once; `established`; `closing`: the client sent a FIN; `reset`: it sent a RST.
    pub stage: String,
    /// Seconds until it is forgotten, unless another packet comes.
    pub expires_s: u64,
}

/// What would become of a packet (`pivot explain`). Nothing was changed to find out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainView {
    /// The packet: `tcp syn 10.0.0.7:40000 -> 10.0.0.100:80`.
    pub packet: String,
    /// `true` if it says what a host would do that holds the VIP.
    pub as_holder: bool,
    /// Name of the service that it belongs to.
    pub service: Option<String>,
    /// `service/backend` that it would go to.
    pub backend: Option<String>,
    /// Name of the verdict, as in `pivot status`.
    pub verdict: String,
    /// `pass`, `drop`, `transmit`, `redirect` or `abort`.
    pub action: String,
    /// The frame that would leave, if one would.
    pub leaves: Option<LeavesView>,
    /// What each stage of the packet path found, in their order.
    pub stages: Vec<ExplainStage>,
}

/// One stage of the packet path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainStage {
    /// `interface`, `packet`, `service`, `vip`, `flow`, `affinity`, `select`, `backend`, `agent` or `verdict`.
    pub stage: String,
    /// What it found, for people.
    pub says: String,
}

/// A frame that would leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavesView {
    /// Interface that it leaves by.
    pub interface: String,
    /// MAC that it is from.
    pub source: String,
    /// MAC that it is for.
    pub destination: String,
    /// Its length.
    pub bytes: u64,
}

/// One map (`pivot maps`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapView {
    /// Name.
    pub name: String,
    /// Kernel's name for its type.
    pub kind: String,
    /// Bytes per key.
    pub key_size: u32,
    /// Bytes per value.
    pub value_size: u32,
    /// Entries it can hold.
    pub max_entries: u32,
    /// What it is for, in a few words.
    pub purpose: String,
}

/// One entry of a map, decoded (`pivot maps dump NAME`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapEntry {
    /// The key, as people write it.
    pub key: String,
    /// The value, field by field.
    pub value: serde_json::Value,
}

/// What a reload changed (`pivot reload`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// One line per change: `+ service glance`, `- backend keystone/c3`, `~ backend ... weight 100 -> 50`. Empty: no change.
    pub changes: Vec<String>,
}

/// A transition of a backend's state (`pivot events`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Counted from 1 since pivotd began.
    pub number: u64,
    /// When it was, in milliseconds since the beginning of 1970, by this host's clock as it goes now.
    pub date_ms: u64,
    /// How long ago that is, in milliseconds.
    pub ago_ms: u64,
    /// `service/backend`.
    pub backend: String,
    /// Name of the service.
    pub service: String,
    /// What it was.
    pub from: BackendState,
    /// What it is since then.
    pub to: BackendState,
    /// Why.
    pub reason: String,
}

/// What an order about backends did (`pivot drain`, `undrain`, `maintenance`, `ready`, `weight`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderView {
    /// Every backend that was meant, at least one.
    pub backends: Vec<OrderedView>,
}

/// What an order to switch a writer did (`pivot switch`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchView {
    /// Name of the service.
    pub service: String,
    /// Its writer.
    pub writer: WriterView,
    /// `false` if it was that already.
    pub changed: bool,
}

/// One backend that such an order named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderedView {
    /// `service/backend`.
    pub id: String,
    /// Its state from now on; a backend that is down stays down, and comes up drained.
    pub state: BackendState,
    /// Configured weight.
    pub weight: u16,
    /// Weight that it has now, if that is another one.
    pub weight_now: Option<u16>,
    /// What stands of its agent's words beside, if anything.
    pub agent: Option<String>,
    /// `false` if it was as ordered already.
    pub changed: bool,
}
