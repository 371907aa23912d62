//! Services do not get into each other's way: not by ports, not by VIPs, not by indexes that are used again.

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::director;
use crate::frames::rig::expect::{forwarded_to, passes, reset_acknowledging, reset_at};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::{Scene, down, nothing, service, up};

in_both_families! {
    flows_of_services_on_the_same_client_port_do_not_mix,
    flows_of_two_vips_on_the_same_ports_do_not_mix,
    one_vip_is_held_while_another_is_not,
    a_backend_that_is_down_from_the_start_shifts_nobodys_place_in_the_table,
    a_backend_that_is_added_while_down_shifts_nobodys_place_in_the_table,
    a_host_may_be_down_for_one_service_and_up_for_another,
    a_service_that_is_removed_passes_and_its_siblings_go_on,
    a_service_that_comes_back_starts_with_no_flows,
    a_service_that_takes_anothers_index_does_not_take_its_flows,
    counters_of_an_index_that_is_used_again_start_at_zero,
    a_service_that_takes_anothers_index_counts_from_zero,
    as_many_services_as_fit_are_each_found,
    a_service_may_be_on_any_port,
    a_reset_in_one_service_leaves_the_same_clients_flow_of_another,
}

fn flows_of_services_on_the_same_client_port_do_not_mix(on: Net) {
    let mut pivot = director([on.web().with(up("a")), on.database().with(up("b"))]);
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.ack().to(on.at(3306)), forwarded_to("b").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.ack().to(on.at(3306)), forwarded_to("b"));
}

fn flows_of_two_vips_on_the_same_ports_do_not_mix(on: Net) {
    let mut pivot = director([on.web().with(up("a")), service(on.at_other(80)).with(up("b"))]);
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.syn().to(on.at_other(80)), forwarded_to("b").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.ack().to(on.at_other(80)), forwarded_to("b"));
}

fn one_vip_is_held_while_another_is_not(on: Net) {
    let scene =
        Scene::from([on.web().with(up("a")), service(on.at_other(80)).with(up("b"))]).not_holding(on.other_vip());
    let mut pivot = director(scene);
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.syn().to(on.at_other(80)).directed(), passes(Verdict::NotHeld));
}

fn a_backend_that_is_down_from_the_start_shifts_nobodys_place_in_the_table(on: Net) {
    let mut pivot = director(on.web().with(down("a")).with(up("b")).with(up("c")).new_flows_to(["b"]));
    pivot.receives(on.syn(), forwarded_to("b").chosen());
}

fn a_backend_that_is_added_while_down_shifts_nobodys_place_in_the_table(on: Net) {
    let mut pivot = director(on.web().with(up("b")).with(up("c")).new_flows_to(["b"]));
    pivot.configure(on.web().with(down("a")).with(up("b")).with(up("c")).new_flows_to(["b"]));
    pivot.receives(on.syn(), forwarded_to("b").chosen());
}

fn a_host_may_be_down_for_one_service_and_up_for_another(on: Net) {
    let mut pivot = director([on.web().with(down("a")), on.database().with(up("a"))]);
    pivot.receives(on.syn(), reset_acknowledging(Verdict::ResetNoBackend, 1001));
    pivot.receives(on.syn().to(on.at(3306)), forwarded_to("a").chosen());
}

fn a_service_that_is_removed_passes_and_its_siblings_go_on(on: Net) {
    let mut pivot = director([on.web().with(up("a")), on.database().with(up("b"))]);
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.syn().to(on.at(3306)), forwarded_to("b").chosen());
    pivot.configure(on.database().with(up("b")));
    pivot.receives(on.ack(), passes(Verdict::NotService));
    pivot.receives(on.ack().to(on.at(3306)), forwarded_to("b"));
}

fn a_service_that_comes_back_starts_with_no_flows(on: Net) {
    let mut pivot = director([on.web().with(up("a")).with(up("b")).new_flows_to(["a"]), on.database().with(up("b"))]);
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(on.database().with(up("b")));
    pivot.configure([on.web().with(up("a")).with(up("b")).new_flows_to(["b"]), on.database().with(up("b"))]);
    pivot.receives(on.ack(), forwarded_to("b").chosen());
}

fn a_service_that_takes_anothers_index_does_not_take_its_flows(on: Net) {
    let mut pivot = director(on.web().with(up("a")).with(up("b")).new_flows_to(["a"]));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    // Only what is free before a service comes may be given to it.
    pivot.configure(nothing().holding(on.vip()));
    pivot.configure(on.database().with(up("a")).with(up("b")).new_flows_to(["b"]));
    pivot.remembers(on.syn().to(on.at(3306)), None);
    // The flow table has an entry under this key still; it does not bind.
    pivot.receives(on.ack().to(on.at(3306)), forwarded_to("b").chosen());
}

fn counters_of_an_index_that_is_used_again_start_at_zero(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(on.database().with(up("b")));
    for (side, observed) in pivot.observed() {
        assert!(observed.services.is_empty(), "{side}: services that nobody has used: {:?}", observed.services);
        assert!(observed.backends.is_empty(), "{side}: backends that nobody has used: {:?}", observed.backends);
    }
}

fn a_service_that_takes_anothers_index_counts_from_zero(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(nothing().holding(on.vip()));
    pivot.configure(on.database().with(up("b")));
    for (side, observed) in pivot.observed() {
        assert!(observed.services.is_empty(), "{side}: services that nobody has used: {:?}", observed.services);
        assert!(observed.backends.is_empty(), "{side}: backends that nobody has used: {:?}", observed.backends);
    }
}

fn as_many_services_as_fit_are_each_found(on: Net) {
    // Services and VIPs share the directory.
    let ports = 8000..8014_u16;
    let services: [_; 14] = std::array::from_fn(|i| service(on.at(8000 + i as u16)).with(up(["a", "b", "c"][i % 3])));
    let mut pivot = director(services);
    for (i, port) in ports.enumerate() {
        pivot.receives(on.syn().to(on.at(port)), forwarded_to(["a", "b", "c"][i % 3]).chosen());
    }
    pivot.receives(on.syn().to(on.at(8014)), passes(Verdict::NotService));
}

fn a_service_may_be_on_any_port(on: Net) {
    for port in [1, 80, 0x0100, 0x7fff, 0x8000, u16::MAX] {
        let mut pivot = director(service(on.at(port)).with(up("a")));
        pivot.receives(on.syn().to(on.at(port)), forwarded_to("a").chosen());
        pivot.receives(on.ack().to(on.at(port)), forwarded_to("a"));
        pivot.receives(on.syn().to(on.at(port.swap_bytes() ^ 1)), passes(Verdict::NotService));
    }
}

fn a_reset_in_one_service_leaves_the_same_clients_flow_of_another(on: Net) {
    let mut pivot = director([on.web(), on.database().with(up("b"))]);
    pivot.receives(on.syn().to(on.at(3306)), forwarded_to("b").chosen());
    pivot.receives(on.ack(), reset_at(Verdict::ResetNoBackend, 2000));
    pivot.receives(on.rst().to(on.at(3306)), forwarded_to("b"));
}
