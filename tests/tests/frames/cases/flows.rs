//! A flow keeps its backend, whatever becomes of the table, for as long as that may be sent anything.

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, local_to, reset_acknowledging, reset_at};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::{Scene, Service, down, drained, up};
use crate::frames::rig::side::TABLES;
use lb_userspace::core::config::model::TableSizes;

in_both_families! {
    an_ack_of_a_known_flow_goes_to_its_backend_though_the_table_changed,
    a_retransmitted_syn_keeps_its_backend_though_the_table_changed,
    a_drained_backend_keeps_its_flows_and_gets_no_new_ones,
    a_syn_on_the_ports_of_a_drained_backends_flow_is_chosen_anew,
    a_backend_no_longer_drained_gets_new_flows,
    a_service_whose_every_backend_is_drained_keeps_its_flows_and_refuses_new_ones,
    the_flows_of_a_backend_that_went_down_are_reset,
    a_syn_on_the_ports_of_a_down_backends_flow_is_chosen_anew,
    an_established_flow_of_a_down_backend_is_reset_and_a_syn_of_it_chosen_anew,
    a_down_backend_of_a_service_that_keeps_flows_keeps_its_flows_and_gets_no_new_ones,
    a_syn_on_the_ports_of_a_kept_flow_is_chosen_anew_unless_the_flow_is_established,
    kept_flows_are_reset_once_their_service_does_not_keep_them,
    a_kept_flow_stays_with_its_backend_when_that_is_up_again,
    a_service_that_keeps_flows_and_has_no_backend_left_refuses_new_ones,
    flows_of_a_backend_that_was_down_for_a_moment_go_on,
    the_flows_of_a_backend_that_is_removed_go_on,
    a_syn_on_the_ports_of_a_removed_backends_flow_is_chosen_anew,
    the_flows_of_a_backend_that_was_down_when_removed_are_reset,
    a_backend_that_comes_back_has_its_flows_still,
    a_backend_that_comes_back_gets_new_flows,
    a_flow_never_reaches_the_backend_that_took_its_backends_index,
    of_backends_that_are_leaving_the_one_gone_for_longest_makes_room,
    a_flow_stays_with_its_backend_when_that_moves_to_another_mac,
    flows_survive_a_vip_that_leaves_and_returns,
    a_backend_counts_the_flows_that_were_chosen_for_it,
}

/// Two healthy backends, of which `taker` gets new flows.
pub(super) fn two(on: Net, taker: &'static str) -> Service {
    on.web().with(up("a")).with(up("b")).new_flows_to([taker])
}

/// A director that gave the usual client's flow to `a`.
pub(super) fn with_a_flow_to_a(on: Net) -> Director {
    let mut pivot = director(two(on, "a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot
}

fn an_ack_of_a_known_flow_goes_to_its_backend_though_the_table_changed(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(two(on, "b"));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
}

fn a_retransmitted_syn_keeps_its_backend_though_the_table_changed(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(two(on, "b"));
    pivot.receives(on.syn(), forwarded_to("a"));
}

fn a_drained_backend_keeps_its_flows_and_gets_no_new_ones(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(drained("a")).with(up("b")));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.data(100), forwarded_to("a"));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
    pivot.receives(on.fin(), forwarded_to("a"));
}

fn a_syn_on_the_ports_of_a_drained_backends_flow_is_chosen_anew(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(drained("a")).with(up("b")));
    pivot.receives(on.syn(), forwarded_to("b").chosen());
    pivot.receives(on.ack(), forwarded_to("b"));
}

fn a_backend_no_longer_drained_gets_new_flows(on: Net) {
    let mut pivot = director(on.web().with(drained("a")).with(up("b")));
    pivot.receives(on.syn(), forwarded_to("b").chosen());
    pivot.configure(two(on, "a"));
    pivot.receives(on.syn().at_port(1), forwarded_to("a").chosen());
}

fn a_service_whose_every_backend_is_drained_keeps_its_flows_and_refuses_new_ones(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(drained("a")).with(drained("b")));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.syn().at_port(1), reset_acknowledging(Verdict::ResetNoBackend, 1001));
}

fn the_flows_of_a_backend_that_went_down_are_reset(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(down("a")).with(up("b")));
    pivot.receives(on.ack(), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.receives(on.data(100), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.receives(on.ack(), reset_at(Verdict::ResetBackendDown, 2000));
}

fn a_syn_on_the_ports_of_a_down_backends_flow_is_chosen_anew(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(down("a")).with(up("b")));
    pivot.receives(on.syn(), forwarded_to("b").chosen());
    pivot.receives(on.ack(), forwarded_to("b"));
}

fn an_established_flow_of_a_down_backend_is_reset_and_a_syn_of_it_chosen_anew(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.configure(on.web().with(down("a")).with(up("b")));
    pivot.receives(on.ack(), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.receives(on.syn(), forwarded_to("b").chosen());
    pivot.receives(on.ack(), forwarded_to("b"));
}

fn a_down_backend_of_a_service_that_keeps_flows_keeps_its_flows_and_gets_no_new_ones(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.configure(on.web().keeping().with(down("a")).with(up("b")));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.data(100), forwarded_to("a"));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
    pivot.receives(on.fin(), forwarded_to("a"));
}

fn a_syn_on_the_ports_of_a_kept_flow_is_chosen_anew_unless_the_flow_is_established(on: Net) {
    let keeping = || on.web().keeping().with(down("a")).with(up("b"));
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(keeping());
    pivot.receives(on.syn(), forwarded_to("b").chosen());
    pivot.receives(on.ack(), forwarded_to("b"));
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.configure(keeping());
    pivot.receives(on.syn(), forwarded_to("a"));
}

fn kept_flows_are_reset_once_their_service_does_not_keep_them(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().keeping().with(down("a")).with(up("b")));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.configure(on.web().with(down("a")).with(up("b")));
    pivot.receives(on.ack(), reset_at(Verdict::ResetBackendDown, 2000));
}

fn a_kept_flow_stays_with_its_backend_when_that_is_up_again(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().keeping().with(down("a")).with(up("b")));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.configure(two(on, "b").keeping());
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn a_service_that_keeps_flows_and_has_no_backend_left_refuses_new_ones(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().keeping().with(down("a")).with(down("b")));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.syn().at_port(1), reset_acknowledging(Verdict::ResetNoBackend, 1001));
}

fn flows_of_a_backend_that_was_down_for_a_moment_go_on(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(down("a")).with(up("b")));
    pivot.receives(on.ack(), reset_at(Verdict::ResetBackendDown, 2000));
    pivot.configure(two(on, "b"));
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn the_flows_of_a_backend_that_is_removed_go_on(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(up("b")));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.data(100), forwarded_to("a"));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
}

fn a_syn_on_the_ports_of_a_removed_backends_flow_is_chosen_anew(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(up("b")));
    pivot.receives(on.syn(), forwarded_to("b").chosen());
}

fn the_flows_of_a_backend_that_was_down_when_removed_are_reset(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(down("a")).with(up("b")));
    pivot.configure(on.web().with(up("b")));
    pivot.receives(on.ack(), reset_at(Verdict::ResetBackendDown, 2000));
}

fn a_backend_that_comes_back_has_its_flows_still(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(up("b")));
    pivot.configure(two(on, "b"));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.syn(), forwarded_to("a"));
}

fn a_backend_that_comes_back_gets_new_flows(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(up("b")));
    pivot.configure(two(on, "a"));
    pivot.receives(on.syn().at_port(1), forwarded_to("a").chosen());
}

fn a_flow_never_reaches_the_backend_that_took_its_backends_index(on: Net) {
    // Room for two: a third needs the index of the one that is leaving.
    let mut pivot = Director::sized(&TableSizes { backends: 2, ..TABLES }, two(on, "a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(on.web().with(up("b")));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.configure(on.web().with(up("b")).with(up("c")).new_flows_to(["b"]));
    pivot.remembers(on.ack(), None);
    pivot.receives(on.ack(), forwarded_to("b").chosen());
}

fn of_backends_that_are_leaving_the_one_gone_for_longest_makes_room(on: Net) {
    let three = on.web().with(up("a")).with(up("b")).with(up("c"));
    let mut pivot = Director::sized(&TableSizes { backends: 3, ..TABLES }, three.clone().new_flows_to(["a"]));
    pivot.receives(on.syn().at_port(1), forwarded_to("a").chosen());
    pivot.configure(three.new_flows_to(["b"]));
    pivot.receives(on.syn().at_port(2), forwarded_to("b").chosen());
    pivot.configure(on.web().with(up("b")).with(up("c")));
    pivot.configure(on.web().with(up("c")));
    pivot.configure(on.web().with(up("c")).with(up("d")).new_flows_to(["d"]));
    pivot.receives(on.ack().at_port(1), forwarded_to("d").chosen());
    pivot.receives(on.ack().at_port(2), forwarded_to("b"));
}

fn a_flow_stays_with_its_backend_when_that_moves_to_another_mac(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(up("a").here()).with(up("b")));
    pivot.receives(on.ack(), local_to("a"));
}

fn flows_survive_a_vip_that_leaves_and_returns(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(Scene::from(two(on, "b")).not_holding(on.vip()));
    pivot.configure(two(on, "b"));
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn a_backend_counts_the_flows_that_were_chosen_for_it(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    // A retransmission opens no second flow.
    pivot.receives(on.syn(), forwarded_to("a"));
    // A flow that another director had opened is a new one here.
    pivot.receives(on.ack().at_port(1), forwarded_to("a").chosen());
}
