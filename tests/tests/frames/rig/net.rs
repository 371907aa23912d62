//! The two families of addresses: where everything is in each of them, so that a case is written once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Net {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Both.
pub(crate) const BOTH: [Net; 2] = [Net::V4, Net::V6];

/// Makes two tests, `v4` and `v6`, of each function that takes a [`Net`].
macro_rules! in_both_families {
    ($($name:ident),+ $(,)?) => { $(
        mod $name {
            use crate::frames::rig::net::Net;

            #[test]
            fn v4() {
                super::$name(Net::V4);
            }

            #[test]
            fn v6() {
                super::$name(Net::V6);
            }
        }
    )+ };
}

pub(crate) use in_both_families;

impl Net {
    /// The family of an address.
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The VIP of most cases.
    pub(crate) const fn vip(self) -> IpAddr {
        self.address(Ipv4Addr::new(10, 200, 5, 1), Ipv6Addr::new(0xfd00, 0x200, 5, 0, 0, 0, 0, 1))
    }

    /// Another one.
    pub(crate) const fn other_vip(self) -> IpAddr {
        self.address(Ipv4Addr::new(10, 200, 5, 2), Ipv6Addr::new(0xfd00, 0x200, 5, 0, 0, 0, 0, 2))
    }

    /// The client of most cases.
    pub(crate) const fn client(self) -> IpAddr {
        self.host(7)
    }

    /// A host of the clients' network.
    pub(crate) const fn host(self, number: u8) -> IpAddr {
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0x51, 0, 0, 0, 0, number as u16);
        self.address(Ipv4Addr::new(198, 51, 100, number), v6)
    }

    /// This host, and others of its network.
    pub(crate) const fn node(self, number: u8) -> IpAddr {
        let v6 = Ipv6Addr::new(0xfd00, 0x201, 0, 0, 0, 0, 0, number as u16);
        self.address(Ipv4Addr::new(10, 201, 0, number), v6)
    }

    /// A port of the VIP.
    pub(crate) fn at(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.vip(), port)
    }

    /// A port of the other VIP.
    pub(crate) fn at_other(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.other_vip(), port)
    }

    /// EtherType of its packets.
    pub(crate) const fn ethertype(self) -> u16 {
        match self {
            Self::V4 => 0x0800,
            Self::V6 => 0x86dd,
        }
    }

    /// EtherType of its packets that are handed back.
    pub(crate) const fn returned(self) -> u16 {
        match self {
            Self::V4 => 0x88b5,
            Self::V6 => 0x88b6,
        }
    }

    /// Length of an IP header without options or extensions.
    pub(crate) const fn header(self) -> usize {
        match self {
            Self::V4 => 20,
            Self::V6 => 40,
        }
    }

    /// Flows in one set of the flow table.
    pub(crate) const fn ways(self) -> usize {
        match self {
            Self::V4 | Self::V6 => 4,
        }
    }

    /// Protocol number of its control messages.
    pub(crate) const fn icmp_number(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 58,
        }
    }

    /// Bits of an address.
    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    const fn address(self, v4: Ipv4Addr, v6: Ipv6Addr) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(v4),
            Self::V6 => IpAddr::V6(v6),
        }
    }
}
