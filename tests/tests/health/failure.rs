//! What fails and what does not when services and hosts die.

use std::time::{Duration, Instant};

use lb_userspace::core::view::BackendState;
use pivot_tests::demo::steps;
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::request::{is_refused, is_reset};
use pivot_tests::lab::{Cluster, Family};

#[test]
fn a_killed_service_fails_only_its_own_connections_and_only_until_it_is_detected() {
    let mut cluster = Cluster::web().unwrap();
    let after = steps::kill_service(&mut cluster, "c2").unwrap();
    assert_eq!((after.failed_elsewhere, after.failed_after_detection), (0, 0), "{after:?}");
    // Two failed checks, 200 and 100 ms apart, of 300 ms at most, and a machine under load.
    assert!(after.detect_ms < patient(Duration::from_secs(3)).as_millis(), "{after:?}");
}

#[test]
fn a_service_that_comes_back_gets_connections_again() {
    let mut cluster = Cluster::web().unwrap();
    cluster.kill_server("c3").unwrap();
    cluster.holder().await_state("c3", BackendState::Down).unwrap();
    cluster.restart_server("c3").unwrap();
    cluster.client().open_to_backend(cluster.vip(), "c3").unwrap();
}

#[test]
fn without_a_healthy_backend_connections_are_refused_at_once() {
    refused_at_once(Family::V4);
}

#[test]
fn without_a_healthy_backend_connections_over_ipv6_are_refused_at_once() {
    refused_at_once(Family::V6);
}

fn refused_at_once(family: Family) {
    let mut cluster = Cluster::web_in(family).unwrap();
    for host in ["c1", "c2", "c3"] {
        cluster.kill_server(host).unwrap();
        cluster.holder().await_state(host, BackendState::Down).unwrap();
    }
    let asked = Instant::now();
    let error = cluster.client().open(cluster.vip()).unwrap_err();
    assert!(is_refused(&error), "{error:#}");
    // Less than the second after which a SYN without answer is sent again.
    assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
}

#[test]
fn open_connections_to_a_host_that_died_are_reset_once_it_is_marked_down() {
    reset_once_down(Family::V4);
}

#[test]
fn open_connections_over_ipv6_to_a_host_that_died_are_reset_once_it_is_marked_down() {
    reset_once_down(Family::V6);
}

fn reset_once_down(family: Family) {
    let cluster = Cluster::web_in(family).unwrap();
    let mut to_c2 = cluster.client().open_to_backend(cluster.vip(), "c2").unwrap();
    let mut to_c3 = cluster.client().open_to_backend(cluster.vip(), "c3").unwrap();
    cluster.lab.set_link("c2", false).unwrap();
    cluster.holder().await_state("c2", BackendState::Down).unwrap();
    let error = to_c2.ask().unwrap_err();
    assert!(is_reset(&error), "{error:#}");
    assert_eq!(to_c3.ask().unwrap().name, "c3");
}

#[test]
fn a_service_on_a_host_whose_link_went_down_and_up_is_served_again() {
    let cluster = Cluster::web().unwrap();
    cluster.lab.set_link("c2", false).unwrap();
    cluster.holder().await_state("c2", BackendState::Down).unwrap();
    cluster.lab.set_link("c2", true).unwrap();
    cluster.holder().await_all_up().unwrap();
    cluster.client().open_to_backend(cluster.vip(), "c2").unwrap();
}
