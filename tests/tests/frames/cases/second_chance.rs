//! SYNs that are handed back to the director: sent to the flow's next choice, refused when there is none.

use lb_common::path::verdict::Verdict;
use lb_common::wire::flow::Stage;
use lb_common::wire::pace::Limits;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{
    dropped, forwarded_to, local_to, no_choice_left, passes, second_beyond_to, second_local_to, second_to,
};
use crate::frames::rig::model::NEW;
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::{Backend, DIRECTOR_MAC, HERE, IDLE, OWN_MAC, Scene, Service, bound, down, drained, up};
use crate::frames::rig::segment::{QINQ, ROUTER_MAC, Segment, VLAN};
use crate::frames::rig::side::NO_LIMITS;

in_both_families! {
    a_syn_that_is_handed_back_goes_to_the_next_choice_and_its_flow_stays_there,
    choices_follow_each_other_in_one_order_and_then_there_is_none,
    more_than_four_backends_are_not_tried,
    a_choice_that_takes_no_new_flows_is_left_out,
    a_next_choice_behind_the_other_interface_is_sent_to_out_of_it,
    a_next_choice_on_this_host_goes_up,
    tags_and_options_stay,
    a_flow_that_has_moved_on_is_not_moved_again,
    an_established_flow_moves_when_its_host_does_not_know_it,
    a_flow_that_is_not_remembered_is_tried_from_the_tables_choice_on,
    a_flow_that_cannot_be_remembered_is_refused,
    a_client_with_affinity_moves_with_its_flow,
    what_a_stranger_hands_back_is_dropped,
    what_is_no_syn_to_a_service_of_this_host_is_dropped,
    what_is_malformed_is_dropped,
    frames_for_others_are_not_looked_at,
}

pub(super) fn web(on: Net, backends: impl IntoIterator<Item = Backend>) -> Service {
    backends.into_iter().fold(on.web(), Service::with)
}

/// A SYN of a new flow whose first choice is this backend, and which was sent there.
pub(super) fn syn_to(pivot: &mut Director, on: Net, backend: &str) -> Segment {
    let mut syns = (1..1000).map(|port| on.syn().at_port(port));
    let found = syns.find(|syn| {
        pivot.tries(syn.clone());
        pivot.given(syn.clone()) == Some(bound(on, backend))
    });
    found.expect("one in so many flows goes there")
}

/// A flow to `a`, which is not among the choices of others any more.
fn with_a_flow_to_a(on: Net, others: [Backend; 2], choices: &[&'static str]) -> Director {
    let scene = |choices: &[&'static str]| {
        let [b, c] = others.clone();
        web(on, [up("a"), b, c]).new_flows_to(choices.iter().copied())
    };
    let mut pivot = director(scene(&["a"]));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(scene(choices));
    pivot
}

fn a_syn_that_is_handed_back_goes_to_the_next_choice_and_its_flow_stays_there(on: Net) {
    let mut pivot = with_a_flow_to_a(on, [up("b"), up("c")], &["b"]);
    pivot.receives(on.syn().returned_by("a"), second_to("b"));
    pivot.is_at(on.ack(), Stage::New, NEW);
    pivot.receives(on.ack(), forwarded_to("b"));
    pivot.is_at(on.ack(), Stage::Established, IDLE);
    pivot.receives(on.data(9), forwarded_to("b"));
}

fn choices_follow_each_other_in_one_order_and_then_there_is_none(on: Net) {
    let mut pivot = director(web(on, [up("a"), up("b"), up("c")]));
    // Slots of the table name a, b, c in turn.
    for order in [["a", "b", "c"], ["b", "c", "a"]] {
        let syn = syn_to(&mut pivot, on, order[0]);
        pivot.receives(syn.clone().returned_by(order[0]), second_to(order[1]));
        pivot.receives(syn.clone(), forwarded_to(order[1]));
        pivot.receives(syn.clone().returned_by(order[1]), second_to(order[2]));
        pivot.receives(syn.clone().returned_by(order[2]), no_choice_left());
        // Sent again, it fares no better, and no worse.
        pivot.receives(syn.clone(), forwarded_to(order[2]));
        pivot.receives(syn.returned_by(order[2]), no_choice_left());
    }
}

fn more_than_four_backends_are_not_tried(on: Net) {
    let mut pivot = director(web(on, ["a", "b", "c", "d", "e", "f"].map(up)));
    let syn = syn_to(&mut pivot, on, "a");
    for [refused, next] in [["a", "b"], ["b", "c"], ["c", "d"]] {
        pivot.receives(syn.clone().returned_by(refused), second_to(next));
    }
    pivot.receives(syn.returned_by("d"), no_choice_left());
}

fn a_choice_that_takes_no_new_flows_is_left_out(on: Net) {
    for out in [down("b"), drained("b"), up("b").unresolved()] {
        let mut pivot = with_a_flow_to_a(on, [out, up("c")], &["b", "c"]);
        pivot.receives(on.syn().returned_by("a"), second_to("c"));
    }
    let mut pivot = with_a_flow_to_a(on, [down("b"), drained("c")], &["b", "c"]);
    pivot.receives(on.syn().returned_by("a"), no_choice_left());
    let mut pivot = with_a_flow_to_a(on, [up("b"), up("c")], &[]);
    pivot.receives(on.syn().returned_by("a"), no_choice_left());
}

fn a_next_choice_behind_the_other_interface_is_sent_to_out_of_it(on: Net) {
    let mut pivot = with_a_flow_to_a(on, [up("b").beyond(), up("c")], &["b"]);
    pivot.receives(on.syn().returned_by("a"), second_beyond_to("b"));
}

fn a_next_choice_on_this_host_goes_up(on: Net) {
    let mut pivot = with_a_flow_to_a(on, [up("b").here(), up("c")], &["b"]);
    pivot.receives(on.syn().returned_by("a"), second_local_to("b"));
    pivot.receives(on.ack(), local_to("b"));
}

fn tags_and_options_stay(on: Net) {
    let syns = [
        on.syn().tcp_options(5),
        on.syn().payload(100),
        on.syn().tagged(VLAN, 5),
        on.syn().tagged(QINQ, 7).tagged(VLAN, 5),
    ];
    for syn in syns {
        let mut pivot = with_a_flow_to_a(on, [up("b"), up("c")], &["b"]);
        pivot.receives(syn.returned_by("a"), second_to("b"));
    }
}

fn a_flow_that_has_moved_on_is_not_moved_again(on: Net) {
    let mut pivot = with_a_flow_to_a(on, [up("b"), up("c")], &["b"]);
    pivot.receives(on.syn().returned_by("a"), second_to("b"));
    // The client was quicker than the first host, which has got its SYN twice.
    pivot.receives(on.syn().returned_by("a"), second_to("b").already());
    pivot.receives(on.ack(), forwarded_to("b"));
    pivot.receives(on.syn().returned_by("a"), second_to("b").already());
    pivot.is_at(on.ack(), Stage::Established, IDLE);
}

fn an_established_flow_moves_when_its_host_does_not_know_it(on: Net) {
    let mut pivot = with_a_flow_to_a(on, [up("b"), up("c")], &["b"]);
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.is_at(on.ack(), Stage::Established, IDLE);
    pivot.receives(on.syn(), forwarded_to("a"));
    pivot.receives(on.syn().returned_by("a"), second_to("b"));
    pivot.is_at(on.ack(), Stage::New, NEW);
}

fn a_flow_that_is_not_remembered_is_tried_from_the_tables_choice_on(on: Net) {
    let mut pivot = director(web(on, [up("a"), up("b"), up("c")]));
    let syn = syn_to(&mut pivot, on, "b");
    pivot.waits(2 * IDLE);
    pivot.receives(syn.returned_by("b"), second_to("c"));
}

fn a_flow_that_cannot_be_remembered_is_refused(on: Net) {
    let scene = || web(on, [up("a"), up("b")]);
    let syn = syn_to(&mut director(scene()), on, "a");
    let mut pivot = director(scene());
    pivot.limits(Limits { flows: 0, ..NO_LIMITS });
    pivot.receives(syn.clone(), forwarded_to("a").limited());
    pivot.receives(syn.clone().returned_by("a"), no_choice_left());
    pivot.remembers(syn, None);
}

fn a_client_with_affinity_moves_with_its_flow(on: Net) {
    let life = std::time::Duration::from_secs(600);
    let scene = |choice| on.web().affine(on.bits(), life).with(up("a")).with(up("b")).new_flows_to([choice]);
    let mut pivot = director(scene("a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(scene("b"));
    pivot.receives(on.syn().returned_by("a"), second_to("b"));
    pivot.configure(scene("a"));
    pivot.receives(on.syn().at_port(9), forwarded_to("b").chosen());
}

fn what_a_stranger_hands_back_is_dropped(on: Net) {
    let mut pivot = with_a_flow_to_a(on, [up("b"), up("c")], &["b"]);
    for mac in [ROUTER_MAC.0, [0; 6], OWN_MAC.0] {
        pivot.receives(on.syn().returned_by("a").by_mac(mac), dropped(Verdict::ReturnedByStranger));
    }
    pivot.receives(on.syn(), forwarded_to("a"));
}

fn what_is_no_syn_to_a_service_of_this_host_is_dropped(on: Net) {
    let mut pivot = with_a_flow_to_a(on, [up("b"), up("c")], &["b"]);
    let others = [
        on.ack(),
        on.rst(),
        on.fin(),
        on.segment(|tcp| (tcp.syn, tcp.ack) = (true, true)),
        on.datagram(20),
        on.echo(),
        on.syn().for_port(81),
        on.syn().to((on.node(100), 80)),
        on.syn().fragment(7, 0, true),
    ];
    for other in others {
        pivot.receives(other.returned_by("a"), dropped(Verdict::ReturnedUnplaced));
    }
    let scene = Scene::from(web(on, [up("a"), up("b"), up("c")]));
    for scene in [scene.clone().not_holding(on.vip()), scene.passing_on(on.vip(), HERE)] {
        pivot.configure(scene);
        pivot.receives(on.syn().returned_by("a"), dropped(Verdict::ReturnedUnplaced));
    }
    pivot.remembers(on.syn(), Some("a"));
}

fn what_is_malformed_is_dropped(on: Net) {
    let mut pivot = with_a_flow_to_a(on, [up("b"), up("c")], &["b"]);
    let syn = || on.syn().returned_by("a");
    let l3 = 14;
    let wrong = [
        syn().saying_ip_payload(10),
        syn().saying_ip_payload(1000),
        syn().saying_data_offset(4),
        syn().saying_data_offset(15),
        syn().saying(l3, &[0x15]),
        syn().frame_of(l3 + 4),
        syn().frame_of(l3 + on.header() + 10),
        syn().frame_of(l3 + on.header() + 19),
    ];
    for wrong in wrong {
        pivot.receives(wrong, dropped(Verdict::Malformed));
    }
    pivot.remembers(on.syn(), Some("a"));
}

fn frames_for_others_are_not_looked_at(on: Net) {
    let mut pivot = with_a_flow_to_a(on, [up("b"), up("c")], &["b"]);
    for mac in [DIRECTOR_MAC.0, [0xff; 6]] {
        pivot.receives(on.syn().returned_by("a").for_mac(mac), passes(Verdict::OtherHost));
    }
}
