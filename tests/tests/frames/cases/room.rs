//! A full flow table: who gives way to whom.

use std::time::Duration;

use lb_userspace::core::config::model::TableSizes;

use crate::frames::rig::director::Director;
use crate::frames::rig::expect::forwarded_to;
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::observed::Name;
use crate::frames::rig::scene::{MOST_IDLE, Service, up};
use crate::frames::rig::side::TABLES;
use lb_common::wire::flow::{Set, Stage};

in_both_families! {
    as_many_flows_as_there_is_room_for_are_remembered,
    a_new_flow_gives_way_to_a_newer_one,
    the_new_flow_with_the_least_time_left_gives_way,
    established_flows_never_give_way,
    a_flow_without_a_place_goes_where_the_table_says,
    a_flow_that_ends_gives_way_before_a_new_one,
    a_flow_that_was_reset_gives_way,
    a_flow_whose_time_is_up_gives_way_before_any_that_counts,
    a_known_flow_needs_no_room,
    a_reset_takes_nobodys_place,
    both_sets_of_a_flow_are_used,
    a_table_a_quarter_full_remembers_all_but_a_few,
}

/// One set: four flows.
const ONE_SET: TableSizes = TableSizes { flows: 4, ..TABLES };

fn web(on: Net) -> Service {
    on.web().with(up("a"))
}

/// A director whose only set is full of new flows, from port 1 on.
fn full_of_new_flows(on: Net) -> Director {
    let mut pivot = Director::sized(&ONE_SET, web(on));
    for port in ports(on) {
        pivot.receives(on.syn().at_port(port), forwarded_to("a").chosen());
    }
    pivot
}

/// The same, of established ones.
fn full_of_established_flows(on: Net) -> Director {
    let mut pivot = full_of_new_flows(on);
    for port in ports(on) {
        pivot.receives(on.ack().at_port(port), forwarded_to("a"));
    }
    pivot
}

/// The ports of the flows that fill a set.
fn ports(on: Net) -> std::ops::RangeInclusive<u16> {
    1..=on.ways() as u16
}

fn as_many_flows_as_there_is_room_for_are_remembered(on: Net) {
    let mut pivot = full_of_new_flows(on);
    for port in ports(on) {
        pivot.receives(on.ack().at_port(port), forwarded_to("a"));
    }
}

fn a_new_flow_gives_way_to_a_newer_one(on: Net) {
    let mut pivot = full_of_established_flows(on);
    pivot.waits(MOST_IDLE + Duration::from_secs(5));
    // All are up; the first place is taken by a new flow, the others are established again.
    pivot.tampered(|memory| {
        memory.flows.v4.iter().flat_map(Set::flows).for_each(|(_, _, cell)| cell.set(0));
        memory.flows.v6.iter().flat_map(Set::flows).for_each(|(_, _, cell)| cell.set(0));
    });
    for port in ports(on) {
        pivot.receives(on.syn().at_port(port), forwarded_to("a").chosen());
    }
    for port in ports(on).skip(1) {
        pivot.receives(on.ack().at_port(port), forwarded_to("a"));
    }
    pivot.receives(on.syn().at_port(100), forwarded_to("a").evicting(on.syn().at_port(1)));
    pivot.receives(on.syn().at_port(101), forwarded_to("a").evicting(on.syn().at_port(100)));
}

fn the_new_flow_with_the_least_time_left_gives_way(on: Net) {
    let mut pivot = full_of_new_flows(on);
    pivot.waits(Duration::from_secs(10));
    for port in ports(on).filter(|port| *port != 2) {
        pivot.receives(on.syn().at_port(port), forwarded_to("a"));
    }
    pivot.receives(on.syn().at_port(100), forwarded_to("a").evicting(on.syn().at_port(2)));
}

fn established_flows_never_give_way(on: Net) {
    let mut pivot = full_of_established_flows(on);
    for port in 100..120 {
        pivot.receives(on.syn().at_port(port), forwarded_to("a").crowded());
    }
    for port in ports(on) {
        pivot.receives(on.ack().at_port(port), forwarded_to("a"));
    }
}

fn a_flow_without_a_place_goes_where_the_table_says(on: Net) {
    let mut pivot = full_of_established_flows(on);
    pivot.receives(on.syn().at_port(100), forwarded_to("a").crowded());
    pivot.configure(on.web().with(up("a")).with(up("b")).new_flows_to(["b"]));
    pivot.receives(on.ack().at_port(100), forwarded_to("b").crowded());
    pivot.receives(on.ack().at_port(1), forwarded_to("a"));
}

fn a_flow_that_ends_gives_way_before_a_new_one(on: Net) {
    let mut pivot = full_of_new_flows(on);
    pivot.receives(on.fin().at_port(2), forwarded_to("a"));
    // It would be remembered for longer.
    pivot.receives(on.syn().at_port(100), forwarded_to("a").evicting(on.syn().at_port(2)));
}

fn a_flow_that_was_reset_gives_way(on: Net) {
    let mut pivot = full_of_established_flows(on);
    pivot.receives(on.rst().at_port(2), forwarded_to("a"));
    pivot.receives(on.syn().at_port(100), forwarded_to("a").evicting(on.syn().at_port(2)));
}

fn a_flow_whose_time_is_up_gives_way_before_any_that_counts(on: Net) {
    let mut pivot = full_of_established_flows(on);
    pivot.waits(MOST_IDLE + Duration::from_secs(5));
    // One goes on as a new flow, one after the other takes the place of one whose time is up: none is evicted.
    for port in 100..100 + on.ways() as u16 {
        pivot.tries(on.syn().at_port(port));
    }
    let new = |port| Name::Flow(format!("{}/tcp", on.at(80)), (on.client(), port).into());
    for (side, observed) in pivot.observed() {
        assert!((100..100 + on.ways() as u16).all(|port| observed.flows.contains_key(&new(port))), "{side}");
        assert!(observed.services.values().all(|totals| totals.evicted + totals.crowded == 0), "{side}");
    }
}

fn a_known_flow_needs_no_room(on: Net) {
    let mut pivot = full_of_established_flows(on);
    pivot.waits(MOST_IDLE + Duration::from_secs(5));
    for port in ports(on) {
        pivot.receives(on.syn().at_port(port), forwarded_to("a").chosen());
        pivot.receives(on.ack().at_port(port), forwarded_to("a"));
    }
}

fn a_reset_takes_nobodys_place(on: Net) {
    let mut pivot = full_of_new_flows(on);
    pivot.receives(on.rst().at_port(100), forwarded_to("a").chosen());
}

fn both_sets_of_a_flow_are_used(on: Net) {
    let tables = TableSizes { flows: on.ways() as u32 * 2, ..TABLES };
    let mut pivot = Director::sized(&tables, web(on));
    for port in 1..200 {
        pivot.tries(on.syn().at_port(port));
        pivot.tries(on.ack().at_port(port));
    }
    for (side, observed) in pivot.observed() {
        assert_eq!(observed.flows.len(), 2 * on.ways(), "{side}: both sets are full");
        assert!(observed.flows.values().all(|entry| entry.stage == Stage::Established), "{side}: and stay so");
        let totals = observed.services.values().next().expect("a service was used");
        // Each of those that found no place tried for both of its packets.
        assert_eq!(totals.crowded + totals.evicted, totals.chosen - 2 * on.ways() as u64, "{side}: {totals:?}");
    }
}

fn a_table_a_quarter_full_remembers_all_but_a_few(on: Net) {
    let mut pivot = Director::sized(&TABLES, web(on));
    for port in 1..=1000 {
        pivot.tries(on.syn().at_port(port));
    }
    for (side, observed) in pivot.observed() {
        let evicted: u64 = observed.services.values().map(|totals| totals.evicted).sum();
        assert_eq!(observed.flows.len() as u64 + evicted, 1000, "{side}");
        assert!(evicted <= 10, "{side}: {evicted} flows gave way though most places are free");
    }
}
