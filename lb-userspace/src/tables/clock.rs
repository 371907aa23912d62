//! The kernel's jiffies, in which the packet path tells the time.

use std::time::Duration;

use lb_common::wire::directory::Idle;
use lb_common::wire::flow::Ticks;
use lb_common::wire::pace::{Limits, WINDOW_SHIFT};
use rustix::time::{ClockId, clock_getres, clock_gettime};

/// How many jiffies make a second (`CONFIG_HZ`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    hz: u32,
}

/// ICMP errors that each CPU sends in a second: Linux's own limit for the host (`icmp_msgs_per_sec`).
const ERRORS: u32 = 1000;

impl Clock {
    /// Of this kernel: the resolution of its coarse clocks is a jiffy.
    #[must_use]
    pub fn of_kernel() -> Self {
        let jiffy = clock_getres(ClockId::MonotonicCoarse);
        let nanoseconds = jiffy.tv_nsec.clamp(1, 1_000_000_000) as u64;
        Self::with_hz((1_000_000_000 + nanoseconds / 2) as u32 / nanoseconds as u32)
    }

    /// Of a kernel whose second has `hz` jiffies, at least 1.
    #[must_use]
    pub const fn with_hz(hz: u32) -> Self {
        Self { hz: if hz == 0 { 1 } else { hz } }
    }

    /// Jiffies in a second.
    #[must_use]
    pub const fn hz(self) -> u32 {
        self.hz
    }

    /// Ticks of the flow table in a time: at least as long, at least one, at most as many as can be told.
    #[must_use]
    pub fn ticks(self, time: Duration) -> u32 {
        let jiffies = time.as_millis() * u128::from(self.hz);
        let ticks = jiffies.div_ceil(1000 << Ticks::SHIFT);
        ticks.clamp(1, u128::from(Ticks::LONGEST)) as u32
    }

    /// How an idle timeout is kept: a sixteenth longer at most, of the shortest of these times.
    #[must_use]
    pub fn idle(self, timeout: Duration, other: Option<Duration>) -> Idle {
        let slack = self.ticks(other.map_or(timeout, |other| other.min(timeout))) / 16;
        Idle { least: self.ticks(timeout).min(Ticks::LONGEST - slack), slack }
    }

    /// The time that so many ticks take.
    #[must_use]
    pub fn time(self, ticks: u32) -> Duration {
        Duration::from_millis((u64::from(ticks) << Ticks::SHIFT) * 1000 / u64::from(self.hz))
    }

    /// What a CPU may do in one window so that it takes in `new_flows` a second; 0: any number.
    #[must_use]
    pub fn limits(self, new_flows: u32) -> Limits {
        let window = |per_second: u32| {
            let jiffies = u64::from(per_second) << WINDOW_SHIFT;
            jiffies.div_ceil(u64::from(self.hz)).clamp(1, u64::from(u32::MAX)) as u32
        };
        Limits { flows: if new_flows == 0 { u32::MAX } else { window(new_flows) }, errors: window(ERRORS) }
    }

    /// Jiffies now, within a few: the kernel counts them from five minutes before the 32-bit wrap (`INITIAL_JIFFIES`), along
    /// the monotonic clock.
    #[must_use]
    pub fn jiffies(self) -> u64 {
        let now = clock_gettime(ClockId::Monotonic);
        let hz = u64::from(self.hz);
        let since_boot = now.tv_sec as u64 * hz + now.tv_nsec as u64 * hz / 1_000_000_000;
        u64::from(0_u32.wrapping_sub(300 * self.hz)) + since_boot
    }

    /// Time of the flow table now.
    #[must_use]
    pub fn now(self) -> Ticks {
        Ticks::at(self.jiffies())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_never_cut_short() {
        for hz in [100, 250, 300, 1000] {
            let clock = Clock::with_hz(hz);
            for time in [1, 999, 1000, 120_000, 86_400_000].map(Duration::from_millis) {
                let ticks = clock.ticks(time);
                assert!(clock.time(ticks) >= time, "{time:?} at {hz} Hz");
                assert!(clock.time(ticks - 1) < time, "{time:?} at {hz} Hz");
            }
            assert!(clock.ticks(Duration::from_secs(6 * 86_400)) < Ticks::LONGEST, "six days at {hz} Hz");
        }
    }

    #[test]
    fn a_limit_is_spread_over_windows_and_none_is_none() {
        assert_eq!(Clock::with_hz(1000).limits(100_000).flows, 3200);
        assert_eq!(Clock::with_hz(250).limits(100_000).flows, 12_800);
        assert_eq!(Clock::with_hz(1000).limits(1).flows, 1);
        assert_eq!(Clock::with_hz(1000).limits(0).flows, u32::MAX);
    }

    #[test]
    fn the_kernel_has_one_of_the_usual_frequencies() {
        assert!([100, 250, 300, 1000].contains(&Clock::of_kernel().hz), "{:?}", Clock::of_kernel());
    }
}
