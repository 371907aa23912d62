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
    /// Its node addresses, to which services are bound: one, or one of each family, in the order of the file.
    pub addresses: Vec<IpAddr>,
}

impl Host {
    /// The node address of the family of this VIP: where the host's backends of the VIP's services are.
    pub fn address_for(&self, vip: IpAddr) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| address.is_ipv4() == vip.is_ipv4())
    }
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
    /// UDP, IP protocol 17. Ports are not translated: the service itself binds the VIP or a wildcard address.
    Udp,
}

impl Protocol {
    /// As the file calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// Its number in an IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
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
    /// How long the backend of a flow is remembered after its last packet: 1 s to 6 days.
    pub idle_timeout: Duration,
    /// Whether clients keep their backend over flows, and for how long.
    pub affinity: Option<Affinity>,
    /// Its backends, in the order of the file; at least one.
    pub backends: Vec<Backend>,
    /// How they are checked.
    pub check: Check,
}

/// New flows of a client, or of clients whose addresses begin alike, go to the backend of the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affinity {
    /// How long that is remembered after the client's last packet: 1 s to 6 days.
    pub timeout: Duration,
    /// Leading bits of an IPv4 address that tell clients apart: 1..=32.
    pub prefix4: u8,
    /// Leading bits of an IPv6 address that tell clients apart: 1..=128.
    pub prefix6: u8,
}

/// One backend of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Unique within the service; the host's name unless given. Users name it `service/backend`.
    pub name: String,
    /// Name of the host it runs on.
    pub host: String,
    /// The address the service is bound to there: the host's node address of the VIP's family unless given.
    pub address: IpAddr,
    /// The port it is bound to: the service's unless given, and always if that is UDP.
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
    /// Flows in the flow table of each address family; a power of two.
    pub flows: u32,
    /// New flows per second that each CPU puts into the flow table, 0 for no limit. Above it, flows are forwarded by the
    /// selection table alone.
    pub new_flows: u32,
    /// Slots of each service's Maglev table: a prime, at least 100 per backend, at most 65537.
    pub maglev: u32,
}

impl Default for TableSizes {
    fn default() -> Self {
        Self { services: 256, backends: 1024, flows: 1_048_576, new_flows: 100_000, maglev: 65_537 }
    }
}
