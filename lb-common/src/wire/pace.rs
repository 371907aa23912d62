//! How fast a CPU takes in what anyone can make up: new flows, and packets that are answered with an error.

use super::word::Word;

/// Element of `PACES`, indexed by CPU: what it has done in the window of time that it was last in.
#[repr(C, align(64))]
#[derive(Debug, Default, Clone)]
pub struct Pace {
    /// New flows put into the flow table, see [`Spent`].
    pub flows: Word,
    /// ICMP errors sent, see [`Spent`].
    pub errors: Word,
    /// Refusals told, see [`Spent`].
    pub refusals: Word,
    /// Zero.
    pub padding: [u64; 5],
}

const _: () = assert!(size_of::<Pace>() == 64);

/// Jiffies in a window, as a shift: 32 ms at 1000 Hz, 320 ms at 100 Hz.
pub const WINDOW_SHIFT: u32 = 5;

/// What each CPU may do in one window, packed into one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// New flows; `u32::MAX`: no limit.
    pub flows: u32,
    /// ICMP errors.
    pub errors: u32,
}

impl Limits {
    /// Packs for [`super::control::Control::limits`].
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.flows as u64 | (self.errors as u64) << 32
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self { flows: word as u32, errors: (word >> 32) as u32 }
    }
}

/// A window and what was done in it, packed into one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spent {
    window: u32,
    count: u32,
}

/// Takes one off what may be done in the window that `now` (jiffies) is in; `false` if nothing is left.
#[inline(always)]
#[must_use]
pub fn admit(cell: &Word, limit: u32, now: u64) -> bool {
    let window = (now >> WINDOW_SHIFT) as u32;
    let word = cell.get();
    let spent = Spent { window: (word >> 32) as u32, count: word as u32 };
    let count = if spent.window == window { spent.count } else { 0 };
    if count >= limit {
        return false;
    }
    cell.set(u64::from(count + 1) | u64::from(window) << 32);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_admits_its_limit_and_the_next_one_again() {
        let cell = Word::default();
        for window in [0, 1, 7, u64::from(u32::MAX), 1 << 32] {
            let now = window << WINDOW_SHIFT;
            assert!((0..3).all(|i| admit(&cell, 3, now + i)));
            assert!(!admit(&cell, 3, now + 31));
        }
        assert!(!admit(&Word::default(), 0, 5), "a limit of nothing");
    }
}
