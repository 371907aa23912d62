//! Who may be passed packets as the holder, and until when.
//!
//! A packet that a controller passes on looks like a director's to who gets it, and is delivered there, lease or not. So a host
//! goes by what it heard for no longer than whoever said it may serve by its own message. One rule for all: a holder
//! that runs keepalived has no lease and serves on when it hangs, but one that missed two messages in a row is not
//! worth the difference; its clients send again.

use std::net::IpAddr;
use std::time::Duration;

use super::Member;
use super::rules::{CLAIM, CLAIM_PART, Heard, Rules};
use crate::core::event::Now;

impl Member {
    /// The holder that may be passed packets, and until when if it is not heard again; `None` if there is none, or while another pivot
    /// that was heard may still serve: one that is preempted says so when it makes way.
    #[must_use]
    pub fn believed(&self, now: Now) -> Option<(IpAddr, Now)> {
        let (holder, rules) = (self.holder(now)?, &self.instance.rules);
        let serves = |other: &Heard| {
            other.from != holder.from && other.priority > 0 && now.0 < other.at.0 + rules.lease_of(other)
        };
        let others = self.peers.list().into_iter().map(|peer| peer.heard);
        if others.filter(|other| rules.is_rival(other)).any(|other| serves(&other)) {
            return None;
        }
        Some((holder.from, Now(holder.at.0 + rules.belief_in(&holder))))
    }
}

impl Rules {
    /// How long a host of this configuration may serve after a message.
    fn lease_of(&self, heard: &Heard) -> Duration {
        match self.interval_of(heard) {
            interval if interval == self.interval => self.lease,
            // It goes by another version of the configuration: as many of its intervals.
            interval => {
                let nanos = interval.as_nanos() * self.lease.as_nanos() / self.interval.as_nanos().max(1);
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        }
    }

    /// For how long after a message came in its sender may be passed packets: its lease has begun before that, by the time that
    /// a message takes at most, as a claim goes by it, and the packet has to get there as well.
    fn belief_in(&self, heard: &Heard) -> Duration {
        let interval = self.interval_of(heard);
        self.lease_of(heard).saturating_sub(CLAIM.min(interval / CLAIM_PART))
    }
}

#[cfg(test)]
mod tests {
    use super::super::advert::{Shape, Version};
    use super::super::rules::Rival;
    use super::super::{Input, Instance};
    use super::*;
    use crate::core::election::Fitness;

    fn at(millis: u64) -> Now {
        Now(Duration::from_millis(10_000 + millis))
    }

    fn address(host: u8) -> IpAddr {
        [10, 0, 0, host].into()
    }

    /// Host 3 of three, an advert every second; 9 is none of them.
    fn third(fitness: Fitness) -> Member {
        let rival = |host| Rival { addresses: vec![address(host)], priority: 100 - host };
        let rules = Rules {
            version: Version::V3,
            priority: 97,
            interval: Duration::from_secs(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            catches_up: false,
            duplicate_check: Duration::ZERO,
            lease: Duration::from_millis(2500),
            own: address(3),
            announce_again: Duration::from_secs(5),
            announce_every: Duration::ZERO,
            rivals: vec![rival(1), rival(2)],
        };
        let instance = Instance {
            group: "control".into(),
            interface: "eth0".to_owned(),
            vrid: 51,
            rules,
            shape: Shape::default(),
            addresses: vec![address(100)],
            peers: Vec::new(),
            key: None,
        };
        let mut member = Member::new(instance, None);
        let _ = member.step(Input::Fitness(fitness), at(0), &mut 0);
        member
    }

    fn both() -> [Member; 2] {
        [third(Fitness::Weighted(0)), third(Fitness::Fault("no carrier".to_owned()))]
    }

    /// It hears a message of a host, read after `late` ms.
    fn hears(member: &mut Member, host: u8, priority: u8, millis: u64, late: u64) {
        let heard = Heard { from: address(host), priority, interval: Duration::from_secs(1), at: at(millis) };
        let _ = member.hear(heard, at(millis + late), &mut 0);
    }

    fn believed(member: &Member, millis: u64) -> Option<(IpAddr, Now)> {
        member.believed(at(millis))
    }

    #[test]
    fn a_holder_is_believed_in_for_as_long_as_it_may_serve_by_what_arrived_and_not_by_when_it_was_read() {
        for mut host in both() {
            assert_eq!(believed(&host, 0), None);
            hears(&mut host, 1, 99, 100, 700);
            assert_eq!(believed(&host, 800), Some((address(1), at(100 + 2490))));
            hears(&mut host, 1, 99, 1100, 0);
            assert_eq!(believed(&host, 1200), Some((address(1), at(1100 + 2490))));
        }
    }

    #[test]
    fn nobody_is_believed_in_after_a_resignation() {
        for mut host in both() {
            hears(&mut host, 1, 99, 100, 0);
            hears(&mut host, 1, 0, 200, 0);
            assert_eq!(believed(&host, 200), None);
        }
    }

    #[test]
    fn who_takes_over_is_believed_in_once_the_holder_has_made_way_or_lost_its_lease() {
        for mut host in both() {
            hears(&mut host, 2, 98, 100, 0);
            hears(&mut host, 1, 99, 200, 0);
            assert_eq!(believed(&host, 200), None, "it preempts, and the other one may hang");
            let mut yielded = host.clone();
            hears(&mut yielded, 2, 0, 205, 0);
            hears(&mut yielded, 1, 99, 206, 0);
            assert_eq!(believed(&yielded, 206), Some((address(1), at(206 + 2490))));
            hears(&mut host, 1, 99, 1200, 0);
            hears(&mut host, 1, 99, 2200, 0);
            assert_eq!(believed(&host, 2599), None);
            assert_eq!(believed(&host, 2600), Some((address(1), at(2200 + 2490))));
        }
    }

    #[test]
    fn a_stranger_says_nothing_when_it_makes_way_and_is_not_waited_for() {
        let mut host = third(Fitness::Weighted(0));
        hears(&mut host, 9, 98, 100, 0);
        assert_eq!(believed(&host, 100), Some((address(9), at(100 + 2490))));
        hears(&mut host, 1, 99, 200, 0);
        assert_eq!(believed(&host, 200), Some((address(1), at(200 + 2490))));
    }

    #[test]
    fn leases_go_by_the_interval_of_who_has_them() {
        let mut host = third(Fitness::Weighted(0));
        let fast = Heard { from: address(1), priority: 99, interval: Duration::from_millis(20), at: at(0) };
        let _ = host.hear(fast, at(0), &mut 0);
        assert_eq!(believed(&host, 1), Some((address(1), at(50 - 5))));
    }
}
