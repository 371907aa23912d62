//! What an operator is shown: snapshots of the controller, ready for JSON. The API serves them, the CLI prints them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::config::model::{Mode, Protocol};

/// State of a backend as the operator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendState {
    /// Takes new flows.
    Up,
    /// Healthy, keeps its flows, takes no new ones.
    Drain,
    /// Failed its checks: its flows are reset.
    Down,
}

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
    /// Packets by verdict of the packet path, most frequent first; zero counts left out.
    pub verdicts: Vec<VerdictView>,
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
    /// Host that holds it.
    pub holder: String,
    /// Whether that is this host.
    pub held: bool,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Name.
    pub name: String,
    /// Name of its VIP.
    pub vip: String,
    /// Address of its VIP.
    pub address: IpAddr,
    /// Port on the VIP.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Mode.
    pub mode: Mode,
    /// Backends in the order of the configuration.
    pub backends: Vec<BackendView>,
    /// Packets of this service balanced by this host.
    pub packets: u64,
    /// Their bytes, Ethernet header included.
    pub bytes: u64,
    /// Flows chosen a backend for (not found in the flow tables).
    pub new_flows: u64,
}

/// One backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackendView {
    /// `service/backend`.
    pub id: String,
    /// Name within the service.
    pub name: String,
    /// Name of the service.
    pub service: String,
    /// Host it runs on.
    pub host: String,
    /// Address it is bound to.
    pub address: IpAddr,
    /// Port it is bound to.
    pub port: u16,
    /// Configured weight.
    pub weight: u16,
    /// State.
    pub state: BackendState,
    /// Health counter: 0 ..= rise+fall-1.
    pub health: u32,
    /// Top of the health counter.
    pub health_top: u32,
    /// What the last check said ("ok in 0.3 ms", "connection refused", "not checked yet").
    pub last_check: String,
    /// Seconds since the state last changed.
    pub since_s: u64,
    /// MAC it is reached at; `None` if not resolved, or if it is this host.
    pub mac: Option<String>,
    /// Whether it runs on this host.
    pub local: bool,
    /// Share of the service's new flows, 0.0..=1.0.
    pub share: f64,
    /// Packets sent to it by this host.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One verdict's count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictView {
    /// Name of the verdict.
    pub verdict: String,
    /// Packets.
    pub packets: u64,
}

/// One flow of the shared table (`pivot flows`).
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

/// What an order to drain, or to undo it, did (`pivot drain`, `pivot undrain`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainView {
    /// Every backend that was meant, at least one.
    pub backends: Vec<DrainedView>,
}

/// One backend that such an order named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainedView {
    /// `service/backend`.
    pub id: String,
    /// Its state from now on; a backend that is down stays down, and comes up drained.
    pub state: BackendState,
    /// `false` if it was as ordered already.
    pub changed: bool,
}
