//! The answer to a datagram that nobody can take: port unreachable (RFC 792, RFC 4443 section 3.1), at a limited rate
//! (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f)).

use crate::net::bytes::{Be16, Be32, Header, Packet};
use crate::net::checksum::Sum;
use crate::net::ethernet::{self, Ethernet};
use crate::net::icmp::{self, Icmp};
use crate::net::udp;
use crate::wire::address::Address;
use crate::wire::control::Control;
use crate::wire::pace::{Limits, admit};

use super::answer;
use super::family::{Family, Ip};
use super::tables::Tables;
use super::verdict::Verdict;

/// A word of what is quoted, or of the Ethernet header that moves.
#[repr(C)]
#[derive(Clone, Copy)]
struct Quad(Be32);

// SAFETY: a byte array: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Quad {}

/// A type field, or half a VLAN tag.
#[repr(C)]
#[derive(Clone, Copy)]
struct Pair(Be16);

// SAFETY: a byte array: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Pair {}

/// Most bytes of the datagram's headers that are quoted: all that IPv4 options may take, or two extension headers.
const QUOTE: u32 = 72;

/// Turns the datagram round into an error to its sender that quotes its headers.
///
/// # Errors
/// [`Verdict::UnreachableUnheard`] if the sender is no single host or its headers are too long to be quoted,
/// [`Verdict::UnreachableLimited`], [`Verdict::Malformed`].
#[inline(always)]
pub fn answer<F: Family, P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    control: &Control,
    ip: &Ip,
    now: u64,
) -> Result<Verdict, Verdict> {
    let quote = ip.l4 + udp::LEN - ip.l3;
    if quote > QUOTE || !answer::is_owed::<F, P>(packet, ip) {
        return Err(Verdict::UnreachableUnheard);
    }
    let pace = tables.pace(tables.cpu()).ok_or(Verdict::TableTorn)?;
    if !admit(&pace.errors, Limits::unpack(control.limits.get()).errors, now) {
        return Err(Verdict::UnreachableLimited);
    }
    let room = F::LEN + icmp::LEN;
    if !packet.truncate(ip.l3 + quote) || !packet.grow(room) {
        return Err(Verdict::Malformed);
    }
    write::<F, P>(packet, ip.l3, ip.destination, ip.source, quote).ok_or(Verdict::Malformed)?;
    Ok(Verdict::UnreachableNoBackend)
}

/// Writes everything in front of what is quoted, which lies at `l3` and [`Family::LEN`] and an ICMP header more.
#[inline(always)]
fn write<F: Family, P: Packet>(packet: &mut P, l3: u32, from: Address, to: Address, quote: u32) -> Option<()> {
    let room = F::LEN + icmp::LEN;
    let ethernet = *packet.header::<Ethernet>(room)?;
    *packet.header_mut::<Ethernet>(0)? = ethernet;
    let mut at = ethernet::LEN;
    while at < ethernet::LEN + 2 * ethernet::TAG_LEN {
        if at < l3 {
            let half = *packet.header::<Pair>(room + at)?;
            *packet.header_mut::<Pair>(at)? = half;
        }
        at += 2;
    }
    answer::turn_round(packet)?;
    *packet.header_mut(l3)? = F::header(from, to, F::ICMP, (icmp::LEN + quote) as u16);
    let (kind, code) = F::PORT_UNREACHABLE;
    let quoted = l3 + room;
    let mut sum = F::icmp_sum(from, to, (icmp::LEN + quote) as u16).word(u16::from_ne_bytes([kind, code]));
    let mut at = 0;
    while at < QUOTE {
        if at < quote {
            sum = sum.double(packet.header::<Quad>(quoted + at)?.0.load());
        }
        at += 4;
    }
    let checksum: Be16 = Sum::checksum(sum);
    *packet.header_mut(l3 + F::LEN)? = Icmp { kind, code, checksum, rest: Be32::new(0) };
    Some(())
}
