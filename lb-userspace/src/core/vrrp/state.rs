//! What a virtual router takes in, what it gives out, and where it stands in between.

use std::net::IpAddr;

use super::rules::Heard;
use crate::core::election::{Fitness, InUse, Role};
use crate::core::event::Now;

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Another router speaks.
    Heard(Heard),
    /// What this host is fit for.
    Fitness(Fitness),
    /// What this host missed before then it knows now.
    CaughtUp(Now),
    /// Let another router hold the addresses.
    Yield,
    /// Another machine has one of the addresses.
    InUse(InUse),
    /// A message could not be sent, and why.
    Unsent(String),
    /// Time has passed.
    Tick,
    /// The end.
    Stop,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message of this priority.
    Advertise(u8),
    /// Serve the addresses until then, if that message was sent.
    Lease(Now),
    /// Cease to at once.
    Release,
    /// Announce the addresses.
    Announce,
    /// Ask the segment whether another machine has them.
    Ask,
    /// One does, in words: this host does not take over.
    InUse(String),
    /// The role has changed, and why.
    Changed(Role, String),
}

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not fit, and why.
    Fault(String),
    /// Another one holds the addresses, or nobody.
    Backup {
        /// The holder, as last heard.
        holder: Option<Heard>,
        /// Whether it is left alone: then it is silence that makes this host take over.
        heeded: bool,
        /// When to take over if nothing is heard.
        down_at: Now,
        /// Until when a worse holder is left alone; `None` if none was heard.
        patient_until: Option<Now>,
    },
    /// This host has said that it takes over.
    Claim {
        /// Why.
        why: String,
        /// When to say it again.
        advertise_at: Now,
        /// When all others have had time to hear it.
        heard_by: Now,
        /// Until when they go by it.
        until: Now,
    },
    /// This host holds them.
    Holder {
        /// When the next message is due.
        advertise_at: Now,
        /// When the lease ends.
        until: Now,
        /// When to announce next.
        announce_at: Option<Now>,
        /// From when on a lesser router is answered again.
        assert_at: Now,
    },
}

/// Hosts that may serve the addresses by a lease: each until it says that it does not, or has lost it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fences(Vec<(IpAddr, Now)>);

impl Fences {
    /// Takes in that a host has spoken as if it held them.
    pub(super) fn add(&mut self, heard: &Heard) {
        self.remove(heard.from);
        self.0.push((heard.from, heard.fenced_until()));
    }

    /// Takes in that a host does not hold them.
    pub(super) fn remove(&mut self, from: IpAddr) {
        self.0.retain(|(known, _)| *known != from);
    }

    /// When nobody does any more, at the latest; not before a time.
    #[must_use]
    pub fn free_at(&self, not_before: Now) -> Now {
        self.0.iter().map(|(_, until)| *until).fold(not_before, Now::max)
    }
}
