//! Fragments: the first one carries the ports, the others follow it.

use std::time::Duration;

use lb_common::path::verdict::{Action, Verdict};

use super::flows::two;
use crate::frames::rig::director::director;
use crate::frames::rig::expect::{Expect, Leaves, dropped, forwarded_to, local_to, passes, redirected_to};
use crate::frames::rig::model::FRAGMENTS;
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::reading::Frame;
use crate::frames::rig::scene::{Scene, Service, down, drained, service, up};
use crate::frames::rig::segment::{Segment, VLAN};

in_both_families! {
    fragments_follow_their_first,
    segments_in_fragments_follow_their_first,
    a_fragment_whose_first_did_not_come_is_dropped,
    a_fragment_that_overtook_its_first_is_dropped,
    fragments_follow_their_first_though_the_table_changed,
    fragments_that_come_too_late_are_dropped,
    fragments_of_another_packet_are_not_of_this_one,
    fragments_of_tcp_and_udp_do_not_mix,
    fragments_of_two_senders_do_not_mix,
    fragments_to_two_vips_do_not_mix,
    an_identification_that_is_used_again_follows_its_latest_first,
    a_fragment_from_a_director_to_a_vip_that_is_not_held_passes,
    a_fragment_to_no_vip_passes,
    a_fragment_of_a_protocol_that_is_not_balanced_is_dropped_as_any,
    fragments_for_a_backend_on_this_host_are_for_the_stack,
    fragments_for_a_backend_behind_another_interface_go_there,
    fragments_for_a_backend_that_drains_go_on,
    fragments_for_a_backend_that_went_down_are_dropped,
    fragments_for_a_down_backend_that_keeps_its_flows_go_on,
    fragments_for_a_backend_whose_index_was_used_again_are_dropped,
    fragments_in_a_vlan_stay_in_it,
    the_first_fragment_of_no_service_passes_and_leads_nothing,
    a_first_fragment_too_short_for_its_ports_passes,
    a_later_fragment_longer_than_its_frame_is_dropped,
    a_first_fragment_longer_than_its_frame_is_dropped,
    a_first_fragment_is_shorter_than_its_datagram_says,
    fragments_of_a_flow_count_for_its_backend,
    the_last_fragment_may_be_as_short_as_one_byte,
    fragments_of_refused_packets_lead_nowhere,
}

/// The first fragment of a datagram of which more come: its length is that of the whole.
fn first(on: Net, id: u32) -> Segment {
    on.datagram(1472).saying_udp_length(3000).fragment(id, 0, true)
}

/// Another fragment of it.
fn later(on: Net, id: u32) -> Segment {
    on.bare(17, 1480).fragment(id, 185, true)
}

/// The last one.
fn last(on: Net, id: u32) -> Segment {
    on.bare(17, 40).fragment(id, 370, false)
}

/// The service that [`first`] is of.
fn names(on: Net) -> String {
    format!("{}/udp", on.at(53))
}

fn follows(on: Net, backend: &'static str) -> Expect {
    forwarded_to(backend).following(&names(on))
}

fn both(on: Net, taker: &'static str) -> Service {
    on.names().with(up("a")).with(up("b")).new_flows_to([taker])
}

fn fragments_follow_their_first(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.receives(later(on, 7), follows(on, "a"));
    pivot.receives(last(on, 7), follows(on, "a"));
    // The next datagram of the flow.
    pivot.receives(first(on, 8), forwarded_to("a"));
    pivot.receives(last(on, 8), follows(on, "a"));
}

fn segments_in_fragments_follow_their_first(on: Net) {
    let mut pivot = director(two(on, "a"));
    let web = format!("{}/tcp", on.at(80));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.data(1400).fragment(7, 0, true), forwarded_to("a"));
    pivot.receives(on.bare(6, 200).fragment(7, 180, false), forwarded_to("a").following(&web));
}

fn a_fragment_whose_first_did_not_come_is_dropped(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(later(on, 7), dropped(Verdict::FragmentUnplaced));
    pivot.receives(last(on, 7), dropped(Verdict::FragmentUnplaced));
    pivot.receives(on.bare(6, 100).fragment(7, 1, true), dropped(Verdict::FragmentUnplaced));
}

fn a_fragment_that_overtook_its_first_is_dropped(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(last(on, 7), dropped(Verdict::FragmentUnplaced));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.receives(last(on, 7), follows(on, "a"));
}

fn fragments_follow_their_first_though_the_table_changed(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.configure(both(on, "b"));
    pivot.receives(later(on, 7), follows(on, "a"));
    pivot.receives(first(on, 8).at_port(1), forwarded_to("b").chosen());
    pivot.receives(later(on, 8), follows(on, "b"));
    pivot.receives(last(on, 7), follows(on, "a"));
}

fn fragments_that_come_too_late_are_dropped(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.waits(FRAGMENTS - Duration::from_secs(5));
    pivot.receives(later(on, 7), follows(on, "a"));
    pivot.waits(Duration::from_secs(10));
    pivot.receives(last(on, 7), dropped(Verdict::FragmentUnplaced));
}

fn fragments_of_another_packet_are_not_of_this_one(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    for id in [0, 6, 8, 7 << 8, 0xffff] {
        pivot.receives(last(on, id), dropped(Verdict::FragmentUnplaced));
    }
}

#[test]
fn an_ipv6_identification_has_all_its_32_bits() {
    let on = Net::V6;
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 0xdead_beef), forwarded_to("a").chosen());
    pivot.receives(last(on, 0xbeef), dropped(Verdict::FragmentUnplaced));
    pivot.receives(last(on, 0xdead_0000), dropped(Verdict::FragmentUnplaced));
    pivot.receives(last(on, 0xdead_beef), follows(on, "a"));
}

fn fragments_of_tcp_and_udp_do_not_mix(on: Net) {
    let mut pivot = director([service(on.at(53)).with(up("a")), on.names().with(up("b"))]);
    pivot.receives(on.data(1400).for_port(53).fragment(7, 0, true), forwarded_to("a").chosen());
    pivot.receives(last(on, 7), dropped(Verdict::FragmentUnplaced));
    pivot.receives(first(on, 7), forwarded_to("b").chosen());
    pivot.receives(last(on, 7), follows(on, "b"));
    let tcp = format!("{}/tcp", on.at(53));
    pivot.receives(on.bare(6, 100).fragment(7, 177, false), forwarded_to("a").following(&tcp));
}

fn fragments_of_two_senders_do_not_mix(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.receives(last(on, 7).by(8), dropped(Verdict::FragmentUnplaced));
    pivot.configure(both(on, "b"));
    pivot.receives(first(on, 7).by(8), forwarded_to("b").chosen());
    pivot.receives(last(on, 7).by(8), follows(on, "b"));
    pivot.receives(last(on, 7), follows(on, "a"));
}

fn fragments_to_two_vips_do_not_mix(on: Net) {
    let mut pivot = director([both(on, "a"), service(on.at_other(53)).udp().with(up("c"))]);
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.receives(last(on, 7).to(on.at_other(0)), dropped(Verdict::FragmentUnplaced));
    pivot.receives(first(on, 7).to(on.at_other(53)), forwarded_to("c").chosen());
    let other = format!("{}/udp", on.at_other(53));
    pivot.receives(last(on, 7).to(on.at_other(0)), forwarded_to("c").following(&other));
    pivot.receives(last(on, 7), follows(on, "a"));
}

fn an_identification_that_is_used_again_follows_its_latest_first(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.configure(both(on, "b"));
    pivot.receives(first(on, 7).at_port(1), forwarded_to("b").chosen());
    pivot.receives(last(on, 7), follows(on, "b"));
}

fn a_fragment_from_a_director_to_a_vip_that_is_not_held_passes(on: Net) {
    let mut pivot = director(Scene::from(both(on, "a")).not_holding(on.vip()));
    pivot.receives(first(on, 7).directed(), passes(Verdict::NotHeld));
    pivot.receives(last(on, 7).directed(), passes(Verdict::NotHeld));
}

fn a_fragment_to_no_vip_passes(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(last(on, 7).to((on.node(100), 0)), passes(Verdict::NotService));
}

fn a_fragment_of_a_protocol_that_is_not_balanced_is_dropped_as_any(on: Net) {
    // The first fragment of SCTP passes, hence leads nothing.
    let mut pivot = director(both(on, "a"));
    pivot.receives(on.bare(132, 80).fragment(7, 0, true), passes(Verdict::NotBalanced));
}

fn fragments_for_a_backend_on_this_host_are_for_the_stack(on: Net) {
    let mut pivot = director(on.names().with(up("a").here()));
    pivot.receives(first(on, 7), local_to("a").chosen());
    pivot.receives(last(on, 7), local_to("a").following(&names(on)));
}

fn fragments_for_a_backend_behind_another_interface_go_there(on: Net) {
    let mut pivot = director(on.names().with(up("a").beyond()));
    pivot.receives(first(on, 7), redirected_to("a").chosen());
    pivot.receives(last(on, 7), redirected_to("a").following(&names(on)));
}

fn fragments_for_a_backend_that_drains_go_on(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.configure(on.names().with(drained("a")).with(up("b")));
    pivot.receives(later(on, 7), follows(on, "a"));
    pivot.configure(on.names().with(up("b")));
    pivot.receives(last(on, 7), follows(on, "a"));
}

fn fragments_for_a_backend_that_went_down_are_dropped(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.configure(on.names().with(down("a")).with(up("b")));
    pivot.receives(last(on, 7), dropped(Verdict::FragmentUnplaced));
}

fn fragments_for_a_backend_whose_index_was_used_again_are_dropped(on: Net) {
    let tables = lb_userspace::core::config::model::TableSizes { backends: 2, ..crate::frames::rig::side::TABLES };
    let mut pivot = crate::frames::rig::director::Director::sized(&tables, both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.configure(on.names().with(up("b")));
    pivot.configure(on.names().with(up("b")).with(up("c")));
    pivot.receives(last(on, 7), dropped(Verdict::FragmentUnplaced));
}

fn fragments_in_a_vlan_stay_in_it(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7).tagged(VLAN, 5), forwarded_to("a").chosen());
    pivot.receives(last(on, 7).tagged(VLAN, 5), follows(on, "a"));
}

fn the_first_fragment_of_no_service_passes_and_leads_nothing(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7).for_port(54), passes(Verdict::NotService));
    pivot.receives(last(on, 7), dropped(Verdict::FragmentUnplaced));
}

fn a_first_fragment_too_short_for_its_ports_passes(on: Net) {
    let mut pivot = director(both(on, "a"));
    let short = first(on, 7);
    for len in short.l4()..short.l4() + 8 {
        pivot.receives(short.clone().frame_of(len), passes(Verdict::Runt));
    }
    // The packet is shorter than its header; the frame is not.
    pivot.receives(on.bare(17, 4).fragment(7, 0, true).frame_of(100), passes(Verdict::NotService));
    let frame = Frame::from(on.data(8).fragment(8, 0, true)).bytes.len();
    pivot.receives(on.data(8).fragment(8, 0, true).frame_of(frame - 9), passes(Verdict::Runt));
}

fn a_later_fragment_longer_than_its_frame_is_dropped(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    let whole = Frame::from(last(on, 7)).bytes.len();
    pivot.receives(last(on, 7).frame_of(whole - 1), dropped(Verdict::Malformed));
    pivot.receives(last(on, 7).frame_of(whole + 1), follows(on, "a"));
}

fn a_first_fragment_longer_than_its_frame_is_dropped(on: Net) {
    let mut pivot = director(both(on, "a"));
    let whole = Frame::from(first(on, 7)).bytes.len();
    pivot.receives(first(on, 7).frame_of(whole - 1), dropped(Verdict::Malformed));
    pivot.receives(last(on, 7), dropped(Verdict::FragmentUnplaced));
}

fn a_first_fragment_is_shorter_than_its_datagram_says(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(on.datagram(64).saying_udp_length(0xffff).fragment(7, 0, true), forwarded_to("a").chosen());
    pivot.receives(on.datagram(64).saying_udp_length(7).fragment(8, 0, true), dropped(Verdict::Malformed));
}

fn fragments_of_a_flow_count_for_its_backend(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.receives(last(on, 7), follows(on, "a"));
    for (_, observed) in pivot.observed() {
        assert_eq!(observed.backends.values().map(|counters| counters[0]).sum::<u64>(), 2);
    }
}

fn the_last_fragment_may_be_as_short_as_one_byte(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.receives(on.bare(17, 1).fragment(7, 185, false), follows(on, "a"));
    pivot.receives(on.bare(17, 0).fragment(7, 186, false), follows(on, "a"));
}

fn fragments_of_refused_packets_lead_nowhere(on: Net) {
    let mut pivot = director(on.names());
    let unheard = Expect { action: Action::Transmit, leaves: Leaves::Unreachable, ..unreachable_fragment() };
    pivot.receives(first(on, 7), unheard);
    pivot.receives(last(on, 7), dropped(Verdict::FragmentUnplaced));
}

fn unreachable_fragment() -> Expect {
    crate::frames::rig::expect::unreachable()
}

#[test]
fn an_ipv6_packet_in_one_fragment_is_none() {
    let on = Net::V6;
    let mut pivot = director([two(on, "a"), both(on, "b")]);
    pivot.receives(on.syn().fragment(7, 0, false), forwarded_to("a").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.datagram(30).fragment(8, 0, false), forwarded_to("b").chosen());
    assert!(pivot.beside_flows().is_empty(), "nothing to follow");
    pivot.receives(on.echo().fragment(9, 0, false), passes(Verdict::Echo));
    pivot.receives(on.too_big(on.data(1400)).fragment(9, 0, false), crate::frames::rig::expect::told("a"));
    pivot.receives(on.datagram(30).saying_udp_length(39).fragment(8, 0, false), dropped(Verdict::Malformed));
}

fn fragments_for_a_down_backend_that_keeps_its_flows_go_on(on: Net) {
    let mut pivot = director(both(on, "a"));
    pivot.receives(first(on, 7), forwarded_to("a").chosen());
    pivot.configure(on.names().keeping().with(down("a")).with(up("b")));
    pivot.receives(last(on, 7), follows(on, "a"));
}
