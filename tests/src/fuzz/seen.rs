//! A frame as another parser sees it: header by header with etherparse, which shares nothing with the path.

use std::net::IpAddr;

use etherparse::{
    EtherType, Ethernet2HeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice,
    Ipv6RawExtHeaderSlice, SingleVlanHeaderSlice, TcpHeaderSlice, UdpHeaderSlice,
};
use lb_userspace::core::config::model::Protocol;

/// An IP packet in a frame.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Destination and source MAC.
    pub macs: [[u8; 6]; 2],
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// Where the IP header begins.
    pub l3: usize,
    /// Where what it carries begins.
    pub l4: usize,
    /// Where the packet ends by its IP header.
    pub end: usize,
    /// IPv6 extension headers.
    pub extensions: usize,
    /// Whether it is a fragment, and if, of which packet.
    pub fragment: Option<Fragment>,
    /// What it carries.
    pub carries: Carries,
}

/// A fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// Identification of the packet.
    pub id: u32,
    /// Protocol of the packet.
    pub protocol: u8,
    /// Whether it is the first.
    pub first: bool,
}

/// What an IP packet carries.
#[derive(Debug, Clone)]
pub enum Carries {
    /// A TCP segment or a UDP datagram with its ports.
    Message(Message),
    /// An ICMP error, and what it quotes if that is such a message.
    Error(Option<Box<Seen>>),
    /// Another ICMP message, by type.
    Icmp(u8),
    /// Part of something.
    Piece,
}

/// A TCP segment or a UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Which of the two.
    pub protocol: Protocol,
    /// Port of the sender.
    pub source: u16,
    /// Port of the receiver.
    pub destination: u16,
    /// For TCP.
    pub tcp: Tcp,
    /// Whether all its lengths agree with each other and with the frame's.
    pub whole: bool,
    /// Whether it has a checksum.
    pub checksum: bool,
}

/// Of a TCP segment; all zero for UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tcp {
    /// Flag.
    pub syn: bool,
    /// Flag.
    pub ack: bool,
    /// Flag.
    pub fin: bool,
    /// Flag.
    pub rst: bool,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Bytes of payload.
    pub payload: u32,
}

impl Tcp {
    /// Whether it opens a connection.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.syn && !self.ack && !self.rst && !self.fin
    }
}

/// Where a frame's payload begins and what that is.
#[must_use]
pub fn link(frame: &[u8]) -> Option<(Ethernet2HeaderSlice<'_>, EtherType, usize)> {
    let ethernet = Ethernet2HeaderSlice::from_slice(frame).ok()?;
    let (mut kind, mut l3) = (ethernet.ether_type(), 14);
    for _ in 0..2 {
        if !matches!(kind, EtherType::VLAN_TAGGED_FRAME | EtherType::PROVIDER_BRIDGING) {
            break;
        }
        kind = SingleVlanHeaderSlice::from_slice(frame.get(l3..)?).ok()?.ether_type();
        l3 += 4;
    }
    Some((ethernet, kind, l3))
}

/// The VLAN that a frame's outer tag names; `None` without one that does.
#[must_use]
pub fn vlan(frame: &[u8]) -> Option<u16> {
    let ethernet = Ethernet2HeaderSlice::from_slice(frame).ok()?;
    if !matches!(ethernet.ether_type(), EtherType::VLAN_TAGGED_FRAME | EtherType::PROVIDER_BRIDGING) {
        return None;
    }
    let tag = SingleVlanHeaderSlice::from_slice(frame.get(14..)?).ok()?;
    Some(tag.vlan_identifier().value()).filter(|vlan| *vlan != 0)
}

/// A frame that says to be handed back, as it was before.
#[must_use]
pub fn restored(frame: &[u8]) -> Option<Vec<u8>> {
    let (_, kind, l3) = link(frame)?;
    let before = match kind.0 {
        0x88b5 => EtherType::IPV4,
        0x88b6 => EtherType::IPV6,
        _ => return None,
    };
    let mut restored = frame.to_vec();
    restored[l3 - 2..l3].copy_from_slice(&before.0.to_be_bytes());
    Some(restored)
}

/// Looks at a frame; `None` if it is no IP packet that a service could have anything to do with.
#[must_use]
pub fn look(frame: &[u8]) -> Option<Seen> {
    let (ethernet, kind, l3) = link(frame)?;
    let macs = [ethernet.destination(), ethernet.source()];
    match kind {
        EtherType::IPV4 => ipv4(frame, l3, macs, Depth::Packet),
        EtherType::IPV6 => ipv6(frame, l3, macs, Depth::Packet),
        _ => None,
    }
}

/// What is looked into: a packet, or what an ICMP error quotes, which is cut anywhere behind the ports.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Packet,
    Quote,
}

fn ipv4(frame: &[u8], l3: usize, macs: [[u8; 6]; 2], depth: Depth) -> Option<Seen> {
    let ip = Ipv4HeaderSlice::from_slice(frame.get(l3..)?).ok()?;
    let fragment = ip.is_fragmenting_payload().then(|| Fragment {
        id: u32::from(ip.identification()),
        protocol: ip.protocol().0,
        first: ip.fragments_offset().value() == 0,
    });
    let (l4, end) = (l3 + ip.slice().len(), l3 + usize::from(ip.total_len()));
    let seen = Seen {
        macs,
        source: ip.source_addr().into(),
        destination: ip.destination_addr().into(),
        l3,
        l4,
        end,
        extensions: 0,
        fragment,
        carries: Carries::Piece,
    };
    carried(frame, seen, ip.protocol(), depth)
}

fn ipv6(frame: &[u8], l3: usize, macs: [[u8; 6]; 2], depth: Depth) -> Option<Seen> {
    let ip = Ipv6HeaderSlice::from_slice(frame.get(l3..)?).ok()?;
    let mut seen = Seen {
        macs,
        source: ip.source_addr().into(),
        destination: ip.destination_addr().into(),
        l3,
        l4: l3 + 40,
        end: l3 + 40 + usize::from(ip.payload_length()),
        extensions: 0,
        fragment: None,
        carries: Carries::Piece,
    };
    let mut next = ip.next_header();
    loop {
        let rest = frame.get(seen.l4..)?;
        match next {
            IpNumber::IPV6_HEADER_HOP_BY_HOP | IpNumber::IPV6_DESTINATION_OPTIONS | IpNumber::IPV6_ROUTE_HEADER => {
                // Cut short by an ICMP error or by a lying length, it still says what follows: nothing that is there.
                let extension = Ipv6RawExtHeaderSlice::from_slice(rest).ok()?;
                if next == IpNumber::IPV6_ROUTE_HEADER && extension.slice()[3] != 0 {
                    return None;
                }
                seen.l4 += extension.slice().len();
                next = extension.next_header();
            }
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let fragment = Ipv6FragmentHeaderSlice::from_slice(rest).ok()?;
                seen.l4 += 8;
                next = fragment.next_header();
                seen.fragment = fragment.is_fragmenting_payload().then(|| Fragment {
                    id: fragment.identification(),
                    protocol: next.0,
                    first: fragment.fragment_offset().value() == 0,
                });
            }
            _ => return carried(frame, seen, next, depth),
        }
        seen.extensions += 1;
        if seen.fragment.is_some_and(|fragment| !fragment.first) {
            return Some(seen);
        }
    }
}

fn carried(frame: &[u8], mut seen: Seen, protocol: IpNumber, depth: Depth) -> Option<Seen> {
    if seen.fragment.is_some_and(|fragment| !fragment.first) {
        return Some(seen);
    }
    let v6 = seen.source.is_ipv6();
    seen.carries = match protocol {
        IpNumber::TCP | IpNumber::UDP if depth == Depth::Quote => Carries::Message(ports(frame, &seen, protocol)?),
        IpNumber::TCP => Carries::Message(tcp(frame, &seen)?),
        IpNumber::UDP => Carries::Message(udp(frame, &seen)?),
        IpNumber::ICMP if !v6 => icmp(frame, &seen, depth)?,
        IpNumber::IPV6_ICMP if v6 => icmp(frame, &seen, depth)?,
        _ => Carries::Piece,
    };
    Some(seen)
}

fn ports(frame: &[u8], seen: &Seen, protocol: IpNumber) -> Option<Message> {
    let [a, b, c, d] = *frame.get(seen.l4..)?.first_chunk()?;
    let protocol = if protocol == IpNumber::TCP { Protocol::Tcp } else { Protocol::Udp };
    let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Some(Message { protocol, source, destination, tcp: Tcp::default(), whole: false, checksum: false })
}

fn tcp(frame: &[u8], seen: &Seen) -> Option<Message> {
    let plain = || ports(frame, seen, IpNumber::TCP);
    let Ok(tcp) = TcpHeaderSlice::from_slice(frame.get(seen.l4..)?) else { return plain() };
    let payload = seen.end.checked_sub(seen.l4 + tcp.slice().len());
    let of = Tcp {
        syn: tcp.syn(),
        ack: tcp.ack(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        sequence: tcp.sequence_number(),
        acknowledgment: tcp.acknowledgment_number(),
        payload: payload.unwrap_or_default() as u32,
    };
    let whole = payload.is_some() && seen.end <= frame.len();
    Some(Message { tcp: of, whole, checksum: true, ..plain()? })
}

fn udp(frame: &[u8], seen: &Seen) -> Option<Message> {
    let udp = UdpHeaderSlice::from_slice(frame.get(seen.l4..)?).ok()?;
    let (length, end) = (usize::from(udp.length()), seen.l4 + usize::from(udp.length()));
    // A first fragment gives the length of the whole datagram.
    let fits = end <= seen.end || seen.fragment.is_some();
    let whole = length >= 8 && seen.l4 + 8 <= seen.end && fits && seen.end <= frame.len();
    Some(Message { whole, checksum: udp.checksum() != 0, ..ports(frame, seen, IpNumber::UDP)? })
}

fn icmp(frame: &[u8], seen: &Seen, depth: Depth) -> Option<Carries> {
    let kind = *frame.get(seen.l4)?;
    let v6 = seen.source.is_ipv6();
    let error = if v6 { kind < 128 } else { matches!(kind, 3 | 11 | 12) };
    if !error || depth == Depth::Quote {
        return Some(Carries::Icmp(kind));
    }
    let quote = if v6 { ipv6 } else { ipv4 };
    Some(Carries::Error(quote(frame, seen.l4 + 8, seen.macs, Depth::Quote).map(Box::new)))
}
