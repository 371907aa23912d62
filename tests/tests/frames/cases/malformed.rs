//! Lengths that contradict each other: dropped where a service would be hurt, passed where the stack may judge.
//! And odd ones that do not contradict each other: forwarded whole.

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{dropped, forwarded_to, passes};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::reading::Frame;
use crate::frames::rig::scene::{Scene, up};
use crate::frames::rig::segment::{ETHERNET, VLAN};

in_both_families! {
    a_length_shorter_than_the_headers_is_malformed,
    a_length_beyond_the_frame_is_malformed,
    a_length_beyond_the_frame_is_malformed_in_a_vlan_too,
    a_packet_that_lost_its_tail_is_malformed,
    a_tcp_header_that_says_it_is_shorter_than_any_is_malformed,
    a_tcp_header_that_ends_beyond_its_packet_is_malformed,
    padding_is_not_part_of_the_packet_that_a_tcp_header_must_end_in,
    a_malformed_segment_changes_no_flow_and_opens_none,
    a_malformed_packet_is_not_answered,
    a_malformed_packet_of_no_service_is_the_stacks_to_judge,
    a_malformed_packet_for_a_vip_that_is_not_held_is_the_stacks_to_judge,
    tcp_options_of_every_length_are_carried_along,
    ethernet_padding_after_a_short_packet_is_carried_along_and_not_counted,
    a_full_sized_frame_and_a_larger_one_are_forwarded_whole,
    checksums_are_the_receivers_to_judge,
    a_udp_length_shorter_than_its_header_is_malformed,
    a_udp_length_beyond_its_packet_is_malformed,
    a_udp_length_shorter_than_its_packet_is_the_receivers_to_judge,
}

/// A director that has the usual client's flow already.
fn with_a_flow(on: Net) -> Director {
    let mut pivot = director([on.web().with(up("a")), on.names().with(up("b"))]);
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.datagram(30), forwarded_to("b").chosen());
    pivot.receives(on.datagram(30), forwarded_to("b"));
    pivot
}

fn a_length_shorter_than_the_headers_is_malformed(on: Net) {
    let mut pivot = with_a_flow(on);
    for len in 0..20 {
        pivot.receives(on.data(100).saying_ip_payload(len), dropped(Verdict::Malformed));
    }
    pivot.receives(on.data(100).saying_ip_payload(20), forwarded_to("a"));
    for len in 0..8 {
        pivot.receives(on.datagram(100).saying_ip_payload(len), dropped(Verdict::Malformed));
    }
    pivot.receives(on.datagram(0).saying_ip_payload(8), forwarded_to("b"));
}

#[test]
fn an_ipv4_total_length_shorter_than_its_own_header_is_malformed() {
    let mut pivot = with_a_flow(Net::V4);
    for len in 0..20_u16 {
        pivot.receives(Net::V4.data(100).saying(ETHERNET + 2, &len.to_be_bytes()), dropped(Verdict::Malformed));
        pivot.receives(Net::V4.datagram(100).saying(ETHERNET + 2, &len.to_be_bytes()), dropped(Verdict::Malformed));
    }
}

fn a_length_beyond_the_frame_is_malformed(on: Net) {
    let mut pivot = with_a_flow(on);
    for len in [121, 122, 140, 1480, 0x7fff, 0x8000, 0xffff - 20] {
        pivot.receives(on.data(100).saying_ip_payload(len), dropped(Verdict::Malformed));
        pivot.receives(on.datagram(112).saying_ip_payload(len), dropped(Verdict::Malformed));
    }
    pivot.receives(on.data(100).saying_ip_payload(120), forwarded_to("a"));
    pivot.receives(on.datagram(112).saying_ip_payload(120), forwarded_to("b"));
}

fn a_length_beyond_the_frame_is_malformed_in_a_vlan_too(on: Net) {
    let mut pivot = with_a_flow(on);
    pivot.receives(on.data(100).tagged(VLAN, 5).saying_ip_payload(121), dropped(Verdict::Malformed));
    pivot.receives(on.data(100).tagged(VLAN, 5).saying_ip_payload(120), forwarded_to("a"));
}

fn a_packet_that_lost_its_tail_is_malformed(on: Net) {
    let mut pivot = with_a_flow(on);
    let whole = Frame::from(on.data(10)).bytes.len();
    for len in whole - 10..whole {
        pivot.receives(on.data(10).frame_of(len), dropped(Verdict::Malformed));
    }
    pivot.receives(on.data(10).frame_of(whole), forwarded_to("a"));
    let whole = Frame::from(on.datagram(10)).bytes.len();
    for len in whole - 10..whole {
        pivot.receives(on.datagram(10).frame_of(len), dropped(Verdict::Malformed));
    }
}

fn a_tcp_header_that_says_it_is_shorter_than_any_is_malformed(on: Net) {
    let mut pivot = with_a_flow(on);
    for words in 0..5 {
        pivot.receives(on.data(100).saying_data_offset(words), dropped(Verdict::Malformed));
    }
    pivot.receives(on.data(100).saying_data_offset(5), forwarded_to("a"));
}

fn a_tcp_header_that_ends_beyond_its_packet_is_malformed(on: Net) {
    let mut pivot = with_a_flow(on);
    for words in 6..16 {
        pivot.receives(on.ack().saying_data_offset(words), dropped(Verdict::Malformed));
        pivot.receives(on.data(4 * usize::from(words) - 21).saying_data_offset(words), dropped(Verdict::Malformed));
        pivot.receives(on.data(4 * usize::from(words) - 20).saying_data_offset(words), forwarded_to("a"));
    }
}

fn padding_is_not_part_of_the_packet_that_a_tcp_header_must_end_in(on: Net) {
    with_a_flow(on).receives(on.ack().saying_data_offset(6).frame_of(100), dropped(Verdict::Malformed));
}

#[test]
fn ip_options_that_the_total_length_leaves_no_room_for_are_malformed() {
    let mut pivot = with_a_flow(Net::V4);
    for words in 1..=10_u16 {
        let packet = || Net::V4.ack().ip_options(words.into());
        let exact = 20 + 4 * words + 20;
        pivot.receives(packet().saying(ETHERNET + 2, &(exact - 1).to_be_bytes()), dropped(Verdict::Malformed));
        pivot.receives(packet().saying(ETHERNET + 2, &exact.to_be_bytes()), forwarded_to("a"));
    }
}

#[test]
fn an_ip_header_that_says_it_is_longer_moves_the_ports() {
    // 24 bytes of header: the ports are then the sequence number, which is no service's port.
    with_a_flow(Net::V4).receives(Net::V4.data(100).saying(ETHERNET, &[0x46]), passes(Verdict::NotService));
}

fn a_malformed_segment_changes_no_flow_and_opens_none(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn().saying_data_offset(4), dropped(Verdict::Malformed));
    pivot.receives(on.rst().saying_ip_payload(19), dropped(Verdict::Malformed));
    pivot.remembers(on.syn(), None);
    pivot.receives(on.ack(), forwarded_to("a").chosen());
    pivot.receives(on.rst().saying_ip_payload(19), dropped(Verdict::Malformed));
}

fn a_malformed_packet_is_not_answered(on: Net) {
    let mut pivot = director([on.web(), on.names()]);
    pivot.receives(on.syn().saying_data_offset(4), dropped(Verdict::Malformed));
    pivot.receives(on.datagram(10).saying_udp_length(7), dropped(Verdict::Malformed));
}

fn a_malformed_packet_of_no_service_is_the_stacks_to_judge(on: Net) {
    let mut pivot = with_a_flow(on);
    pivot.receives(on.syn().for_port(81).saying_ip_payload(10), passes(Verdict::NotService));
    pivot.receives(on.datagram(9).for_port(54).saying_ip_payload(3), passes(Verdict::NotService));
}

fn a_malformed_packet_for_a_vip_that_is_not_held_is_the_stacks_to_judge(on: Net) {
    let mut pivot = director(Scene::from(on.web().with(up("a"))).not_holding(on.vip()));
    pivot.receives(on.syn().saying_ip_payload(10).directed(), passes(Verdict::NotHeld));
}

#[test]
fn ip_options_of_every_length_are_stepped_over() {
    let mut pivot = with_a_flow(Net::V4);
    for words in 0..=10 {
        pivot.receives(Net::V4.ack().ip_options(words), forwarded_to("a"));
        pivot.receives(Net::V4.data(3).ip_options(words), forwarded_to("a"));
        pivot.receives(Net::V4.datagram(3).ip_options(words), forwarded_to("b"));
        pivot.receives(Net::V4.data(3).ip_options(words).tagged(VLAN, 9), forwarded_to("a"));
    }
}

fn tcp_options_of_every_length_are_carried_along(on: Net) {
    let mut pivot = with_a_flow(on);
    for words in 0..=10 {
        pivot.receives(on.data(3).tcp_options(words), forwarded_to("a"));
    }
}

fn ethernet_padding_after_a_short_packet_is_carried_along_and_not_counted(on: Net) {
    let mut pivot = with_a_flow(on);
    for more in 1..=10 {
        pivot.receives(on.ack().frame_of(34 + on.header() + more), forwarded_to("a"));
        pivot.receives(on.datagram(0).frame_of(22 + on.header() + more), forwarded_to("b"));
    }
}

fn a_full_sized_frame_and_a_larger_one_are_forwarded_whole(on: Net) {
    let mut pivot = with_a_flow(on);
    pivot.receives(on.data(1460), forwarded_to("a"));
    pivot.receives(on.data(1448).tcp_options(3), forwarded_to("a"));
    pivot.receives(on.datagram(1472), forwarded_to("b"));
    pivot.receives(on.data(3000), forwarded_to("a"));
}

fn checksums_are_the_receivers_to_judge(on: Net) {
    let mut pivot = with_a_flow(on);
    pivot.receives(on.data(7).saying(on.data(7).l4() + 16, &[0xba, 0xad]), forwarded_to("a"));
    pivot.receives(on.datagram(7).saying_udp_checksum(0xbaad), forwarded_to("b"));
    if on == Net::V4 {
        pivot.receives(on.data(7).saying(ETHERNET + 10, &[0xba, 0xad]), forwarded_to("a"));
    }
}

fn a_udp_length_shorter_than_its_header_is_malformed(on: Net) {
    let mut pivot = with_a_flow(on);
    for length in 0..8 {
        pivot.receives(on.datagram(100).saying_udp_length(length), dropped(Verdict::Malformed));
    }
}

fn a_udp_length_beyond_its_packet_is_malformed(on: Net) {
    let mut pivot = with_a_flow(on);
    for length in [109, 110, 1500, 0xffff] {
        pivot.receives(on.datagram(100).saying_udp_length(length), dropped(Verdict::Malformed));
    }
    // The frame is long enough, the packet is not.
    pivot.receives(on.datagram(100).saying_udp_length(109).frame_of(200), dropped(Verdict::Malformed));
    pivot.receives(on.datagram(100).saying_udp_length(108), forwarded_to("b"));
}

fn a_udp_length_shorter_than_its_packet_is_the_receivers_to_judge(on: Net) {
    let mut pivot = with_a_flow(on);
    for length in [8, 9, 107] {
        pivot.receives(on.datagram(100).saying_udp_length(length), forwarded_to("b"));
    }
}
