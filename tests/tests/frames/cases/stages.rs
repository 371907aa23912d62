//! How far a flow has come, and for how long it is remembered therefore.

use std::time::Duration;

use lb_common::path::verdict::Verdict;
use lb_common::wire::flow::{Set, Stage, Tag};
use lb_userspace::tables::memory::TableMemory;

use super::flows::{two, with_a_flow_to_a};
use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, passes};
use crate::frames::rig::model::{CLOSING, NEW, RESET};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::{IDLE, MOST_IDLE, Scene, drained, up};

in_both_families! {
    a_syn_makes_a_flow_new,
    a_second_packet_establishes_a_flow,
    any_second_packet_establishes_a_flow,
    a_syn_that_is_sent_again_leaves_a_flow_new,
    a_fin_closes_a_flow,
    packets_after_a_fin_leave_a_flow_closing,
    a_rst_resets_a_flow,
    a_client_that_goes_on_after_a_rst_did_not_send_it,
    a_syn_leaves_an_established_flow_alone,
    a_syn_on_a_flow_that_ends_starts_it_anew,
    an_unknown_fin_makes_a_flow_new,
    a_new_flow_is_forgotten_after_its_time,
    an_established_flow_is_forgotten_after_the_services_idle_time,
    a_closing_flow_is_forgotten_after_its_time,
    a_reset_flow_is_forgotten_after_its_time,
    a_flow_with_packets_is_remembered_however_long_it_takes,
    services_have_idle_times_of_their_own,
    a_changed_idle_time_holds_from_the_next_packet_on,
    a_syn_on_an_established_flow_of_a_draining_backend_stays,
    a_syn_on_a_new_flow_of_a_draining_backend_goes_elsewhere,
    an_entry_with_anothers_seal_is_no_flow,
    an_entry_of_a_backend_of_another_service_is_no_flow,
    a_forgotten_flow_takes_its_old_place,
    a_packet_to_a_vip_that_is_not_held_extends_nothing,
    a_malformed_packet_extends_nothing,
}

const LITTLE: Duration = Duration::from_secs(5);

/// A flow to `a` that is established; others go to `b`.
fn established(on: Net) -> Director {
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.configure(two(on, "b"));
    pivot
}

/// An established flow is left [`LITTLE`] time, and a tick more: the next one may begin before anybody looks.
fn idles(pivot: &mut Director) {
    pivot.waits(MOST_IDLE - LITTLE - pivot.tick());
}

fn a_syn_makes_a_flow_new(on: Net) {
    with_a_flow_to_a(on).is_at(on.ack(), Stage::New, NEW);
}

fn a_second_packet_establishes_a_flow(on: Net) {
    established(on).is_at(on.ack(), Stage::Established, IDLE);
}

fn any_second_packet_establishes_a_flow(on: Net) {
    for second in [on.data(9), on.segment(|_| ()), on.segment(|tcp| (tcp.ack, tcp.urg) = (true, true))] {
        let mut pivot = with_a_flow_to_a(on);
        pivot.receives(second, forwarded_to("a"));
        pivot.is_at(on.ack(), Stage::Established, IDLE);
    }
}

fn a_syn_that_is_sent_again_leaves_a_flow_new(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.waits(NEW - LITTLE);
    pivot.receives(on.syn(), forwarded_to("a"));
    pivot.is_at(on.ack(), Stage::New, NEW);
}

fn a_fin_closes_a_flow(on: Net) {
    let mut pivot = established(on);
    pivot.receives(on.fin(), forwarded_to("a"));
    pivot.is_at(on.ack(), Stage::Closing, CLOSING);
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.fin(), forwarded_to("a"));
    pivot.is_at(on.ack(), Stage::Closing, CLOSING);
}

fn packets_after_a_fin_leave_a_flow_closing(on: Net) {
    let mut pivot = established(on);
    pivot.receives(on.fin(), forwarded_to("a"));
    pivot.waits(CLOSING - LITTLE);
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.is_at(on.ack(), Stage::Closing, CLOSING);
    pivot.receives(on.data(10), forwarded_to("a"));
    pivot.receives(on.fin(), forwarded_to("a"));
    pivot.is_at(on.ack(), Stage::Closing, CLOSING);
}

fn a_rst_resets_a_flow(on: Net) {
    let with_ack = on.segment(|tcp| (tcp.rst, tcp.ack) = (true, true));
    for rst in [on.rst(), with_ack] {
        let mut pivot = established(on);
        pivot.receives(rst.clone(), forwarded_to("a"));
        pivot.is_at(on.ack(), Stage::Reset, RESET);
        pivot.receives(on.fin(), forwarded_to("a"));
        pivot.receives(rst, forwarded_to("a"));
        pivot.is_at(on.ack(), Stage::Reset, RESET);
    }
}

fn a_client_that_goes_on_after_a_rst_did_not_send_it(on: Net) {
    let mut pivot = established(on);
    pivot.receives(on.rst(), forwarded_to("a"));
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.is_at(on.ack(), Stage::Established, IDLE);
}

fn a_syn_leaves_an_established_flow_alone(on: Net) {
    let mut pivot = established(on);
    idles(&mut pivot);
    pivot.receives(on.syn(), forwarded_to("a"));
    pivot.is_at(on.ack(), Stage::Established, LITTLE);
}

fn a_syn_on_a_flow_that_ends_starts_it_anew(on: Net) {
    for end in [on.fin(), on.rst()] {
        let mut pivot = established(on);
        pivot.receives(end, forwarded_to("a"));
        pivot.configure(two(on, "b"));
        pivot.receives(on.syn(), forwarded_to("b").chosen());
        pivot.is_at(on.ack(), Stage::New, NEW);
        pivot.receives(on.ack(), forwarded_to("b"));
    }
}

fn an_unknown_fin_makes_a_flow_new(on: Net) {
    let mut pivot = director(two(on, "a"));
    pivot.receives(on.fin(), forwarded_to("a").chosen());
    pivot.is_at(on.ack(), Stage::New, NEW);
}

fn a_new_flow_is_forgotten_after_its_time(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(two(on, "b"));
    pivot.waits(NEW + LITTLE);
    pivot.receives(on.ack(), forwarded_to("b").chosen());
}

fn an_established_flow_is_forgotten_after_the_services_idle_time(on: Net) {
    let mut pivot = established(on);
    pivot.waits(MOST_IDLE + LITTLE);
    pivot.receives(on.ack(), forwarded_to("b").chosen());
    pivot.is_at(on.ack(), Stage::New, NEW);
}

fn a_closing_flow_is_forgotten_after_its_time(on: Net) {
    let mut pivot = established(on);
    pivot.receives(on.fin(), forwarded_to("a"));
    pivot.waits(CLOSING + LITTLE);
    pivot.receives(on.ack(), forwarded_to("b").chosen());
}

fn a_reset_flow_is_forgotten_after_its_time(on: Net) {
    let mut pivot = established(on);
    pivot.receives(on.rst(), forwarded_to("a"));
    pivot.waits(RESET + LITTLE);
    pivot.receives(on.syn(), forwarded_to("b").chosen());
}

fn a_flow_with_packets_is_remembered_however_long_it_takes(on: Net) {
    let mut pivot = established(on);
    for _ in 0..10 {
        pivot.waits(MOST_IDLE - LITTLE);
        pivot.receives(on.data(9), forwarded_to("a"));
        pivot.is_at(on.ack(), Stage::Established, IDLE);
    }
}

fn services_have_idle_times_of_their_own(on: Net) {
    let (short, long) = (Duration::from_secs(60), Duration::from_secs(86_400));
    let mut pivot = director([on.web().idle(short).with(up("a")), on.database().idle(long).with(up("a"))]);
    for _ in 0..2 {
        let chosen = |expect: crate::frames::rig::expect::Expect, is| if is { expect.chosen() } else { expect };
        let first = pivot.observed()[0].1.flows.is_empty();
        pivot.receives(on.ack(), chosen(forwarded_to("a"), first));
        pivot.receives(on.ack().for_port(3306), chosen(forwarded_to("a"), first));
    }
    pivot.is_at(on.ack(), Stage::Established, short);
    pivot.is_at(on.ack().for_port(3306), Stage::Established, long);
}

fn a_changed_idle_time_holds_from_the_next_packet_on(on: Net) {
    let mut pivot = established(on);
    for idle in [3 * IDLE, IDLE / 5] {
        pivot.configure(two(on, "b").idle(idle));
        pivot.receives(on.ack(), forwarded_to("a"));
        pivot.is_at(on.ack(), Stage::Established, idle);
    }
}

fn a_syn_on_an_established_flow_of_a_draining_backend_stays(on: Net) {
    let mut pivot = established(on);
    pivot.configure(on.web().with(drained("a")).with(up("b")));
    pivot.receives(on.syn(), forwarded_to("a"));
    pivot.configure(on.web().with(up("b")));
    pivot.receives(on.syn(), forwarded_to("a"));
}

fn a_syn_on_a_new_flow_of_a_draining_backend_goes_elsewhere(on: Net) {
    for end in [None, Some(on.fin()), Some(on.rst())] {
        let mut pivot = with_a_flow_to_a(on);
        if let Some(end) = end {
            pivot.receives(end, forwarded_to("a"));
        }
        pivot.configure(on.web().with(drained("a")).with(up("b")));
        pivot.receives(on.syn(), forwarded_to("b").chosen());
    }
}

/// Does something to every tag of the flow table.
fn retag(memory: &TableMemory, change: impl Fn(Tag) -> Tag) {
    for (_, entry, cell) in memory.flows.v4.iter().flat_map(Set::flows) {
        cell.set(entry.tagged(change(entry.tag())).word());
    }
    for (_, entry, cell) in memory.flows.v6.iter().flat_map(Set::flows) {
        cell.set(entry.tagged(change(entry.tag())).word());
    }
}

fn an_entry_with_anothers_seal_is_no_flow(on: Net) {
    for packet in [on.ack(), on.syn(), on.fin()] {
        for bit in 0..16 {
            let mut pivot = established(on);
            pivot.tampered(|memory| {
                retag(memory, |tag| Tag::new(tag.seal() ^ 1 << bit, tag.stage(), tag.until()));
            });
            pivot.receives(packet.clone(), forwarded_to("b").chosen());
            pivot.receives(on.ack(), forwarded_to("b"));
        }
    }
}

fn an_entry_of_a_backend_of_another_service_is_no_flow(on: Net) {
    let both = || [two(on, "b"), on.database().with(up("c"))];
    let mut pivot = director(both());
    pivot.receives(on.syn(), forwarded_to("b").chosen());
    // The third backend is the database's.
    pivot.tampered(|memory| {
        for (_, entry, cell) in memory.flows.v4.iter().flat_map(Set::flows) {
            cell.set(entry.word() & !0xffff | 2);
        }
        for (_, entry, cell) in memory.flows.v6.iter().flat_map(Set::flows) {
            cell.set(entry.word() & !0xffff | 2);
        }
    });
    pivot.receives(on.ack(), forwarded_to("b").chosen());
}

fn a_forgotten_flow_takes_its_old_place(on: Net) {
    let mut pivot = established(on);
    pivot.waits(2 * IDLE);
    pivot.receives(on.ack(), forwarded_to("b").chosen());
    for (_, observed) in pivot.observed() {
        assert_eq!(observed.flows.len(), 1);
    }
}

fn a_packet_to_a_vip_that_is_not_held_extends_nothing(on: Net) {
    let mut pivot = established(on);
    idles(&mut pivot);
    pivot.configure(Scene::from(two(on, "b")).not_holding(on.vip()));
    pivot.receives(on.ack().directed(), passes(Verdict::NotHeld));
    pivot.is_at(on.ack(), Stage::Established, LITTLE);
}

fn a_malformed_packet_extends_nothing(on: Net) {
    let mut pivot = established(on);
    idles(&mut pivot);
    pivot.receives(on.ack().saying_data_offset(4), crate::frames::rig::expect::dropped(Verdict::Malformed));
    pivot.is_at(on.ack(), Stage::Established, LITTLE);
}
