//! IPv6 (RFC 8200) and its extension headers.

use super::bytes::{Be16, Be32, Be64, Header};

/// Length of the fixed header.
pub const LEN: u32 = 40;
/// Next header: hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// Next header: routing.
pub const ROUTING: u8 = 43;
/// Next header: fragment.
pub const FRAGMENT: u8 = 44;
/// Next header: destination options.
pub const DESTINATION: u8 = 60;

/// An address in the pieces in which it is cheapest to compare.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Address6 {
    high: Be64,
    low: Be64,
}

impl Address6 {
    /// The first and the last eight bytes, as they lie in memory.
    #[inline(always)]
    #[must_use]
    pub fn halves(&self) -> (u64, u64) {
        (self.high.load(), self.low.load())
    }

    /// From the first and the last eight bytes, as they lie in memory.
    #[inline(always)]
    #[must_use]
    pub const fn of(high: u64, low: u64) -> Self {
        Self { high: Be64::from_raw(high), low: Be64::from_raw(low) }
    }
}

/// The fixed header:
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+---------------+---------------------------------------+
/// |Version| Traffic Class |               Flow Label              |
/// +-------+---------------+-------+---------------+---------------+
/// |         Payload Length        |  Next Header  |   Hop Limit   |
/// +-------------------------------+---------------+---------------+
/// |                   Source Address (16 bytes)                   |
/// +---------------------------------------------------------------+
/// |                Destination Address (16 bytes)                 |
/// +---------------------------------------------------------------+
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Ipv6 {
    /// Version, traffic class and flow label.
    pub version_class_flow: Be32,
    /// Length of what follows this header in bytes.
    pub payload_length: Be16,
    /// Type of the next header.
    pub next: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub source: Address6,
    /// Destination address.
    pub destination: Address6,
}

const _: () = assert!(size_of::<Ipv6>() == LEN as usize && align_of::<Ipv6>() == 1);

// SAFETY: bytes and byte arrays only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Ipv6 {}

impl Ipv6 {
    /// The first word of a packet without traffic class and flow label.
    pub const VERSION: Be32 = Be32::new(6 << 28);

    /// Whether it says that it is IPv6.
    #[inline(always)]
    #[must_use]
    pub fn is_version_6(&self) -> bool {
        self.version_class_flow.load() & 0xf000_0000_u32.to_be() == 0x6000_0000_u32.to_be()
    }
}

/// The first four bytes of a hop-by-hop, routing or destination options header (RFC 8200 sections 4.3, 4.4, 4.6).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Extension {
    /// Type of the header after this one.
    pub next: u8,
    /// Length in units of 8 bytes, without the first 8.
    pub length: u8,
    /// Routing: type.
    pub routing_type: u8,
    /// Routing: addresses that are still to be visited.
    pub segments_left: u8,
}

const _: () = assert!(size_of::<Extension>() == 4 && align_of::<Extension>() == 1);

// SAFETY: bytes only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Extension {}

/// The fragment header (RFC 8200 section 4.5).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FragmentHeader {
    /// Type of the header after this one, in the unfragmented packet.
    pub next: u8,
    /// Reserved.
    pub reserved: u8,
    /// Offset in units of 8 bytes in the upper 13 bits; the lowest bit says that more follow.
    pub offset: Be16,
    /// Identification of the packet.
    pub id: Be32,
}

const _: () = assert!(size_of::<FragmentHeader>() == 8 && align_of::<FragmentHeader>() == 1);

// SAFETY: bytes and byte arrays only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for FragmentHeader {}

impl FragmentHeader {
    /// Whether it is not the first one.
    #[inline(always)]
    #[must_use]
    pub fn is_later(&self) -> bool {
        self.offset.load() & 0xfff8_u16.to_be() != 0
    }

    /// Whether more follow.
    #[inline(always)]
    #[must_use]
    pub fn more(&self) -> bool {
        self.offset.load() & 1_u16.to_be() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_halves() {
        let (high, low) = (0x0102_0304_0506_0708_u64.to_be(), 0x090a_0b0c_0d0e_0f10_u64.to_be());
        let address = Address6::of(high, low);
        assert_eq!(address.halves(), (high, low));
        assert_eq!((address.high.get(), address.low.get()), (0x0102_0304_0506_0708, 0x090a_0b0c_0d0e_0f10));
    }
}
