//! Jitter: a little deterministic noise on the pause between checks, so that they spread out.
//!
//! In: a seed, chosen by the daemon (another one on each host). Out: the same sequence for the same seed.

use std::time::Duration;

use crate::core::event::Now;

/// Longest that what is due may wait for what is due a little later.
const GATHERED: Duration = Duration::from_millis(10);

/// A generator of jitter: `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub struct Jitter {
    state: u64,
}

impl Jitter {
    /// Starts a sequence.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The pause, give or take a tenth.
    pub fn around(&mut self, pause: Duration) -> Duration {
        pause - pause / 10 + self.up_to(pause / 5)
    }

    /// When it is time again after this pause, give or take a tenth of it. Times are multiples of a hundredth of the pause, so that what is
    /// due at about the same time is done together: waking up costs more than one check more.
    pub fn due(&mut self, now: Now, pause: Duration) -> Now {
        let step = (pause / 100).min(GATHERED);
        let earliest = now.0 + pause - pause / 10;
        let time = (earliest + self.up_to(pause / 5 - step)).as_nanos();
        Now(Duration::from_nanos(time.next_multiple_of(step.as_nanos().max(1)) as u64))
    }

    /// Anything from zero to this.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        // The high half of the product: a number below `nanos`, evenly spread, without a division.
        Duration::from_nanos(((u128::from(self.next()) * u128::from(nanos)) >> 64) as u64)
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}
