//! The BPF object and what is in it.

use lb_common::wire::way;

use crate::core::doctor::interface::DIRECTORS;
use crate::io::features;

/// The BPF object, built by this crate's build script.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/pivot"));

/// In how many buffers frames come to XDP: the director is there for either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffers {
    /// Any number, from Linux 5.18 on: jumbo frames with native XDP.
    Many,
    /// One.
    One,
}

impl Buffers {
    /// As many as this kernel allows.
    #[must_use]
    pub fn of_kernel() -> Self {
        if features::multi_buffer() { Self::Many } else { Self::One }
    }

    /// The programs that are loaded.
    #[must_use]
    pub const fn programs(self) -> [&'static str; 7] {
        let [(long4, _), (long6, _), (returned, _)] = self.long_ways();
        [self.director(), long4, long6, returned, STEER, EGRESS, LISTEN]
    }

    /// The one of them that is attached to XDP.
    #[must_use]
    pub const fn director(self) -> &'static str {
        match self {
            Self::Many => DIRECTORS[0],
            Self::One => DIRECTORS[1],
        }
    }

    /// Programs of the long way and their places in `WAYS`.
    #[must_use]
    pub const fn long_ways(self) -> [(&'static str, u32); 3] {
        match self {
            Self::Many => [("pivot_long4", way::LONG4), ("pivot_long6", way::LONG6), ("pivot_returned", way::RETURNED)],
            Self::One => [
                ("pivot_long4_one", way::LONG4),
                ("pivot_long6_one", way::LONG6),
                ("pivot_returned_one", way::RETURNED),
            ],
        }
    }
}

/// TC ingress.
pub const STEER: &str = "pivot_steer";
/// TC egress.
pub const EGRESS: &str = "pivot_egress";
/// The program of the network namespace, not of an interface.
pub const LISTEN: &str = "pivot_listen";
