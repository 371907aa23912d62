//! What the table is asked by.

use crate::wire::address::Address;

/// What a key of the table is about. The number is or'ed to the index of a service or a VIP, of which there are at most
/// [`Owner::LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u16);

impl Owner {
    /// Services and VIPs there may be.
    pub const LIMIT: u32 = 1 << 14;
    const INDEX: u16 = Self::LIMIT as u16 - 1;
    const AFFINITY: u16 = 1 << 14;
    const FRAGMENT_TCP: u16 = 2 << 14;
    const FRAGMENT: u16 = 3 << 14;

    /// A flow of a service.
    #[inline(always)]
    #[must_use]
    pub const fn flow(service: u16) -> Self {
        Self(service & Self::INDEX)
    }

    /// A client of a service with affinity: the key's address is masked, its port 0.
    #[inline(always)]
    #[must_use]
    pub const fn client(service: u16) -> Self {
        Self(service & Self::INDEX | Self::AFFINITY)
    }

    /// The fragments of one packet to a VIP: instead of a port the key has the packet's identification.
    #[inline(always)]
    #[must_use]
    pub const fn fragments(vip: u16, of_tcp: bool) -> Self {
        Self(vip & Self::INDEX | if of_tcp { Self::FRAGMENT_TCP } else { Self::FRAGMENT })
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(self) -> Kind {
        let index = self.0 & Self::INDEX;
        match self.0 & !Self::INDEX {
            0 => Kind::Flow { service: index },
            Self::AFFINITY => Kind::Client { service: index },
            _ => Kind::Fragments { vip: index },
        }
    }
}

/// What a key is about, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A flow.
    Flow {
        /// Index of its service.
        service: u16,
    },
    /// A client that keeps its backend.
    Client {
        /// Index of the service.
        service: u16,
    },
    /// The fragments of one packet.
    Fragments {
        /// Index of the VIP.
        vip: u16,
    },
}

/// Key of an IPv4 flow: address, port and owner fill one word exactly, so that four flows fit into a line.
pub type Key4 = [u64; 1];
/// Key of an IPv6 flow.
pub type Key6 = [u64; 3];

/// Packs. `l4`: port as it lies in memory, or a 16-bit identification.
#[inline(always)]
#[must_use]
pub const fn key4(source: Address, l4: u32, owner: Owner) -> Key4 {
    [source.low_half() as u64 | (l4 as u64 & 0xffff) << 32 | (owner.0 as u64) << 48]
}

/// Packs. `l4`: port as it lies in memory, or an identification.
#[inline(always)]
#[must_use]
pub const fn key6(source: Address, l4: u32, owner: Owner) -> Key6 {
    [source.high, source.low, l4 as u64 | (owner.0 as u64) << 32]
}

/// Source, port and owner of a key.
#[must_use]
pub const fn unpack4(key: Key4) -> (Address, u32, Owner) {
    (Address::v4(key[0] as u32), (key[0] >> 32) as u32 & 0xffff, Owner((key[0] >> 48) as u16))
}

/// The same.
#[must_use]
pub const fn unpack6(key: Key6) -> (Address, u32, Owner) {
    (Address { high: key[0], low: key[1] }, key[2] as u32, Owner((key[2] >> 32) as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_flows_clients_and_fragments_differ() {
        let source = Address { high: 1, low: 2 };
        let owners = [Owner::flow(5), Owner::client(5), Owner::fragments(5, true), Owner::fragments(5, false)];
        for (i, a) in owners.iter().enumerate() {
            assert_eq!(unpack6(key6(source, 9, *a)), (source, 9, *a));
            assert_eq!(unpack4(key4(Address::v4(3), 9, *a)), (Address::v4(3), 9, *a));
            for b in &owners[i + 1..] {
                assert_ne!(key6(source, 9, *a), key6(source, 9, *b));
                assert_ne!(key4(source, 9, *a), key4(source, 9, *b));
            }
        }
        assert_eq!(owners[1].kind(), Kind::Client { service: 5 });
    }
}
