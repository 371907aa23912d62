//! What is not balanced goes up the stack as it came.

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, passes};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::reading::{Frame, raw};
use crate::frames::rig::scene::{OWN_MAC, nothing, up};
use crate::frames::rig::segment::ETHERNET;

in_both_families! {
    a_frame_shorter_than_its_headers_passes_at_every_length,
    a_datagram_shorter_than_its_header_passes_at_every_length,
    a_frame_that_is_neither_ip_nor_arp_passes,
    a_frame_to_another_hosts_mac_passes,
    a_vips_packet_in_a_broadcast_or_multicast_frame_passes,
    an_ip_header_of_another_version_passes,
    another_protocol_to_a_services_port_passes,
    a_port_of_the_vip_without_a_service_passes,
    the_services_port_at_another_address_passes,
    what_the_vip_itself_sends_is_not_taken_for_a_clients,
    without_any_service_everything_passes,
    a_packet_of_the_other_family_to_an_address_that_looks_alike_passes,
}

fn balancing_web(on: Net) -> Director {
    director([on.web().with(up("a")), on.names().with(up("b"))])
}

fn a_frame_shorter_than_its_headers_passes_at_every_length(on: Net) {
    let mut pivot = balancing_web(on);
    for len in 0..ETHERNET + on.header() + 20 {
        pivot.receives(on.syn().frame_of(len), passes(Verdict::Runt));
    }
    pivot.receives(on.syn(), forwarded_to("a").chosen());
}

fn a_datagram_shorter_than_its_header_passes_at_every_length(on: Net) {
    let mut pivot = balancing_web(on);
    for len in ETHERNET + on.header()..ETHERNET + on.header() + 8 {
        pivot.receives(on.datagram(10).frame_of(len), passes(Verdict::Runt));
    }
    pivot.receives(on.datagram(0), forwarded_to("b").chosen());
}

#[test]
fn a_frame_without_its_ip_options_and_tcp_header_passes() {
    let mut pivot = balancing_web(Net::V4);
    for len in 54..ETHERNET + 60 + 20 {
        pivot.receives(Net::V4.syn().ip_options(10).frame_of(len), passes(Verdict::Runt));
    }
}

fn a_frame_that_is_neither_ip_nor_arp_passes(on: Net) {
    let mut pivot = balancing_web(on);
    for ethertype in [0x88cc_u16, 0x8847, 0x8863, 0x0026, 0x0008, 0xffff] {
        pivot.receives(on.syn().saying(12, &ethertype.to_be_bytes()), passes(Verdict::NotIp));
    }
}

#[test]
fn an_ethernet_header_alone_passes_if_it_is_not_of_ip() {
    let header = [&OWN_MAC.0[..], &[2, 0, 0, 9, 0, 1], &[0x88, 0xcc]].concat();
    balancing_web(Net::V4).receives(raw(header), passes(Verdict::NotIp));
}

fn a_frame_to_another_hosts_mac_passes(on: Net) {
    let mut pivot = balancing_web(on);
    for bit in 0..48 {
        let mut mac = OWN_MAC.0;
        mac[bit / 8] ^= 1 << (bit % 8);
        pivot.receives(on.syn().for_mac(mac), passes(Verdict::OtherHost));
    }
}

fn a_vips_packet_in_a_broadcast_or_multicast_frame_passes(on: Net) {
    let mut pivot = balancing_web(on);
    for mac in [[0xff; 6], [0x01, 0x00, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]] {
        pivot.receives(on.syn().for_mac(mac), passes(Verdict::OtherHost));
        pivot.receives(on.datagram(9).for_mac(mac), passes(Verdict::OtherHost));
    }
}

fn an_ip_header_of_another_version_passes(on: Net) {
    let mut pivot = balancing_web(on);
    let first = Frame::from(on.syn()).bytes[ETHERNET];
    for version in (0..16_u8).filter(|version| *version != first >> 4) {
        pivot.receives(on.syn().saying(ETHERNET, &[version << 4 | first & 15]), passes(Verdict::BadHeader));
    }
}

#[test]
fn an_ip_header_that_says_it_is_shorter_than_any_passes() {
    let mut pivot = balancing_web(Net::V4);
    for words in 0..5 {
        pivot.receives(Net::V4.syn().saying(ETHERNET, &[4 << 4 | words]), passes(Verdict::BadHeader));
    }
}

#[test]
fn a_packet_that_must_not_be_fragmented_or_has_the_reserved_bit_is_no_fragment() {
    let (mut pivot, on) = (balancing_web(Net::V4), Net::V4);
    pivot.receives(on.syn().v4(|ip| ip.dont_fragment = true), forwarded_to("a").chosen());
    pivot.receives(on.ack().v4(|ip| ip.dont_fragment = false), forwarded_to("a"));
    pivot.receives(on.ack().saying(ETHERNET + 6, &[0x80, 0x00]), forwarded_to("a"));
}

fn another_protocol_to_a_services_port_passes(on: Net) {
    let mut pivot = balancing_web(on);
    // SCTP, VRRP, GRE, ESP and one that is nobody's.
    for protocol in [132, 112, 47, 50, 255] {
        pivot.receives(on.bare(protocol, 40), passes(Verdict::NotBalanced));
    }
}

fn a_port_of_the_vip_without_a_service_passes(on: Net) {
    let mut pivot = balancing_web(on);
    for port in [0, 1, 79, 81, 53, 8080, 80 << 8, u16::MAX] {
        pivot.receives(on.syn().for_port(port), passes(Verdict::NotService));
    }
    for port in [0, 52, 54, 80] {
        pivot.receives(on.datagram(9).for_port(port), passes(Verdict::NotService));
    }
}

fn the_services_port_at_another_address_passes(on: Net) {
    let mut pivot = balancing_web(on);
    for bit in 0..on.bits() {
        let address = match on.vip() {
            std::net::IpAddr::V4(vip) => std::net::Ipv4Addr::from_bits(vip.to_bits() ^ 1 << bit).into(),
            std::net::IpAddr::V6(vip) => std::net::Ipv6Addr::from_bits(vip.to_bits() ^ 1 << bit).into(),
        };
        pivot.receives(on.syn().to(std::net::SocketAddr::new(address, 80)), passes(Verdict::NotService));
    }
}

fn what_the_vip_itself_sends_is_not_taken_for_a_clients(on: Net) {
    balancing_web(on).receives(on.ack().from(on.at(80)).to(on.at_other(40_000)), passes(Verdict::NotService));
}

fn without_any_service_everything_passes(on: Net) {
    let mut pivot = director(nothing());
    pivot.receives(on.syn(), passes(Verdict::NotService));
    pivot.receives(on.datagram(9), passes(Verdict::NotService));
    pivot.configure(nothing().holding(on.vip()));
    pivot.receives(on.syn(), passes(Verdict::NotService));
    pivot.receives(on.syn().for_port(0), passes(Verdict::NotService));
}

fn a_packet_of_the_other_family_to_an_address_that_looks_alike_passes(on: Net) {
    // The VIP's bytes, padded or cut to the other family's length, are no service's address.
    let mut pivot = balancing_web(on);
    let other = match on.vip() {
        std::net::IpAddr::V4(vip) => std::net::IpAddr::from(vip.to_ipv6_compatible()),
        std::net::IpAddr::V6(vip) => std::net::IpAddr::from([vip.octets()[0], vip.octets()[1], vip.octets()[14], 1]),
    };
    let net = Net::of(other);
    pivot.receives(net.syn().to((other, 80)), passes(Verdict::NotService));
}
