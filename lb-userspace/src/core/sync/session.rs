//! Who among the controllers has been heard, and which of their messages are new.
//!
//! A signature says that a message was made by somebody with the key, not when. So each pivotd names its run by a number
//! drawn at random, its *session*, and every message names those of both sides: one that names the receiver's present
//! session was made after that had begun. Within it, a message counts once ([`Window`], as in RFC 4303 section 3.4.3).
//! Nothing here goes by the time of day.

use std::net::IpAddr;

/// Messages that may overtake each other.
const WINDOW: u64 = 64;
/// Former sessions of a peer that are told from new ones. Whoever restarts more often while this pivotd runs may have
/// messages of the first of them replayed to it, which say where flows went then.
const FORMER: usize = 64;

/// Another controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Where it is told, and where it tells from.
    pub address: IpAddr,
    /// Its session, once it has named this one's.
    session: Option<u64>,
    former: Vec<u64>,
    received: Window,
    sent: u64,
}

/// What a message is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// It counts. `new`: with it the peer has begun a session.
    Counts {
        /// Whether that is the first of a session.
        new: bool,
    },
    /// Its sender does not know this host's session: it is to be told.
    Unaware,
    /// It was sent before, in this session or another.
    Replayed,
}

impl Peer {
    /// One that was not heard yet.
    #[must_use]
    pub fn new(name: String, address: IpAddr) -> Self {
        Self { name, address, session: None, former: Vec::new(), received: Window::default(), sent: 0 }
    }

    /// Its session, if it is known.
    #[must_use]
    pub fn session(&self) -> Option<u64> {
        self.session
    }

    /// Whether each of its messages from this number on has come, in order, up to the last one that has.
    #[must_use]
    pub fn is_whole_since(&self, number: u64) -> bool {
        self.received.unbroken <= number
    }

    /// The number of the next message to it, which is not taken.
    #[must_use]
    pub fn coming_sequence(&self) -> u64 {
        self.sent + 1
    }

    /// The number of the next message to it.
    #[must_use]
    pub fn next_sequence(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// Takes in what a message says of itself, on a host whose session is `own`.
    #[must_use]
    pub fn judge(&mut self, own: u64, sender: u64, receiver: u64, sequence: u64) -> Worth {
        if receiver != own {
            return Worth::Unaware;
        }
        if self.session == Some(sender) {
            return if self.received.take(sequence) { Worth::Counts { new: false } } else { Worth::Replayed };
        }
        if self.former.contains(&sender) {
            return Worth::Replayed;
        }
        if self.former.len() == FORMER {
            self.former.remove(0);
        }
        self.former.extend(self.session.replace(sender));
        self.received = Window::default();
        let _ = self.received.take(sequence);
        Worth::Counts { new: true }
    }
}

/// Which numbers have come: all up to the highest, but for those of the last 64 whose bit is clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Window {
    highest: u64,
    /// Bit 0 is the highest.
    seen: u64,
    /// From here to the highest all have come, each behind the one before it.
    unbroken: u64,
}

impl Window {
    /// Takes a number in; whether it is new.
    fn take(&mut self, number: u64) -> bool {
        if number > self.highest {
            let ahead = number - self.highest;
            if ahead > 1 || self.highest == 0 {
                self.unbroken = number;
            }
            self.seen = if ahead < WINDOW { self.seen << ahead | 1 } else { 1 };
            self.highest = number;
            return true;
        }
        let behind = self.highest - number;
        if behind >= WINDOW || self.seen & 1 << behind != 0 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Peer {
        Peer::new("c2".to_owned(), [10, 0, 0, 2].into())
    }

    #[test]
    fn a_number_counts_once_and_not_when_it_is_old() {
        let mut window = Window::default();
        for (number, new) in
            [(1, true), (1, false), (5, true), (3, true), (3, false), (100, true), (37, true), (36, false), (5, false)]
        {
            assert_eq!(window.take(number), new, "{number}");
        }
        assert!(window.take(u64::MAX) && !window.take(u64::MAX) && window.take(u64::MAX - 63));
        assert!(!window.take(0));
    }

    #[test]
    fn what_is_missing_is_seen_until_all_behind_it_has_come() {
        let mut peer = peer();
        let hear = |peer: &mut Peer, sequence| assert_ne!(peer.judge(7, 9, 7, sequence), Worth::Replayed);
        (40..=42).for_each(|sequence| hear(&mut peer, sequence));
        assert!(peer.is_whole_since(40) && peer.is_whole_since(42) && !peer.is_whole_since(39));
        // One overtakes another: that is as if it had been lost.
        [44, 43, 45].into_iter().for_each(|sequence| hear(&mut peer, sequence));
        assert!(peer.is_whole_since(44) && !peer.is_whole_since(42) && !peer.is_whole_since(43));
        assert_eq!(peer.judge(7, 11, 7, 3), Worth::Counts { new: true });
        assert!(peer.is_whole_since(3) && !peer.is_whole_since(2), "a session begins with nothing");
    }

    #[test]
    fn a_message_that_does_not_name_this_session_says_nothing() {
        let mut peer = peer();
        assert_eq!(peer.judge(7, 9, 0, 1), Worth::Unaware);
        assert_eq!(peer.judge(7, 9, 6, 2), Worth::Unaware, "an earlier run of this host");
        assert_eq!(peer.session(), None);
        assert_eq!(peer.judge(7, 9, 7, 3), Worth::Counts { new: true });
        assert_eq!(peer.session(), Some(9));
        assert_eq!(peer.judge(7, 9, 7, 3), Worth::Replayed);
        assert_eq!(peer.judge(7, 9, 7, 4), Worth::Counts { new: false });
    }

    #[test]
    fn a_session_that_has_ended_does_not_come_back() {
        let mut peer = peer();
        assert_eq!(peer.judge(7, 9, 7, 50), Worth::Counts { new: true });
        assert_eq!(peer.judge(7, 11, 7, 1), Worth::Counts { new: true });
        assert_eq!(peer.judge(7, 9, 7, 51), Worth::Replayed);
        assert_eq!(peer.judge(7, 11, 7, 2), Worth::Counts { new: false });
        for session in 100..300 {
            assert_eq!(peer.judge(7, session, 7, 1), Worth::Counts { new: true });
        }
        assert_eq!(peer.former.len(), FORMER);
    }
}
