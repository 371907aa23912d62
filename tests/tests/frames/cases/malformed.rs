//! Lengths that contradict each other: dropped where a service would be hurt, passed where the stack may judge.
//! And odd ones that do not contradict each other: forwarded whole.

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{dropped, forwarded_to, passes};
use crate::frames::rig::scene::{Scene, VIP, up, web};
use crate::frames::rig::segment::{ETHERNET, Frame, ack, data, rst, syn};

/// A director that has the usual client's flow already.
fn with_a_flow() -> Director {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot
}

#[test]
fn a_total_length_shorter_than_the_headers_is_malformed() {
    let mut pivot = with_a_flow();
    for len in 0..40 {
        pivot.receives(data(100).saying_total_length(len), dropped(Verdict::Malformed));
    }
    pivot.receives(data(100).saying_total_length(40), forwarded_to("a"));
}

#[test]
fn a_total_length_beyond_the_frame_is_malformed() {
    let mut pivot = with_a_flow();
    for len in [141, 142, 160, 1500, 0x7fff, 0x8000, 0xffff] {
        pivot.receives(data(100).saying_total_length(len), dropped(Verdict::Malformed));
    }
    pivot.receives(data(100).saying_total_length(140), forwarded_to("a"));
}

#[test]
fn a_packet_that_lost_its_tail_is_malformed() {
    let mut pivot = with_a_flow();
    let whole = Frame::from(data(10)).bytes.len();
    for len in 54..whole {
        pivot.receives(data(10).frame_of(len), dropped(Verdict::Malformed));
    }
    pivot.receives(data(10).frame_of(whole), forwarded_to("a"));
}

#[test]
fn a_tcp_header_that_says_it_is_shorter_than_any_is_malformed() {
    let mut pivot = with_a_flow();
    for words in 0..5 {
        pivot.receives(data(100).saying_data_offset(words), dropped(Verdict::Malformed));
    }
    pivot.receives(data(100).saying_data_offset(5), forwarded_to("a"));
}

#[test]
fn a_tcp_header_that_ends_beyond_its_packet_is_malformed() {
    let mut pivot = with_a_flow();
    for words in 6..16 {
        pivot.receives(ack().saying_data_offset(words), dropped(Verdict::Malformed));
        pivot.receives(data(4 * usize::from(words) - 21).saying_data_offset(words), dropped(Verdict::Malformed));
        pivot.receives(data(4 * usize::from(words) - 20).saying_data_offset(words), forwarded_to("a"));
    }
}

#[test]
fn padding_is_not_part_of_the_packet_that_a_tcp_header_must_end_in() {
    with_a_flow().receives(ack().saying_data_offset(6).frame_of(60), dropped(Verdict::Malformed));
}

#[test]
fn ip_options_that_the_total_length_leaves_no_room_for_are_malformed() {
    let mut pivot = with_a_flow();
    for words in 1..=10 {
        let exact = 20 + 4 * words + 20;
        pivot.receives(ack().ip_options(words).saying_total_length(exact - 1), dropped(Verdict::Malformed));
        pivot.receives(ack().ip_options(words).saying_total_length(exact), forwarded_to("a"));
    }
}

#[test]
fn an_ip_header_that_says_it_is_longer_moves_the_ports() {
    // 24 bytes of header: the ports are then the sequence number, which is no service's port.
    with_a_flow().receives(data(100).saying(ETHERNET, &[0x46]), passes(Verdict::NotService));
}

#[test]
fn a_malformed_segment_changes_no_flow_and_opens_none() {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn().saying_data_offset(4), dropped(Verdict::Malformed));
    pivot.receives(rst().saying_total_length(39), dropped(Verdict::Malformed));
    pivot.remembers(syn(), None);
    pivot.receives(ack(), forwarded_to("a").chosen());
}

#[test]
fn a_malformed_segment_is_not_answered_with_a_reset() {
    director(web()).receives(syn().saying_data_offset(4), dropped(Verdict::Malformed));
}

#[test]
fn a_malformed_packet_of_no_service_is_the_stacks_to_judge() {
    with_a_flow().receives(syn().to((VIP, 81)).saying_total_length(10), passes(Verdict::NotService));
}

#[test]
fn a_malformed_packet_for_a_vip_that_is_not_held_is_the_stacks_to_judge() {
    let mut pivot = director(Scene::from(web().with(up("a"))).not_holding(VIP));
    pivot.receives(syn().saying_total_length(10), passes(Verdict::NotHeld));
}

#[test]
fn ip_options_of_every_length_are_stepped_over() {
    let mut pivot = with_a_flow();
    for words in 0..=10 {
        pivot.receives(ack().ip_options(words), forwarded_to("a"));
        pivot.receives(data(3).ip_options(words), forwarded_to("a"));
    }
}

#[test]
fn tcp_options_of_every_length_are_carried_along() {
    let mut pivot = with_a_flow();
    for words in 0..=10 {
        pivot.receives(data(3).tcp_options(words), forwarded_to("a"));
        pivot.receives(data(3).tcp_options(words).ip_options(words), forwarded_to("a"));
    }
}

#[test]
fn ethernet_padding_after_a_short_packet_is_carried_along() {
    let mut pivot = with_a_flow();
    for len in 55..=64 {
        pivot.receives(ack().frame_of(len), forwarded_to("a"));
    }
}

#[test]
fn a_full_sized_frame_and_a_larger_one_are_forwarded_whole() {
    let mut pivot = with_a_flow();
    pivot.receives(data(1460), forwarded_to("a"));
    pivot.receives(data(1448).tcp_options(3), forwarded_to("a"));
    pivot.receives(data(1380).tcp_options(10).ip_options(10), forwarded_to("a"));
    pivot.receives(data(3000), forwarded_to("a"));
}

#[test]
fn checksums_are_the_receivers_to_judge() {
    let mut pivot = with_a_flow();
    pivot.receives(data(7).saying(ETHERNET + 10, &[0xba, 0xad]), forwarded_to("a"));
    pivot.receives(data(7).saying(ETHERNET + 20 + 16, &[0xba, 0xad]), forwarded_to("a"));
}
