//! Which neighbours are wanted and what is known of them: entries of the kernel's table and the time in, changes of MACs
//! and the kicks that the kernel needs out. No I/O.
//!
//! Packets that XDP forwards never touch the kernel's entries: unless it is kicked, the kernel neither resolves an
//! address nor notices that its MAC has changed. What must hold:
//! - An entry that is not confirmed for [`VERIFY`] is verified; one that goes stale or is lost is kicked at once.
//! - Kicks are [`GAP`] apart, whatever happens: a thousand backends are no burst of a thousand broadcasts. What was kicked
//!   at different times is due at different times, so the spread lasts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage, NeighbourState,
};

use super::neighbours::Neighbour;
use crate::core::event::Mac;

/// How long a confirmed entry is believed, and how often a dead host is asked for: the kernel's own interval for
/// managed neighbours (`interval_probe_time_ms`, 5.16 and later). A dead host costs three broadcasts in that time. With the
/// kernel's three unicast requests, a second apart, a new MAC is known after 8 seconds and a bit.
pub(super) const VERIFY: Duration = Duration::from_secs(5);

/// Least time between two looks, and hence two kicks, of whichever addresses. More than a thousand of them are looked at
/// less often than every [`VERIFY`].
pub(super) const GAP: Duration = Duration::from_millis(5);

/// An address on a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) index: u32,
    pub(super) address: IpAddr,
}

impl Key {
    /// What a message of the kernel is about; `None` for what is no IP neighbour (bridge and proxy entries).
    pub(super) fn of(message: &NeighbourMessage) -> Option<Self> {
        let address = message.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
            _ => None,
        })?;
        Some(Self { index: message.header.ifindex, address })
    }
}

/// What the kernel is to do about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kick {
    /// Ask the segment where the address is.
    Resolve,
    /// Ask the MAC that it has whether the address is still there.
    Verify,
}

/// What the kernel has for an address; the default is "no entry".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Entry {
    state: NeighbourState,
    mac: Option<Mac>,
    /// How long ago the neighbour was last heard of, where that is known.
    confirmed: Duration,
    /// Somebody else sees to it: the kernel (managed entries) or a control plane (learned from EVPN, say).
    kept: bool,
}

impl Entry {
    /// Out of a message of the kernel, whose times are in `ticks` to a second.
    pub(super) fn of(message: &NeighbourMessage, ticks: u64) -> Self {
        let state = message.header.state;
        // A failed entry keeps its last MAC, at which nobody answers.
        let known = matches!(
            state,
            NeighbourState::Reachable
                | NeighbourState::Stale
                | NeighbourState::Delay
                | NeighbourState::Probe
                | NeighbourState::Permanent
                | NeighbourState::Noarp
        );
        let mut entry = Self { state, ..Self::default() };
        entry.kept = message.header.flags.contains(NeighbourFlags::ExtLearned);
        for attribute in &message.attributes {
            match attribute {
                NeighbourAttribute::LinkLayerAddress(bytes) if known => {
                    entry.mac = bytes.as_slice().try_into().ok().map(Mac);
                }
                NeighbourAttribute::CacheInfo(times) => {
                    entry.confirmed = Duration::from_millis(u64::from(times.confirmed) * 1000 / ticks.max(1));
                }
                NeighbourAttribute::ExtFlags(flags) => entry.kept |= flags.contains(NeighbourExtFlags::Managed),
                _ => {}
            }
        }
        entry
    }

    /// What to do about it, if it is time to do something. Static entries are the administrator's.
    fn kick(self) -> Option<Kick> {
        match self.state {
            _ if self.kept => None,
            NeighbourState::None | NeighbourState::Failed => Some(Kick::Resolve),
            NeighbourState::Reachable | NeighbourState::Stale => Some(Kick::Verify),
            _ => None,
        }
    }
}

/// The wanted neighbours.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    entries: BTreeMap<Key, Known>,
    /// No look before this.
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Known {
    entry: Entry,
    reported: Option<Mac>,
    /// When the kernel was last kicked for what the entry is now.
    kicked: Option<Instant>,
    /// When to look at it again.
    due: Instant,
    refused: bool,
}

impl Wanted {
    /// Wants an address; `false` if it was wanted before.
    pub(super) fn insert(&mut self, key: Key, now: Instant) -> bool {
        let new = !self.entries.contains_key(&key);
        self.entries.entry(key).or_insert(Known {
            entry: Entry::default(),
            reported: None,
            kicked: None,
            due: now,
            refused: false,
        });
        new
    }

    /// Wants it no more.
    pub(super) fn remove(&mut self, key: Key) {
        self.entries.remove(&key);
    }

    /// Takes in what the kernel has; the change of the MAC, if it is wanted and changed.
    ///
    /// An entry that is removed (`ip neigh flush`, a full table), or whose MAC does not answer, does not say that the host
    /// is gone: the MAC that was reported holds until the kernel has asked the segment and nobody answered.
    pub(super) fn update(&mut self, key: Key, entry: Entry, now: Instant) -> Option<Neighbour> {
        let known = self.entries.get_mut(&key)?;
        let before = std::mem::replace(&mut known.entry, entry);
        known.refused &= entry.mac.is_none();
        if before.mac != entry.mac || (before.mac.is_some() && before.state != entry.state) {
            // What it was kicked for is past.
            known.kicked = None;
        }
        known.due = match entry.state {
            NeighbourState::Reachable => now + VERIFY.saturating_sub(entry.confirmed),
            _ if entry.kick().is_some() => known.kicked.map_or(now, |kicked| kicked + VERIFY),
            // Static, or the kernel is at it: notifications will tell.
            _ => now + VERIFY,
        };
        let mac = match entry.state {
            NeighbourState::Failed if known.kicked.is_some() => None,
            _ => entry.mac.or(known.reported),
        };
        let reported = std::mem::replace(&mut known.reported, mac);
        (reported != mac).then_some(Neighbour { index: key.index, address: key.address, mac })
    }

    /// When to look at an entry next.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = self.entries.values().map(|known| known.due).min()?;
        Some(self.paused_until.map_or(due, |until| until.max(due)))
    }

    /// The entry that is to be looked at now: the longest overdue.
    pub(super) fn take(&mut self, now: Instant) -> Option<Key> {
        if self.next().is_none_or(|next| now < next) {
            return None;
        }
        let (key, known) = self.entries.iter_mut().min_by_key(|(_, known)| known.due)?;
        known.due = now + VERIFY;
        self.paused_until = Some(now + GAP);
        Some(*key)
    }

    /// Once it has been looked at: what to kick the kernel for, if the entry is still due.
    pub(super) fn kick(&mut self, key: Key, now: Instant) -> Option<Kick> {
        let known = self.entries.get_mut(&key).filter(|known| known.due <= now)?;
        let kick = known.entry.kick()?;
        known.kicked = Some(now);
        known.due = now + VERIFY;
        Some(kick)
    }

    /// Notes that the kernel refused a request for it; `true` if it did not refuse the last one.
    pub(super) fn first_refusal(&mut self, key: Key) -> bool {
        self.entries.get_mut(&key).is_some_and(|known| !std::mem::replace(&mut known.refused, true))
    }

    /// All of them.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.entries.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests;
