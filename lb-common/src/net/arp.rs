//! ARP for IPv4 over Ethernet (RFC 826).

use super::bytes::{Be16, Be32, Header};
use super::ethernet::Mac;

/// The packet:
/// ```text
///  0     2     4  5  6  8    14    18    24    28
/// +-----+-----+--+--+--+-----+-----+-----+-----+
/// |htype|ptype|6 |4 |op| sha | spa | tha | tpa |
/// +-----+-----+--+--+--+-----+-----+-----+-----+
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Arp {
    /// Hardware type: 1 for Ethernet.
    pub hardware: Be16,
    /// Protocol type: 0x0800 for IPv4.
    pub protocol: Be16,
    /// Lengths of a hardware and a protocol address: 6 and 4.
    pub lengths: Be16,
    /// Operation.
    pub operation: Be16,
    /// Sender's hardware address.
    pub sender_mac: Mac,
    /// Sender's protocol address.
    pub sender: Be32,
    /// Target's hardware address.
    pub target_mac: Mac,
    /// Target's protocol address.
    pub target: Be32,
}

const _: () = assert!(size_of::<Arp>() == 28 && align_of::<Arp>() == 1);

// SAFETY: byte arrays only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Arp {}

impl Arp {
    /// Operation: who has the target address? As it lies in memory.
    pub const REQUEST: u16 = 1_u16.to_be();

    /// Whether it speaks of IPv4 over Ethernet.
    #[inline(always)]
    #[must_use]
    pub fn is_ipv4_over_ethernet(&self) -> bool {
        self.hardware.load() == 1_u16.to_be()
            && self.protocol.load() == super::ethernet::IPV4
            && self.lengths.load() == 0x0604_u16.to_be()
    }
}
