//! The kernel's jiffies, exactly: asked of it by a program of two instructions.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use aya_obj::generated::bpf_prog_type;
use rustix::time::{ClockId, clock_gettime};

use super::features::bpf::{self, Attempt, JIFFIES};
use crate::tables::clock::Clock;
use crate::tables::lease::Jiffies;

/// How often it is asked: the offset is good once it was asked right after a jiffy had begun.
const SAMPLES: u32 = 200;
/// Rest in between, so that the samples fall everywhere within a jiffy.
const REST: Duration = Duration::from_micros(113);

/// The monotonic clock.
#[must_use]
pub fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Asks the kernel how its jiffies follow from the monotonic clock.
///
/// # Errors
/// The kernel's.
pub fn measure() -> io::Result<Jiffies> {
    let clock = Clock::of_kernel();
    let program = Attempt::new(bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, &JIFFIES).load()?;
    let sample = || -> io::Result<Jiffies> {
        let lower = bpf::run(program.as_fd())?;
        let by = monotonic();
        // The estimate is off by seconds at most; it is there for the upper half.
        let estimate = clock.jiffies();
        let behind = lower.wrapping_sub(estimate as u32).cast_signed();
        Ok(Jiffies::from_pair(clock.hz(), estimate.wrapping_add_signed(behind.into()), by))
    };
    let mut best = sample()?;
    for _ in 1..SAMPLES {
        std::thread::sleep(REST);
        best = best.better(sample()?);
    }
    Ok(best)
}
