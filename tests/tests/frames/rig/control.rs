//! Control messages: echoes, errors that quote what a backend sent, and neighbour discovery.

use std::net::{IpAddr, Ipv6Addr};

use super::net::Net;
use super::scene::OWN_MAC;
use super::segment::Segment;

impl Net {
    /// Is the VIP there?
    pub(crate) fn echo(self) -> Segment {
        let kind = match self {
            Self::V4 => 8,
            Self::V6 => 128,
        };
        self.icmp(kind, 0, [0x12, 0x34, 0, 1]).payload(32)
    }

    /// Types of errors, with a code and four bytes of each.
    pub(crate) fn errors(self) -> Vec<(u8, u8, [u8; 4])> {
        match self {
            Self::V4 => vec![(3, 4, [0, 0, 0x05, 0x14]), (3, 1, [0; 4]), (11, 0, [0; 4]), (12, 0, [20, 0, 0, 0])],
            Self::V6 => vec![(1, 0, [0; 4]), (2, 0, [0, 0, 0x05, 0]), (3, 0, [0; 4]), (4, 1, [0, 0, 0, 6])],
        }
    }

    /// The path is too narrow for what `quoted` is an answer to: says a router to the VIP of it. `quoted` is a segment of the
    /// client's; what is quoted goes the other way.
    pub(crate) fn too_big(self, quoted: Segment) -> Segment {
        let (kind, code, rest) = match self {
            Self::V4 => (3, 4, [0, 0, 0x05, 0x14]),
            Self::V6 => (2, 0, [0, 0, 0x05, 0x00]),
        };
        self.error((kind, code, rest), quoted)
    }

    /// An error about the answer to a client's packet.
    pub(crate) fn error(self, (kind, code, rest): (u8, u8, [u8; 4]), of: Segment) -> Segment {
        let quote = of.answered().packet();
        // RFC 792: the header and eight bytes; RFC 4443: as much as fits. Both are met by these.
        self.quoting((kind, code, rest), quote[..quote.len().min(self.header() + 28)].to_vec())
    }

    /// An error that quotes these bytes.
    pub(crate) fn quoting(self, (kind, code, rest): (u8, u8, [u8; 4]), quote: Vec<u8>) -> Segment {
        self.icmp(kind, code, rest).by(254).carrying(quote)
    }
}

/// Who has `target`? Asked of everyone who might.
pub(crate) fn solicits(target: IpAddr) -> Segment {
    let IpAddr::V6(target) = target else { panic!("{target} is no IPv6 address") };
    let [.., a, b, c] = target.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from(b) << 8 | u16::from(c));
    discovery(135, [0; 4], target).to((group, 0)).for_mac([0x33, 0x33, 0xff, a, b, c])
}

/// Do you still have `target`? Asked of this host.
pub(crate) fn probes(target: IpAddr) -> Segment {
    let IpAddr::V6(v6) = target else { panic!("{target} is no IPv6 address") };
    discovery(135, [0; 4], v6).to((target, 0))
}

/// This host has `target`, it says to everyone.
pub(crate) fn advertises(target: IpAddr) -> Segment {
    let IpAddr::V6(v6) = target else { panic!("{target} is no IPv6 address") };
    let everyone = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let advertisement = discovery(136, [0x20, 0, 0, 0], v6).from((target, 0)).to((everyone, 0));
    advertisement.by_mac(OWN_MAC.0).for_mac([0x33, 0x33, 0, 0, 0, 1])
}

fn discovery(kind: u8, rest: [u8; 4], target: Ipv6Addr) -> Segment {
    // The option is the sender's link-layer address (RFC 4861 section 4.6.1), or the target's.
    let option = [if kind == 135 { 1 } else { 2 }, 1, 2, 0, 0, 9, 0, 1];
    let message = Net::V6.icmp(kind, 0, rest).from((Net::V6.node(9), 0)).v6(|ip| ip.hop_limit = 255);
    message.carrying([&target.octets()[..], &option].concat())
}
