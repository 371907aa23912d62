//! The checked configuration: what every other part of pivot may rely on.
//!
//! The same file lies on every controller, so nothing here depends on which host reads it.
//! Invariants (established by the checker, relied on everywhere): names are unique; every reference resolves;
//! (VIP, port, protocol) is unique; ports are 1..=65535; all addresses of one service are of one family; a group has VIPs.

mod agent;
mod balance;
mod check;

use std::net::IpAddr;
use std::time::Duration;

use crate::core::sync::message::Key;
use crate::core::vrrp::advert::{Password, Version};

pub use agent::Agent;
pub use balance::Balance;
pub use check::{
    Check, CheckKind, CheckPassword, HttpCheck, MysqlCheck, MysqlLogin, ReadOnly, Secret, Tls, UdpAnswer, UdpCheck,
};

/// A whole, checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Every controller, in the order of the file.
    pub hosts: Vec<Host>,
    /// Every group of virtual IPs that move together.
    pub groups: Vec<Group>,
    /// Every virtual IP.
    pub vips: Vec<Vip>,
    /// Every balanced service.
    pub services: Vec<Service>,
    /// How the controllers speak with each other, if they do.
    pub cluster: Option<Cluster>,
    /// How large the kernel tables are.
    pub tables: TableSizes,
}

/// What the controllers speak with each other by, beside the election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// What they sign their messages by.
    pub key: Key,
    /// The UDP port of every one of them.
    pub port: u16,
    /// How often each says that it is there: 20 ms to 10 s; zero: nobody is missed.
    pub heartbeat: Duration,
}

impl Config {
    /// Where a host speaks with others from, beside the election: at its address of a family that all hosts have, IPv4 if there is a
    /// choice.
    #[must_use]
    pub fn speaks_from(&self, host: &Host) -> Option<IpAddr> {
        let of = |host: &Host, v4: bool| host.addresses.iter().copied().find(|address| address.is_ipv4() == v4);
        let v4 = [true, false].into_iter().find(|v4| self.hosts.iter().all(|host| of(host, *v4).is_some()))?;
        of(host, v4)
    }

    /// The VIPs of a group, in the order of the file.
    pub fn vips_of<'c>(&'c self, group: &'c Group) -> impl Iterator<Item = &'c Vip> {
        self.vips.iter().filter(|vip| matches!(&vip.holder, Holder::Group(name) if *name == group.name))
    }
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
    /// What the address is labelled with there; of IPv4 alone.
    pub label: Option<String>,
    /// Who holds it.
    pub holder: Holder,
}

/// Who holds a VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// This host, always.
    Host(String),
    /// The host that the group of this name elects.
    Group(String),
}

/// VIPs that are held by one host at a time, which the hosts elect by VRRP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Unique name.
    pub name: String,
    /// Number of the virtual router: 1..=255, unique on its interface for its family.
    pub id: u8,
    /// The interface by which the hosts speak with each other, on every host.
    pub interface: String,
    /// Version of the protocol.
    pub version: Version,
    /// Time between the messages of the holder: 10 ms to 40.95 s in hundredths of a second; version 2: 1 to 255 whole
    /// seconds.
    pub advert: Duration,
    /// How long the holder serves after a message: more than one interval, less than three.
    pub lease: Duration,
    /// Priority of each host, in the order of the hosts: 1..=255.
    pub priorities: Vec<u8>,
    /// Whether a better host takes over from a worse one that holds the VIPs.
    pub preempt: bool,
    /// For how long it does not.
    pub preempt_delay: Duration,
    /// Whether hosts are told one by one, at their node addresses, and not all at once.
    pub unicast: bool,
    /// Whether messages are sealed by the cluster's key: between pivots alone.
    pub signed: bool,
    /// Version 2: the password in every message.
    pub password: Option<Password>,
    /// Version 3 over IPv4: whether checksums cover the pseudo-header, as those of keepalived do.
    pub pseudo_header: bool,
    /// When VIPs are announced again after they were taken.
    pub announce_again: Duration,
    /// How often they are announced from then on; zero: never.
    pub announce_every: Duration,
    /// How long the segment is asked whether another machine has the VIPs, before a host takes those that nobody was heard to
    /// hold; zero: not at all.
    pub duplicate_check: Duration,
    /// What else a host needs to hold them, and what becomes of it without.
    pub track: Vec<Track>,
    /// What a host runs when it becomes something else for the group.
    pub hooks: Hooks,
}

/// Something that a host needs to hold a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// What is looked at.
    pub what: Tracked,
    /// Added to the host's priority: a negative one while it fails, a positive one while it does not; -253..=253, not 0.
    /// `None`: while it fails, the host is not fit at all.
    pub weight: Option<i16>,
}

impl Track {
    /// The interface that is tracked, if it is one.
    pub fn interface(&self) -> Option<&str> {
        match &self.what {
            Tracked::Interface(name) => Some(name),
            Tracked::Service { .. } | Tracked::Command(_) => None,
        }
    }

    /// The command that is tracked, if it is one.
    pub fn command(&self) -> Option<&CommandCheck> {
        match &self.what {
            Tracked::Command(check) => Some(check),
            Tracked::Interface(_) | Tracked::Service { .. } => None,
        }
    }
}

/// What is looked at to judge a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tracked {
    /// The carrier of an interface of this name, on every host.
    Interface(String),
    /// How many backends of a service are healthy, as this host's checks see them.
    Service {
        /// Name of the service.
        name: String,
        /// Fewer of them, and it fails: 1 to as many as there are.
        min_healthy: u32,
    },
    /// What a command answers.
    Command(CommandCheck),
}

/// A command that is run again and again: it passes if it ends with exit code 0 in time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandCheck {
    /// The program, by its whole path, and its arguments.
    pub argv: Vec<String>,
    /// Pause between its end and the next run.
    pub interval: Duration,
    /// Longest it may take.
    pub timeout: Duration,
    /// Passes in a row that end a failure.
    pub rise: u32,
    /// Failures in a row that make one.
    pub fall: u32,
}

/// What a host runs when it becomes something else for a group, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// When it begins to hold it.
    pub on_holder: Vec<Hook>,
    /// When it is ready to.
    pub on_backup: Vec<Hook>,
    /// When it is not fit to.
    pub on_fault: Vec<Hook>,
}

/// Something to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// What.
    pub deed: Deed,
    /// Longest it may take.
    pub timeout: Duration,
}

/// What a hook does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Run a program, by its whole path, with these arguments.
    Command(Vec<String>),
    /// Start a unit of systemd.
    Start(String),
    /// Stop one.
    Stop(String),
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
    /// How its flows are spread over its backends.
    pub balance: Balance,
    /// How long the backend of a flow is remembered after its last packet: 1 s to 6 days.
    pub idle_timeout: Duration,
    /// Whether clients keep their backend over flows, and for how long.
    pub affinity: Option<Affinity>,
    /// Its backends, in the order of the file; at least one.
    pub backends: Vec<Backend>,
    /// How they are checked.
    pub check: Check,
    /// What is asked beside each of them what is to become of it, if anything is.
    pub agent: Option<Agent>,
    /// What becomes of the flows of a backend that goes down.
    pub on_down: OnDown,
    /// Over which time a backend that comes up comes to its whole share: to 1 h; zero: at once.
    pub slow_start: Duration,
    /// With fewer healthy backends the service is below its minimum: 1 to as many as there are.
    pub min_healthy: u32,
    /// What becomes of new flows then.
    pub below_min: BelowMin,
}

/// What becomes of new flows of a service that has too few healthy backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BelowMin {
    /// They are refused.
    #[default]
    Reset,
    /// Those backends get them that got them last, healthy or not.
    Keep,
}

impl BelowMin {
    /// As the file calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Keep => "keep",
        }
    }
}

/// What becomes of the flows of a backend that goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDown {
    /// Their clients are told: a connection is reset.
    #[default]
    Reset,
    /// They go on to the backend.
    Keep,
}

impl OnDown {
    /// As it is written in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Keep => "keep",
        }
    }
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
