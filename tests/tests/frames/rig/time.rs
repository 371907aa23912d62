//! The kernel's jiffies, to the jiffy: what an entry of the flow table says can be foretold only by who knows the tick.

use std::fs;
use std::thread;
use std::time::Duration;

use lb_common::wire::flow::Ticks;
use lb_userspace::tables::clock::Clock;

/// Looks at jiffies and clock, of which the shortest counts.
const LOOKS: usize = 20;

/// Jiffies that a look may take. Whoever has to wait amid one takes the clock to be further ahead than it is.
const BRIEF: u64 = 2;

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
        let mut shortest = look(clock);
        for _ in 1..LOOKS {
            if shortest.0 <= BRIEF {
                break;
            }
            shortest = shortest.min(look(clock));
        }
        Self { clock, ahead: shortest.1 }
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
        let (tick, margin) = (1_u64 << Ticks::SHIFT, 6);
        loop {
            let now = self.now();
            if (margin..tick - margin).contains(&(now % tick)) {
                return now;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// For how long it looked, in jiffies, and how far the clock was ahead of them.
fn look(clock: Clock) -> (u64, i64) {
    let before = clock.jiffies();
    let list = fs::read_to_string("/proc/timer_list").expect("/proc/timer_list");
    let now = clock.jiffies();
    let jiffies = list.lines().find_map(|line| line.strip_prefix("jiffies: ")).expect("jiffies in /proc/timer_list");
    let jiffies: u64 = jiffies.trim().parse().expect("a number of jiffies");
    (now - before, now.cast_signed() - jiffies.cast_signed())
}
