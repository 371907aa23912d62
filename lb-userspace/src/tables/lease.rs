//! Leases: until when this host serves its VIPs, and until when it believes that another one does, as the packet path reads it.
//!
//! The packet path tells the time in jiffies, an election in the monotonic clock. The kernel counts jiffies by that clock,
//! each `TICK_NSEC` of its nanoseconds after the one before, so one number says all: [`Jiffies`], asked of the kernel once.
//! What must hold: a lease never ends later than it was said to; by up to a jiffy it ends sooner.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lb_common::wire::vip::{Belief, Vip, speaker};

use super::region::Region;

const SECOND: i128 = 1_000_000_000;

/// How jiffies follow from the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jiffies {
    /// Nanoseconds in one.
    tick: i128,
    /// When the count was 0 by the monotonic clock, in nanoseconds: no earlier than it really was. The count begins far
    /// above 0, so that is long before the clock began.
    zero: i128,
}

impl Jiffies {
    /// Of a kernel with `hz` jiffies in a second, whose count had reached `seen` by a time of the monotonic clock.
    #[must_use]
    pub fn from_pair(hz: u32, seen: u64, by: Duration) -> Self {
        let hz = i128::from(hz.max(1));
        // The kernel's own rounding (`TICK_NSEC`).
        let tick = (SECOND + hz / 2) / hz;
        Self { tick, zero: by.as_nanos().cast_signed() - i128::from(seen) * tick }
    }

    /// Whichever of the two is the better one.
    #[must_use]
    pub fn better(self, other: Self) -> Self {
        if other.zero < self.zero { other } else { self }
    }

    /// The last jiffy that is sure to have begun by a time of the monotonic clock.
    #[must_use]
    pub fn at(self, time: Duration) -> u64 {
        let since = time.as_nanos().cast_signed() - self.zero;
        u64::try_from(since.div_euclid(self.tick)).unwrap_or(0)
    }

    /// When a jiffy begins by the monotonic clock, or up to one jiffy before: what is sure not to be late.
    #[must_use]
    pub fn time(self, jiffies: u64) -> Duration {
        let begins = self.zero + (i128::from(jiffies) - 1) * self.tick;
        Duration::from_nanos(u64::try_from(begins).unwrap_or(0))
    }
}

/// The leases of all VIPs. Clones write the same ones.
#[derive(Debug, Clone)]
pub struct Leases {
    vips: Arc<Region<Vip>>,
    jiffies: Jiffies,
}

impl Leases {
    /// In this memory, by this time.
    #[must_use]
    pub fn new(vips: Arc<Region<Vip>>, jiffies: Jiffies) -> Self {
        Self { vips, jiffies }
    }

    /// Has this host serve a VIP, by its index, until a time of the monotonic clock.
    pub fn extend(&self, vip: u16, until: Duration) {
        self.write(vip, self.jiffies.at(until));
    }

    /// Has it cease to.
    pub fn end(&self, vip: u16) {
        self.write(vip, Vip::NOT_HELD);
    }

    /// Has packets for a VIP go on to the host that is heard from an address until a time, once that is where the tables lead them;
    /// to no other one.
    pub fn believe(&self, vip: u16, from: IpAddr, until: Duration) {
        self.write_belief(vip, Belief { speaker: speaker(from.into()), until: self.jiffies.at(until) }.pack());
    }

    /// Has them go to nobody who was elected.
    pub fn doubt(&self, vip: u16) {
        self.write_belief(vip, 0);
    }

    /// Until when it serves a VIP, if it may.
    #[must_use]
    pub fn until(&self, vip: u16) -> Option<Duration> {
        let lease = self.vips.get(usize::from(vip))?.lease.get();
        (lease != Vip::NOT_HELD && lease != Vip::HELD).then(|| self.jiffies.time(lease))
    }

    /// A VIP that is held by configuration is the map writer's.
    fn write(&self, vip: u16, until: u64) {
        if let Some(record) = self.vips.get(usize::from(vip))
            && record.lease.get() != Vip::HELD
        {
            record.lease.set(until);
        }
    }

    fn write_belief(&self, vip: u16, belief: u64) {
        if let Some(record) = self.vips.get(usize::from(vip)) {
            record.belief.set(belief);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn a_lease_never_ends_late_and_at_most_a_jiffy_early() {
        for hz in [100, 250, 300, 1000] {
            let tick = Duration::from_nanos((1_000_000_000 + u64::from(hz) / 2) / u64::from(hz));
            // The kernel's count began between two of the clock's.
            let kernel = |time: Duration| 4_294_937_296 + ((time + 3 * MILLI).as_nanos() / tick.as_nanos()) as u64;
            let pairs = (0..50).map(|sample| {
                let at = Duration::from_micros(7_000_123 + sample * 777);
                Jiffies::from_pair(hz, kernel(at), at + MILLI / 10)
            });
            let jiffies = pairs.reduce(Jiffies::better).unwrap();
            for millis in (10_000..10_100).chain(1_000_000_000..1_000_000_100) {
                let until = MILLI * millis;
                let lease = jiffies.at(until);
                assert!(lease <= kernel(until), "{until:?} at {hz} Hz is not over when its time has come");
                // The samples lie closer than a millisecond.
                let early = until.checked_sub(tick + MILLI).unwrap();
                assert!(lease > kernel(early), "{until:?} at {hz} Hz ends early");
                let time = jiffies.time(lease);
                assert!(kernel(time) < lease && time + 2 * tick + MILLI >= until, "{until:?} at {hz} Hz: {time:?}");
            }
        }
    }

    #[test]
    fn leases_are_written_and_read_back() {
        let vips = Arc::new(Region::heap(2, Vip::default));
        let leases = Leases::new(Arc::clone(&vips), Jiffies::from_pair(250, 1000, Duration::from_secs(1)));
        assert_eq!(leases.until(1), None);
        leases.extend(1, Duration::from_secs(3));
        assert_eq!(vips.get(1).unwrap().lease.get(), 1500);
        assert_eq!(leases.until(1), Some(Duration::from_millis(2996)));
        leases.end(1);
        assert_eq!((leases.until(1), leases.until(0), leases.until(9)), (None, None, None));
        vips.get(0).unwrap().lease.set(Vip::HELD);
        assert_eq!(leases.until(0), None, "held by another word than a lease");
        leases.extend(0, Duration::from_secs(9));
        leases.end(0);
        assert_eq!(vips.get(0).unwrap().lease.get(), Vip::HELD, "a reload may have made it the map writer's");
    }

    #[test]
    fn a_belief_is_in_one_host_and_ends_like_a_lease() {
        let vips = Arc::new(Region::heap(2, Vip::default));
        let leases = Leases::new(Arc::clone(&vips), Jiffies::from_pair(250, 1000, Duration::from_secs(1)));
        let vip = vips.get(1).unwrap();
        let hosts: [IpAddr; 3] = ["10.0.0.11", "fe80::1:b", "fe80::c"].map(|host| host.parse().unwrap());
        for host in hosts {
            leases.believe(1, host, Duration::from_secs(3));
            let believed = |other: IpAddr, now| {
                vip.speaker.set(speaker(other.into()));
                vip.believed(now)
            };
            assert_eq!([1499, 1500].map(|now| believed(host, now)), [true, false]);
            assert!(hosts.iter().all(|other| *other == host || !believed(*other, 1499)));
        }
        leases.doubt(1);
        assert!(!vip.believed(1) && vips.get(0).unwrap().belief.get() == 0);
    }
}
