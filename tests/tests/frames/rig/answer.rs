//! What this host answers itself, built by etherparse: TCP resets (RFC 9293 section 3.10.7.1) and ICMP port unreachable.

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, TcpHeader};
use std::net::IpAddr;

use super::net::Net;
use super::reading::{Frame, Reading};
use super::segment::icmp_header;

/// The reset that answers a segment, in its VLAN.
pub(crate) fn reset(to: &Frame, sequence: u32, acknowledgment: Option<u32>) -> Vec<u8> {
    let reading = reading_of(to);
    let mut tcp = TcpHeader::new(reading.service.port(), reading.client.port(), sequence, 0);
    (tcp.rst, tcp.ack) = (true, acknowledgment.is_some());
    tcp.acknowledgment_number = acknowledgment.unwrap_or(0);
    tcp.checksum = match (reading.service.ip(), reading.client.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => tcp.calc_checksum_ipv4_raw(from.octets(), to.octets(), &[]),
        (IpAddr::V6(from), IpAddr::V6(to)) => tcp.calc_checksum_ipv6_raw(from.octets(), to.octets(), &[]),
        _ => panic!("two families: {reading:?}"),
    }
    .expect("short enough");
    answer(to, IpNumber::TCP, &tcp.to_bytes())
}

/// The ICMP port unreachable that answers a datagram, in its VLAN: it quotes the IP headers and eight bytes.
pub(crate) fn unreachable(to: &Frame) -> Vec<u8> {
    let reading = reading_of(to);
    let quote = &to.bytes[reading.l3..reading.l4 + 8];
    let (kind, protocol) = match Net::of(reading.service.ip()) {
        Net::V4 => ((3, 3, [0; 4]), IpNumber::ICMP),
        Net::V6 => ((1, 4, [0; 4]), IpNumber::IPV6_ICMP),
    };
    let message = [&icmp_header(kind, reading.service.ip(), reading.client.ip(), quote), quote].concat();
    answer(to, protocol, &message)
}

fn reading_of(frame: &Frame) -> &Reading {
    frame.reading.as_ref().expect("an IP packet")
}

/// A packet back to the sender of a frame, to the MAC that it came from.
fn answer(to: &Frame, protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
    let reading = reading_of(to);
    let header = match (reading.service.ip(), reading.client.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let len = payload.len() as u16;
            let mut ip = Ipv4Header::new(len, 64, protocol, from.octets(), to.octets()).expect("short enough");
            ip.dont_fragment = true;
            ip.header_checksum = ip.calc_header_checksum();
            ip.to_bytes().to_vec()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => Ipv6Header {
            payload_length: payload.len() as u16,
            next_header: protocol,
            hop_limit: 64,
            source: from.octets(),
            destination: to.octets(),
            ..Ipv6Header::default()
        }
        .to_bytes()
        .to_vec(),
        _ => panic!("two families: {reading:?}"),
    };
    [&to.bytes[6..12], &to.bytes[..6], &to.bytes[12..reading.l3], &header, payload].concat()
}
