//! What differs between IPv4 and IPv6. Everything else in the path is written once, over this trait.

use crate::net::bytes::{Be16, Be32, Header, Packet};
use crate::net::checksum::Sum;
use crate::net::forget::forget;
use crate::net::ipv4::{self, Ipv4};
use crate::net::ipv6::{self, Address6, Extension, FragmentHeader, Ipv6};
use crate::wire::address::Address;
use crate::wire::control::{Control, Order};
use crate::wire::flow::{FlowSet, Key4, Key6, Owner, Set4, Set6, key4, key6};

use super::neighbour;
use super::tables::Tables;
use super::verdict::Verdict;

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

/// IPv4.
#[derive(Debug)]
pub enum V4 {}

impl Family for V4 {
    type Header = Ipv4;
    type Set = Set4;

    const LEN: u32 = ipv4::LEN;
    const ICMP: u8 = ipv4::ICMP;
    const ECHO_REQUEST: u8 = 8;
    const PORT_UNREACHABLE: (u8, u8) = (3, 3);
    const UDP_CHECKSUM_OPTIONAL: bool = true;

    #[inline(always)]
    fn plain<P: Packet>(packet: &P, l3: u32) -> Option<Ip> {
        let ip = packet.header::<Ipv4>(l3)?;
        if ip.version_ihl != 0x45 || ip.is_fragment() {
            return None;
        }
        Some(Self::parts(ip, l3, ipv4::LEN, Part::WHOLE))
    }

    #[inline(always)]
    fn read<P: Packet>(packet: &P, l3: u32) -> Result<Ip, Verdict> {
        let ip = packet.header::<Ipv4>(l3).ok_or(Verdict::Runt)?;
        let header_len = ip.header_len().ok_or(Verdict::BadHeader)?;
        let part = match (ip.is_fragment(), ip.is_later_fragment()) {
            (false, _) => Part::WHOLE,
            (true, false) => Part::FIRST,
            (true, true) => Part::LATER,
        };
        let ip = Self::parts(ip, l3, header_len, part);
        Ok(ip.met(ip.source.low_half()))
    }

    #[inline(always)]
    fn is_extension(_protocol: u8) -> bool {
        false
    }

    #[inline(always)]
    fn header(source: Address, destination: Address, protocol: u8, payload: u16) -> Ipv4 {
        let total_length = Be16::new(ipv4::LEN as u16 + payload);
        let dont_fragment = Be16::new(0x4000);
        let (version_ihl, ttl) = (0x45, 64);
        let checksum = Sum::default()
            .word(u16::from_ne_bytes([version_ihl, 0]))
            .word(total_length.raw())
            .word(dont_fragment.raw())
            .word(u16::from_ne_bytes([ttl, protocol]))
            .double(source.low_half())
            .double(destination.low_half())
            .checksum();
        Ipv4 {
            version_ihl,
            tos: 0,
            total_length,
            id: Be16::new(0),
            fragment: dont_fragment,
            ttl,
            protocol,
            checksum,
            source: Be32::from_raw(source.low_half()),
            destination: Be32::from_raw(destination.low_half()),
        }
    }

    #[inline(always)]
    fn icmp_sum(_source: Address, _destination: Address, _length: u16) -> Sum {
        Sum::default()
    }

    #[inline(always)]
    fn discovery<P: Packet, T: Tables>(_: &P, _: &T, _: &Control, _: &Ip) -> Result<Option<Verdict>, Verdict> {
        Ok(None)
    }

    /// Destination unreachable, time exceeded, parameter problem. A redirect is for routers, a source quench for nobody
    /// (RFC 6633).
    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        matches!(kind, 3 | 11 | 12)
    }

    /// RFC 1122 section 3.2.1.3: not of this network, loopback, multicast, reserved or broadcast.
    #[inline(always)]
    fn is_host(address: Address) -> bool {
        let first = u32::from_be(address.low_half()) >> 24;
        first != 0 && first != 127 && first < 224
    }

    #[inline(always)]
    fn mask(address: Address, prefix: u8) -> Address {
        Address::v4(address.low_half() & leading32(prefix).to_be())
    }

    #[inline(always)]
    fn key(source: Address, l4: u32, owner: Owner) -> Key4 {
        key4(source, l4, owner)
    }

    #[inline(always)]
    fn set<T: Tables>(tables: &T, index: u32) -> Option<&Set4> {
        tables.flows4(index)
    }

    #[inline(always)]
    fn set_mask(control: &Control) -> u32 {
        control.flow_mask4
    }

    #[inline(always)]
    fn is_far_first(control: &Control) -> bool {
        Order::unpack(control.order.get()).is_far_first(Order::V4)
    }
}

impl V4 {
    #[inline(always)]
    fn parts(ip: &Ipv4, l3: u32, header_len: u32, part: Part) -> Ip {
        Ip {
            source: Address::v4(ip.source.load()),
            destination: Address::v4(ip.destination.load()),
            protocol: ip.protocol,
            l3,
            l4: l3 + header_len,
            end: l3 + u32::from(u16::from_be(ip.total_length.load())),
            piece: Piece { part, protocol: ip.protocol, id: u32::from(ip.id.load()) },
        }
    }
}

/// A number whose highest `count` of 32 bits are set.
#[inline(always)]
const fn leading32(count: u8) -> u32 {
    if count == 0 { 0 } else { u32::MAX << ((32 - count as u32) & 31) }
}

/// A number whose highest `count` of 64 bits are set.
#[inline(always)]
const fn leading64(count: u8) -> u64 {
    match count {
        0 => 0,
        1..64 => u64::MAX << (64 - count as u32),
        _ => u64::MAX,
    }
}

/// IPv6.
#[derive(Debug)]
pub enum V6 {}

/// Extension headers that are walked. More have no use; such a packet is the stack's to judge.
const EXTENSIONS: u32 = 6;

impl Family for V6 {
    type Header = Ipv6;
    type Set = Set6;

    const LEN: u32 = ipv6::LEN;
    const ICMP: u8 = 58;
    const ECHO_REQUEST: u8 = 128;
    const PORT_UNREACHABLE: (u8, u8) = (1, 4);
    const UDP_CHECKSUM_OPTIONAL: bool = false;

    #[inline(always)]
    fn plain<P: Packet>(packet: &P, l3: u32) -> Option<Ip> {
        let ip = packet.header::<Ipv6>(l3)?;
        if !ip.is_version_6() || !is_final(ip.next) {
            return None;
        }
        Some(Self::parts(ip, l3))
    }

    #[inline(always)]
    fn read<P: Packet>(packet: &P, l3: u32) -> Result<Ip, Verdict> {
        let ip = packet.header::<Ipv6>(l3).ok_or(Verdict::Runt)?;
        if !ip.is_version_6() {
            return Err(Verdict::BadHeader);
        }
        let ip = Self::parts(ip, l3);
        let ip = if is_final(ip.protocol) { ip } else { walk(packet, ip)? };
        Ok(ip.met(ip.source.low_half()))
    }

    #[inline(always)]
    fn is_extension(protocol: u8) -> bool {
        matches!(protocol, ipv6::HOP_BY_HOP | ipv6::DESTINATION | ipv6::ROUTING)
    }

    #[inline(always)]
    fn header(source: Address, destination: Address, protocol: u8, payload: u16) -> Ipv6 {
        Ipv6 {
            version_class_flow: Ipv6::VERSION,
            payload_length: Be16::new(payload),
            next: protocol,
            hop_limit: 64,
            source: Address6::of(source.high, source.low),
            destination: Address6::of(destination.high, destination.low),
        }
    }

    #[inline(always)]
    fn icmp_sum(source: Address, destination: Address, length: u16) -> Sum {
        pseudo_header(source, destination, Self::ICMP, length)
    }

    #[inline(always)]
    fn discovery<P: Packet, T: Tables>(
        packet: &P,
        tables: &T,
        control: &Control,
        ip: &Ip,
    ) -> Result<Option<Verdict>, Verdict> {
        neighbour::incoming(packet, tables, control, ip)
    }

    /// RFC 4443 section 2.1: the types below 128.
    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        kind < 128
    }

    /// RFC 4291 section 2.4: not unspecified, loopback or multicast.
    #[inline(always)]
    fn is_host(address: Address) -> bool {
        let reserved = address.high == 0 && u64::from_be(address.low) <= 1;
        !reserved && u64::from_be(address.high) >> 56 != 0xff
    }

    #[inline(always)]
    fn mask(address: Address, prefix: u8) -> Address {
        Address {
            high: address.high & leading64(prefix).to_be(),
            low: address.low & leading64(prefix.saturating_sub(64)).to_be(),
        }
    }

    #[inline(always)]
    fn key(source: Address, l4: u32, owner: Owner) -> Key6 {
        key6(source, l4, owner)
    }

    #[inline(always)]
    fn set<T: Tables>(tables: &T, index: u32) -> Option<&Set6> {
        tables.flows6(index)
    }

    #[inline(always)]
    fn set_mask(control: &Control) -> u32 {
        control.flow_mask6
    }

    #[inline(always)]
    fn is_far_first(control: &Control) -> bool {
        Order::unpack(control.order.get()).is_far_first(Order::V6)
    }
}

impl V6 {
    #[inline(always)]
    fn parts(ip: &Ipv6, l3: u32) -> Ip {
        let address = |(high, low)| Address { high, low };
        Ip {
            source: address(ip.source.halves()),
            destination: address(ip.destination.halves()),
            protocol: ip.next,
            l3,
            l4: l3 + ipv6::LEN,
            end: l3 + ipv6::LEN + u32::from(u16::from_be(ip.payload_length.load())),
            piece: Piece { part: Part::WHOLE, protocol: ip.next, id: 0 },
        }
    }
}

/// Whether a header is one that the path ends at.
#[inline(always)]
const fn is_final(next: u8) -> bool {
    matches!(next, ipv4::TCP | ipv4::UDP | V6::ICMP)
}

/// Walks the extension headers (RFC 8200 section 4) up to a transport header or a fragment that has none.
#[inline(always)]
fn walk<P: Packet>(packet: &P, mut ip: Ip) -> Result<Ip, Verdict> {
    let mut walked = 0;
    while walked < EXTENSIONS {
        match ip.protocol {
            ipv6::HOP_BY_HOP | ipv6::DESTINATION | ipv6::ROUTING => {
                let extension = packet.header::<Extension>(ip.l4).ok_or(Verdict::Runt)?;
                if ip.protocol == ipv6::ROUTING && extension.segments_left != 0 {
                    // The VIP is a stop on the way: that is routing.
                    return Err(Verdict::NotBalanced);
                }
                ip.l4 += (u32::from(extension.length) + 1) * 8;
                ip.protocol = extension.next;
            }
            ipv6::FRAGMENT => {
                let fragment = packet.header::<FragmentHeader>(ip.l4).ok_or(Verdict::Runt)?;
                // A packet in one fragment is none (RFC 6946).
                let part = match (fragment.is_later(), fragment.more()) {
                    (true, _) => Part::LATER,
                    (false, true) => Part::FIRST,
                    (false, false) => Part::WHOLE,
                };
                ip.piece = Piece { part, protocol: fragment.next, id: fragment.id.load() };
                ip.l4 += size_of::<FragmentHeader>() as u32;
                ip.protocol = fragment.next;
                if fragment.is_later() {
                    return Ok(ip);
                }
            }
            _ => return Err(Verdict::NotBalanced),
        }
        if is_final(ip.protocol) {
            return Ok(ip);
        }
        ip = ip.met(ip.source.low_half());
        walked += 1;
    }
    Err(Verdict::Extensions)
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
