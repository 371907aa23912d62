//! Clients that keep their backend beyond a flow.

use std::time::Duration;

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, reset_acknowledging, reset_at};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::{Backend, IDLE, Service, down, drained, up};

in_both_families! {
    a_client_keeps_its_backend_from_port_to_port,
    a_client_keeps_its_backend_when_others_come,
    clients_are_told_apart,
    a_network_is_one_client,
    a_client_of_a_prefix_of_one_bit_is_half_the_world,
    a_client_whose_backend_drains_gets_another_for_new_flows,
    a_client_whose_backend_goes_down_gets_another,
    a_client_whose_backend_is_removed_gets_another,
    a_client_that_was_away_for_long_gets_what_the_table_says,
    a_flows_packets_keep_its_client,
    a_services_clients_are_not_anothers,
    datagrams_have_affinity_too,
    a_client_without_affinity_leaves_nothing_behind,
    a_reset_makes_no_client,
    affinity_that_is_taken_away_is_forgotten,
    a_client_that_moved_stays_where_it_is,
    a_client_that_uses_a_port_again_stays_where_it_is,
    a_flow_from_before_a_client_moved_does_not_take_it_back,
    a_service_without_backends_refuses_clients_it_knows,
}

const LIFE: Duration = Duration::from_secs(600);

/// Every address is a client; new ones go to `taker`.
fn affine(on: Net, taker: &'static str) -> Service {
    affine_by(on, on.bits(), taker)
}

fn affine_by(on: Net, prefix: u8, taker: &'static str) -> Service {
    with(on, prefix, [up("a"), up("b")]).new_flows_to([taker])
}

fn with(on: Net, prefix: u8, backends: [Backend; 2]) -> Service {
    backends.into_iter().fold(on.web().affine(prefix, LIFE), Service::with)
}

/// The usual client has `a`; others get `b`.
fn with_a_client_of_a(on: Net) -> Director {
    let mut pivot = director(affine(on, "a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(affine(on, "b"));
    pivot
}

fn a_client_keeps_its_backend_from_port_to_port(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    for port in [1, 2, 3, 50_000] {
        pivot.receives(on.syn().at_port(port), forwarded_to("a").chosen());
        pivot.receives(on.ack().at_port(port), forwarded_to("a"));
    }
}

fn a_client_keeps_its_backend_when_others_come(on: Net) {
    let mut pivot = director(on.web().affine(on.bits(), LIFE).with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(affine(on, "b").with(up("c")));
    pivot.receives(on.syn().at_port(1), forwarded_to("a").chosen());
    pivot.receives(on.syn().by(8), forwarded_to("b").chosen());
}

fn clients_are_told_apart(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    for host in [6, 8, 0, 255] {
        pivot.receives(on.syn().by(host), forwarded_to("b").chosen());
    }
    pivot.receives(on.syn().at_port(1), forwarded_to("a").chosen());
}

fn a_network_is_one_client(on: Net) {
    let prefix = on.bits() - 8;
    let mut pivot = director(affine_by(on, prefix, "a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(affine_by(on, prefix, "b"));
    for host in [0, 1, 128, 255] {
        pivot.receives(on.syn().by(host), forwarded_to("a").chosen());
    }
    pivot.receives(on.syn().from((on.node(7), 1)), forwarded_to("b").chosen());
}

fn a_client_of_a_prefix_of_one_bit_is_half_the_world(on: Net) {
    let mut pivot = director(affine_by(on, 1, "a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(affine_by(on, 1, "b"));
    pivot.receives(on.syn().by(200).at_port(7), forwarded_to("a").chosen());
    let half: std::net::IpAddr = match on {
        Net::V4 => [10, 0, 0, 1].into(),
        Net::V6 => [0xfd00, 0, 0, 0, 0, 0, 0, 1].into(),
    };
    pivot.receives(on.syn().from((half, 1)), forwarded_to("b").chosen());
}

fn a_client_whose_backend_drains_gets_another_for_new_flows(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    pivot.configure(with(on, on.bits(), [drained("a"), up("b")]));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
}

fn a_client_whose_backend_goes_down_gets_another(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    pivot.configure(with(on, on.bits(), [down("a"), up("b")]));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
    pivot.receives(on.ack(), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.receives(on.syn(), forwarded_to("b").chosen());
}

fn a_client_whose_backend_is_removed_gets_another(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    pivot.configure(on.web().affine(on.bits(), LIFE).with(up("b")));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn a_client_that_was_away_for_long_gets_what_the_table_says(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    pivot.waits(LIFE - Duration::from_secs(10));
    pivot.receives(on.syn().at_port(1), forwarded_to("a").chosen());
    pivot.waits(LIFE + Duration::from_secs(10));
    pivot.receives(on.syn().at_port(2), forwarded_to("b").chosen());
}

fn a_flows_packets_keep_its_client(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    pivot.receives(on.ack(), forwarded_to("a"));
    for _ in 0..5 {
        pivot.waits(IDLE - Duration::from_secs(10));
        pivot.receives(on.data(9), forwarded_to("a"));
    }
    pivot.receives(on.syn().at_port(1), forwarded_to("a").chosen());
}

fn a_services_clients_are_not_anothers(on: Net) {
    let both = |taker| {
        let database = on.database().affine(on.bits(), LIFE).with(up("a")).with(up("b"));
        [affine(on, taker), database.new_flows_to([taker])]
    };
    let mut pivot = director(both("a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(both("b"));
    pivot.receives(on.syn().for_port(3306), forwarded_to("b").chosen());
    pivot.receives(on.syn().at_port(1), forwarded_to("a").chosen());
}

fn datagrams_have_affinity_too(on: Net) {
    let names = |taker| on.names().affine(on.bits(), LIFE).with(up("a")).with(up("b")).new_flows_to([taker]);
    let mut pivot = director(names("a"));
    pivot.receives(on.datagram(9), forwarded_to("a").chosen());
    pivot.configure(names("b"));
    pivot.receives(on.datagram(9).at_port(1), forwarded_to("a").chosen());
    pivot.receives(on.datagram(9).by(8), forwarded_to("b").chosen());
}

fn a_client_without_affinity_leaves_nothing_behind(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
    assert!(pivot.beside_flows().is_empty());
    let mut pivot = with_a_client_of_a(on);
    pivot.receives(on.ack(), forwarded_to("a"));
    assert_eq!(pivot.beside_flows().len(), 1, "one with affinity does");
}

fn a_reset_makes_no_client(on: Net) {
    let mut pivot = director(affine(on, "a"));
    pivot.receives(on.rst(), forwarded_to("a").chosen());
    assert!(pivot.beside_flows().is_empty());
}

fn affinity_that_is_taken_away_is_forgotten(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    pivot.configure(on.web().with(up("a")).with(up("b")).new_flows_to(["b"]));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn a_client_that_moved_stays_where_it_is(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    pivot.configure(with(on, on.bits(), [down("a"), up("b")]));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
    pivot.configure(affine(on, "a"));
    pivot.receives(on.syn().at_port(2), forwarded_to("b").chosen());
}

fn a_client_that_uses_a_port_again_stays_where_it_is(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.fin(), forwarded_to("a"));
    pivot.configure(with(on, on.bits(), [down("a"), up("b")]));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
    pivot.configure(affine(on, "a"));
    pivot.receives(on.syn(), forwarded_to("b").chosen());
    pivot.receives(on.syn().at_port(2), forwarded_to("b").chosen());
}

fn a_flow_from_before_a_client_moved_does_not_take_it_back(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.configure(with(on, on.bits(), [drained("a"), up("b")]));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
    pivot.configure(affine(on, "a"));
    pivot.waits(IDLE - Duration::from_secs(10));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.syn().at_port(2), forwarded_to("b").chosen());
}

fn a_service_without_backends_refuses_clients_it_knows(on: Net) {
    let mut pivot = with_a_client_of_a(on);
    pivot.configure(with(on, on.bits(), [down("a"), down("b")]));
    pivot.receives(on.syn().at_port(1), reset_acknowledging(Verdict::ResetNoBackend, 1001));
}
