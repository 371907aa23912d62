//! What has become of backends is told afterwards, with its time and reason.

use std::process::Command;

use lb_userspace::core::view::{BackendState, EventView};
use pivot_tests::lab::Cluster;

/// Milliseconds since the beginning of 1970, by date(1).
fn date_ms() -> u64 {
    let output = Command::new("date").arg("+%s%3N").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

fn events(cluster: &Cluster, arguments: &[&str]) -> Vec<EventView> {
    cluster.holder().pivot_json(&[&["events"], arguments].concat()).unwrap()
}

#[test]
fn every_transition_is_an_event_with_its_time_and_its_reason_in_words() {
    let mut cluster = Cluster::web().unwrap();
    let before = date_ms();
    cluster.kill_server("c3").unwrap();
    cluster.holder().await_state("c3", BackendState::Down).unwrap();
    cluster.restart_server("c3").unwrap();
    assert!(cluster.holder().pivot(&["maintenance", "web/c2"]).unwrap().status.success());
    let after = date_ms();
    let told = events(&cluster, &["--service", "web"]);
    let in_short: Vec<(&str, BackendState, BackendState)> =
        told.iter().map(|event| (event.backend.as_str(), event.from, event.to)).collect();
    let expected = [
        ("web/c3", BackendState::Up, BackendState::Down),
        ("web/c3", BackendState::Down, BackendState::Up),
        ("web/c2", BackendState::Up, BackendState::Maint),
    ];
    assert_eq!(in_short, expected, "{told:?}");
    let reasons: Vec<&str> = told.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(reasons, ["connection refused", "its checks pass", "ordered: maintenance"]);
    assert!(told.iter().all(|event| (before..=after + 1).contains(&event.date_ms)), "{before} {after} {told:?}");
    assert!(told.is_sorted_by_key(|event| event.date_ms) && told.is_sorted_by_key(|event| event.number));

    let newest: Vec<u64> = events(&cluster, &["--limit", "1"]).iter().map(|event| event.number).collect();
    assert_eq!(newest, [3]);
    let page = cluster.holder().pivot(&["events"]).unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.lines().count() == 4 && page.contains("connection refused"), "{page}");
    let strange = cluster.holder().pivot(&["events", "--service", "nope"]).unwrap();
    assert_eq!(strange.status.code(), Some(1), "{strange:?}");
    // The other hosts have seen the same of c3, and were ordered nothing.
    let other: Vec<EventView> = cluster.daemons["c2"].pivot_json(&["events"]).unwrap();
    assert!(other.iter().all(|event| event.backend == "web/c3"), "{other:?}");
}
