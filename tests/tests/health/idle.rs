//! Clients that wait for a backend that went down learn of it within a second, though they say nothing.

use std::time::Instant;

use pivot_tests::lab::patience::{eased, patient};
use pivot_tests::lab::{Family, Topology};

use crate::fallen::{SOON, Scene};

/// How a backend goes down.
#[derive(Clone, Copy)]
enum Fall {
    /// Its checks fail, and it could answer.
    Checks,
    /// Nothing is heard of its host any more.
    Link,
}

/// Connections of `from` to c2 are reset in time, those to c3 go on.
fn are_reset(family: Family, topology: Topology, from: &str, fall: Fall) {
    let mut scene = Scene::build(family, topology, &["c2", "c3"], "");
    let mut idles = scene.cluster.lab.node(from).open_idle(scene.cluster.vip(), 40).unwrap();
    assert!(idles.spread().len() == 2, "{:?}", idles.spread());
    let since = match fall {
        Fall::Checks => scene.fail_checks("c2"),
        Fall::Link => {
            scene.cluster.lab.set_link("c2", false).unwrap();
            scene.await_down("c2")
        }
    };
    let last = idles.await_reset("c2", since, patient(SOON)).unwrap();
    eprintln!("the last one was reset {} ms after its backend was up", last.as_millis());
    idles.ask_each().unwrap();
}

#[test]
fn idle_connections_to_a_host_that_died_are_reset_within_a_second() {
    are_reset(Family::V4, Topology::default(), "client", Fall::Link);
}

#[test]
fn idle_connections_over_ipv6_to_a_host_that_died_are_reset_within_a_second() {
    are_reset(Family::V6, Topology::default(), "client", Fall::Link);
}

#[test]
fn idle_connections_to_a_service_that_fails_its_checks_are_reset_though_it_could_answer() {
    are_reset(Family::V4, Topology::default(), "client", Fall::Checks);
}

#[test]
fn idle_connections_of_a_client_behind_a_router_are_reset() {
    are_reset(Family::V4, Topology::routed(), "client", Fall::Checks);
}

#[test]
fn idle_connections_over_ipv6_of_a_client_behind_a_router_are_reset() {
    are_reset(Family::V6, Topology::routed(), "client", Fall::Checks);
}

#[test]
fn idle_connections_of_a_controller_are_reset() {
    are_reset(Family::V4, Topology { hosts: 4, ..Topology::default() }, "c4", Fall::Checks);
}

#[test]
fn idle_connections_over_ipv6_of_a_controller_are_reset() {
    are_reset(Family::V6, Topology { hosts: 4, ..Topology::default() }, "c4", Fall::Checks);
}

#[test]
fn a_thousand_idle_connections_are_all_reset_within_a_second() {
    for family in Family::ALL {
        let mut scene = Scene::build(family, Topology::default(), &["c2"], "");
        let mut idles = scene.cluster.client().open_idle(scene.cluster.vip(), eased(1000)).unwrap();
        let since = scene.fail_checks("c2");
        let last = idles.await_reset("c2", since, patient(SOON)).unwrap();
        eprintln!("{family:?}: the last one was reset {} ms after its backend was up", last.as_millis());
    }
}

#[test]
fn connections_that_were_opened_after_a_backend_came_back_are_left_alone() {
    let mut scene = Scene::build(Family::V4, Topology::default(), &["c2", "c3"], "");
    let mut early = scene.cluster.client().open_idle(scene.cluster.vip(), 40).unwrap();
    let since = scene.fail_checks("c2");
    early.await_reset("c2", since, patient(SOON)).unwrap();
    scene.pass_checks("c2");
    let mut late = scene.cluster.client().open_idle(scene.cluster.vip(), 40).unwrap();
    assert!(late.spread().contains_key("c2"), "{:?}", late.spread());
    // Everyone would have been asked for the third time.
    std::thread::sleep(patient(SOON).saturating_sub(Instant::now() - since));
    late.ask_each().unwrap();
    early.ask_each().unwrap();
}
