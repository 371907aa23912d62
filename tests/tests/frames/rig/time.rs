//! The kernel's jiffies, to the jiffy: what an entry of the flow table says can be foretold only by who knows the tick.

use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use lb_common::wire::flow::Ticks;
use lb_userspace::tables::clock::Clock;
use pivot_tests::lab::patience;

/// Looks at the clock and jiffies for each that asks.
const LOOKS: usize = 3;

/// The least that the clock was seen ahead of jiffies: who has to wait between the two, or looks while jiffies are late, sees it further ahead.
static AHEAD: AtomicI64 = AtomicI64::new(i64::MAX);

/// By how much jiffies may be late, and by how much the clock may be off.
const LATE: u64 = 6;

/// The kernel's jiffies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jiffies {
    clock: Clock,
    /// How far the clock is ahead of them: it is good to within seconds, and need not be better.
    ahead: i64,
}

impl Jiffies {
    /// Asks the kernel.
    ///
    /// # Panics
    /// If it does not say (`/proc/timer_list`).
    pub(crate) fn of_kernel() -> Self {
        let clock = Clock::of_kernel();
        let ahead = (0..LOOKS).map(|_| ahead(clock)).fold(i64::MAX, i64::min);
        Self { clock, ahead: AHEAD.fetch_min(ahead, Ordering::Relaxed).min(ahead) }
    }

    /// How long a jiffy is.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Now.
    pub(crate) fn now(&self) -> u64 {
        self.clock.jiffies().wrapping_add_signed(-self.ahead)
    }

    /// Now, in ticks of the flow table.
    pub(crate) fn tick(&self) -> Ticks {
        Ticks::at(self.now())
    }

    /// Now, once it is far enough from the tick before and the tick after that both sides see the same one.
    pub(crate) fn amid_a_tick(&self) -> u64 {
        let tick = 1_u64 << Ticks::SHIFT;
        // On an emulated processor that shares its thread with others, jiffies are as late as the one that counts them.
        let late = LATE * u64::from(patience::factor());
        loop {
            let now = self.now();
            if (late.min(tick / 2)..tick - LATE).contains(&(now % tick)) {
                return now;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// How far the clock is ahead of jiffies now.
fn ahead(clock: Clock) -> i64 {
    let list = fs::read_to_string("/proc/timer_list").expect("/proc/timer_list");
    let now = clock.jiffies();
    let jiffies = list.lines().find_map(|line| line.strip_prefix("jiffies: ")).expect("jiffies in /proc/timer_list");
    let jiffies: u64 = jiffies.trim().parse().expect("a number of jiffies");
    now.cast_signed() - jiffies.cast_signed()
}
