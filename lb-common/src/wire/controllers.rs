//! The MACs of the other controllers: what comes from one of them to a VIP was led here by a director.
//!
//! A set of numbers in lines of one cache line each. A number lies in one of the two lines that its hash names, in any place, and
//! is compared exactly. Whoever looks reads both lines to their end, so places may be filled and cleared one word at a time, in
//! any order, while packets read.

use super::word::Word;
use crate::net::hash;

/// Element of `CONTROLLERS`: MACs as 48-bit little-endian numbers; 0: a place without one.
#[repr(C, align(64))]
#[derive(Debug, Default, Clone)]
pub struct Macs(pub [Word; PLACES]);

const _: () = assert!(size_of::<Macs>() == 64);

/// Places of a line.
pub const PLACES: usize = 8;

/// Lines: all of them are one page.
pub const LINES: u32 = 64;

impl Macs {
    /// Whether a MAC, which is not 0, is in this line.
    #[inline(always)]
    #[must_use]
    pub fn has(&self, mac48: u64) -> bool {
        self.0.iter().any(|place| place.get() == mac48)
    }
}

/// The two lines that a MAC may be in, which may be one.
#[inline(always)]
#[must_use]
pub const fn lines_of(mac48: u64) -> [u32; 2] {
    let hash = hash::fold(hash::fold(0, mac48), 0);
    [(hash >> 32) as u32 & (LINES - 1), (hash >> 48) as u32 & (LINES - 1)]
}

const _: () = assert!(LINES.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_that_differ_in_one_byte_spread_over_the_lines() {
        let used = |which: usize| {
            let lines = (0..4 * u64::from(LINES)).map(|last| lines_of(2 | last << 40)[which]);
            lines.collect::<std::collections::BTreeSet<u32>>().len()
        };
        assert!(used(0) > 48 && used(1) > 48, "{} and {} of {LINES}", used(0), used(1));
    }

    #[test]
    fn a_line_has_what_is_in_it_and_nothing_else() {
        let line = Macs::default();
        line.0[7].set(5);
        assert!(line.has(5) && !line.has(6));
    }
}
