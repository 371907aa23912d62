//! The answer to datagrams that nobody can take (RFC 792, RFC 4443 section 3.1): every byte of it.

use std::net::SocketAddr;

use lb_common::path::verdict::Verdict;
use lb_common::wire::pace::Limits;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, unanswered, unreachable};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::{down, drained, up};
use crate::frames::rig::segment::{QINQ, VLAN};
use crate::frames::rig::side::NO_LIMITS;

in_both_families! {
    a_datagram_that_no_backend_can_take_is_unreachable,
    datagrams_of_every_length_are_quoted_by_their_headers,
    a_service_without_any_backend_is_unreachable,
    an_unreachable_flow_is_not_remembered,
    a_flow_whose_only_backend_went_down_is_unreachable,
    the_answer_leaves_in_the_vlan_that_the_datagram_came_in,
    padding_is_not_quoted,
    an_address_that_is_no_single_hosts_gets_no_answer,
    a_group_of_macs_gets_no_answer,
    too_many_answers_are_not_given,
    what_may_not_be_answered_does_not_count_against_what_may,
    a_datagram_without_payload_is_quoted_whole,
    a_jumbo_datagram_is_answered_as_any,
    a_table_that_names_a_backend_just_gone_down_is_no_excuse_for_silence,
}

fn without_backends(on: Net) -> Director {
    director(on.names().with(down("a")))
}

fn a_datagram_that_no_backend_can_take_is_unreachable(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.datagram(30), unreachable());
    pivot.receives(on.datagram(30).by(9).at_port(1), unreachable());
}

fn datagrams_of_every_length_are_quoted_by_their_headers(on: Net) {
    let mut pivot = without_backends(on);
    for len in [1, 2, 3, 8, 100, 1472] {
        pivot.receives(on.datagram(len), unreachable());
    }
}

fn a_service_without_any_backend_is_unreachable(on: Net) {
    director(on.names()).receives(on.datagram(30), unreachable());
}

fn an_unreachable_flow_is_not_remembered(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.datagram(30), unreachable());
    pivot.remembers(on.datagram(30), None);
    pivot.configure(on.names().with(up("a")));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
}

fn a_flow_whose_only_backend_went_down_is_unreachable(on: Net) {
    let mut pivot = director(on.names().with(up("a")));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.configure(on.names().with(down("a")));
    pivot.receives(on.datagram(30), unreachable());
    pivot.configure(on.names().with(drained("a")));
    pivot.receives(on.datagram(30).at_port(1), unreachable());
}

fn the_answer_leaves_in_the_vlan_that_the_datagram_came_in(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.datagram(30).tagged(VLAN, 5), unreachable());
    pivot.receives(on.datagram(30).tagged(QINQ, 0x6abc).tagged(VLAN, 7), unreachable());
}

fn padding_is_not_quoted(on: Net) {
    let mut pivot = without_backends(on);
    for len in 22 + on.header()..=80 {
        pivot.receives(on.datagram(0).frame_of(len), unreachable());
    }
}

fn an_address_that_is_no_single_hosts_gets_no_answer(on: Net) {
    let mut pivot = without_backends(on);
    let addresses: &[&str] = match on {
        Net::V4 => &["0.0.0.1", "127.0.0.1", "224.0.0.18", "240.0.0.1", "255.255.255.255"],
        Net::V6 => &["::", "::1", "ff02::1", "ff05::1:3"],
    };
    for address in addresses {
        let client = SocketAddr::new(address.parse().unwrap(), 40_000);
        pivot.receives(on.datagram(30).from(client), unanswered(Verdict::UnreachableUnheard));
    }
}

fn a_group_of_macs_gets_no_answer(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.datagram(30).by_mac([0xff; 6]), unanswered(Verdict::UnreachableUnheard));
    pivot.receives(on.datagram(30).by_mac([0x33, 0x33, 0, 0, 0, 1]), unanswered(Verdict::UnreachableUnheard));
}

fn too_many_answers_are_not_given(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.datagram(30), unreachable());
    pivot.limits(Limits { errors: 0, ..NO_LIMITS });
    pivot.receives(on.datagram(30), unanswered(Verdict::UnreachableLimited));
    pivot.receives(on.datagram(30).tagged(VLAN, 5), unanswered(Verdict::UnreachableLimited));
    pivot.limits(NO_LIMITS);
    pivot.receives(on.datagram(30), unreachable());
}

fn what_may_not_be_answered_does_not_count_against_what_may(on: Net) {
    let mut pivot = without_backends(on);
    pivot.receives(on.datagram(30).by_mac([0xff; 6]), unanswered(Verdict::UnreachableUnheard));
    pivot.tampered(|memory| assert!(memory.paces.iter().all(|pace| pace.errors.get() == 0)));
    pivot.receives(on.datagram(30), unreachable());
    pivot.tampered(|memory| assert!(memory.paces.iter().any(|pace| pace.errors.get() as u32 == 1)));
}

fn a_datagram_without_payload_is_quoted_whole(on: Net) {
    without_backends(on).receives(on.datagram(0), unreachable());
}

fn a_jumbo_datagram_is_answered_as_any(on: Net) {
    without_backends(on).receives(on.datagram(8900), unreachable());
}

#[test]
fn ip_options_are_quoted() {
    let on = Net::V4;
    let mut pivot = without_backends(on);
    for words in 0..=10 {
        pivot.receives(on.datagram(30).ip_options(words), unreachable());
        pivot.receives(on.datagram(0).ip_options(words).tagged(VLAN, 5), unreachable());
    }
}

#[test]
fn extension_headers_are_quoted_as_far_as_there_is_room() {
    let on = Net::V6;
    let mut pivot = without_backends(on);
    pivot.receives(on.datagram(30).options6(0, 1), unreachable());
    pivot.receives(on.datagram(30).options6(60, 3), unreachable());
    pivot.receives(on.datagram(30).options6(0, 1).options6(60, 2), unreachable());
    pivot.receives(on.datagram(30).options6(60, 4), unanswered(Verdict::UnreachableUnheard));
}

fn a_table_that_names_a_backend_just_gone_down_is_no_excuse_for_silence(on: Net) {
    let mut pivot = director(on.names().with(up("a")));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.configure(on.names().with(down("a")).new_flows_to(["a"]));
    pivot.receives(on.datagram(30), unreachable());
    pivot.receives(on.datagram(30).at_port(1), unreachable());
}
