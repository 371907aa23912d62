//! An IPv4 or IPv6 address as two 64-bit words.

#[cfg(feature = "host")]
use std::net::{IpAddr, Ipv6Addr};

/// An IP address in network byte order; an IPv4 address is the IPv4-mapped IPv6 one (RFC 4291 section 2.5.5.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Address {
    /// The first eight bytes, as they lie in memory.
    pub high: u64,
    /// The last eight bytes, as they lie in memory.
    pub low: u64,
}

const _: () = assert!(size_of::<Address>() == 16);

impl Address {
    /// Bytes 8..12 of every IPv4-mapped address.
    const MAPPED: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);

    /// The mapped form of an IPv4 address whose bytes lie in memory as those of `address` do.
    #[inline(always)]
    #[must_use]
    pub const fn v4(address: u32) -> Self {
        Self { high: 0, low: Self::pair(Self::MAPPED, address) }
    }

    /// The last four bytes: the IPv4 address, if it is one.
    #[inline(always)]
    #[must_use]
    pub const fn low_half(self) -> u32 {
        if cfg!(target_endian = "little") { (self.low >> 32) as u32 } else { self.low as u32 }
    }

    /// The IPv4 address, if it is one, as it lies in memory.
    #[inline(always)]
    #[must_use]
    pub const fn to_v4(self) -> Option<u32> {
        let mapped = Self::v4(self.low_half());
        if self.high == mapped.high && self.low == mapped.low { Some(mapped.low_half()) } else { None }
    }

    /// From four words as they lie in memory.
    #[inline(always)]
    #[must_use]
    pub const fn of_words(words: [u32; 4]) -> Self {
        Self { high: Self::pair(words[0], words[1]), low: Self::pair(words[2], words[3]) }
    }

    /// Its four words as they lie in memory.
    #[inline(always)]
    #[must_use]
    pub const fn words(self) -> [u32; 4] {
        let [a, b] = Self::split(self.high);
        let [c, d] = Self::split(self.low);
        [a, b, c, d]
    }

    #[inline(always)]
    const fn split(half: u64) -> [u32; 2] {
        let (low, high) = (half as u32, (half >> 32) as u32);
        if cfg!(target_endian = "little") { [low, high] } else { [high, low] }
    }

    #[inline(always)]
    const fn pair(first: u32, second: u32) -> u64 {
        if cfg!(target_endian = "little") {
            first as u64 | (second as u64) << 32
        } else {
            (first as u64) << 32 | second as u64
        }
    }
}

#[cfg(feature = "host")]
impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        let bytes = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let half = |at: usize| u64::from_ne_bytes(core::array::from_fn(|i| bytes[at + i]));
        Self { high: half(0), low: half(8) }
    }
}

#[cfg(feature = "host")]
impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&address.high.to_ne_bytes());
        bytes[8..].copy_from_slice(&address.low.to_ne_bytes());
        IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn ipv4_is_its_mapped_form_both_ways() {
        let ip = Ipv4Addr::new(10, 1, 2, 3);
        let address = Address::v4(u32::from_ne_bytes(ip.octets()));
        assert_eq!(address, Address::from(IpAddr::V4(ip)));
        assert_eq!(IpAddr::from(address), IpAddr::V4(ip));
        assert_eq!(address.low_half(), u32::from_ne_bytes(ip.octets()));
        assert_eq!(address.to_v4(), Some(u32::from_ne_bytes(ip.octets())));
    }

    #[test]
    fn ipv6_keeps_its_bytes() {
        let ip: IpAddr = "2001:db8::1:2".parse().unwrap();
        let address = Address::from(ip);
        assert_eq!(IpAddr::from(address), ip);
        assert_eq!(address.to_v4(), None);
        assert_eq!(Address::of_words(address.words()), address);
        assert_eq!(address.words().map(u32::from_be), [0x2001_0db8, 0, 0, 0x0001_0002]);
    }
}
