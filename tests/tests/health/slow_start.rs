//! A backend that comes up comes to its share in steps.

use std::time::Duration;

use lb_userspace::core::view::{BackendState, BackendView};
use pivot_tests::lab::cluster::BACKEND_PORT;
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::{Cluster, Load, Pivotd, Topology, wait_until};

const REQUESTS: usize = 400;

/// `web` with a slow start of this time.
fn starting_over(time: Duration) -> Cluster {
    let line = format!("slow_start = \"{}ms\"", time.as_millis());
    Cluster::build(Topology::default(), |config| config.with(&line)).unwrap()
}

fn shown(pivotd: &Pivotd) -> BackendView {
    let backends: Vec<BackendView> = pivotd.pivot_json(&["backends"]).unwrap();
    backends.into_iter().find(|backend| backend.id == "web/c3").unwrap()
}

/// Has the service of c3 fail and come up again.
fn come_up(cluster: &mut Cluster) {
    cluster.kill_server("c3").unwrap();
    cluster.holder().await_state("c3", BackendState::Down).unwrap();
    let server = cluster.lab.node("c3").serve_http(BACKEND_PORT).unwrap();
    cluster.servers.insert("c3".to_owned(), server);
    wait_until(Duration::from_secs(10), "c3 to come up", || match shown(cluster.holder()).state {
        BackendState::Down => Err("down"),
        _ => Ok(()),
    })
    .unwrap();
}

#[test]
fn a_backend_that_came_up_gets_a_small_share_and_is_shown_so() {
    let mut cluster = starting_over(Duration::from_secs(3600));
    assert_eq!(shown(cluster.holder()).state, BackendState::Up, "not when pivotd starts");
    let mut before = cluster.client().open_to_backend(cluster.vip(), "c2").unwrap();
    come_up(&mut cluster);
    let view = shown(cluster.holder());
    assert_eq!((view.state, view.weight, view.weight_now), (BackendState::Starting, 100, Some(10)));
    let page = cluster.holder().pivot(&["backends"]).unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.contains("starting") && page.contains("10/100"), "{page}");
    let summary = cluster.client().load(Load::to(cluster.vip()).requests(REQUESTS)).unwrap().summary();
    assert_eq!(summary.failed, 0, "{summary}");
    // One of 21 parts: 19 of 400.
    let to_c3 = summary.backends.get("c3").copied().unwrap_or_default();
    assert!((1..REQUESTS / 8).contains(&to_c3), "{summary}");
    assert_eq!(before.ask().unwrap().name, "c2");
    // A restarted pivotd takes it for what its tables say: it is up.
    cluster.holder_mut().kill9().unwrap();
    cluster.holder_mut().restart().unwrap();
    cluster.holder().await_state("c3", BackendState::Up).unwrap();
}

#[test]
fn it_comes_to_its_whole_share_in_time_without_a_failure() {
    let time = patient(Duration::from_secs(4));
    let mut cluster = starting_over(time);
    come_up(&mut cluster);
    let mut first = cluster.client().open_to_backend(cluster.vip(), "c3").unwrap();
    let load = cluster.client().start_load(cluster.gentle_load()).unwrap();
    let mut shares = Vec::new();
    wait_until(time + Duration::from_secs(10), "c3 to be up", || {
        let view = shown(cluster.holder());
        if shares.last() != Some(&view.share) {
            shares.push(view.share);
        }
        if view.state == BackendState::Up { Ok(()) } else { Err(format!("{shares:?}")) }
    })
    .unwrap();
    assert!(shares.len() > 3 && shares.is_sorted(), "{shares:?}");
    let report = load.stop().unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    assert_eq!(first.ask().unwrap().name, "c3");
    assert_eq!(shown(cluster.holder()).weight_now, None);
}
