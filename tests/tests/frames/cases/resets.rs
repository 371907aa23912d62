//! The answer to segments that nobody can take (RFC 9293 section 3.10.7.1): every byte of it.

use std::net::SocketAddr;

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, reset_acknowledging, reset_at, unheard};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::{down, up};
use crate::frames::rig::segment::{QINQ, Segment, VLAN};

in_both_families! {
    a_syn_that_no_backend_can_take_is_refused,
    a_service_without_any_backend_refuses,
    a_refused_flow_is_not_remembered,
    an_ack_is_answered_at_the_number_it_acknowledges,
    data_fin_and_syn_ack_with_an_ack_are_answered_like_an_ack,
    the_payload_of_a_segment_without_ack_is_acknowledged,
    syn_and_fin_take_a_sequence_number_each,
    sequence_numbers_wrap_around,
    options_are_no_payload,
    ethernet_padding_is_no_payload,
    a_reset_carries_nothing_of_what_it_answers,
    a_reset_goes_back_to_whatever_port_and_address_asked,
    an_address_that_is_no_single_hosts_is_never_answered,
    a_group_of_macs_is_never_answered,
    a_reset_leaves_in_the_vlan_that_the_segment_came_in,
    the_reset_of_a_jumbo_segment_is_as_short_as_any,
    a_reset_is_never_answered,
    a_reset_of_a_flow_whose_backend_is_down_is_not_answered,
    a_segment_of_a_dead_flow_without_ack_is_answered_by_its_sequence_number,
    a_table_that_names_a_backend_just_gone_down_is_no_excuse_for_silence,
}

const NO_BACKEND: Verdict = Verdict::ResetNoBackend;

fn without_backends(on: Net) -> Director {
    director(on.web().with(down("a")))
}

fn a_syn_that_no_backend_can_take_is_refused(on: Net) {
    without_backends(on).receives(on.syn(), reset_acknowledging(NO_BACKEND, 1001));
}

fn a_service_without_any_backend_refuses(on: Net) {
    director(on.web()).receives(on.syn(), reset_acknowledging(NO_BACKEND, 1001));
}

fn a_refused_flow_is_not_remembered(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.syn(), reset_acknowledging(NO_BACKEND, 1001));
    pivot.remembers(on.syn(), None);
    pivot.configure(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
}

fn an_ack_is_answered_at_the_number_it_acknowledges(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.ack(), reset_at(NO_BACKEND, 2000));
    for acknowledged in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        pivot
            .receives(on.ack().tcp(|tcp| tcp.acknowledgment_number = acknowledged), reset_at(NO_BACKEND, acknowledged));
    }
}

fn data_fin_and_syn_ack_with_an_ack_are_answered_like_an_ack(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.data(100), reset_at(NO_BACKEND, 2000));
    pivot.receives(on.fin(), reset_at(NO_BACKEND, 2000));
    pivot.receives(on.segment(|tcp| (tcp.syn, tcp.ack) = (true, true)), reset_at(NO_BACKEND, 2000));
}

fn the_payload_of_a_segment_without_ack_is_acknowledged(on: Net) {
    let mut pivot = without_backends(on);
    for len in [0, 1, 2, 3, 536, 1460] {
        pivot.receives(on.segment(|_| ()).payload(len), reset_acknowledging(NO_BACKEND, 1000 + len as u32));
    }
}

fn syn_and_fin_take_a_sequence_number_each(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.syn().payload(10), reset_acknowledging(NO_BACKEND, 1011));
    pivot.receives(on.segment(|tcp| tcp.fin = true), reset_acknowledging(NO_BACKEND, 1001));
    pivot.receives(on.segment(|tcp| tcp.fin = true).payload(7), reset_acknowledging(NO_BACKEND, 1008));
    let both = || on.segment(|tcp| (tcp.syn, tcp.fin) = (true, true));
    pivot.receives(both(), reset_acknowledging(NO_BACKEND, 1002));
    pivot.receives(both().payload(5), reset_acknowledging(NO_BACKEND, 1007));
}

fn sequence_numbers_wrap_around(on: Net) {
    let mut pivot = without_backends(on);
    let at_the_end = |segment: Segment| segment.tcp(|tcp| tcp.sequence_number = u32::MAX);
    pivot.receives(at_the_end(on.syn()), reset_acknowledging(NO_BACKEND, 0));
    pivot.receives(at_the_end(on.syn().payload(3)), reset_acknowledging(NO_BACKEND, 3));
    pivot.receives(at_the_end(on.segment(|_| ())), reset_acknowledging(NO_BACKEND, u32::MAX));
}

fn options_are_no_payload(on: Net) {
    let mut pivot = without_backends(on);
    for words in 0..=10 {
        let with_options = |segment: Segment| match on {
            Net::V4 => segment.ip_options(words),
            Net::V6 => segment.options6(60, 1 + words as u8).options6(0, 1),
        };
        pivot.receives(on.syn().tcp_options(words), reset_acknowledging(NO_BACKEND, 1001));
        pivot.receives(with_options(on.syn()).payload(4), reset_acknowledging(NO_BACKEND, 1005));
        pivot.receives(with_options(on.syn()).tcp_options(10 - words), reset_acknowledging(NO_BACKEND, 1001));
        pivot.receives(with_options(on.data(9)).tcp_options(words), reset_at(NO_BACKEND, 2000));
    }
}

fn ethernet_padding_is_no_payload(on: Net) {
    let mut pivot = without_backends(on);
    for more in 1..=6 {
        pivot.receives(on.syn().frame_of(34 + on.header() + more), reset_acknowledging(NO_BACKEND, 1001));
    }
}

fn a_reset_carries_nothing_of_what_it_answers(on: Net) {
    let mut pivot = without_backends(on);
    let marked = on
        .data(1460)
        .v4(|ip| (ip.time_to_live, ip.identification, ip.dont_fragment) = (1, 0xffff, false))
        .v6(|ip| (ip.hop_limit, ip.traffic_class) = (1, 0xff))
        .tcp(|tcp| (tcp.urg, tcp.urgent_pointer, tcp.ece, tcp.cwr, tcp.window_size) = (true, 9, true, true, 1));
    pivot.receives(marked, reset_at(NO_BACKEND, 2000));
}

fn a_reset_goes_back_to_whatever_port_and_address_asked(on: Net) {
    let mut pivot = without_backends(on);
    let hosts = match on {
        Net::V4 => ["1.0.0.1", "223.255.255.254", "10.200.5.1"],
        Net::V6 => ["::2", "fe80::1", "fd00:200:5::1"],
    };
    for (host, port) in hosts.into_iter().zip([1, u16::MAX, 80]) {
        let client = SocketAddr::new(host.parse().unwrap(), port);
        pivot.receives(on.syn().from(client), reset_acknowledging(NO_BACKEND, 1001));
        pivot.receives(on.ack().from(client), reset_at(NO_BACKEND, 2000));
    }
}

fn an_address_that_is_no_single_hosts_is_never_answered(on: Net) {
    let mut pivot = without_backends(on);
    let addresses: &[&str] = match on {
        Net::V4 => &["0.0.0.1", "127.0.0.1", "224.0.0.18", "240.0.0.1", "255.255.255.255"],
        Net::V6 => &["::", "::1", "ff02::1", "ff05::1:3"],
    };
    for address in addresses {
        let client = SocketAddr::new(address.parse().unwrap(), 40_000);
        pivot.receives(on.syn().from(client), unheard());
        pivot.receives(on.ack().from(client), unheard());
    }
}

fn a_group_of_macs_is_never_answered(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.syn().by_mac([0xff; 6]), unheard());
    pivot.receives(on.ack().by_mac([0x01, 0, 0x5e, 0, 0, 1]), unheard());
}

fn a_reset_leaves_in_the_vlan_that_the_segment_came_in(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.syn().tagged(VLAN, 5), reset_acknowledging(NO_BACKEND, 1001));
    pivot.receives(on.data(9).tagged(QINQ, 0x6fff).tagged(VLAN, 7), reset_at(NO_BACKEND, 2000));
}

fn the_reset_of_a_jumbo_segment_is_as_short_as_any(on: Net) {
    without_backends(on).receives(on.data(8900), reset_at(NO_BACKEND, 2000));
}

fn a_reset_is_never_answered(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.rst(), unheard());
    pivot.receives(on.segment(|tcp| (tcp.rst, tcp.ack) = (true, true)), unheard());
    pivot.receives(on.segment(|tcp| (tcp.rst, tcp.syn) = (true, true)), unheard());
    pivot.receives(on.rst().payload(20), unheard());
}

fn a_reset_of_a_flow_whose_backend_is_down_is_not_answered(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(on.web().with(down("a")));
    pivot.receives(on.rst(), unheard());
    pivot.receives(on.ack(), reset_at(Verdict::ResetBackendDown, 2000));
}

fn a_segment_of_a_dead_flow_without_ack_is_answered_by_its_sequence_number(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(on.web().with(down("a")));
    pivot.receives(on.segment(|tcp| tcp.fin = true).payload(6), reset_acknowledging(Verdict::ResetBackendDown, 1007));
}

fn a_table_that_names_a_backend_just_gone_down_is_no_excuse_for_silence(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.configure(on.web().with(down("a")).new_flows_to(["a"]));
    pivot.receives(on.syn(), reset_acknowledging(Verdict::ResetBackendDown, 1001));
    pivot.receives(on.ack(), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.remembers(on.ack(), None);
}
