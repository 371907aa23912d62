//! What becomes of the flows of a backend that goes down: `on_down`.

use lb_userspace::core::view::BackendState;
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::{Family, Topology};

use crate::fallen::{SOON, Scene};

const KEEP: &str = "on_down = \"keep\"";
const BACKENDS: [&str; 2] = ["c2", "c3"];

/// Connections to c2 go on after it is marked down, idle or not, and new ones go to c3.
fn go_on(family: Family) {
    let mut scene = Scene::build(family, Topology::default(), &BACKENDS, KEEP);
    let talks = scene.cluster.client().talk(scene.cluster.vip(), 40).unwrap();
    let mut idles = scene.cluster.client().open_idle(scene.cluster.vip(), 40).unwrap();
    assert!(idles.spread().contains_key("c2"), "{:?}", idles.spread());
    let since = scene.fail_checks("c2");
    let new = scene.cluster.client().open_idle(scene.cluster.vip(), 40).unwrap();
    assert_eq!(new.spread().into_keys().collect::<Vec<_>>(), ["c3"]);
    // Longer than those of a service that resets them have to live.
    std::thread::sleep(patient(SOON).saturating_sub(since.elapsed()));
    talks.await_each(10).unwrap();
    let talks = talks.stop().unwrap();
    let to_c2: Vec<_> = talks.iter().filter(|talk| talk.name == "c2").collect();
    assert!(!to_c2.is_empty() && talks.iter().all(|talk| talk.broken.is_none()), "{talks:?}");
    assert_eq!(idles.ended().unwrap(), 0);
    idles.ask_each().unwrap();
}

#[test]
fn connections_to_a_backend_that_was_marked_down_go_on_where_they_are_kept() {
    go_on(Family::V4);
}

#[test]
fn connections_over_ipv6_to_a_backend_that_was_marked_down_go_on_where_they_are_kept() {
    go_on(Family::V6);
}

#[test]
fn kept_connections_are_still_there_when_the_backend_is_up_again() {
    let mut scene = Scene::build(Family::V4, Topology::default(), &BACKENDS, KEEP);
    let mut idles = scene.cluster.client().open_idle(scene.cluster.vip(), 40).unwrap();
    scene.fail_checks("c2");
    scene.pass_checks("c2");
    assert_eq!(idles.ended().unwrap(), 0);
    idles.ask_each().unwrap();
}

#[test]
fn kept_connections_are_reset_when_a_reload_says_so() {
    let mut scene = Scene::build(Family::V4, Topology::default(), &BACKENDS, KEEP);
    let mut idles = scene.cluster.client().open_idle(scene.cluster.vip(), 40).unwrap();
    scene.fail_checks("c2");
    let since = std::time::Instant::now();
    scene.reload(Family::V4, &BACKENDS, "on_down = \"reset\"");
    idles.await_reset("c2", since, patient(SOON)).unwrap();
    assert_eq!(scene.cluster.holder().state_of("c2").unwrap(), BackendState::Down);
    idles.ask_each().unwrap();
}
