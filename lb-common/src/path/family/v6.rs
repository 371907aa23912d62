//! IPv6, and the extension headers in front of what it carries.

use crate::net::bytes::{Be16, Packet};
use crate::net::checksum::Sum;
use crate::net::ethernet;
use crate::net::ipv4;
use crate::net::ipv6::{self, Address6, Extension, FragmentHeader, Ipv6};
use crate::path::neighbour;
use crate::path::tables::Tables;
use crate::path::verdict::Verdict;
use crate::wire::address::Address;
use crate::wire::control::{Control, Order};
use crate::wire::flow::{Key6, Owner, Set6, key6};

use super::{Family, Ip, Part, Piece, pseudo_header};

/// IPv6.
#[derive(Debug)]
pub enum V6 {}

/// Extension headers that are walked. More have no use; such a packet is the stack's to judge.
const EXTENSIONS: u32 = 6;

impl Family for V6 {
    type Header = Ipv6;
    type Set = Set6;

    const ETHERTYPE: u16 = ethernet::IPV6;
    const RETURNED: u16 = ethernet::RETURNED6;
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

/// A number whose highest `count` of 64 bits are set.
#[inline(always)]
const fn leading64(count: u8) -> u64 {
    match count {
        0 => 0,
        1..64 => u64::MAX << (64 - count as u32),
        _ => u64::MAX,
    }
}
