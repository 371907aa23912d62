//! Ethernet (IEEE 802.3) and its VLAN tags (IEEE 802.1Q).

use super::bytes::{Be16, Be32, Header};

/// Length of the header without tags.
pub const LEN: u32 = 14;
/// Length of an EtherType: the last one lies right in front of the payload, behind however many tags.
pub const TYPE_LEN: u32 = 2;

/// IPv4 (RFC 894), as it lies in memory.
pub const IPV4: u16 = 0x0800_u16.to_be();
/// ARP (RFC 826), as it lies in memory.
pub const ARP: u16 = 0x0806_u16.to_be();
/// IPv6 (RFC 2464), as it lies in memory.
pub const IPV6: u16 = 0x86dd_u16.to_be();
/// A VLAN tag (IEEE 802.1Q), as it lies in memory.
pub const VLAN: u16 = 0x8100_u16.to_be();
/// The outer one of two VLAN tags (IEEE 802.1ad, QinQ), as it lies in memory.
pub const VLAN_OUTER: u16 = 0x88a8_u16.to_be();

/// An IPv4 packet that a backend's host hands back to the director that sent it: nobody takes it there. IEEE Std 802 leaves
/// this number and the next one to local use. As it lies in memory.
pub const RETURNED4: u16 = 0x88b5_u16.to_be();
/// The same with an IPv6 packet.
pub const RETURNED6: u16 = 0x88b6_u16.to_be();

/// What follows a VLAN tag's type: the tag and the type of what comes next.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Tag {
    /// Priority and VLAN.
    pub control: Be16,
    /// EtherType of what follows.
    pub ethertype: Be16,
}

impl Tag {
    /// The VLAN; 0: none, the tag gives a priority alone.
    #[inline(always)]
    #[must_use]
    pub fn vlan(&self) -> u16 {
        u16::from_be(self.control.load()) & 0xfff
    }
}

/// Length of a tag with its own type.
pub const TAG_LEN: u32 = 4;

const _: () = assert!(size_of::<Tag>() == TAG_LEN as usize && align_of::<Tag>() == 1);

// SAFETY: byte arrays only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Tag {}

/// A MAC in the pieces in which it is cheapest to compare and to write.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mac {
    first: Be32,
    last: Be16,
}

impl Mac {
    /// ff:ff:ff:ff:ff:ff as a 48-bit number.
    pub const BROADCAST: u64 = 0xffff_ffff_ffff;

    /// As a 48-bit little-endian number: the first byte is the lowest.
    #[inline(always)]
    #[must_use]
    pub fn mac48(&self) -> u64 {
        u64::from(u32::from_le(self.first.load())) | u64::from(u16::from_le(self.last.load())) << 32
    }

    /// Whether it is a multicast or broadcast one.
    #[inline(always)]
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.mac48() & 1 != 0
    }

    /// Replaces it by such a number.
    #[inline(always)]
    pub fn set_mac48(&mut self, mac: u64) {
        self.first.store((mac as u32).to_le());
        self.last.store(((mac >> 32) as u16).to_le());
    }
}

/// The header:
/// ```text
///  0      6      12   14
/// +------+------+----+---
/// | dst  | src  |type| ...
/// +------+------+----+---
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Ethernet {
    /// Destination.
    pub destination: Mac,
    /// Source.
    pub source: Mac,
    /// EtherType.
    pub ethertype: Be16,
}

const _: () = assert!(size_of::<Ethernet>() == LEN as usize && align_of::<Ethernet>() == 1);

// SAFETY: byte arrays only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Ethernet {}
