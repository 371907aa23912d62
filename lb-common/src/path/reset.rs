//! The answer to a segment that nobody can take: a TCP reset (RFC 9293 section 3.10.7.1), made in place.

use crate::net::bytes::{Be16, Be32, Packet};
use crate::net::ipv4;
use crate::net::tcp::{self, Tcp};

use super::answer;
use super::family::{Family, pseudo_header};
use super::parse::Message;
use super::verdict::Verdict;

/// Turns the segment round into a reset to its sender. `why` becomes the verdict, unless the segment is a reset
/// itself or comes from no single host: those are never answered.
///
/// # Errors
/// [`Verdict::ResetUnheard`], [`Verdict::Malformed`].
#[inline(always)]
pub fn answer<F: Family, P: Packet>(packet: &mut P, message: &Message, why: Verdict) -> Result<Verdict, Verdict> {
    let ip = &message.ip;
    if message.resets() || !answer::is_owed::<F, P>(packet, ip) {
        return Err(Verdict::ResetUnheard);
    }
    let tcp = *packet.header::<Tcp>(ip.l4).ok_or(Verdict::Malformed)?;
    if !packet.truncate(ip.l3 + F::LEN + tcp::LEN) {
        return Err(Verdict::Malformed);
    }
    answer::turn_round(packet).ok_or(Verdict::Malformed)?;
    let header = F::header(ip.destination, ip.source, ipv4::TCP, tcp::LEN as u16);
    *packet.header_mut(ip.l3).ok_or(Verdict::Malformed)? = header;
    *packet.header_mut(ip.l3 + F::LEN).ok_or(Verdict::Malformed)? = reset(message, &tcp);
    Ok(why)
}

/// Sequence number, acknowledgment number and flags: "If the ACK bit is off, sequence number zero is used, [...]
/// <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>. If the ACK bit is on, <SEQ=SEG.ACK><CTL=RST>."
#[inline(always)]
fn numbers(tcp: &Tcp, message: &Message) -> (Be32, Be32, u8) {
    if tcp.flags & Tcp::ACK != 0 {
        return (tcp.acknowledgment, Be32::new(0), Tcp::RST);
    }
    let controls = u32::from(tcp.flags & Tcp::SYN != 0) + u32::from(tcp.flags & Tcp::FIN != 0);
    let next = tcp.sequence.get().wrapping_add(message.tcp_payload()).wrapping_add(controls);
    (Be32::new(0), Be32::new(next), Tcp::RST | Tcp::ACK)
}

#[inline(always)]
fn reset(message: &Message, to: &Tcp) -> Tcp {
    let (sequence, acknowledgment, flags) = numbers(to, message);
    let offset = (tcp::LEN as u8 / 4) << 4;
    let checksum = pseudo_header(message.ip.destination, message.ip.source, ipv4::TCP, tcp::LEN as u16)
        .word(to.destination.raw())
        .word(to.source.raw())
        .double(sequence.raw())
        .double(acknowledgment.raw())
        .word(u16::from_ne_bytes([offset, flags]))
        .checksum();
    Tcp {
        source: to.destination,
        destination: to.source,
        sequence,
        acknowledgment,
        offset,
        flags,
        window: Be16::new(0),
        checksum,
        urgent: Be16::new(0),
    }
}
