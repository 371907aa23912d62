//! What differs between IPv4 and IPv6. Everything else in the path is written once, over this trait.

mod v4;
mod v6;

use crate::net::bytes::{Header, Packet};
use crate::net::checksum::Sum;
use crate::net::ethernet;
use crate::net::forget::forget;
use crate::wire::address::Address;
use crate::wire::control::Control;
use crate::wire::flow::{FlowSet, Owner};

use super::tables::Tables;
use super::verdict::Verdict;

pub use v4::V4;
pub use v6::V6;

/// What the path needs of an IP header.
#[derive(Clone, Copy, Debug)]
pub struct Ip {
    /// Sender.
    pub source: Address,
    /// Receiver.
    pub destination: Address,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Where the header begins in the frame.
    pub l3: u32,
    /// Where the payload begins: behind options and extension headers.
    pub l4: u32,
    /// Where the packet ends; the frame may be padded beyond. Not yet checked.
    pub end: u32,
    /// What it is of the packet that was sent.
    pub piece: Piece,
}

impl Ip {
    /// Where the frame says what it carries: right in front of the packet.
    #[inline(always)]
    #[must_use]
    pub const fn ethertype(&self) -> u32 {
        (self.l3 - ethernet::TYPE_LEN) & (LIMIT - 1)
    }

    /// Where the paths through the headers meet, see [`forget`].
    #[inline(always)]
    fn met(self, noise: u32) -> Self {
        Self {
            l3: forget(self.l3, noise) & (LIMIT - 1),
            l4: forget(self.l4, noise) & (LIMIT - 1),
            piece: Piece { part: Part(forget(self.piece.part.0, noise)), ..self.piece },
            ..self
        }
    }
}

/// No header begins here or behind: two VLAN tags, and six extension headers of 2,048 bytes.
const LIMIT: u32 = 1 << 14;

/// A packet, or a fragment of one. No `Option`: LLVM fills the part that is not there from any register, which the verifier
/// takes for half a pointer.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Which.
    pub part: Part,
    /// Protocol that all fragments of the packet give.
    pub protocol: u8,
    /// Identification of the packet that it is of.
    pub id: u32,
}

/// Which part of a packet a fragment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part(u32);

impl Part {
    /// All of it: no fragment.
    pub const WHOLE: Self = Self(0);
    /// The first, which carries the ports.
    pub const FIRST: Self = Self(1);
    /// Another.
    pub const LATER: Self = Self(2);
}

/// A family of addresses.
pub trait Family {
    /// Its fixed header.
    type Header: Header;
    /// A set of its flow table.
    type Set: FlowSet + core::fmt::Debug;

    /// EtherType of its packets, as it lies in memory.
    const ETHERTYPE: u16;
    /// EtherType of its packets that are handed back, as it lies in memory.
    const RETURNED: u16;
    /// Length of the fixed header.
    const LEN: u32;
    /// Protocol number of its control messages.
    const ICMP: u8;
    /// Type of an echo request.
    const ECHO_REQUEST: u8;
    /// Type and code that say that nobody is behind a port.
    const PORT_UNREACHABLE: (u8, u8);
    /// Whether UDP without a checksum is allowed.
    const UDP_CHECKSUM_OPTIONAL: bool;

    /// Reads the header at `l3`, if it has neither options nor extension headers and is that of no fragment: the usual
    /// case, in which offsets are constants.
    fn plain<P: Packet>(packet: &P, l3: u32) -> Option<Ip>;

    /// Reads the header at `l3`, whatever it is.
    ///
    /// # Errors
    /// A verdict that passes the frame up, if it is none that can be balanced.
    fn read<P: Packet>(packet: &P, l3: u32) -> Result<Ip, Verdict>;

    /// Whether a protocol number is that of a header that may stand in front of the transport header.
    fn is_extension(protocol: u8) -> bool;

    /// The header of a packet of `payload` bytes.
    fn header(source: Address, destination: Address, protocol: u8, payload: u16) -> Self::Header;

    /// The checksum over what covers an ICMP message of `length` bytes beside the message (RFC 4443 section 2.3).
    fn icmp_sum(source: Address, destination: Address, length: u16) -> Sum;

    /// Decides about neighbour discovery, which only IPv6 does by control messages; `None` for anything else.
    ///
    /// # Errors
    /// [`Verdict::TableTorn`].
    fn discovery<P: Packet, T: Tables>(
        packet: &P,
        tables: &T,
        control: &Control,
        ip: &Ip,
    ) -> Result<Option<Verdict>, Verdict>;

    /// Whether a control message of this type is an error, which quotes the packet that caused it.
    fn is_error(kind: u8) -> bool;

    /// Whether an address can be that of one host on the wire.
    fn is_host(address: Address) -> bool;

    /// The first `prefix` bits of an address.
    fn mask(address: Address, prefix: u8) -> Address;

    /// Key in the flow table. `l4`: port as it lies in memory, or identification.
    fn key(source: Address, l4: u32, owner: Owner) -> <Self::Set as FlowSet>::Key;

    /// A set of the flow table.
    fn set<T: Tables>(tables: &T, index: u32) -> Option<&Self::Set>;

    /// Sets of the flow table, minus one.
    fn set_mask(control: &Control) -> u32;

    /// Whether the far sets come first.
    fn is_far_first(control: &Control) -> bool;
}

/// The checksum over the pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 section 3.1, RFC 8200 section 8.1).
#[inline(always)]
#[must_use]
pub fn pseudo_header(source: Address, destination: Address, protocol: u8, length: u16) -> Sum {
    // The halves of a mapped IPv4 address beside the address itself, twice, add up to nothing: 2 x 0xffff.
    Sum::default()
        .quad(source.high)
        .quad(source.low)
        .quad(destination.high)
        .quad(destination.low)
        .word(u16::from(protocol).to_be())
        .word(length.to_be())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::string::ToString as _;

    fn address(text: &str) -> Address {
        Address::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn a_prefix_keeps_its_bits() {
        let masked = |prefix| IpAddr::from(V4::mask(address("203.0.113.255"), prefix)).to_string();
        assert_eq!([1, 24, 31, 32].map(masked), ["128.0.0.0", "203.0.113.0", "203.0.113.254", "203.0.113.255"]);
        let masked = |prefix| IpAddr::from(V6::mask(address("2001:db8:ffff:ffff:ffff::1"), prefix)).to_string();
        assert_eq!(
            [1, 48, 64, 65, 127, 128].map(masked),
            [
                "::",
                "2001:db8:ffff::",
                "2001:db8:ffff:ffff::",
                "2001:db8:ffff:ffff:8000::",
                "2001:db8:ffff:ffff:ffff::",
                "2001:db8:ffff:ffff:ffff::1"
            ]
        );
    }

    #[test]
    fn what_is_no_single_host_is_not_answered() {
        for group in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.18", "255.255.255.255"] {
            assert!(!V4::is_host(address(group)), "{group}");
        }
        for group in ["::", "::1", "ff02::1"] {
            assert!(!V6::is_host(address(group)), "{group}");
        }
        assert!(V4::is_host(address("10.0.0.1")) && V6::is_host(address("fd00::1")));
    }

    #[test]
    fn the_pseudo_header_of_mapped_addresses_is_that_of_ipv4() {
        let (a, b) = (address("192.0.2.1"), address("198.51.100.7"));
        let plain = Sum::default().double(a.low_half()).double(b.low_half()).word(6_u16.to_be()).word(20_u16.to_be());
        assert_eq!(pseudo_header(a, b, 6, 20).checksum(), plain.checksum());
    }
}
