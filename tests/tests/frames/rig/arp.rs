//! ARP packets, built by etherparse.

use std::net::Ipv4Addr;

use etherparse::{ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, Ethernet2Header};
use lb_userspace::core::event::Mac;

use super::scene::OWN_MAC;
use super::segment::{CLIENT, Frame, ROUTER_MAC, raw};

const BROADCAST: [u8; 6] = [0xff; 6];

/// An ARP packet, to be built up.
#[derive(Debug, Clone)]
pub(crate) struct Arp {
    ethernet: Ethernet2Header,
    packet: ArpEthIpv4Packet,
    edits: Vec<(usize, Vec<u8>)>,
}

/// Who has `target`? Asked by a neighbour.
pub(crate) fn who_has(target: Ipv4Addr) -> Arp {
    arp(ArpOperation::REQUEST, (ROUTER_MAC, CLIENT), (Mac([0; 6]), target), BROADCAST)
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

    /// The finished frame says `bytes` at `offset`.
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
    }
}
