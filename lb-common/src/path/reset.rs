//! The answer to a segment that nobody can take: a TCP reset (RFC 9293 section 3.10.7.1), made in place.

use crate::net::bytes::{Be16, Be32, Header, Packet};
use crate::net::checksum::Sum;
use crate::net::ethernet::{Ethernet, IPV4, LEN};
use crate::net::ipv4::{self, Ipv4};
use crate::net::tcp::{self, Tcp};

use super::parse::Segment;
use super::verdict::Verdict;

/// A whole reset: the frame is rewritten from its first byte to its last.
#[repr(C)]
struct Reset {
    ethernet: Ethernet,
    ip: Ipv4,
    tcp: Tcp,
}

const FRAME: u32 = LEN + ipv4::LEN + tcp::LEN;
const _: () = assert!(size_of::<Reset>() == FRAME as usize && align_of::<Reset>() == 1);

// SAFETY: made of headers only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Reset {}

/// Turns the segment round into a reset to its sender. `why` becomes the verdict, unless the segment is a reset
/// itself or comes from no single host: those are never answered (RFC 9293 sections 3.10.7.1 and 3.9.2.3).
#[inline(always)]
pub fn answer<P: Packet>(packet: &mut P, segment: &Segment, why: Verdict) -> Result<Verdict, Verdict> {
    let ethernet = packet.header::<Ethernet>(0).ok_or(Verdict::Malformed)?;
    if segment.resets() || ethernet.source.is_group() || !is_host(Be32::from_raw(segment.source.low_half())) {
        return Err(Verdict::ResetUnheard);
    }
    let tcp = *packet.header::<Tcp>(segment.tcp).ok_or(Verdict::Malformed)?;
    let (sequence, acknowledgment, flags) = numbers(&tcp, segment);
    if !packet.truncate(FRAME) {
        return Err(Verdict::Malformed);
    }
    let frame = packet.header_mut::<Reset>(0).ok_or(Verdict::Malformed)?;
    let (to, from) = (frame.ethernet.source, frame.ethernet.destination);
    frame.ethernet = Ethernet { destination: to, source: from, ethertype: Be16::from_raw(IPV4) };
    frame.ip = ip_header(frame.ip.destination, frame.ip.source);
    frame.tcp = tcp_header(&frame.ip, &tcp, sequence, acknowledgment, flags);
    Ok(why)
}

/// Whether an address can be that of one host on the wire (RFC 1122 section 3.2.1.3): not of this network, loopback,
/// multicast, reserved or broadcast.
#[inline(always)]
const fn is_host(address: Be32) -> bool {
    let first = address.get() >> 24;
    first != 0 && first != 127 && first < 224
}

/// Sequence number, acknowledgment number and flags: "If the ACK bit is off, sequence number zero is used, [...]
/// <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>. If the ACK bit is on, <SEQ=SEG.ACK><CTL=RST>."
#[inline(always)]
fn numbers(tcp: &Tcp, segment: &Segment) -> (Be32, Be32, u8) {
    if tcp.flags & Tcp::ACK != 0 {
        return (tcp.acknowledgment, Be32::new(0), Tcp::RST);
    }
    let controls = u32::from(tcp.flags & Tcp::SYN != 0) + u32::from(tcp.flags & Tcp::FIN != 0);
    let next = tcp.sequence.get().wrapping_add(segment.payload()).wrapping_add(controls);
    (Be32::new(0), Be32::new(next), Tcp::RST | Tcp::ACK)
}

#[inline(always)]
fn ip_header(source: Be32, destination: Be32) -> Ipv4 {
    let total_length = Be16::new((ipv4::LEN + tcp::LEN) as u16);
    let dont_fragment = Be16::new(0x4000);
    let (version_ihl, ttl) = (0x45, 64);
    let checksum = Sum::default()
        .word(u16::from_ne_bytes([version_ihl, 0]))
        .word(total_length.raw())
        .word(dont_fragment.raw())
        .word(u16::from_ne_bytes([ttl, ipv4::TCP]))
        .double(source.raw())
        .double(destination.raw())
        .checksum();
    Ipv4 {
        version_ihl,
        tos: 0,
        total_length,
        id: Be16::new(0),
        fragment: dont_fragment,
        ttl,
        protocol: ipv4::TCP,
        checksum,
        source,
        destination,
    }
}

#[inline(always)]
fn tcp_header(ip: &Ipv4, to: &Tcp, sequence: Be32, acknowledgment: Be32, flags: u8) -> Tcp {
    let offset = (tcp::LEN as u8 / 4) << 4;
    // RFC 9293 section 3.1: the pseudo-header is addresses, protocol and TCP length.
    let checksum = Sum::default()
        .double(ip.source.raw())
        .double(ip.destination.raw())
        .word(Be16::new(u16::from(ipv4::TCP)).raw())
        .word(Be16::new(tcp::LEN as u16).raw())
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

#[cfg(all(test, feature = "host"))]
mod tests {
    use super::*;
    use crate::host::Frame;
    use crate::path::parse;
    use std::vec::Vec;

    /// A segment with a SYN, two bytes of payload and a padding byte, as it comes from this MAC and address.
    fn segment(mac: [u8; 6], source: [u8; 4], flags: u8) -> Frame {
        let mut bytes = Vec::from([2, 0, 0, 0, 0, 1]);
        bytes.extend(mac);
        bytes.extend([0x08, 0, 0x46, 0, 0, 46, 0, 7, 0x40, 0, 9, 6, 0, 0]);
        bytes.extend(source);
        bytes.extend([10, 0, 1, 1, 1, 1, 1, 0, 0x9c, 0x40, 0, 80, 0, 0, 0, 5, 0, 0, 0, 9, 0x50, flags]);
        bytes.extend([0xff, 0xff, 0, 0, 0, 0, b'h', b'i', 0]);
        Frame(bytes)
    }

    fn answered(frame: &mut Frame) -> Result<Verdict, Verdict> {
        let segment = parse::ipv4(frame).unwrap();
        segment.check_lengths(frame.len()).unwrap();
        answer(frame, &segment, Verdict::ResetNoBackend)
    }

    fn checksum(bytes: &[u8], sum: Sum) -> u16 {
        bytes.chunks(2).fold(sum, |sum, w| sum.word(u16::from_ne_bytes([w[0], w[1]]))).checksum().get()
    }

    #[test]
    fn a_segment_with_options_payload_and_padding_becomes_a_valid_reset() {
        let mut frame = segment([2, 0, 0, 0, 0, 9], [10, 9, 9, 9], Tcp::SYN);
        assert_eq!(answered(&mut frame), Ok(Verdict::ResetNoBackend));
        let (ip, tcp) = frame.0[14..].split_at(20);
        assert_eq!(frame.0[..12], [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1]);
        assert_eq!(ip[12..], [10, 0, 1, 1, 10, 9, 9, 9]);
        assert_eq!(tcp[..14], [0, 80, 0x9c, 0x40, 0, 0, 0, 0, 0, 0, 0, 8, 0x50, Tcp::RST | Tcp::ACK]);
        assert_eq!((ip.len() + tcp.len(), ip[3]), (40, 40));
        assert_eq!(checksum(ip, Sum::default()), 0);
        let pseudo = ip[12..].chunks(2).fold(Sum::default(), |s, w| s.word(u16::from_ne_bytes([w[0], w[1]])));
        assert_eq!(checksum(tcp, pseudo.word(6_u16.to_be()).word(20_u16.to_be())), 0);
    }

    #[test]
    fn an_answer_takes_its_sequence_number_from_the_acknowledgment() {
        let mut frame = segment([2, 0, 0, 0, 0, 9], [10, 9, 9, 9], Tcp::ACK);
        assert_eq!(answered(&mut frame), Ok(Verdict::ResetNoBackend));
        assert_eq!(frame.0[38..48], [0, 0, 0, 9, 0, 0, 0, 0, 0x50, Tcp::RST]);
    }

    #[test]
    fn nobody_is_answered_in_the_name_of_many() {
        let host = [2, 0, 0, 0, 0, 9];
        let groups = [[0, 0, 0, 0], [0, 1, 2, 3], [127, 0, 0, 1], [224, 0, 0, 18], [255, 255, 255, 255]];
        for (mac, source) in groups.map(|group| (host, group)).into_iter().chain([([0xff; 6], [10, 9, 9, 9])]) {
            let mut frame = segment(mac, source, Tcp::SYN);
            let before = frame.clone();
            assert_eq!(answered(&mut frame), Err(Verdict::ResetUnheard), "{mac:?} {source:?}");
            assert_eq!(frame, before);
        }
        assert_eq!(answered(&mut segment(host, [10, 9, 9, 9], Tcp::RST)), Err(Verdict::ResetUnheard));
    }
}
