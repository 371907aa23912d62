//! The checked configuration: what every other part of pivot may rely on.
//!
//! The same file lies on every controller, so nothing here depends on which host reads it.
//! Invariants (established by the checker, relied on everywhere): names are unique; every reference resolves;
//! (VIP, port, protocol) is unique; ports are 1..=65535; all addresses of one service are of one family.

use std::net::IpAddr;
use std::time::Duration;

/// A whole, checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Every controller, in the order of the file.
    pub hosts: Vec<Host>,
    /// Every virtual IP.
    pub vips: Vec<Vip>,
    /// Every balanced service.
    pub services: Vec<Service>,
    /// How large the kernel tables are.
    pub tables: TableSizes,
}

/// A controller: a host that runs pivotd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name; by default the one that `uname -n` prints there.
    pub name: String,
    /// Its node address, to which services are bound.
    pub address: IpAddr,
}

/// A virtual IP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vip {
    /// Its name in this file.
    pub name: String,
    /// The address that clients connect to.
    pub address: IpAddr,
    /// Prefix length with which the address is added to the interface; /32 or /128 unless given.
    pub prefix: u8,
    /// The interface that carries it, on every host.
    pub interface: String,
    /// The host that holds it (static; an election comes later).
    pub holder: String,
}

/// Transport protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP, IP protocol 6.
    Tcp,
}

impl Protocol {
    /// As the file calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
        }
    }
}

/// How packets reach a backend (DESIGN section 2). A backend on the director itself is always served locally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Rewrite of the destination MAC; the backend's host runs pivotd on the same segment.
    L2,
}

impl Mode {
    /// As the file calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
        }
    }
}

/// A balanced service: one VIP, port and protocol, and its backends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Unique name.
    pub name: String,
    /// Name of its VIP.
    pub vip: String,
    /// Port on the VIP.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// How its packets are forwarded.
    pub mode: Mode,
    /// Its backends, in the order of the file; at least one.
    pub backends: Vec<Backend>,
    /// How they are checked.
    pub check: Check,
}

/// One backend of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Unique within the service; the host's name unless given. Users name it `service/backend`.
    pub name: String,
    /// Name of the host it runs on.
    pub host: String,
    /// The address the service is bound to there: the host's node address unless given.
    pub address: IpAddr,
    /// The port it is bound to: the service's unless given.
    pub port: u16,
    /// Share of new flows, relative to its siblings: 0..=256, 100 unless given. 0 takes no new flows.
    pub weight: u16,
}

/// Health check of every backend of a service, with HAProxy's semantics (REQUIREMENTS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is sent and expected.
    pub kind: CheckKind,
    /// Pause between the end of a check and the next one.
    pub interval: Duration,
    /// The same while a backend's state is in doubt (neither at the top nor at 0).
    pub fast_interval: Duration,
    /// The same while a backend is down.
    pub down_interval: Duration,
    /// Longest a check may take.
    pub timeout: Duration,
    /// Passes in a row that bring a backend up.
    pub rise: u32,
    /// Failures in a row that take it down.
    pub fall: u32,
}

/// The kind of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// A TCP connection is accepted.
    Tcp,
    /// No check: the backend is always taken to be up.
    None,
}

impl CheckKind {
    /// As the file calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::None => "none",
        }
    }
}

/// Sizes of the kernel tables, fixed while the maps are pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSizes {
    /// Most services (a VIP counts as one more).
    pub services: u32,
    /// Most backends, counted per service.
    pub backends: u32,
    /// Flows in each CPU's first-level cache; a power of two.
    pub flow_cache: u32,
    /// Flows in the shared table.
    pub flows: u32,
    /// Slots of each service's Maglev table: a prime, at least 100 per backend, at most 65537.
    pub maglev: u32,
}

impl Default for TableSizes {
    fn default() -> Self {
        Self { services: 256, backends: 1024, flow_cache: 524_288, flows: 1_048_576, maglev: 65_537 }
    }
}
