//! Services do not get into each other's way: not by ports, not by VIPs, not by indexes that are used again.

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::director;
use crate::frames::rig::expect::{forwarded_to, passes, reset_acknowledging, reset_at};
use crate::frames::rig::scene::{OTHER_VIP, Scene, VIP, database, down, nothing, service, up, web};
use crate::frames::rig::segment::{ack, rst, syn};

#[test]
fn flows_of_services_on_the_same_client_port_do_not_mix() {
    let mut pivot = director([web().with(up("a")), database().with(up("b"))]);
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.receives(ack().to((VIP, 3306)), forwarded_to("b").chosen());
    pivot.receives(ack(), forwarded_to("a"));
    pivot.receives(ack().to((VIP, 3306)), forwarded_to("b"));
}

#[test]
fn flows_of_two_vips_on_the_same_ports_do_not_mix() {
    let mut pivot = director([web().with(up("a")), service((OTHER_VIP, 80)).with(up("b"))]);
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.receives(syn().to((OTHER_VIP, 80)), forwarded_to("b").chosen());
    pivot.receives(ack(), forwarded_to("a"));
    pivot.receives(ack().to((OTHER_VIP, 80)), forwarded_to("b"));
}

#[test]
fn one_vip_is_held_while_another_is_not() {
    let scene = Scene::from([web().with(up("a")), service((OTHER_VIP, 80)).with(up("b"))]).not_holding(OTHER_VIP);
    let mut pivot = director(scene);
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.receives(syn().to((OTHER_VIP, 80)), passes(Verdict::NotHeld));
}

#[test]
fn a_backend_that_is_down_from_the_start_shifts_nobodys_place_in_the_table() {
    let mut pivot = director(web().with(down("a")).with(up("b")).with(up("c")).new_flows_to(["b"]));
    pivot.receives(syn(), forwarded_to("b").chosen());
}

#[test]
fn a_backend_that_is_added_while_down_shifts_nobodys_place_in_the_table() {
    let mut pivot = director(web().with(up("b")).with(up("c")).new_flows_to(["b"]));
    pivot.configure(web().with(down("a")).with(up("b")).with(up("c")).new_flows_to(["b"]));
    pivot.receives(syn(), forwarded_to("b").chosen());
}

#[test]
fn a_host_may_be_down_for_one_service_and_up_for_another() {
    let mut pivot = director([web().with(down("a")), database().with(up("a"))]);
    pivot.receives(syn(), reset_acknowledging(Verdict::ResetNoBackend, 1001));
    pivot.receives(syn().to((VIP, 3306)), forwarded_to("a").chosen());
}

#[test]
fn a_service_that_is_removed_passes_and_its_siblings_go_on() {
    let mut pivot = director([web().with(up("a")), database().with(up("b"))]);
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.receives(syn().to((VIP, 3306)), forwarded_to("b").chosen());
    pivot.configure(database().with(up("b")));
    pivot.receives(ack(), passes(Verdict::NotService));
    pivot.receives(ack().to((VIP, 3306)), forwarded_to("b"));
}

#[test]
fn a_service_that_comes_back_starts_with_no_flows() {
    let mut pivot = director([web().with(up("a")).with(up("b")).new_flows_to(["a"]), database().with(up("b"))]);
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.configure(database().with(up("b")));
    pivot.configure([web().with(up("a")).with(up("b")).new_flows_to(["b"]), database().with(up("b"))]);
    pivot.receives(ack(), forwarded_to("b").chosen());
}

#[test]
fn a_service_that_takes_anothers_index_does_not_take_its_flows() {
    let mut pivot = director(web().with(up("a")).with(up("b")).new_flows_to(["a"]));
    pivot.receives(syn(), forwarded_to("a").chosen());
    // Only what is free before a service comes may be given to it.
    pivot.configure(nothing().holding(VIP));
    pivot.configure(database().with(up("a")).with(up("b")).new_flows_to(["b"]));
    pivot.remembers(syn().to((VIP, 3306)), None);
    // The shared table has an entry under this key still; it does not bind.
    pivot.receives(ack().to((VIP, 3306)), forwarded_to("b").recalled().chosen());
}

#[test]
fn counters_of_an_index_that_is_used_again_start_at_zero() {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.configure(database().with(up("b")));
    for (side, observed) in pivot.observed() {
        assert!(observed.services.is_empty(), "{side}: services that nobody has used: {:?}", observed.services);
        assert!(observed.backends.is_empty(), "{side}: backends that nobody has used: {:?}", observed.backends);
    }
}

#[test]
fn a_service_that_takes_anothers_index_counts_from_zero() {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.configure(nothing().holding(VIP));
    pivot.configure(database().with(up("b")));
    for (side, observed) in pivot.observed() {
        assert!(observed.services.is_empty(), "{side}: services that nobody has used: {:?}", observed.services);
        assert!(observed.backends.is_empty(), "{side}: backends that nobody has used: {:?}", observed.backends);
    }
}

#[test]
fn as_many_services_as_fit_are_each_found() {
    // Services and VIPs share the directory.
    let ports = 8000..8014_u16;
    let services: [_; 14] = std::array::from_fn(|i| service((VIP, 8000 + i as u16)).with(up(["a", "b", "c"][i % 3])));
    let mut pivot = director(services);
    for (i, port) in ports.enumerate() {
        pivot.receives(syn().to((VIP, port)), forwarded_to(["a", "b", "c"][i % 3]).chosen());
    }
    pivot.receives(syn().to((VIP, 8014)), passes(Verdict::NotService));
}

#[test]
fn a_service_may_be_on_any_port() {
    for port in [1, 80, 0x0100, 0x7fff, 0x8000, u16::MAX] {
        let mut pivot = director(service((VIP, port)).with(up("a")));
        pivot.receives(syn().to((VIP, port)), forwarded_to("a").chosen());
        pivot.receives(ack().to((VIP, port)), forwarded_to("a"));
        pivot.receives(syn().to((VIP, port.swap_bytes() ^ 1)), passes(Verdict::NotService));
    }
}

#[test]
fn a_reset_in_one_service_leaves_the_same_clients_flow_of_another() {
    let mut pivot = director([web(), database().with(up("b"))]);
    pivot.receives(syn().to((VIP, 3306)), forwarded_to("b").chosen());
    pivot.receives(ack(), reset_at(Verdict::ResetNoBackend, 2000));
    pivot.receives(rst().to((VIP, 3306)), forwarded_to("b"));
}
