//! New flows beyond what a CPU takes in: forwarded all the same, not remembered.

use lb_common::wire::pace::Limits;

use super::flows::{two, with_a_flow_to_a};
use crate::frames::rig::director::director;
use crate::frames::rig::expect::{dropped, forwarded_to};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::up;
use crate::frames::rig::side::NO_LIMITS;
use lb_common::path::verdict::Verdict;

in_both_families! {
    one_flow_too_many_is_forwarded_and_not_remembered,
    known_flows_are_as_they_were,
    a_flow_that_has_its_place_keeps_it,
    a_datagram_too_many_is_forwarded_and_not_remembered,
    a_fragmented_packet_too_many_leads_nothing,
    what_a_cpu_took_in_is_counted,
    a_window_that_is_over_does_not_count,
    a_reset_is_not_taken_in,
}

const NONE: Limits = Limits { flows: 0, ..NO_LIMITS };

fn one_flow_too_many_is_forwarded_and_not_remembered(on: Net) {
    let mut pivot = director(two(on, "a"));
    pivot.limits(NONE);
    for _ in 0..3 {
        pivot.receives(on.syn(), forwarded_to("a").limited());
    }
    pivot.receives(on.ack(), forwarded_to("a").limited());
    pivot.limits(NO_LIMITS);
    pivot.receives(on.ack(), forwarded_to("a").chosen());
}

fn known_flows_are_as_they_were(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.limits(NONE);
    pivot.configure(two(on, "b"));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.data(9), forwarded_to("a"));
    pivot.receives(on.fin(), forwarded_to("a"));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").limited());
}

fn a_flow_that_has_its_place_keeps_it(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(two(on, "b"));
    pivot.limits(NONE);
    pivot.waits(std::time::Duration::from_secs(3600));
    // Its time was up; its place is still its own.
    pivot.receives(on.syn(), forwarded_to("b").chosen());
    pivot.receives(on.ack(), forwarded_to("b"));
}

fn a_datagram_too_many_is_forwarded_and_not_remembered(on: Net) {
    let mut pivot = director(on.names().with(up("a")));
    pivot.limits(NONE);
    pivot.receives(on.datagram(9), forwarded_to("a").limited());
    pivot.receives(on.datagram(9), forwarded_to("a").limited());
}

fn a_fragmented_packet_too_many_leads_nothing(on: Net) {
    let mut pivot = director(on.names().with(up("a")));
    pivot.limits(NONE);
    pivot.receives(on.datagram(64).fragment(7, 0, true), forwarded_to("a").limited());
    pivot.receives(on.bare(17, 64).fragment(7, 9, false), dropped(Verdict::FragmentUnplaced));
}

fn what_a_cpu_took_in_is_counted(on: Net) {
    let mut pivot = director(two(on, "a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.rst().at_port(1), forwarded_to("a").chosen());
    pivot.tampered(|memory| {
        let spent: Vec<u32> = memory.paces.iter().map(|pace| pace.flows.get() as u32).collect();
        assert_eq!(spent.iter().sum::<u32>(), 1, "the first one alone");
    });
}

fn a_window_that_is_over_does_not_count(on: Net) {
    let mut pivot = director(two(on, "a"));
    pivot.limits(Limits { flows: 1, ..NO_LIMITS });
    // Very much was taken in, in a window of long ago.
    pivot.tampered(|memory| memory.paces.iter().for_each(|pace| pace.flows.set(1 << 32 | 1000)));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    // It is the first one of its window.
    pivot.tampered(|memory| {
        let latest = memory.paces.iter().map(|pace| pace.flows.get()).max().expect("a CPU at least");
        assert_eq!(latest as u32, 1);
    });
}

fn a_reset_is_not_taken_in(on: Net) {
    let mut pivot = director(two(on, "a"));
    pivot.limits(NONE);
    pivot.receives(on.rst(), forwarded_to("a").chosen());
}
