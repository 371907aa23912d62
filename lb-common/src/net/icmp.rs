//! ICMP (RFC 792) and ICMPv6 (RFC 4443), with the neighbour discovery (RFC 4861) that the packet path looks at.

use super::bytes::{Be16, Be32, Header};
use super::ipv6::Address6;

/// Length of the header; what an error quotes begins behind it.
pub const LEN: u32 = 8;

/// ICMPv6: neighbour solicitation.
pub const SOLICITATION: u8 = 135;
/// ICMPv6: neighbour advertisement.
pub const ADVERTISEMENT: u8 = 136;

/// The header that all messages share; what `rest` means is the type's business.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum.
    pub checksum: Be16,
    /// Identifier and sequence number, the MTU of the next hop, or nothing.
    pub rest: Be32,
}

const _: () = assert!(size_of::<Icmp>() == LEN as usize && align_of::<Icmp>() == 1);

// SAFETY: bytes and byte arrays only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Icmp {}

/// A neighbour solicitation or advertisement without options: what follows the header is the target's address.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Neighbour {
    /// The header.
    pub icmp: Icmp,
    /// Whose link-layer address is asked for, or told.
    pub target: Address6,
}

const _: () = assert!(size_of::<Neighbour>() == 24 && align_of::<Neighbour>() == 1);

// SAFETY: made of headers only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Neighbour {}
