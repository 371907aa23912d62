//! The hash of flows and directory keys. Part of the layout: every controller must agree on it.

/// Multiplier: 2^64 divided by the golden ratio (Knuth, TAOCP vol. 3, section 6.4), odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Takes one more word into a hash. The upper half of the result depends on every bit of what was folded in.
#[inline(always)]
#[must_use]
pub const fn fold(hash: u64, word: u64) -> u64 {
    (hash ^ (hash >> 32) ^ word).wrapping_mul(GOLDEN)
}

/// Maps the upper half of a hash onto `0..n` evenly, without a division (Lemire, ACM TOMACS 29(1), 2019).
#[inline(always)]
#[must_use]
pub const fn reduce(hash: u64, n: u32) -> u32 {
    (((hash >> 32) * n as u64) >> 32) as u32
}
