//! IPv4 (RFC 791).

use super::bytes::{Be16, Be32, Header};

/// Length of the header without options.
pub const LEN: u32 = 20;
/// Protocol number of ICMP.
pub const ICMP: u8 = 1;
/// Protocol number of TCP; IPv6's, too.
pub const TCP: u8 = 6;
/// Protocol number of UDP; IPv6's, too.
pub const UDP: u8 = 17;

/// The header without options:
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+-------+---------------+-------------------------------+
/// |Version|  IHL  |Type of Service|          Total Length         |
/// +-------+-------+---------------+-----+-------------------------+
/// |         Identification        |Flags|      Fragment Offset    |
/// +---------------+---------------+-----+-------------------------+
/// |  Time to Live |    Protocol   |         Header Checksum       |
/// +---------------+---------------+-------------------------------+
/// |                       Source Address                          |
/// +---------------------------------------------------------------+
/// |                    Destination Address                        |
/// +---------------------------------------------------------------+
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Ipv4 {
    /// Version and header length in 32-bit words.
    pub version_ihl: u8,
    /// DSCP and ECN (RFC 2474, RFC 3168).
    pub tos: u8,
    /// Length of header and payload in bytes.
    pub total_length: Be16,
    /// Identification.
    pub id: Be16,
    /// Flags and fragment offset.
    pub fragment: Be16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Checksum of the header.
    pub checksum: Be16,
    /// Source address.
    pub source: Be32,
    /// Destination address.
    pub destination: Be32,
}

const _: () = assert!(size_of::<Ipv4>() == LEN as usize && align_of::<Ipv4>() == 1);

// SAFETY: bytes and byte arrays only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Ipv4 {}

impl Ipv4 {
    /// Length of the header in bytes, options included: 20..=60; `None` if it is no valid IPv4 header.
    #[inline(always)]
    #[must_use]
    pub const fn header_len(&self) -> Option<u32> {
        if self.version_ihl & 0xf0 != 0x40 || self.version_ihl < 0x45 {
            return None;
        }
        Some(((self.version_ihl & 0xf) as u32) << 2)
    }

    /// Whether the packet is a fragment, the first one included.
    #[inline(always)]
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.fragment.load() & 0x3fff_u16.to_be() != 0
    }

    /// Whether it is a fragment, and not the first one.
    #[inline(always)]
    #[must_use]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.load() & 0x1fff_u16.to_be() != 0
    }
}
