//! Stage 1: what the frame is. Lengths are never trusted; ports are never guessed.

use crate::net::bytes::Packet;
use crate::net::ethernet;
use crate::net::ipv4::{self, Ipv4};
use crate::net::tcp::{self, Tcp};
use crate::wire::address::Address;
use crate::wire::directory::Key;

use super::verdict::Verdict;

/// A TCP segment: what later stages ask of it. Ports as they lie in memory.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Client's address.
    pub source: Address,
    /// Client's port.
    pub source_port: u16,
    /// Where it goes: address, port and protocol.
    pub key: Key,
    /// Offset of the TCP header in the frame.
    pub tcp: u32,
    /// TCP flags.
    pub flags: u8,
    /// Bytes from the Ethernet header to the end of the IP packet: a frame may be padded beyond.
    pub end: u32,
    /// Length of the TCP header, options included; `None` if it says less than the least.
    pub tcp_len: Option<u32>,
}

impl Segment {
    /// Whether it opens a connection.
    #[inline(always)]
    #[must_use]
    pub const fn opens(&self) -> bool {
        self.flags & (Tcp::SYN | Tcp::ACK | Tcp::RST | Tcp::FIN) == Tcp::SYN
    }

    /// Whether it resets one.
    #[inline(always)]
    #[must_use]
    pub const fn resets(&self) -> bool {
        self.flags & Tcp::RST != 0
    }

    /// Bytes of payload. Only after [`Segment::check_lengths`].
    #[inline(always)]
    #[must_use]
    pub fn payload(&self) -> u32 {
        self.end.saturating_sub(self.tcp + self.tcp_len.unwrap_or(tcp::LEN))
    }

    /// Whether the lengths agree: Ethernet, IP and TCP headers lie within the IP packet, and that within the frame.
    /// Asked of a service's packets only: the others are the stack's to judge.
    #[inline(always)]
    pub fn check_lengths(&self, frame: u32) -> Result<(), Verdict> {
        match self.tcp_len {
            Some(tcp_len) if self.tcp + tcp_len <= self.end && self.end <= frame => Ok(()),
            _ => Err(Verdict::Malformed),
        }
    }
}

/// Reads an IPv4 packet that follows an untagged Ethernet header.
#[inline(always)]
pub fn ipv4<P: Packet>(packet: &P) -> Result<Segment, Verdict> {
    let ip = packet.header::<Ipv4>(ethernet::LEN).ok_or(Verdict::Runt)?;
    let header_len = ip.header_len().ok_or(Verdict::BadHeader)?;
    if ip.protocol != ipv4::TCP {
        return Err(Verdict::NotBalanced);
    }
    if ip.is_fragment() {
        return Err(Verdict::Fragment);
    }
    // Without options, the usual case, every offset is a constant.
    let tcp = if header_len == ipv4::LEN { ethernet::LEN + ipv4::LEN } else { ethernet::LEN + header_len };
    let l4 = packet.header::<Tcp>(tcp).ok_or(Verdict::Runt)?;
    Ok(Segment {
        source: Address::v4(ip.source.load()),
        source_port: l4.source.load(),
        key: Key::new(Address::v4(ip.destination.load()), l4.destination.load(), ip.protocol),
        tcp,
        flags: l4.flags,
        end: ethernet::LEN + u32::from(u16::from_be(ip.total_length.load())),
        tcp_len: l4.header_len(),
    })
}
