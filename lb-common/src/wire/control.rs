//! The one record that every packet reads first: which generation of the directory is in force, how large the tables
//! are, and for how long flows are remembered.

use super::word::Word;

/// Element 0 of map `CONTROL`. Sizes are written once, before any program is attached; `generation` swaps the directory.
#[repr(C, align(64))]
#[derive(Debug, Default, Clone)]
pub struct Control {
    /// [`super::LAYOUT`] of whoever made the maps.
    pub layout: u32,
    /// CPUs that have their own counters.
    pub cpus: u32,
    /// Slots of one generation of the directory, minus one; a power of two minus one.
    pub directory_mask: u32,
    /// Pilots of one generation, minus one; a power of two minus one, at least 31.
    pub pilot_mask: u32,
    /// Sets of `FLOWS4`, minus one; a power of two minus one.
    pub flow_mask4: u32,
    /// Sets of `FLOWS6`, minus one; a power of two minus one.
    pub flow_mask6: u32,
    /// Elements of `SERVICES`: the stride between CPUs in the service counters.
    pub services: u32,
    /// Elements of `BACKENDS`: the stride between CPUs in the backend counters.
    pub backends: u32,
    /// Ticks for which a flow is remembered that was seen once.
    pub life_new: u16,
    /// The same after the client's FIN.
    pub life_closing: u16,
    /// The same after the client's RST.
    pub life_reset: u16,
    /// Ticks for which the fragments of a packet are awaited.
    pub life_fragments: u16,
    /// The directory's generation in force: 0 or 1.
    pub generation: Word,
    /// What each CPU may do in a window of time, see [`super::pace::Limits`].
    pub limits: Word,
    /// Which of a flow's two sets is looked at first, by family, see [`Order`].
    pub order: Word,
}

/// Order of look-up in the flow table, packed into one word: each bit is a family whose far sets come first. It may change at
/// any time, as both sets are always looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Order(u64);

impl Order {
    /// The bit of IPv4.
    pub const V4: u32 = 0;
    /// The bit of IPv6.
    pub const V6: u32 = 1;

    /// Packs for [`Control::order`].
    #[must_use]
    pub const fn pack(v4_far_first: bool, v6_far_first: bool) -> u64 {
        (v4_far_first as u64) << Self::V4 | (v6_far_first as u64) << Self::V6
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self(word)
    }

    /// Whether a family's far sets come first.
    #[inline(always)]
    #[must_use]
    pub const fn is_far_first(self, family: u32) -> bool {
        self.0 >> family & 1 != 0
    }
}

const _: () = assert!(size_of::<Control>() == 64);
