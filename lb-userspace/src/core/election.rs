//! Who holds which VIPs: what an election takes in and what it gives out, whatever its rules.
//!
//! [`super::vrrp`] is the first; others come behind the same trait. An election does nothing itself: messages of other
//! hosts, what this host is fit for, and time go in; messages to send, leases to write and VIPs to announce come out.
//! [`history`]: how a group's role changed.

pub mod history;

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::{Mac, Now};

/// Name of a group of VIPs that move together.
pub type GroupName = Arc<str>;

/// An election among the hosts of a segment, for any number of groups.
pub trait Election {
    /// Takes in an event; returns what is to be done, in order.
    ///
    /// Messages that have come in are handed over before an [`Event::Tick`]: what is known by then must not be taken for
    /// silence.
    #[must_use]
    fn handle(&mut self, event: Event<'_>, now: Now) -> Vec<Action>;

    /// When an [`Event::Tick`] is wanted; `None` if time alone changes nothing.
    #[must_use]
    fn deadline(&self) -> Option<Now>;

    /// Since when this host may lack what others know, as it took no part or hung: until an [`Event::CaughtUp`] says that it does
    /// not, it leaves alone whoever holds the group. `None`: it lacks nothing.
    #[must_use]
    fn behind_since(&self, group: &str) -> Option<Now>;
}

/// What can change who holds what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message came in.
    Message(Datagram<'a>),
    /// What this host is fit for has changed.
    Fitness {
        /// For this group.
        group: &'a str,
        /// To hold it.
        fitness: Fitness,
    },
    /// This host has caught up with what it missed before then: see [`Election::behind_since`].
    CaughtUp {
        /// For this group.
        group: &'a str,
        /// Since when it had been behind.
        since: Now,
    },
    /// The operator wants this host to let another one hold a group.
    Yield {
        /// The group.
        group: &'a str,
    },
    /// Another machine answers for an address, as [`Action::Ask`] has asked.
    InUse {
        /// Of this group.
        group: &'a str,
        /// Who answers for what.
        answer: InUse,
    },
    /// An [`Action::Send`] failed.
    Unsent {
        /// Of this group.
        group: &'a str,
        /// Why, in words an operator knows.
        why: String,
    },
    /// Time has passed.
    Tick,
    /// The daemon ends: hand everything over at once.
    Stop,
}

/// An IP packet's payload and what matters of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Name of the interface that it came in by.
    pub interface: &'a str,
    /// Sender.
    pub source: IpAddr,
    /// Receiver: a group of hosts, or this host.
    pub destination: IpAddr,
    /// When it came in: what was said while this host hung is an old story.
    pub at: Now,
    /// TTL or hop limit with which it arrived.
    pub hops: u8,
    /// What is behind the IP header.
    pub payload: &'a [u8],
}

/// How fit a host is to hold a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fitness {
    /// Not at all, and why, in words an operator knows.
    Fault(String),
    /// As its configuration says, less or more what is tracked takes or gives.
    Weighted(i32),
}

/// Something to do. Carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a message; if that fails, [`Event::Unsent`] is the answer, and an [`Action::Lease`] of the group that follows is
    /// not carried out.
    Send {
        /// Of this group.
        group: GroupName,
        /// To whom.
        destination: IpAddr,
        /// Payload of the IP packet.
        payload: Vec<u8>,
    },
    /// Serve the group's VIPs until then, and not an instant longer unless told so again.
    Lease {
        /// The group.
        group: GroupName,
        /// The end.
        until: Now,
    },
    /// Cease to serve the group's VIPs at once.
    Release {
        /// The group.
        group: GroupName,
    },
    /// Tell the segment that the group's VIPs are here.
    Announce {
        /// The group.
        group: GroupName,
    },
    /// Ask the segment, once, whether another machine has one of the group's VIPs; [`Event::InUse`] is the answer, if there is one.
    Ask {
        /// The group.
        group: GroupName,
    },
    /// This host does not take the VIPs, though nobody was heard to hold them. Said once for each reason.
    InUse {
        /// The group.
        group: GroupName,
        /// Why, in words an operator knows.
        why: String,
    },
    /// Who holds the group has changed as far as this host knows.
    Changed {
        /// The group.
        group: GroupName,
        /// What this host is for it from now on.
        role: Role,
        /// Why, in words an operator knows.
        why: String,
    },
    /// A message was ignored. Said again for each one: whoever logs it does so once for each sender and reason.
    Ignored {
        /// The group it was for, if it was for one.
        group: Option<GroupName>,
        /// Who sent it.
        source: IpAddr,
        /// What is wrong with it in a word, by which such messages are counted.
        kind: &'static str,
        /// Why, in words an operator knows.
        why: String,
    },
}

/// Another machine on the segment that has an address of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// The VIP.
    pub vip: IpAddr,
    /// The MAC that answers for it.
    pub mac: Mac,
    /// Name of the interface by which the answer came.
    pub interface: String,
}

/// Another host, as its messages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What it speaks from.
    pub address: IpAddr,
    /// Its name, if the configuration has this address.
    pub name: Option<String>,
}

/// What this host is for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Not fit to hold it.
    Fault,
    /// Ready to hold it.
    Backup,
    /// It holds it.
    Holder,
}

impl Role {
    /// As users read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Backup => "backup",
            Self::Holder => "holder",
        }
    }
}
