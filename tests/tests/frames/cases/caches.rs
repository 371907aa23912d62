//! What a CPU's cache says of a flow, and what the shared table says: whose word counts when.

use lb_common::path::verdict::Verdict;
use lb_userspace::core::config::model::TableSizes;

use super::flows::{two, with_a_flow_to_a};
use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, reset_at};
use crate::frames::rig::scene::{down, drained, up, web};
use crate::frames::rig::segment::{ack, data, syn};
use crate::frames::rig::side::TABLES;

#[test]
fn a_flow_is_recalled_once_after_each_change_of_the_tables() {
    let mut pivot = with_a_flow_to_a();
    for taker in ["b", "a", "b"] {
        pivot.receives(ack(), forwarded_to("a"));
        pivot.configure(two(taker));
        pivot.receives(ack(), forwarded_to("a").recalled());
        pivot.receives(data(10), forwarded_to("a"));
    }
}

#[test]
fn a_flow_that_the_cache_lost_is_recalled_from_the_shared_table() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(two("b"));
    pivot.forgets_cache();
    pivot.receives(ack(), forwarded_to("a").recalled());
    pivot.receives(ack(), forwarded_to("a"));
}

#[test]
fn a_syn_that_the_cache_does_not_know_keeps_the_backend_that_the_shared_table_knows() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(two("b"));
    pivot.forgets_cache();
    pivot.receives(syn(), forwarded_to("a").recalled());
    pivot.receives(syn(), forwarded_to("a"));
    pivot.forgets_cache();
    pivot.receives(ack(), forwarded_to("a").recalled());
}

#[test]
fn a_stale_cache_yields_to_the_shared_table() {
    for first in [syn(), ack(), data(10)] {
        let mut pivot = with_a_flow_to_a();
        pivot.configure(two("b"));
        pivot.has_stale_cache(ack(), "b");
        pivot.receives(first, forwarded_to("a").recalled());
        pivot.receives(ack(), forwarded_to("a"));
        pivot.remembers(ack(), Some("a"));
    }
}

#[test]
fn a_stale_cache_does_not_undo_what_another_cpu_chose_anew() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(drained("a")).with(up("b")));
    pivot.receives(syn(), forwarded_to("b").recalled().chosen());
    pivot.configure(two("a"));
    pivot.has_stale_cache(ack(), "a");
    pivot.receives(ack(), forwarded_to("b").recalled());
}

#[test]
fn a_stale_caches_backend_that_is_down_does_not_reset_a_flow_that_the_shared_table_knows() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(up("a")).with(down("b")));
    pivot.has_stale_cache(ack(), "b");
    pivot.receives(ack(), forwarded_to("a").recalled());
}

#[test]
fn a_flow_that_only_a_stale_cache_knows_keeps_its_backend() {
    for first in [syn(), ack(), data(10)] {
        let mut pivot = director(two("b"));
        pivot.has_stale_cache(ack(), "a");
        pivot.receives(first, forwarded_to("a").told_again());
        pivot.remembers(ack(), Some("a"));
        pivot.receives(ack(), forwarded_to("a"));
    }
}

#[test]
fn a_syn_on_the_ports_of_a_drained_backends_flow_that_only_a_stale_cache_knows_is_chosen_anew() {
    let mut pivot = director(web().with(drained("a")).with(up("b")));
    pivot.has_stale_cache(ack(), "a");
    pivot.receives(syn(), forwarded_to("b").chosen());
    pivot.receives(ack(), forwarded_to("b"));
}

#[test]
fn a_flow_of_a_down_backend_that_only_a_stale_cache_knows_is_reset() {
    let mut pivot = director(web().with(down("a")).with(up("b")));
    pivot.has_stale_cache(ack(), "a");
    pivot.receives(ack(), reset_at(Verdict::ResetBackendDown, 2000));
}

#[test]
fn a_full_set_of_the_cache_gives_up_the_flow_unseen_for_longest() {
    // One set of four flows for each CPU.
    let mut pivot = Director::sized(&TableSizes { flow_cache: 4, ..TABLES }, web().with(up("a")));
    for port in 1..=5 {
        pivot.receives(syn().at_port(port), forwarded_to("a").chosen());
    }
    for port in 2..=5 {
        pivot.receives(ack().at_port(port), forwarded_to("a"));
    }
    pivot.crowded_out(ack().at_port(1));
    pivot.receives(ack().at_port(1), forwarded_to("a").recalled());
}

#[test]
fn a_drained_backends_flow_is_recalled_from_the_shared_table() {
    let mut pivot = with_a_flow_to_a();
    pivot.configure(web().with(drained("a")).with(up("b")));
    pivot.forgets_cache();
    pivot.receives(ack(), forwarded_to("a").recalled());
}

#[test]
fn the_shared_table_does_not_bring_back_a_flow_of_a_reused_index() {
    let mut pivot = Director::sized(&TableSizes { backends: 2, ..TABLES }, two("a"));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.configure(web().with(up("b")));
    pivot.configure(web().with(up("b")).with(up("c")).new_flows_to(["b"]));
    pivot.forgets_cache();
    pivot.receives(ack(), forwarded_to("b").recalled().chosen());
}

#[test]
fn the_same_tables_once_more_change_nothing() {
    let mut pivot = with_a_flow_to_a();
    for _ in 0..3 {
        pivot.configure(two("a"));
    }
    pivot.receives(ack(), forwarded_to("a"));
    pivot.receives(syn().at_port(1), forwarded_to("a").chosen());
}
