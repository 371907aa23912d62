//! What is not balanced goes up the stack as it came.

use etherparse::IpNumber;
use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, passes};
use crate::frames::rig::scene::{OTHER_VIP, OWN_MAC, VIP, nothing, up, web};
use crate::frames::rig::segment::{ETHERNET, Frame, ack, data, raw, syn};

/// Ethernet, IPv4 and TCP headers without options.
const HEADERS: usize = 54;

fn balancing_web() -> Director {
    director(web().with(up("a")))
}

#[test]
fn a_frame_shorter_than_its_headers_passes_at_every_length() {
    let mut pivot = balancing_web();
    for len in 0..HEADERS {
        pivot.receives(syn().frame_of(len), passes(Verdict::Runt));
    }
    pivot.receives(syn(), forwarded_to("a").chosen());
}

#[test]
fn a_frame_without_its_ip_options_and_tcp_header_passes() {
    let mut pivot = balancing_web();
    for len in HEADERS..ETHERNET + 60 + 20 {
        pivot.receives(syn().ip_options(10).frame_of(len), passes(Verdict::Runt));
    }
}

#[test]
fn a_frame_that_is_neither_ip_nor_arp_passes() {
    let mut pivot = balancing_web();
    for ethertype in [0x88cc_u16, 0x8847, 0x8863, 0x0026, 0x0008, 0xffff] {
        pivot.receives(syn().saying(12, &ethertype.to_be_bytes()), passes(Verdict::NotIp));
    }
}

#[test]
fn a_tagged_frame_passes() {
    let mut frame = Frame::from(syn()).bytes;
    frame.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
    balancing_web().receives(raw(frame), passes(Verdict::NotIp));
}

#[test]
fn an_ipv6_packet_passes() {
    let client = "[2001:db8::7]:40000".parse::<std::net::SocketAddr>().unwrap();
    let vip = "[2001:db8::1]:80".parse::<std::net::SocketAddr>().unwrap();
    balancing_web().receives(syn().from(client).to(vip), passes(Verdict::NotIp));
}

#[test]
fn an_ethernet_header_alone_passes_if_it_is_not_of_ip() {
    let header = [&OWN_MAC.0[..], &[2, 0, 0, 9, 0, 1], &[0x88, 0xcc]].concat();
    balancing_web().receives(raw(header), passes(Verdict::NotIp));
}

#[test]
fn a_frame_to_another_hosts_mac_passes() {
    let mut pivot = balancing_web();
    for bit in 0..48 {
        let mut mac = OWN_MAC.0;
        mac[bit / 8] ^= 1 << (bit % 8);
        pivot.receives(syn().for_mac(mac), passes(Verdict::OtherHost));
    }
}

#[test]
fn a_vips_packet_in_a_broadcast_or_multicast_frame_passes() {
    let mut pivot = balancing_web();
    pivot.receives(syn().for_mac([0xff; 6]), passes(Verdict::OtherHost));
    pivot.receives(syn().for_mac([0x01, 0x00, 0x5e, 0, 0, 1]), passes(Verdict::OtherHost));
}

#[test]
fn an_ip_header_of_another_version_passes() {
    let mut pivot = balancing_web();
    for version in (0..16).filter(|version| *version != 4) {
        pivot.receives(syn().saying(ETHERNET, &[version << 4 | 5]), passes(Verdict::BadHeader));
    }
}

#[test]
fn an_ip_header_that_says_it_is_shorter_than_any_passes() {
    let mut pivot = balancing_web();
    for words in 0..5 {
        pivot.receives(syn().saying(ETHERNET, &[4 << 4 | words]), passes(Verdict::BadHeader));
    }
}

#[test]
fn the_first_fragment_passes() {
    balancing_web().receives(data(80).fragment(0, true), passes(Verdict::Fragment));
}

#[test]
fn later_fragments_pass_whatever_their_bytes_look_like() {
    let mut pivot = balancing_web();
    for eighths in [1, 2, 0x00ff, 0x0100, 0x1000, 0x1fff] {
        pivot.receives(data(80).fragment(eighths, true), passes(Verdict::Fragment));
        pivot.receives(data(80).fragment(eighths, false), passes(Verdict::Fragment));
    }
}

#[test]
fn a_packet_that_must_not_be_fragmented_or_has_the_reserved_bit_is_no_fragment() {
    let mut pivot = balancing_web();
    pivot.receives(syn().ip(|ip| ip.dont_fragment = true), forwarded_to("a").chosen());
    pivot.receives(ack().ip(|ip| ip.dont_fragment = false), forwarded_to("a"));
    pivot.receives(ack().saying(ETHERNET + 6, &[0x80, 0x00]), forwarded_to("a"));
}

#[test]
fn another_protocol_to_a_services_port_passes() {
    let mut pivot = balancing_web();
    for protocol in [IpNumber::ICMP, IpNumber::UDP, IpNumber::SCTP, IpNumber::VRRP, IpNumber(0), IpNumber(255)] {
        pivot.receives(syn().saying(ETHERNET + 9, &[protocol.0]), passes(Verdict::NotBalanced));
    }
}

#[test]
fn a_fragment_of_another_protocol_passes_as_that_protocol() {
    let fragment = data(80).fragment(0, true).saying(ETHERNET + 9, &[IpNumber::UDP.0]);
    balancing_web().receives(fragment, passes(Verdict::NotBalanced));
}

#[test]
fn a_port_of_the_vip_without_a_service_passes() {
    let mut pivot = balancing_web();
    for port in [0, 1, 79, 81, 8080, 80 << 8, u16::MAX] {
        pivot.receives(syn().to((VIP, port)), passes(Verdict::NotService));
    }
}

#[test]
fn the_services_port_at_another_address_passes() {
    let mut pivot = balancing_web();
    for bit in 0..32 {
        let address = std::net::Ipv4Addr::from(u32::from(VIP) ^ 1 << bit);
        pivot.receives(syn().to((address, 80)), passes(Verdict::NotService));
    }
}

#[test]
fn what_the_vip_itself_sends_is_not_taken_for_a_clients() {
    balancing_web().receives(ack().from((VIP, 80)).to((OTHER_VIP, 40_000)), passes(Verdict::NotService));
}

#[test]
fn without_any_service_everything_passes() {
    let mut pivot = director(nothing());
    pivot.receives(syn(), passes(Verdict::NotService));
    pivot.configure(nothing().holding(VIP));
    pivot.receives(syn(), passes(Verdict::NotService));
    pivot.receives(syn().to((VIP, 0)), passes(Verdict::NotService));
}
