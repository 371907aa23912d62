//! SYNs to which nothing listens on this host: handed back to the director that sent them, sent to the flow's next choice by a director,
//! left to the stack by anybody else.

use lb_common::path::verdict::Verdict;

use super::second_chance::{syn_to, web};
use crate::frames::rig::director::director;
use crate::frames::rig::expect::{
    forwarded_to, handed_back, local_to, no_choice_left, passes, passes_unseen, second_beyond_to, second_local_to,
    second_to,
};
use crate::frames::rig::kernel::alone;
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::{DIRECTOR_MAC, HERE, Scene, up};
use crate::frames::rig::segment::ROUTER_MAC;

in_both_families! {
    without_a_listener_a_directors_syn_is_handed_back,
    without_a_listener_a_clients_syn_is_refused,
    the_directors_own_backend_has_a_second_choice_as_well,
    the_directors_own_backend_may_be_the_last_choice,
    a_flow_of_another_backend_is_not_the_stacks_to_move,
    only_syns_to_services_of_this_host_are_handed_back,
}

fn without_a_listener_a_directors_syn_is_handed_back(on: Net) {
    alone();
    let scene = Scene::from(web(on, [up("a").here(), up("b")]));
    for scene in [scene.clone().not_holding(on.vip()), scene.passing_on(on.vip(), HERE)] {
        let mut pivot = director(scene);
        for syn in [on.syn(), on.syn().tcp_options(5), on.syn().payload(40)] {
            pivot.receives(syn.clone().directed(), passes(Verdict::NotHeld));
            pivot.finds_no_listener_for(syn.directed(), handed_back());
        }
    }
}

fn without_a_listener_a_clients_syn_is_refused(on: Net) {
    alone();
    let mut pivot = director(Scene::from(web(on, [up("a").here(), up("b")])).not_holding(on.vip()));
    pivot.finds_no_listener_for(on.syn(), passes(Verdict::SteerNoListener));
    pivot.finds_no_listener_for(on.syn().directed().for_mac(DIRECTOR_MAC.0), passes(Verdict::SteerNoListener));
}

fn the_directors_own_backend_has_a_second_choice_as_well(on: Net) {
    alone();
    for (there, expect) in [(up("b"), second_to("b")), (up("b").beyond(), second_beyond_to("b"))] {
        let scene = |choice| web(on, [up("a").here(), there.clone()]).new_flows_to([choice]);
        let mut pivot = director(scene("a"));
        pivot.receives(on.syn(), local_to("a").chosen());
        pivot.configure(scene("b"));
        pivot.finds_no_listener_for(on.syn(), expect.at_tc());
        pivot.remembers(on.syn(), Some("b"));
        // Nobody takes it there either.
        pivot.receives(on.syn().returned_by("b"), no_choice_left());
        pivot.finds_no_listener_for(on.syn().by_mac(ROUTER_MAC.0), passes(Verdict::SteerNoListener));
    }
}

fn the_directors_own_backend_may_be_the_last_choice(on: Net) {
    alone();
    let mut pivot = director(web(on, [up("a"), up("b").here()]));
    let syn = syn_to(&mut pivot, on, "a");
    pivot.receives(syn.clone().returned_by("a"), second_local_to("b"));
    pivot.finds_no_listener_for(syn.clone(), passes(Verdict::SteerNoListener));
    pivot.remembers(syn, Some("b"));
}

fn a_flow_of_another_backend_is_not_the_stacks_to_move(on: Net) {
    alone();
    let mut pivot = director(web(on, [up("a"), up("b").here()]).new_flows_to(["a"]));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.finds_no_listener_for(on.syn(), passes(Verdict::SteerNoListener));
    pivot.remembers(on.syn(), Some("a"));
}

fn only_syns_to_services_of_this_host_are_handed_back(on: Net) {
    alone();
    let mut pivot = director(Scene::from(web(on, [up("a").here(), up("b")])).not_holding(on.vip()));
    for other in [on.ack(), on.rst(), on.data(9), on.syn().for_port(81), on.datagram(20), on.syn().fragment(7, 0, true)]
    {
        pivot.finds_no_listener_for(other.directed(), passes_unseen());
    }
    let mut pivot = director(Scene::from(web(on, [up("a"), up("b")])).not_holding(on.vip()));
    pivot.finds_no_listener_for(on.syn().directed(), passes_unseen());
}
