//! What enters the controller: everything that can change a decision.

use std::net::IpAddr;
use std::time::Duration;

use super::agent::words::Heard;
use super::config::Config;
use super::election::{Peer, Role};
use super::writer::Statement;

/// A point in time on the monotonic clock, as an offset from an arbitrary start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Now(pub Duration);

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Where packets for an address are sent on a segment: the way out of this host, and who takes them there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextHop {
    /// Name of the interface that leads there.
    pub interface: String,
    /// The MAC that answers for the address on its segment.
    pub mac: Mac,
}

/// An address that is to be found on a segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addressee {
    /// The address.
    pub address: IpAddr,
    /// The interface on whose segment it is, if it is link-local: on another one it is another host's. Of others the kernel's
    /// routes say so.
    pub interface: Option<String>,
}

impl Addressee {
    /// An address that was heard of, or is looked for, by an interface.
    #[must_use]
    pub fn by(interface: &str, address: IpAddr) -> Self {
        let local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        Self { address, interface: local.then(|| interface.to_owned()) }
    }
}

impl From<IpAddr> for Addressee {
    fn from(address: IpAddr) -> Self {
        Self { address, interface: None }
    }
}

impl std::fmt::Display for Addressee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "{}%{interface}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

/// Names one backend of one service in the running daemon: stable while both exist, never reused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendKey {
    /// Name of the service.
    pub service: String,
    /// Name of the backend within it.
    pub backend: String,
}

impl std::fmt::Display for BackendKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.backend)
    }
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOutcome {
    /// What it found ("HTTP 200"; nothing if there is no more to say than that it passed), or why it failed, in words an operator
    /// knows ("connection refused", "read_only is ON").
    pub verdict: Result<String, String>,
    /// How long that took.
    pub took: Duration,
}

impl ProbeOutcome {
    /// It passed, and found this.
    pub fn passed(found: impl Into<String>, took: Duration) -> Self {
        Self { verdict: Ok(found.into()), took }
    }

    /// It failed, and why.
    pub fn failed(why: impl Into<String>, took: Duration) -> Self {
        Self { verdict: Err(why.into()), took }
    }

    /// Whether it passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.verdict.is_ok()
    }
}

/// A host that is not heard any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// Its name.
    pub host: String,
    /// For how long.
    pub silence: Duration,
    /// How long its backends have to show that it lives.
    pub within: Duration,
    /// Whether no other host is heard either: then it may be this one that is cut off.
    pub alone: bool,
}

/// An event.
#[derive(Debug)]
pub enum Event {
    /// A checked configuration to run from now on: the first one, or a reload.
    Configure(Box<Config>),
    /// A check that the controller asked for has ended.
    ProbeEnded {
        /// The `id` of the command that started it; one that nobody waits for any more is ignored.
        id: u64,
        /// How it ended.
        outcome: ProbeOutcome,
    },
    /// An agent that the controller had asked has answered, or has not.
    AgentAnswered {
        /// The `id` of the command by which it was asked; one that nobody waits for any more is ignored.
        id: u64,
        /// What it says, or why that is not known.
        answer: Result<Heard, String>,
    },
    /// The kernel's routes and neighbour tables: this address is reached there, or (None) it is not known any more where.
    Neighbour {
        /// Address on one of our segments.
        address: IpAddr,
        /// Where it answers.
        next_hop: Option<NextHop>,
    },
    /// The hosts have elected who holds a group of VIPs.
    Elected {
        /// The group.
        group: String,
        /// What this host is for it.
        role: Role,
        /// The other host that holds it, if this one knows.
        holder: Option<Peer>,
    },
    /// A backend did not take a connection, as the packet path has seen.
    Refused {
        /// Which.
        backend: BackendKey,
    },
    /// Another host has stated who the writers of services are, as far as it knows.
    Stated {
        /// Its name.
        from: String,
        /// What it states.
        statements: Vec<Statement>,
    },
    /// Another host was heard, and is not any more.
    HostSilent(Silent),
    /// Another host is heard, for the first time or again.
    HostHeard {
        /// Its name.
        host: String,
    },
    /// This host was cut off, or hung: what it knows of backends is old.
    Recheck,
    /// Time has passed: nothing else happened, but a deadline asked for by [`super::controller::Controller::deadline`] came.
    Tick,
    /// The daemon ends: hand everything back.
    Stop,
}

/// What `pivot drain` names: `service/backend`, or a backend's name in every service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainTarget {
    /// One backend of one service.
    One(BackendKey),
    /// Every backend of this name, and every backend on the host of this name, whatever the service.
    Everywhere(String),
}
