//! The two families of addresses, and the lab's numbers in both: what is `.11` in one is `::11` in the other.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{VIP, VIP6};

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// One of the lab's segments, each with a prefix of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// The switch's first: controllers, VIPs, and the client or the router. 10.77.0.0/24, fd00:77::/64.
    First,
    /// The switch's second, on the controllers' `eth1`. 10.79.0.0/24, fd00:79::/64.
    Second,
    /// Between the router and the client behind it. 10.78.0.0/24, fd00:78::/64.
    BehindRouter,
}

/// What is routed to the client wherever it is, so that it can be many clients: a /24 and a /56 each.
pub(super) const CROWD: [&str; 2] = ["10.81.0.0/16", "fd00:81::/32"];

/// What is routed into nothing: where a flood's packets claim to come from.
pub(super) const NOWHERE: [&str; 2] = ["198.18.0.0/15", "fd00:5917::/32"];

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The lab's virtual IP.
    pub fn vip(self) -> IpAddr {
        match self {
            Self::V4 => VIP.into(),
            Self::V6 => VIP6.into(),
        }
    }

    /// Bits of a whole address.
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The prefix that every address is in.
    pub(super) fn everywhere(self) -> &'static str {
        match self {
            Self::V4 => "0.0.0.0/0",
            Self::V6 => "::/0",
        }
    }

    /// Number `number` of the clients that the client can be: of a /24 or a /56 that no other has.
    pub fn of_crowd(self, number: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 81, number, 1).into(),
            Self::V6 => Ipv6Addr::new(0xfd00, 0x81, 0, u16::from(number) << 8, 0, 0, 0, 1).into(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

impl Segment {
    /// Its number, as it stands in its prefixes.
    fn number(self) -> u8 {
        match self {
            Self::First => 77,
            Self::Second => 79,
            Self::BehindRouter => 78,
        }
    }

    /// Prefix length of a family here.
    pub(super) fn prefix(family: Family) -> u8 {
        match family {
            Family::V4 => 24,
            Family::V6 => 64,
        }
    }

    /// A host's address in it.
    pub(super) fn address(self, family: Family, host: u8) -> IpAddr {
        match family {
            Family::V4 => self.v4(host).into(),
            Family::V6 => self.v6(host).into(),
        }
    }

    /// The same of IPv4.
    pub(super) fn v4(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.number(), 0, host)
    }

    /// The same of IPv6.
    pub(super) fn v6(self, host: u8) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, decimal(self.number()), 0, 0, 0, 0, 0, decimal(host))
    }

    /// MAC of a host's interface in it.
    pub(super) fn mac(self, host: u8) -> [u8; 6] {
        [0x02, 0, 10, self.number(), 0, host]
    }
}

/// The group of an IPv6 address that is written with the same digits: 11 is `::11`.
fn decimal(number: u8) -> u16 {
    let number = u16::from(number);
    number / 100 * 0x100 + number / 10 % 10 * 0x10 + number % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_the_same_number_in_both_families() {
        let of = |family| Segment::First.address(family, 211).to_string();
        assert_eq!((of(Family::V4), of(Family::V6)), ("10.77.0.211".into(), "fd00:77::211".into()));
        assert_eq!(Segment::Second.address(Family::V6, 11).to_string(), "fd00:79::11");
    }

    #[test]
    fn the_members_of_a_crowd_differ_within_what_affinity_looks_at() {
        assert_eq!(Family::V4.of_crowd(3).to_string(), "10.81.3.1");
        assert_eq!(Family::V6.of_crowd(0x12).to_string(), "fd00:81:0:1200::1");
    }
}
