//! VRRP advertisements: bytes in, what they say out, and back.
//!
//! Version 3 (RFC 9568 section 5.1, for IPv4 and IPv6):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version| Type  | Virtual Rtr ID|   Priority    |Count IPvX Addr|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |(rsvd) |  Max Advertise Int    |          Checksum             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       IPvX Address(es)                        |
//! ```
//!
//! Version 2 (RFC 3768 section 5.1, for IPv4) has an authentication type and an interval of whole seconds in the place of
//! the 12 bits of centiseconds, and eight bytes of authentication data (RFC 2338 section 5.3.10) behind the addresses.
//!
//! The checksum of version 3 over IPv4 was read in two ways: with the pseudo-header (keepalived, FRR before 10) and
//! without (RFC 9568 section 5.2.8, which settled it). Either is taken; [`Shape::pseudo_header`] says which is sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use lb_common::net::checksum::Sum;

/// IP protocol number of VRRP.
pub const PROTOCOL: u8 = 112;

/// Hop limit, or TTL, of every message: what came through a router has less.
pub const HOPS: u8 = 255;

/// Where messages go over IPv4.
pub const GROUP4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Where messages go over IPv6.
pub const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// The only type there is.
const ADVERTISEMENT: u8 = 1;
const HEADER_LENGTH: usize = 8;
/// Longest interval of version 3: 12 bits of centiseconds.
const MAX_CENTIS: u16 = 0x0fff;

/// Version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 3768: IPv4, whole seconds.
    V2,
    /// RFC 9568: both families, hundredths of a second.
    V3,
}

impl Version {
    /// As it stands in a message.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// The password of version 2: eight bytes in the clear, padded with zeros (RFC 2338 section 5.3.10). It keeps a router that
/// is set up wrongly out, nobody else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password(pub [u8; 8]);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What one message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Of the protocol.
    pub version: Version,
    /// Number of the virtual router, 1..=255 where it means something; with family and interface it names one.
    pub vrid: u8,
    /// 1..=254; 255: the sender owns the addresses; 0: the sender gives them up.
    pub priority: u8,
    /// Time between the sender's messages: whole seconds (version 2), whole centiseconds (version 3); never 0.
    pub interval: Duration,
    /// The virtual router's addresses, all of the family of the packet.
    pub addresses: Vec<IpAddr>,
}

/// What a message looks like beside what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Version 2: with this password.
    pub password: Option<Password>,
    /// Version 3 over IPv4: the checksum covers the pseudo-header.
    pub pseudo_header: bool,
}

/// Why bytes are no advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Malformed {
    /// Shorter than it says, or than any.
    #[error("the message is cut short")]
    Truncated,
    /// Longer than it says.
    #[error("the message is longer than what it holds")]
    TooLong,
    /// Neither 2 nor 3, or 2 over IPv6.
    #[error("version {0} is not spoken here")]
    Version(u8),
    /// No advertisement.
    #[error("message type {0} is unknown")]
    Type(u8),
    /// Not what it was when it was sent.
    #[error("the checksum is wrong")]
    Checksum,
    /// Routers have numbers from 1.
    #[error("router number 0")]
    Vrid,
    /// It would have every backup take over at once (RFC 9568 erratum 8301).
    #[error("an interval of 0")]
    Interval,
    /// A router without addresses.
    #[error("no addresses")]
    NoAddresses,
    /// Neither none nor a password.
    #[error("authentication type {0} is unknown")]
    Authentication(u8),
}

/// Reads the payload of an IP packet from `source` to `destination`. What authenticates it comes apart.
///
/// # Errors
/// [`Malformed`].
pub fn decode(payload: &[u8], source: IpAddr, destination: IpAddr) -> Result<(Advert, Option<Password>), Malformed> {
    let (header, rest) = payload.split_first_chunk::<HEADER_LENGTH>().ok_or(Malformed::Truncated)?;
    let [kind, vrid, priority, count, a, b, _, _] = *header;
    let version = match kind >> 4 {
        2 if source.is_ipv4() => Version::V2,
        3 => Version::V3,
        other => return Err(Malformed::Version(other)),
    };
    if kind & 0x0f != ADVERTISEMENT {
        return Err(Malformed::Type(kind & 0x0f));
    }
    let size = if source.is_ipv4() { 4 } else { 16 };
    let (addresses, rest) = rest.split_at_checked(usize::from(count) * size).ok_or(Malformed::Truncated)?;
    // keepalived and the RFC's first edition alike: data of eight bytes are there whatever the type.
    let (data, rest) = match version {
        Version::V2 => {
            let (data, rest) = rest.split_first_chunk::<8>().ok_or(Malformed::Truncated)?;
            (Some(*data), rest)
        }
        Version::V3 => (None, rest),
    };
    if !rest.is_empty() {
        return Err(Malformed::TooLong);
    }
    let sums = [Some(Sum::default()), Some(pseudo(source, destination, payload.len()))];
    let allowed = match (version, source) {
        (Version::V2, _) => &sums[..1],
        (Version::V3, IpAddr::V4(_)) => &sums[..],
        (Version::V3, IpAddr::V6(_)) => &sums[1..],
    };
    if !allowed.iter().flatten().any(|sum| add(*sum, payload).checksum().get() == 0) {
        return Err(Malformed::Checksum);
    }
    let (interval, password) = match version {
        Version::V2 => {
            let password = match a {
                0 => None,
                1 => data.map(Password),
                other => return Err(Malformed::Authentication(other)),
            };
            (Duration::from_secs(b.into()), password)
        }
        Version::V3 => (Duration::from_millis(u64::from(u16::from_be_bytes([a, b]) & MAX_CENTIS) * 10), None),
    };
    if vrid == 0 {
        return Err(Malformed::Vrid);
    }
    if interval.is_zero() {
        return Err(Malformed::Interval);
    }
    if count == 0 {
        return Err(Malformed::NoAddresses);
    }
    let addresses = addresses.chunks_exact(size).filter_map(address).collect();
    Ok((Advert { version, vrid, priority, interval, addresses }, password))
}

/// The payload of an IP packet from `source` to `destination` that says this.
///
/// Addresses beyond 255 do not fit and are left out, as intervals beyond what the field holds are cut: the configuration
/// allows neither.
#[must_use]
pub fn encode(advert: &Advert, shape: Shape, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let count = advert.addresses.len().min(255);
    let mut payload = vec![advert.version.number() << 4 | ADVERTISEMENT, advert.vrid, advert.priority, count as u8];
    match advert.version {
        Version::V2 => {
            let seconds = advert.interval.as_secs().min(255) as u8;
            payload.extend([u8::from(shape.password.is_some()), seconds]);
        }
        Version::V3 => {
            let centis = (advert.interval.as_millis() / 10).min(MAX_CENTIS.into()) as u16;
            payload.extend(centis.to_be_bytes());
        }
    }
    payload.extend([0, 0]);
    for address in &advert.addresses[..count] {
        match address {
            IpAddr::V4(address) => payload.extend(address.octets()),
            IpAddr::V6(address) => payload.extend(address.octets()),
        }
    }
    if advert.version == Version::V2 {
        payload.extend(shape.password.map_or([0; 8], |password| password.0));
    }
    let covered = advert.version == Version::V3 && (source.is_ipv6() || shape.pseudo_header);
    let sum = if covered { pseudo(source, destination, payload.len()) } else { Sum::default() };
    let checksum = add(sum, &payload).checksum().get();
    payload[6..8].copy_from_slice(&checksum.to_be_bytes());
    payload
}

/// The sum over the pseudo-header (RFC 8200 section 8.1, RFC 793 section 3.1).
fn pseudo(source: IpAddr, destination: IpAddr, length: usize) -> Sum {
    let sum = [source, destination].into_iter().fold(Sum::default(), |sum, address| match address {
        IpAddr::V4(address) => add(sum, &address.octets()),
        IpAddr::V6(address) => add(sum, &address.octets()),
    });
    sum.double((length as u32).to_be()).double(u32::from(PROTOCOL).to_be())
}

/// Adds bytes, an odd last one as if a zero followed.
fn add(sum: Sum, bytes: &[u8]) -> Sum {
    let (words, last) = bytes.as_chunks::<2>();
    let sum = words.iter().fold(sum, |sum, word| sum.word(u16::from_ne_bytes(*word)));
    last.iter().fold(sum, |sum, byte| sum.word(u16::from_ne_bytes([*byte, 0])))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests;
