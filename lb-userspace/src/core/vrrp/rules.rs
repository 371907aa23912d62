//! What one virtual router goes by on this host, and what follows from it alone: intervals, priorities, who is next.

use std::net::IpAddr;
use std::time::Duration;

use super::advert::Version;
use super::timers;
use crate::core::event::Now;

/// Priority of the router that owns the addresses.
pub const OWNER: u8 = 255;
/// Highest priority of all others.
pub(super) const HIGHEST: u8 = 254;
/// Longest time that others have to hear of a claim.
pub(super) const CLAIM: Duration = Duration::from_millis(10);
/// The same, as a part of the interval: adverts that are sent so often are heard as quickly.
pub(super) const CLAIM_PART: u32 = 4;

/// What a virtual router goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Of the protocol.
    pub version: Version,
    /// This host's, before what is tracked: 1..=255.
    pub priority: u8,
    /// Time between this host's messages while it holds the addresses.
    pub interval: Duration,
    /// Whether this host takes over from one of lower priority.
    pub preempt: bool,
    /// For how long it does not.
    pub preempt_delay: Duration,
    /// Whether somebody says when this host has caught up with the others: if so, it leaves a holder alone until then.
    pub catches_up: bool,
    /// How long this host serves the addresses after a message: less than three intervals.
    pub lease: Duration,
    /// This host's address on the segment: the higher one wins among equals.
    pub own: IpAddr,
    /// When the addresses are announced again after they were taken.
    pub announce_again: Duration,
    /// How often they are announced from then on; zero: never.
    pub announce_every: Duration,
    /// How long the segment is asked whether another machine has the addresses, before this host takes over what nobody was
    /// heard to hold; zero: not at all.
    pub duplicate_check: Duration,
    /// The other hosts of the configuration.
    pub rivals: Vec<Rival>,
}

/// Another host that may hold the addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    /// What it may send from.
    pub addresses: Vec<IpAddr>,
    /// Its priority, before what is tracked.
    pub priority: u8,
}

/// A message that passed every check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Who sent it.
    pub from: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Its interval.
    pub interval: Duration,
    /// When it arrived.
    pub at: Now,
}

impl Heard {
    /// Until when it may serve if it is a pivot: its lease is shorter, see [`Rules::lease`].
    pub(super) fn fenced_until(&self) -> Now {
        Now(self.at.0 + self.interval * 3)
    }

    /// Whether another router is to make way for it.
    pub(super) fn is_better(&self, other: &Self) -> bool {
        (self.priority, self.from) > (other.priority, other.from)
    }
}

impl Rules {
    /// How long others have to hear of a claim.
    pub(super) fn claim(&self) -> Duration {
        CLAIM.min(self.interval / CLAIM_PART)
    }

    /// How long after its last message a holder is taken to be gone.
    pub(super) fn master_down(&self, priority: u8, heard: &Heard) -> Duration {
        timers::master_down(self.version, priority, self.interval_of(heard))
    }

    /// When the addresses are announced next, if ever, after they were announced.
    pub(super) fn announce_after(&self, now: Now) -> Option<Now> {
        (!self.announce_every.is_zero()).then(|| Now(now.0 + self.announce_every))
    }

    /// Whether a message is of a host that runs pivotd: it has a lease, and says so when it makes way.
    pub(super) fn is_rival(&self, heard: &Heard) -> bool {
        self.is_of_rival(heard.from)
    }

    /// Whether an address is one of another configured host's.
    pub(super) fn is_of_rival(&self, address: IpAddr) -> bool {
        self.rivals.iter().any(|rival| rival.addresses.contains(&address))
    }

    /// Whether this host, at this priority, is the first in line once the holder at an address is gone, whose priority was
    /// the `last` heard from there.
    ///
    /// No two hosts can think so at once: each counts for no more than its configured priority, and all others for theirs.
    pub(super) fn is_next(&self, priority: u8, gone: IpAddr, last: Option<u8>) -> bool {
        let by_address = self.rivals.iter().position(|rival| rival.addresses.contains(&gone));
        let by_priority = || self.rivals.iter().position(|rival| Some(rival.priority) == last);
        let Some(gone) = by_address.or_else(by_priority) else { return false };
        let others = self.rivals.iter().enumerate().filter(|(index, _)| *index != gone);
        others.map(|(_, rival)| rival.priority).all(|rival| priority.min(self.priority) > rival)
    }

    /// The interval by which a holder's silence is judged: version 2 has one for all.
    pub(super) fn interval_of(&self, heard: &Heard) -> Duration {
        match self.version {
            Version::V2 => self.interval,
            Version::V3 => heard.interval,
        }
    }

    /// The priority with what is tracked: an owner stays one, and nobody becomes one.
    pub(super) fn weighted(&self, weight: i32) -> u8 {
        if self.priority == OWNER {
            return OWNER;
        }
        let sum = i32::from(self.priority).saturating_add(weight);
        sum.clamp(1, i32::from(HIGHEST)) as u8
    }
}
