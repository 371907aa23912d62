//! The answer to segments that nobody can take (RFC 9293 section 3.10.7.1): every byte of it.

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, reset_acknowledging, reset_at, unheard};
use crate::frames::rig::scene::{down, up, web};
use crate::frames::rig::segment::{ack, data, fin, rst, segment, syn};

const NO_BACKEND: Verdict = Verdict::ResetNoBackend;

fn without_backends() -> Director {
    director(web().with(down("a")))
}

#[test]
fn a_syn_that_no_backend_can_take_is_refused() {
    without_backends().receives(syn(), reset_acknowledging(NO_BACKEND, 1001));
}

#[test]
fn a_service_without_any_backend_refuses() {
    director(web()).receives(syn(), reset_acknowledging(NO_BACKEND, 1001));
}

#[test]
fn a_refused_flow_is_not_remembered() {
    let mut pivot = without_backends();
    pivot.receives(syn(), reset_acknowledging(NO_BACKEND, 1001));
    pivot.remembers(syn(), None);
    pivot.configure(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
}

#[test]
fn an_ack_is_answered_at_the_number_it_acknowledges() {
    let mut pivot = without_backends();
    pivot.receives(ack(), reset_at(NO_BACKEND, 2000));
    for acknowledged in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        pivot.receives(ack().tcp(|tcp| tcp.acknowledgment_number = acknowledged), reset_at(NO_BACKEND, acknowledged));
    }
}

#[test]
fn data_fin_and_syn_ack_with_an_ack_are_answered_like_an_ack() {
    let mut pivot = without_backends();
    pivot.receives(data(100), reset_at(NO_BACKEND, 2000));
    pivot.receives(fin(), reset_at(NO_BACKEND, 2000));
    pivot.receives(segment(|tcp| (tcp.syn, tcp.ack) = (true, true)), reset_at(NO_BACKEND, 2000));
}

#[test]
fn the_payload_of_a_segment_without_ack_is_acknowledged() {
    let mut pivot = without_backends();
    for len in [0, 1, 2, 3, 536, 1460] {
        pivot.receives(segment(|_| ()).payload(len), reset_acknowledging(NO_BACKEND, 1000 + len as u32));
    }
}

#[test]
fn syn_and_fin_take_a_sequence_number_each() {
    let mut pivot = without_backends();
    pivot.receives(syn().payload(10), reset_acknowledging(NO_BACKEND, 1011));
    pivot.receives(segment(|tcp| tcp.fin = true), reset_acknowledging(NO_BACKEND, 1001));
    pivot.receives(segment(|tcp| tcp.fin = true).payload(7), reset_acknowledging(NO_BACKEND, 1008));
    let both = || segment(|tcp| (tcp.syn, tcp.fin) = (true, true));
    pivot.receives(both(), reset_acknowledging(NO_BACKEND, 1002));
    pivot.receives(both().payload(5), reset_acknowledging(NO_BACKEND, 1007));
}

#[test]
fn sequence_numbers_wrap_around() {
    let mut pivot = without_backends();
    let at_the_end = |segment: crate::frames::rig::segment::Segment| segment.tcp(|tcp| tcp.sequence_number = u32::MAX);
    pivot.receives(at_the_end(syn()), reset_acknowledging(NO_BACKEND, 0));
    pivot.receives(at_the_end(syn().payload(3)), reset_acknowledging(NO_BACKEND, 3));
    pivot.receives(at_the_end(segment(|_| ())), reset_acknowledging(NO_BACKEND, u32::MAX));
}

#[test]
fn options_are_no_payload() {
    let mut pivot = without_backends();
    for words in 0..=10 {
        pivot.receives(syn().tcp_options(words), reset_acknowledging(NO_BACKEND, 1001));
        pivot.receives(syn().ip_options(words).payload(4), reset_acknowledging(NO_BACKEND, 1005));
        pivot.receives(syn().ip_options(words).tcp_options(10 - words), reset_acknowledging(NO_BACKEND, 1001));
        pivot.receives(data(9).ip_options(words).tcp_options(words), reset_at(NO_BACKEND, 2000));
    }
}

#[test]
fn ethernet_padding_is_no_payload() {
    let mut pivot = without_backends();
    for len in 55..=60 {
        pivot.receives(syn().frame_of(len), reset_acknowledging(NO_BACKEND, 1001));
    }
}

#[test]
fn a_reset_carries_nothing_of_what_it_answers() {
    let mut pivot = without_backends();
    let marked = data(1460)
        .ip(|ip| (ip.time_to_live, ip.identification, ip.dont_fragment) = (1, 0xffff, false))
        .tcp(|tcp| (tcp.urg, tcp.urgent_pointer, tcp.ece, tcp.cwr, tcp.window_size) = (true, 9, true, true, 1));
    pivot.receives(marked, reset_at(NO_BACKEND, 2000));
}

#[test]
fn a_reset_goes_back_to_whatever_port_and_address_asked() {
    let mut pivot = without_backends();
    for client in [([1, 0, 0, 1], 1), ([223, 255, 255, 254], u16::MAX), ([10, 200, 5, 1], 80)] {
        pivot.receives(syn().from(client), reset_acknowledging(NO_BACKEND, 1001));
        pivot.receives(ack().from(client), reset_at(NO_BACKEND, 2000));
    }
}

#[test]
fn an_address_that_is_no_single_hosts_is_never_answered() {
    let mut pivot = without_backends();
    for client in [[0, 0, 0, 1], [127, 0, 0, 1], [224, 0, 0, 18], [240, 0, 0, 1], [255, 255, 255, 255]] {
        pivot.receives(syn().from((client, 40_000)), unheard());
        pivot.receives(ack().from((client, 40_000)), unheard());
    }
}

#[test]
fn a_reset_is_never_answered() {
    let mut pivot = without_backends();
    pivot.receives(rst(), unheard());
    pivot.receives(segment(|tcp| (tcp.rst, tcp.ack) = (true, true)), unheard());
    pivot.receives(segment(|tcp| (tcp.rst, tcp.syn) = (true, true)), unheard());
    pivot.receives(rst().payload(20), unheard());
}

#[test]
fn a_reset_of_a_flow_whose_backend_is_down_is_not_answered() {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.configure(web().with(down("a")));
    pivot.receives(rst(), unheard());
    pivot.receives(ack(), reset_at(Verdict::ResetBackendDown, 2000));
}

#[test]
fn a_segment_of_a_dead_flow_without_ack_is_answered_by_its_sequence_number() {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.configure(web().with(down("a")));
    pivot.receives(segment(|tcp| tcp.fin = true).payload(6), reset_acknowledging(Verdict::ResetBackendDown, 1007));
}

#[test]
fn a_table_that_names_a_backend_just_gone_down_is_no_excuse_for_silence() {
    let mut pivot = director(web().with(up("a")));
    pivot.configure(web().with(down("a")).new_flows_to(["a"]));
    pivot.receives(syn(), reset_acknowledging(Verdict::ResetBackendDown, 1001));
    pivot.receives(ack(), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.remembers(ack(), None);
}
