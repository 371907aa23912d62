//! Who was heard about a virtual router: the last message of each sender.
//!
//! Anybody on the segment can send under any address, so there is an end to it: of senders that are not configured the one
//! that was silent for longest makes room. Hosts of the configuration stay.

use std::net::IpAddr;
use std::time::Duration;

use super::rules::Heard;
use crate::core::event::Now;

/// Most senders that are told apart.
const MOST: usize = 32;
/// A holder that was not heard for so many of its intervals is gone: three, and one for the skew.
const LOST: u32 = 4;

/// One sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its last message.
    pub heard: Heard,
    /// Messages of it that were listened to.
    pub messages: u64,
    /// Whether it is a host of the configuration.
    known: bool,
}

/// All that were heard.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    peers: Vec<Peer>,
    messages: u64,
}

impl Peers {
    /// Takes a message in; `known`: it is of a host of the configuration.
    pub(super) fn take(&mut self, heard: Heard, known: bool) {
        self.messages += 1;
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.heard.from == heard.from) {
            (peer.heard, peer.known) = (heard, known);
            peer.messages += 1;
            return;
        }
        if self.peers.len() >= MOST {
            let strangers = self.peers.iter().enumerate().filter(|(_, peer)| !peer.known);
            let Some((index, _)) = strangers.min_by_key(|(_, peer)| peer.heard.at) else { return };
            self.peers.swap_remove(index);
        }
        self.peers.push(Peer { heard, messages: 1, known });
    }

    /// Who spoke last, if that was to say that it holds the addresses, and not too long ago for that to be true.
    #[must_use]
    pub fn holder(&self, now: Now) -> Option<Heard> {
        let last = self.peers.iter().map(|peer| peer.heard).max_by_key(|heard| heard.at)?;
        (last.priority > 0 && now < lost(&last)).then_some(last)
    }

    /// Messages that were listened to.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Each sender, by address.
    #[must_use]
    pub fn list(&self) -> Vec<&Peer> {
        let mut list: Vec<&Peer> = self.peers.iter().collect();
        list.sort_unstable_by_key(|peer| peer.heard.from);
        list
    }

    /// Whether a sender was heard.
    #[must_use]
    pub fn has(&self, from: IpAddr) -> bool {
        self.peers.iter().any(|peer| peer.heard.from == from)
    }
}

/// When a holder that is not heard again is taken to be gone by who only looks on.
#[must_use]
pub fn lost(heard: &Heard) -> Now {
    Now(heard.at.0.saturating_add(heard.interval.max(Duration::from_millis(1)) * LOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    fn heard(last: u8, priority: u8, millis: u64) -> Heard {
        Heard { from: [10, 0, 0, last].into(), priority, interval: INTERVAL, at: at(millis) }
    }

    fn at(millis: u64) -> Now {
        Now(Duration::from_millis(millis))
    }

    #[test]
    fn the_last_message_of_each_counts() {
        let mut peers = Peers::default();
        peers.take(heard(12, 200, 0), true);
        peers.take(heard(11, 240, 50), true);
        peers.take(heard(12, 210, 100), true);
        let list: Vec<_> = peers.list().iter().map(|peer| (peer.heard.priority, peer.messages)).collect();
        assert_eq!((list, peers.messages()), (vec![(240, 1), (210, 2)], 3));
        assert!(peers.has([10, 0, 0, 12].into()) && !peers.has([10, 0, 0, 13].into()));
    }

    #[test]
    fn who_spoke_last_is_the_holder_until_it_resigns_or_falls_silent() {
        let mut peers = Peers::default();
        assert_eq!(peers.holder(at(0)), None);
        peers.take(heard(11, 250, 0), true);
        peers.take(heard(12, 200, 100), true);
        let from = |peers: &Peers, millis| peers.holder(at(millis)).map(|heard| heard.from);
        assert_eq!(from(&peers, 499), Some([10, 0, 0, 12].into()));
        assert_eq!(from(&peers, 500), None);
        peers.take(heard(12, 0, 200), true);
        assert_eq!(from(&peers, 201), None);
    }

    #[test]
    fn strangers_are_forgotten_and_hosts_are_not() {
        let mut peers = Peers::default();
        peers.take(heard(1, 200, 0), true);
        for stranger in 2..250 {
            peers.take(heard(stranger, 100, stranger.into()), false);
        }
        assert_eq!(peers.list().len(), MOST);
        assert!(peers.has([10, 0, 0, 1].into()) && peers.has([10, 0, 0, 249].into()));
        assert!(!peers.has([10, 0, 0, 2].into()));
        let mut full = Peers::default();
        (0..40).for_each(|host| full.take(heard(host, 100, 0), true));
        assert!(full.list().len() == MOST && !full.has([10, 0, 0, 39].into()) && full.messages() == 40);
    }
}
