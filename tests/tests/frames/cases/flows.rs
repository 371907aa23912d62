//! A flow keeps its backend, whatever becomes of the table, for as long as that may be sent anything.

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, local_to, reset_acknowledging, reset_at};
use crate::frames::rig::scene::{Scene, Service, down, drained, up, web};
use crate::frames::rig::segment::{ack, data, fin, syn};
use crate::frames::rig::side::TABLES;
use lb_userspace::core::config::model::TableSizes;

/// Two healthy backends, of which `taker` gets new flows.
pub(super) fn two(taker: &'static str) -> Service {
    web().with(up("a")).with(up("b")).new_flows_to([taker])
}

/// A director that gave the usual client's flow to `a`.
pub(super) fn with_a_flow_to_a() -> Director {
    let mut pivot = director(two("a"));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot
}

#[test]
fn an_ack_of_a_known_flow_goes_to_its_backend_though_the_table_changed() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(two("b"));
    pivot.receives(ack(), forwarded_to("a"));
    pivot.receives(syn().at_port(1), forwarded_to("b").chosen());
}

#[test]
fn a_retransmitted_syn_keeps_its_backend_though_the_table_changed() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(two("b"));
    pivot.receives(syn(), forwarded_to("a"));
}

#[test]
fn a_drained_backend_keeps_its_flows_and_gets_no_new_ones() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(drained("a")).with(up("b")));
    pivot.receives(ack(), forwarded_to("a"));
    pivot.receives(data(100), forwarded_to("a"));
    pivot.receives(syn().at_port(1), forwarded_to("b").chosen());
    pivot.receives(fin(), forwarded_to("a"));
}

#[test]
fn a_syn_on_the_ports_of_a_drained_backends_flow_is_chosen_anew() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(drained("a")).with(up("b")));
    pivot.receives(syn(), forwarded_to("b").recalled().chosen());
    pivot.receives(ack(), forwarded_to("b"));
}

#[test]
fn a_backend_no_longer_drained_gets_new_flows() {
    let mut pivot = director(web().with(drained("a")).with(up("b")));
    pivot.receives(syn(), forwarded_to("b").chosen());
    pivot.configure(two("a"));
    pivot.receives(syn().at_port(1), forwarded_to("a").chosen());
}

#[test]
fn a_service_whose_every_backend_is_drained_keeps_its_flows_and_refuses_new_ones() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(drained("a")).with(drained("b")));
    pivot.receives(ack(), forwarded_to("a"));
    pivot.receives(syn().at_port(1), reset_acknowledging(Verdict::ResetNoBackend, 1001));
}

#[test]
fn the_flows_of_a_backend_that_went_down_are_reset() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(down("a")).with(up("b")));
    pivot.receives(ack(), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.receives(data(100), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.forgets_cache();
    pivot.receives(ack(), reset_at(Verdict::ResetBackendDown, 2000).recalled());
}

#[test]
fn a_syn_on_the_ports_of_a_down_backends_flow_is_chosen_anew() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(down("a")).with(up("b")));
    pivot.receives(syn(), forwarded_to("b").chosen());
    pivot.receives(ack(), forwarded_to("b"));
}

#[test]
fn flows_of_a_backend_that_was_down_for_a_moment_go_on() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(down("a")).with(up("b")));
    pivot.receives(ack(), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.configure(two("b"));
    pivot.receives(ack(), forwarded_to("a"));
}

#[test]
fn the_flows_of_a_backend_that_is_removed_go_on() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(up("b")));
    pivot.receives(ack(), forwarded_to("a"));
    pivot.forgets_cache();
    pivot.receives(data(100), forwarded_to("a").recalled());
    pivot.receives(syn().at_port(1), forwarded_to("b").chosen());
}

#[test]
fn a_syn_on_the_ports_of_a_removed_backends_flow_is_chosen_anew() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(up("b")));
    pivot.receives(syn(), forwarded_to("b").chosen());
}

#[test]
fn the_flows_of_a_backend_that_was_down_when_removed_are_reset() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(down("a")).with(up("b")));
    pivot.configure(web().with(up("b")));
    pivot.receives(ack(), reset_at(Verdict::ResetBackendDown, 2000));
}

#[test]
fn a_backend_that_comes_back_has_its_flows_still() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(up("b")));
    pivot.configure(two("b"));
    pivot.receives(ack(), forwarded_to("a"));
    pivot.receives(syn(), forwarded_to("a"));
}

#[test]
fn a_backend_that_comes_back_gets_new_flows() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(up("b")));
    pivot.configure(two("a"));
    pivot.receives(syn().at_port(1), forwarded_to("a").chosen());
}

#[test]
fn a_flow_never_reaches_the_backend_that_took_its_backends_index() {
    // Room for two: a third needs the index of the one that is leaving.
    let mut pivot = Director::sized(&TableSizes { backends: 2, ..TABLES }, two("a"));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.configure(web().with(up("b")));
    pivot.receives(ack(), forwarded_to("a"));
    pivot.configure(web().with(up("b")).with(up("c")).new_flows_to(["b"]));
    pivot.remembers(ack(), None);
    pivot.receives(ack(), forwarded_to("b").chosen());
}

#[test]
fn of_backends_that_are_leaving_the_one_gone_for_longest_makes_room() {
    let three = web().with(up("a")).with(up("b")).with(up("c"));
    let mut pivot = Director::sized(&TableSizes { backends: 3, ..TABLES }, three.clone().new_flows_to(["a"]));
    pivot.receives(syn().at_port(1), forwarded_to("a").chosen());
    pivot.configure(three.new_flows_to(["b"]));
    pivot.receives(syn().at_port(2), forwarded_to("b").chosen());
    pivot.configure(web().with(up("b")).with(up("c")));
    pivot.configure(web().with(up("c")));
    pivot.configure(web().with(up("c")).with(up("d")).new_flows_to(["d"]));
    pivot.receives(ack().at_port(1), forwarded_to("d").chosen());
    pivot.receives(ack().at_port(2), forwarded_to("b"));
}

#[test]
fn a_flow_stays_with_its_backend_when_that_moves_to_another_mac() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(up("a").here()).with(up("b")));
    pivot.receives(ack(), local_to("a"));
}

#[test]
fn flows_survive_a_vip_that_leaves_and_returns() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(Scene::from(two("b")).not_holding(crate::frames::rig::scene::VIP));
    pivot.configure(two("b"));
    pivot.receives(ack(), forwarded_to("a"));
}

#[test]
fn a_backend_counts_the_flows_that_were_chosen_for_it() {
    let mut pivot = with_a_flow_to_a();
    // A retransmission opens no second flow.
    pivot.receives(syn(), forwarded_to("a"));
    // A flow that another director had opened is a new one here.
    pivot.receives(ack().at_port(1), forwarded_to("a").chosen());
}
