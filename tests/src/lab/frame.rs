//! What is read from a captured frame: who sent it, who speaks for which address, ports, ICMP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_userspace::core::event::Mac;

/// A captured Ethernet frame, perhaps without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(pub Vec<u8>);

/// A question for, or a word about, who has an address: ARP (RFC 826), or neighbour discovery (RFC 4861).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// What it does.
    pub kind: NeighbourKind,
    /// Whose MAC is told: of an ARP packet the sender's hardware address, else the frame's source.
    pub mac: Mac,
    /// Address that it speaks for: of a solicitation, its source (`::` for nobody); of an advertisement, its target.
    pub sender: IpAddr,
    /// Address that it is about.
    pub target: IpAddr,
}

/// What a [`Neighbour`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeighbourKind {
    /// An ARP request, a neighbour solicitation.
    Question,
    /// An ARP reply, a solicited advertisement.
    Answer,
    /// Sender and target of an ARP packet are the same (RFC 5227, section 2.3); an unsolicited advertisement.
    Announcement,
}

/// An ICMP or ICMPv6 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp {
    /// Who sent it.
    pub source: IpAddr,
    /// To whom.
    pub target: IpAddr,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
}

/// An IP header.
#[derive(Debug, Clone, Copy)]
struct Ip {
    source: IpAddr,
    target: IpAddr,
    /// Of what follows.
    protocol: u8,
    /// Where that begins in the frame.
    payload: usize,
    /// Whether the packet is a part of a larger one.
    fragment: bool,
}

/// IP protocol numbers.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const FRAGMENT: u8 = 44;
const ICMPV6: u8 = 58;
const VRRP: u8 = 112;

/// ICMPv6 types (RFC 4861, section 4).
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// The `S` flag of an advertisement.
const SOLICITED: u8 = 0x40;

/// Length of an Ethernet header.
const ETHERNET: usize = 14;

impl Frame {
    /// Who sent it.
    pub fn source(&self) -> Option<Mac> {
        Some(Mac(self.field(6)?))
    }

    /// The question or word about an address in it.
    pub fn neighbour(&self) -> Option<Neighbour> {
        match self.field(12)? {
            [0x08, 0x06] => self.arp(),
            [0x86, 0xdd] => self.discovery(),
            _ => None,
        }
    }

    /// Source address and TCP ports, source first, if it is TCP and no fragment.
    pub fn tcp(&self) -> Option<(IpAddr, [u16; 2])> {
        let ip = self.ip().filter(|ip| ip.protocol == TCP && !ip.fragment)?;
        let [a, b, c, d] = self.field(ip.payload)?;
        Some((ip.source, [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]))
    }

    /// The ICMP message in it, of either family.
    pub fn icmp(&self) -> Option<Icmp> {
        let ip = self.ip().filter(|ip| [ICMP, ICMPV6].contains(&ip.protocol) && !ip.fragment)?;
        let [kind, code] = self.field(ip.payload)?;
        Some(Icmp { source: ip.source, target: ip.target, kind, code })
    }

    /// The VRRP message in it: who sent it, and its bytes.
    pub fn vrrp(&self) -> Option<(IpAddr, &[u8])> {
        let ip = self.ip().filter(|ip| ip.protocol == VRRP && !ip.fragment)?;
        Some((ip.source, self.0.get(ip.payload..)?))
    }

    /// Whether it carries a part of a larger packet.
    pub fn is_fragment(&self) -> bool {
        self.ip().is_some_and(|ip| ip.fragment)
    }

    fn arp(&self) -> Option<Neighbour> {
        let operation = u16::from_be_bytes(self.field(20)?);
        let [sender, target] = [28, 38].map(|at| self.field::<4>(at).map(Ipv4Addr::from));
        let (sender, target) = (sender?, target?);
        let kind = match operation {
            _ if sender == target => NeighbourKind::Announcement,
            1 => NeighbourKind::Question,
            _ => NeighbourKind::Answer,
        };
        Some(Neighbour { kind, mac: Mac(self.field(22)?), sender: sender.into(), target: target.into() })
    }

    fn discovery(&self) -> Option<Neighbour> {
        let ip = self.ip().filter(|ip| ip.protocol == ICMPV6)?;
        let ([icmp, flags], mac) = ([self.byte(ip.payload)?, self.byte(ip.payload + 4)?], self.source()?);
        let target = IpAddr::from(self.field::<16>(ip.payload + 8)?);
        let (kind, sender) = match icmp {
            SOLICITATION => (NeighbourKind::Question, ip.source),
            ADVERTISEMENT if flags & SOLICITED == 0 => (NeighbourKind::Announcement, target),
            ADVERTISEMENT => (NeighbourKind::Answer, target),
            _ => return None,
        };
        Some(Neighbour { kind, mac, sender, target })
    }

    fn ip(&self) -> Option<Ip> {
        match self.field(12)? {
            [0x08, 0x00] => {
                let [flags, rest] = self.field(ETHERNET + 6)?;
                Some(Ip {
                    source: Ipv4Addr::from(self.field::<4>(ETHERNET + 12)?).into(),
                    target: Ipv4Addr::from(self.field::<4>(ETHERNET + 16)?).into(),
                    protocol: self.byte(ETHERNET + 9)?,
                    payload: ETHERNET + usize::from(self.byte(ETHERNET)? & 0x0f) * 4,
                    // More fragments follow, or this one does not begin the packet.
                    fragment: flags & 0x3f != 0 || rest != 0,
                })
            }
            [0x86, 0xdd] => {
                let protocol = self.byte(ETHERNET + 6)?;
                Some(Ip {
                    source: Ipv6Addr::from(self.field::<16>(ETHERNET + 8)?).into(),
                    target: Ipv6Addr::from(self.field::<16>(ETHERNET + 24)?).into(),
                    protocol,
                    payload: ETHERNET + 40,
                    fragment: protocol == FRAGMENT,
                })
            }
            _ => None,
        }
    }

    fn byte(&self, offset: usize) -> Option<u8> {
        self.0.get(offset).copied()
    }

    fn field<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.get(offset..offset + N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn frame(ethertype: [u8; 2], packet: &[&[u8]]) -> Frame {
        Frame([&[0xff; 6][..], &HOST, &ethertype, &packet.concat()].concat())
    }

    fn v6(protocol: u8, payload: &[u8]) -> Frame {
        let addresses = ["fd00::1", "fd00::2"].map(|address| address.parse::<Ipv6Addr>().unwrap().octets());
        frame([0x86, 0xdd], &[&[0x60, 0, 0, 0, 0, 0, protocol, 255], &addresses.concat(), payload])
    }

    #[test]
    fn reads_an_arp_reply_and_an_announcement() {
        let arp = |target: u8| {
            let ends = [&HOST[..], &[10, 0, 0, 1], &[2, 0, 0, 0, 0, 2], &[10, 0, 0, target]].concat();
            frame([0x08, 0x06], &[&[0, 1, 0x08, 0, 6, 4, 0, 2], &ends])
        };
        let (sender, target) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let expected = Neighbour { kind: NeighbourKind::Answer, mac: Mac(HOST), sender, target };
        assert_eq!(arp(2).neighbour(), Some(expected));
        assert_eq!(arp(2).tcp(), None);
        assert_eq!(Frame(arp(2).0[..41].to_vec()).neighbour(), None);
        assert_eq!(arp(1).neighbour().unwrap().kind, NeighbourKind::Announcement);
    }

    #[test]
    fn reads_solicitations_and_advertisements() {
        let target: Ipv6Addr = "fd00::100".parse().unwrap();
        let message = |kind, flags| v6(ICMPV6, &[&[kind, 0, 0, 0, flags, 0, 0, 0][..], &target.octets()].concat());
        let read = |kind, flags| message(kind, flags).neighbour().map(|seen| (seen.kind, seen.sender.to_string()));
        assert_eq!(read(SOLICITATION, 0), Some((NeighbourKind::Question, "fd00::1".to_owned())));
        assert_eq!(read(ADVERTISEMENT, SOLICITED), Some((NeighbourKind::Answer, "fd00::100".to_owned())));
        assert_eq!(read(ADVERTISEMENT, 0x20), Some((NeighbourKind::Announcement, "fd00::100".to_owned())));
        assert_eq!(read(2, 0), None);
        let icmp = message(2, 0).icmp().unwrap();
        assert_eq!((icmp.kind, icmp.source.to_string()), (2, "fd00::1".to_owned()));
    }

    #[test]
    fn reads_a_vrrp_message() {
        let message = [0x31, 51, 100, 0, 0, 100, 0, 0];
        assert_eq!(v6(VRRP, &message).vrrp(), Some(("fd00::1".parse().unwrap(), &message[..])));
        assert_eq!(v6(TCP, &message).vrrp(), None);
    }

    #[test]
    fn a_fragment_has_no_ports() {
        let ports = [0, 80, 1, 0];
        assert_eq!(v6(TCP, &ports).tcp(), Some(("fd00::1".parse().unwrap(), [80, 256])));
        assert!(v6(FRAGMENT, &ports).is_fragment());
        let v4 = |flags: u8| {
            frame([0x08, 0], &[&[0x45, 0, 0, 0, 0, 0, flags, 0, 64, TCP, 0, 0], &[10, 0, 0, 1, 10, 0, 0, 2], &ports])
        };
        assert_eq!(v4(0x40).tcp().map(|(_, ports)| ports), Some([80, 256]));
        assert!(v4(0x20).is_fragment() && v4(0x20).tcp().is_none());
    }
}
