//! The directory: from (address, port, protocol) to a service, exactly, at a cost independent of their number.
//!
//! A perfect hash in two generations. The upper half of a key's hash picks a pilot, the pilot permutes the hash into a
//! slot, and the slot holds the key or the key is not there (Belazzougui, Botelho, Dietzfelbinger: Hash, displace, and
//! compress, ESA 2009; the pilots' use as in PTHash, SIGIR 2021). A change builds the other generation aside and then
//! swaps [`super::control::Control::generation`].

use super::address::Address;
use crate::net::hash;

/// What is looked up: a VIP's service, or, with port and protocol 0, the VIP itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Destination address.
    pub address: Address,
    /// Destination port and protocol, see [`Key::new`].
    pub l4: u32,
}

impl Key {
    /// `port` as it lies in memory, in network order.
    #[inline(always)]
    #[must_use]
    pub const fn new(address: Address, port: u16, protocol: u8) -> Self {
        Self { address, l4: port as u32 | (protocol as u32) << 16 }
    }

    /// The key of a VIP itself: what answers ARP and neighbour solicitations, and what fragments go by.
    #[inline(always)]
    #[must_use]
    pub const fn vip(address: Address) -> Self {
        Self::new(address, 0, 0)
    }

    /// Hash of the key. Part of the layout: both sides must agree.
    #[inline(always)]
    #[must_use]
    pub const fn hash(&self) -> u64 {
        hash::fold(hash::fold(hash::fold(0, self.address.high), self.address.low), self.l4 as u64)
    }
}

/// Which pilot a key uses, out of `mask + 1`.
#[inline(always)]
#[must_use]
pub const fn pilot_of(hash: u64, mask: u32) -> u32 {
    (hash >> 32) as u32 & mask
}

/// Which slot a key is in under its pilot, out of `mask + 1`.
#[inline(always)]
#[must_use]
pub const fn slot_of(hash: u64, pilot: u16, mask: u32) -> u32 {
    (hash::fold(hash, pilot as u64) >> 32) as u32 & mask
}

/// A slot: a key and what it stands for.
#[repr(C, align(32))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Address of the key.
    pub address: Address,
    /// Port and protocol of the key; [`Slot::EMPTY`] has what no packet's key has.
    pub l4: u32,
    /// Index in `SERVICES`, or [`Slot::NO_SERVICE`] for a VIP itself.
    pub service: u16,
    /// Index in `VIPS`.
    pub vip: u16,
    /// For how long an idle flow of the service is remembered.
    pub idle: Idle,
}

/// For how long something idle is remembered, in [`super::flow::Ticks`]: at least `least`, at most `least + slack`. It is
/// written down again when the slack is used up, not with every packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Idle {
    /// At least.
    pub least: u32,
    /// And this much more.
    pub slack: u32,
}

const _: () = assert!(size_of::<Slot>() == 32);

impl Slot {
    /// The `service` of a slot that stands for a VIP itself.
    pub const NO_SERVICE: u16 = u16::MAX;

    /// A slot without a key.
    pub const EMPTY: Self = Self {
        address: Address { high: 0, low: 0 },
        l4: u32::MAX,
        service: Self::NO_SERVICE,
        vip: 0,
        idle: Idle { least: 0, slack: 0 },
    };

    /// Whether the slot is this key's.
    #[inline(always)]
    #[must_use]
    pub fn is_for(&self, key: &Key) -> bool {
        self.address == key.address && self.l4 == key.l4
    }
}
