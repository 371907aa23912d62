//! IPv4.

use crate::net::bytes::{Be16, Be32, Packet};
use crate::net::checksum::Sum;
use crate::net::ethernet;
use crate::net::ipv4::{self, Ipv4};
use crate::path::tables::Tables;
use crate::path::verdict::Verdict;
use crate::wire::address::Address;
use crate::wire::control::{Control, Order};
use crate::wire::flow::{Key4, Owner, Set4, key4};

use super::{Family, Ip, Part, Piece};

/// IPv4.
#[derive(Debug)]
pub enum V4 {}

impl Family for V4 {
    type Header = Ipv4;
    type Set = Set4;

    const ETHERTYPE: u16 = ethernet::IPV4;
    const RETURNED: u16 = ethernet::RETURNED4;
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
