//! UDP services: as TCP's, but for what a datagram does not have.

use std::time::Duration;

use lb_common::path::verdict::Verdict;
use lb_common::wire::flow::Stage;

use crate::frames::rig::director::director;
use crate::frames::rig::expect::{dropped, forwarded_to, local_to, passes, reset_at, stuck_before, unreachable};
use crate::frames::rig::model::NEW;
use crate::frames::rig::net::{BOTH, Net, in_both_families};
use crate::frames::rig::scene::{Scene, down, drained, service, up};

in_both_families! {
    tcp_and_udp_of_one_port_are_two_services,
    a_tcp_service_takes_no_datagrams_and_a_udp_service_no_segments,
    flows_of_tcp_and_udp_on_the_same_ports_do_not_mix,
    a_flow_of_datagrams_is_established_by_its_second,
    a_flow_of_datagrams_leaves_a_backend_that_went_down,
    a_flow_of_datagrams_stays_with_a_backend_that_drains,
    a_flow_of_datagrams_stays_with_a_down_backend_that_keeps_its_flows,
    a_flow_of_datagrams_stays_with_a_backend_that_is_removed,
    a_datagram_from_a_director_to_a_vip_that_is_not_held_is_left_to_the_stack,
    a_local_backend_gets_its_datagrams_by_the_stack,
    a_datagrams_backend_whose_mac_is_unknown_is_not_guessed_at,
    a_flow_of_datagrams_ends_when_it_was_idle,
    a_datagram_from_port_zero_is_forwarded,
}

fn tcp_and_udp_of_one_port_are_two_services(on: Net) {
    let mut pivot = director([service(on.at(53)).with(up("a")), on.names().with(up("b"))]);
    pivot.receives(on.syn().for_port(53), forwarded_to("a").chosen());
    pivot.receives(on.datagram(30), forwarded_to("b").chosen());
    pivot.configure([service(on.at(53)).with(down("a")), on.names().with(up("b"))]);
    pivot.receives(on.ack().for_port(53), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.receives(on.datagram(30), forwarded_to("b"));
}

#[test]
fn the_same_port_of_both_families_are_two_services() {
    let mut pivot =
        director([Net::V4.names().with(up("a")), Net::V6.names().with(up("b")), Net::V6.web().with(up("c"))]);
    pivot.receives(Net::V4.datagram(30), forwarded_to("a").chosen());
    pivot.receives(Net::V6.datagram(30), forwarded_to("b").chosen());
    pivot.receives(Net::V6.syn(), forwarded_to("c").chosen());
    pivot.receives(Net::V4.syn(), passes(Verdict::NotService));
}

#[test]
fn one_familys_vip_is_held_while_the_others_is_not() {
    let services = BOTH.map(|on| on.web().with(up("a")));
    let mut pivot = director(Scene::from(services).not_holding(Net::V4.vip()));
    pivot.receives(Net::V4.syn().directed(), passes(Verdict::NotHeld));
    pivot.receives(Net::V6.syn(), forwarded_to("a").chosen());
}

fn a_tcp_service_takes_no_datagrams_and_a_udp_service_no_segments(on: Net) {
    let mut pivot = director([on.web().with(up("a")), on.names().with(up("b"))]);
    pivot.receives(on.datagram(30).for_port(80), passes(Verdict::NotService));
    pivot.receives(on.syn().for_port(53), passes(Verdict::NotService));
}

fn flows_of_tcp_and_udp_on_the_same_ports_do_not_mix(on: Net) {
    let both = |tcp, udp| {
        let tcp = service(on.at(53)).with(up("a")).with(up("b")).new_flows_to([tcp]);
        [tcp, on.names().with(up("a")).with(up("b")).new_flows_to([udp])]
    };
    let mut pivot = director(both("a", "b"));
    pivot.receives(on.syn().for_port(53), forwarded_to("a").chosen());
    pivot.receives(on.datagram(30), forwarded_to("b").chosen());
    pivot.configure(both("b", "a"));
    pivot.receives(on.ack().for_port(53), forwarded_to("a"));
    pivot.receives(on.datagram(30), forwarded_to("b"));
}

fn a_flow_of_datagrams_is_established_by_its_second(on: Net) {
    let idle = Duration::from_secs(60);
    let mut pivot = director(on.names().idle(idle).with(up("a")));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.is_at(on.datagram(0), Stage::New, NEW);
    pivot.receives(on.datagram(30), forwarded_to("a"));
    pivot.is_at(on.datagram(0), Stage::Established, idle);
}

fn a_flow_of_datagrams_leaves_a_backend_that_went_down(on: Net) {
    let mut pivot = director(on.names().with(up("a")).with(up("b")).new_flows_to(["a"]));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.receives(on.datagram(30), forwarded_to("a"));
    pivot.configure(on.names().with(down("a")).with(up("b")));
    pivot.receives(on.datagram(30), forwarded_to("b").chosen());
    pivot.configure(on.names().with(up("a")).with(up("b")).new_flows_to(["a"]));
    pivot.receives(on.datagram(30), forwarded_to("b"));
}

fn a_flow_of_datagrams_stays_with_a_backend_that_drains(on: Net) {
    let mut pivot = director(on.names().with(up("a")).with(up("b")).new_flows_to(["a"]));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.configure(on.names().with(drained("a")).with(up("b")));
    pivot.receives(on.datagram(30), forwarded_to("a"));
    pivot.receives(on.datagram(30).at_port(1), forwarded_to("b").chosen());
}

fn a_flow_of_datagrams_stays_with_a_down_backend_that_keeps_its_flows(on: Net) {
    let mut pivot = director(on.names().with(up("a")).with(up("b")).new_flows_to(["a"]));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.configure(on.names().keeping().with(down("a")).with(up("b")));
    pivot.receives(on.datagram(30), forwarded_to("a"));
    pivot.receives(on.datagram(30).at_port(1), forwarded_to("b").chosen());
}

fn a_flow_of_datagrams_stays_with_a_backend_that_is_removed(on: Net) {
    let mut pivot = director(on.names().with(up("a")).with(up("b")).new_flows_to(["a"]));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.configure(on.names().with(up("b")));
    pivot.receives(on.datagram(30), forwarded_to("a"));
}

fn a_datagram_from_a_director_to_a_vip_that_is_not_held_is_left_to_the_stack(on: Net) {
    let mut pivot = director(Scene::from(on.names().with(up("a"))).not_holding(on.vip()));
    pivot.receives(on.datagram(30).directed(), passes(Verdict::NotHeld));
    pivot.receives(on.datagram(30).saying_udp_checksum(0).directed(), passes(Verdict::NotHeld));
}

fn a_local_backend_gets_its_datagrams_by_the_stack(on: Net) {
    let mut pivot = director(on.names().with(up("a").here()));
    pivot.receives(on.datagram(30), local_to("a").chosen());
    pivot.receives(on.datagram(1400), local_to("a"));
}

fn a_datagrams_backend_whose_mac_is_unknown_is_not_guessed_at(on: Net) {
    let mut pivot = director(on.names().with(up("a").unresolved()));
    pivot.receives(on.datagram(30), stuck_before("a").chosen());
    pivot.configure(on.names().with(up("a")));
    pivot.receives(on.datagram(30), forwarded_to("a"));
}

fn a_flow_of_datagrams_ends_when_it_was_idle(on: Net) {
    let idle = Duration::from_secs(60);
    let both = |taker| on.names().idle(idle).with(up("a")).with(up("b")).new_flows_to([taker]);
    let mut pivot = director(both("a"));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.receives(on.datagram(30), forwarded_to("a"));
    pivot.configure(both("b"));
    pivot.waits(idle - Duration::from_secs(10));
    pivot.receives(on.datagram(30), forwarded_to("a"));
    pivot.waits(idle + Duration::from_secs(10));
    pivot.receives(on.datagram(30), forwarded_to("b").chosen());
}

fn a_datagram_from_port_zero_is_forwarded(on: Net) {
    let mut pivot = director(on.names().with(up("a")));
    pivot.receives(on.datagram(30).at_port(0), forwarded_to("a").chosen());
}

#[test]
fn ipv4_does_without_a_udp_checksum() {
    let mut pivot = director(Net::V4.names().with(up("a")));
    pivot.receives(Net::V4.datagram(30).saying_udp_checksum(0), forwarded_to("a").chosen());
    pivot.receives(Net::V4.datagram(30).saying_udp_checksum(0), forwarded_to("a"));
}

#[test]
fn ipv6_does_not_do_without_a_udp_checksum() {
    let on = Net::V6;
    let mut pivot = director(on.names().with(up("a")));
    pivot.receives(on.datagram(30).saying_udp_checksum(0), dropped(Verdict::NoChecksum));
    pivot.remembers(on.datagram(0), None);
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.receives(on.datagram(30).saying_udp_checksum(0), dropped(Verdict::NoChecksum));
    pivot.receives(on.datagram(30).options6(60, 1).saying_udp_checksum(0), dropped(Verdict::NoChecksum));
    // What no service is asked for is the stack's to judge.
    pivot.receives(on.datagram(30).for_port(54).saying_udp_checksum(0), passes(Verdict::NotService));
    pivot.configure(on.names());
    pivot.receives(on.datagram(30).saying_udp_checksum(0).at_port(9), dropped(Verdict::NoChecksum));
    pivot.receives(on.datagram(30).at_port(9), unreachable());
}
