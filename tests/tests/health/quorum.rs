//! Services with too few healthy backends: refused, or served by those that were in use.

use std::time::Duration;

use lb_userspace::core::view::BackendState;
use pivot_tests::lab::cluster::BACKEND_PORT;
use pivot_tests::lab::request::is_refused;
use pivot_tests::lab::{Cluster, Family, Topology, wait_until};

use crate::fallen::Scene;

/// What `pivot status` warns of.
fn warnings(cluster: &Cluster) -> String {
    let page = cluster.holder().pivot(&["status"]).unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    page.lines().filter(|line| line.starts_with("CRITICAL")).collect::<Vec<_>>().join("\n")
}

#[test]
fn below_its_minimum_new_connections_are_refused_and_open_ones_go_on() {
    let mut cluster = Cluster::build(Topology::default(), |config| config.with("min_healthy = 2")).unwrap();
    let mut open = cluster.client().open_to_backend(cluster.vip(), "c1").unwrap();
    cluster.kill_server("c2").unwrap();
    cluster.holder().await_state("c2", BackendState::Down).unwrap();
    cluster.client().open_to_backend(cluster.vip(), "c3").unwrap();
    cluster.kill_server("c3").unwrap();
    cluster.holder().await_state("c3", BackendState::Down).unwrap();
    let error = cluster.client().open(cluster.vip()).map(|_| ()).unwrap_err();
    assert!(is_refused(&error), "{error:#}");
    assert_eq!(open.ask().unwrap().name, "c1");
    assert_eq!(
        warnings(&cluster),
        "CRITICAL  web: 1 healthy backend, fewer than min_healthy = 2: new connections are reset"
    );
    let log = cluster.holder().whole_log();
    assert!(
        log.contains("ERROR") && log.contains("service web has 1 healthy backend, fewer than min_healthy = 2"),
        "{log}"
    );
    let server = cluster.lab.node("c3").serve_http(BACKEND_PORT).unwrap();
    cluster.servers.insert("c3".to_owned(), server);
    cluster.holder().await_state("c3", BackendState::Up).unwrap();
    cluster.client().open_to_backend(cluster.vip(), "c1").unwrap();
    assert_eq!(warnings(&cluster), "");
}

#[test]
fn the_set_that_was_in_use_is_kept_on_request_with_its_connections() {
    let mut scene =
        Scene::build(Family::V4, Topology::default(), &["c2", "c3"], "min_healthy = 2\nbelow_min = \"keep\"");
    let talks = scene.cluster.client().talk(scene.cluster.vip(), 20).unwrap();
    scene.fail_checks("c2");
    scene.fail_checks("c3");
    // Their checks fail; they themselves do not.
    let mut idles = scene.cluster.client().open_idle(scene.cluster.vip(), 40).unwrap();
    assert_eq!(idles.spread().into_keys().collect::<Vec<_>>(), ["c2", "c3"]);
    talks.await_each(5).unwrap();
    assert!(talks.stop().unwrap().iter().all(|talk| talk.broken.is_none()));
    idles.ask_each().unwrap();
    let expected =
        "CRITICAL  talk: 0 healthy backends, fewer than min_healthy = 2: new connections go to those that were";
    assert!(warnings(&scene.cluster).starts_with(expected), "{}", warnings(&scene.cluster));
    scene.pass_checks("c2");
    scene.pass_checks("c3");
    wait_until(Duration::from_secs(5), "nothing to warn of", || match warnings(&scene.cluster) {
        none if none.is_empty() => Ok(()),
        some => Err(some),
    })
    .unwrap();
    idles.ask_each().unwrap();
}

#[test]
fn a_kept_backend_that_is_drained_gets_nothing() {
    let mut scene =
        Scene::build(Family::V4, Topology::default(), &["c2", "c3"], "min_healthy = 2\nbelow_min = \"keep\"");
    scene.fail_checks("c2");
    scene.fail_checks("c3");
    assert!(scene.cluster.holder().pivot(&["drain", "talk/c2"]).unwrap().status.success());
    let idles = scene.cluster.client().open_idle(scene.cluster.vip(), 40).unwrap();
    assert_eq!(idles.spread().into_keys().collect::<Vec<_>>(), ["c3"]);
}
