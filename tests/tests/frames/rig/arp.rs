//! ARP packets, built by etherparse.

use std::net::Ipv4Addr;

use etherparse::{ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, Ethernet2Header};
use lb_userspace::core::event::Mac;

use super::reading::{Frame, raw};
use super::scene::OWN_MAC;
use super::segment::ROUTER_MAC;

/// The neighbour that asks.
pub(crate) const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 1);
/// The addresses of [`super::net::Net::V4`], as ARP has them.
pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(10, 200, 5, 1);
/// The other VIP.
pub(crate) const OTHER_VIP: Ipv4Addr = Ipv4Addr::new(10, 200, 5, 2);
/// The client.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const BROADCAST: [u8; 6] = [0xff; 6];

/// An ARP packet, to be built up.
#[derive(Debug, Clone)]
pub(crate) struct Arp {
    ethernet: Ethernet2Header,
    packet: ArpEthIpv4Packet,
    edits: Vec<(usize, Vec<u8>)>,
    tags: Vec<(u16, u16)>,
}

/// Who has `target`? Asked by a neighbour.
pub(crate) fn who_has(target: Ipv4Addr) -> Arp {
    arp(ArpOperation::REQUEST, (ROUTER_MAC, NEIGHBOUR), (Mac([0; 6]), target), BROADCAST)
}

/// `sender` is at the neighbour's MAC: an answer to this host.
pub(crate) fn is_at(sender: Ipv4Addr, target: Ipv4Addr) -> Arp {
    arp(ArpOperation::REPLY, (ROUTER_MAC, sender), (OWN_MAC, target), OWN_MAC.0)
}

impl Arp {
    /// The same, said by this host for `sender`.
    pub(crate) fn sent_for(mut self, sender: Ipv4Addr) -> Self {
        self.ethernet.source = OWN_MAC.0;
        (self.packet.sender_mac, self.packet.sender_ipv4) = (OWN_MAC.0, sender.octets());
        self
    }

    /// In a VLAN: identifier and VLAN of each tag.
    pub(crate) fn tagged(mut self, tags: &[(u16, u16)]) -> Self {
        self.tags.extend(tags);
        self
    }

    /// The finished frame without tags says `bytes` at `offset`.
    pub(crate) fn saying(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.edits.push((offset, bytes.to_vec()));
        self
    }
}

impl From<Arp> for Frame {
    fn from(arp: Arp) -> Self {
        let mut bytes = arp.ethernet.to_bytes().to_vec();
        bytes.extend(ArpPacket::from(arp.packet).to_bytes());
        for (offset, with) in arp.edits {
            bytes[offset..offset + with.len()].copy_from_slice(&with);
        }
        let tags: Vec<u8> = arp.tags.iter().flat_map(|(a, b)| [a.to_be_bytes(), b.to_be_bytes()].concat()).collect();
        bytes.splice(12..12, tags);
        raw(bytes)
    }
}

fn arp(operation: ArpOperation, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr), to: [u8; 6]) -> Arp {
    Arp {
        ethernet: Ethernet2Header { source: sender.0.0, destination: to, ether_type: EtherType::ARP },
        packet: ArpEthIpv4Packet {
            operation,
            sender_mac: sender.0.0,
            sender_ipv4: sender.1.octets(),
            target_mac: target.0.0,
            target_ipv4: target.1.octets(),
        },
        edits: Vec::new(),
        tags: Vec::new(),
    }
}
