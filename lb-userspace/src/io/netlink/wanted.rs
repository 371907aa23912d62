//! Which neighbours are wanted and what is known of them: entries of the kernel's table in, changes out. No I/O.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};

use super::neighbours::Neighbour;
use crate::core::event::Mac;

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

/// What the kernel has for an address; the default is "no entry".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Entry {
    state: NeighbourState,
    mac: Option<Mac>,
}

impl From<&NeighbourMessage> for Entry {
    fn from(message: &NeighbourMessage) -> Self {
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
        let mac = message.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) => bytes.as_slice().try_into().ok().map(Mac),
            _ => None,
        });
        Self { state, mac: mac.filter(|_| known) }
    }
}

impl Entry {
    /// Whether the kernel neither trusts the entry nor is about to check it: time for a kick.
    fn is_unconfirmed(self) -> bool {
        matches!(self.state, NeighbourState::None | NeighbourState::Stale | NeighbourState::Failed)
    }
}

/// The wanted neighbours.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    entries: BTreeMap<Key, Known>,
}

#[derive(Debug, Default)]
struct Known {
    entry: Entry,
    failed: bool,
}

impl Wanted {
    /// Wants an address; `false` if it was wanted before.
    pub(super) fn insert(&mut self, key: Key) -> bool {
        let new = !self.entries.contains_key(&key);
        self.entries.entry(key).or_default();
        new
    }

    /// Wants it no more.
    pub(super) fn remove(&mut self, key: Key) {
        self.entries.remove(&key);
    }

    /// Takes in what the kernel has; the change of the MAC, if it is wanted and changed.
    pub(super) fn update(&mut self, key: Key, entry: Entry) -> Option<Neighbour> {
        let known = self.entries.get_mut(&key)?;
        let before = std::mem::replace(&mut known.entry, entry);
        known.failed = false;
        (before.mac != entry.mac).then_some(Neighbour { index: key.index, address: key.address, mac: entry.mac })
    }

    /// Notes that the kernel refused a request for it; `true` if it did not refuse the last one.
    pub(super) fn first_failure(&mut self, key: Key) -> bool {
        self.entries.get_mut(&key).is_some_and(|known| !std::mem::replace(&mut known.failed, true))
    }

    /// All of them.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.entries.keys().copied().collect()
    }

    /// Those that the kernel is to be kicked for.
    pub(super) fn unconfirmed(&self) -> Vec<Key> {
        self.keys().into_iter().filter(|key| self.is_unconfirmed(*key)).collect()
    }

    /// Whether the kernel is to be kicked for this one.
    pub(super) fn is_unconfirmed(&self, key: Key) -> bool {
        self.entries.get(&key).is_some_and(|known| known.entry.is_unconfirmed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { index: 3, address: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)) };
    const MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn message(state: NeighbourState) -> NeighbourMessage {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = KEY.index;
        message.header.state = state;
        message.attributes.push(NeighbourAttribute::Destination(KEY.address.into()));
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(MAC.0.to_vec()));
        message
    }

    fn entry(state: NeighbourState) -> Entry {
        Entry::from(&message(state))
    }

    fn wanted() -> Wanted {
        let mut wanted = Wanted::default();
        assert!(wanted.insert(KEY));
        wanted
    }

    fn neighbour(mac: Option<Mac>) -> Neighbour {
        Neighbour { index: KEY.index, address: KEY.address, mac }
    }

    #[test]
    fn a_mac_counts_while_the_kernel_would_use_it() {
        use NeighbourState::{Delay, Failed, Incomplete, Noarp, None, Permanent, Probe, Reachable, Stale};
        for state in [Reachable, Stale, Delay, Probe, Permanent, Noarp] {
            assert_eq!(entry(state).mac, Some(MAC), "{state}");
        }
        for state in [Failed, Incomplete, None] {
            assert_eq!(entry(state).mac, Option::None, "{state}");
        }
    }

    #[test]
    fn only_a_change_of_the_mac_is_reported() {
        let mut wanted = wanted();
        assert_eq!(wanted.update(KEY, entry(NeighbourState::Incomplete)), None);
        assert_eq!(wanted.update(KEY, entry(NeighbourState::Reachable)), Some(neighbour(Some(MAC))));
        assert_eq!(wanted.update(KEY, entry(NeighbourState::Stale)), None);
        assert_eq!(wanted.update(KEY, entry(NeighbourState::Failed)), Some(neighbour(None)));
        assert_eq!(wanted.update(KEY, Entry::default()), None);
    }

    #[test]
    fn the_same_address_on_another_segment_is_not_reported() {
        let elsewhere = Key { index: KEY.index + 1, ..KEY };
        assert_eq!(wanted().update(elsewhere, entry(NeighbourState::Reachable)), None);
    }

    #[test]
    fn a_static_entry_is_never_kicked() {
        let mut wanted = wanted();
        wanted.update(KEY, entry(NeighbourState::Permanent));
        assert_eq!(wanted.unconfirmed(), []);
    }

    #[test]
    fn what_is_absent_stale_or_failed_is_kicked_until_forgotten() {
        let mut wanted = wanted();
        for entry in [Entry::default(), entry(NeighbourState::Stale), entry(NeighbourState::Failed)] {
            wanted.update(KEY, entry);
            assert_eq!(wanted.unconfirmed(), [KEY]);
        }
        wanted.remove(KEY);
        assert_eq!(wanted.unconfirmed(), []);
    }

    #[test]
    fn a_lasting_failure_is_told_once() {
        let mut wanted = wanted();
        assert!(wanted.first_failure(KEY));
        assert!(!wanted.first_failure(KEY));
        wanted.update(KEY, entry(NeighbourState::Reachable));
        assert!(wanted.first_failure(KEY));
    }

    #[test]
    fn a_message_without_an_ip_address_is_about_nobody() {
        let mut message = message(NeighbourState::Reachable);
        message.attributes.clear();
        assert_eq!(Key::of(&message), None);
    }
}
