//! Keys and values of the maps: `repr(C)`, explicit padding, no enum or bool across the boundary, sizes asserted.
//!
//! A field that user space changes while packets read it is one aligned 64-bit [`word::Word`], so that it is never
//! seen half-written; what is wider is replaced as a whole generation. Lengths of records are powers of two, so that
//! none straddles a cache line and array indexes are shifts.

pub mod address;
pub mod backend;
pub mod control;
pub mod controllers;
pub mod counters;
pub mod directory;
pub mod flow;
pub mod link;
pub mod pace;
pub mod refusal;
pub mod service;
pub mod vip;
pub mod way;
pub mod word;

/// Changes with any change of the maps' layout or meaning. A daemon adopts pinned maps of its own layout only.
pub const LAYOUT: u32 = 6;

/// A line of 32 sixteen-bit numbers: array elements are padded to 8 bytes, so narrow ones are packed by the line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line(pub [u16; Line::LEN as usize]);

impl Line {
    /// Numbers in a line.
    pub const LEN: u32 = 32;

    /// The number at `index` modulo the line's length.
    #[inline(always)]
    #[must_use]
    pub const fn at(&self, index: u32) -> u16 {
        self.0[(index % Self::LEN) as usize]
    }
}

const _: () = assert!(size_of::<Line>() == 64);
