//! A controller that is not heard any more: dead, cut off, stopped, or with its pivotd gone alone.
//!
//! Checks are so far apart that none of them would have noticed.

use std::time::{Duration, Instant};

use lb_userspace::core::view::BackendState;
use pivot_tests::lab::cluster::{BACKEND_PORT, SERVICE_PORT};
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::{Cluster, ConfigText, Family, Lab, Load, Node, Process, wait_until};

/// Within which the backends of a dead host are out: it is silent after three and a half of ten beats in a second, and has two more to
/// show that it lives.
const SOON: Duration = Duration::from_secs(1);
/// What a request may take that began after its backend's host had died: the SYN that was lost is sent again after a second.
const LONGEST: Duration = Duration::from_millis(1200);

/// A cluster whose first host holds the VIP, and whose service is on the others. All have heard each other.
fn cluster(family: Family, serve: impl Fn(&Node) -> anyhow::Result<Process>) -> Cluster {
    let lab = Lab::new().unwrap();
    let mut config = ConfigText::new(&lab, "c1").elected("advert = \"100ms\"").of(family);
    config = config.service("web", SERVICE_PORT, BACKEND_PORT, &["c2", "c3"]);
    let [interval, fast, timeout] = [10_000, 300, 3000].map(|ms| patient(Duration::from_millis(ms)).as_millis());
    config.services[0].check =
        format!("{{ interval = \"{interval}ms\", fast_interval = \"{fast}ms\", timeout = \"{timeout}ms\", rise = 2 }}");
    let cluster = Cluster::start(lab, config, serve).unwrap();
    cluster.await_holder("c1").unwrap();
    wait_until(Duration::from_secs(20), "the hosts to hear each other", || {
        let syncs = cluster.daemons.values().map(|daemon| daemon.status().unwrap().sync.unwrap());
        let silent: Vec<String> =
            syncs.flat_map(|sync| sync.peers).filter(|peer| !peer.there).map(|peer| peer.host).collect();
        if silent.is_empty() { Ok(()) } else { Err(format!("{silent:?}")) }
    })
    .unwrap();
    cluster
}

fn web(family: Family) -> Cluster {
    cluster(family, |host| host.serve_http(BACKEND_PORT))
}

fn streams() -> Cluster {
    cluster(Family::V4, |host| host.serve_stream(BACKEND_PORT))
}

/// Cuts a host's link and waits until its backend is down for the holder; since when it is surely cut, and how long all of it took.
fn cut(cluster: &Cluster, host: &str) -> (Instant, Duration) {
    let began = Instant::now();
    cluster.lab.set_link(host, false).unwrap();
    let cut = Instant::now();
    cluster.holder().await_state(host, BackendState::Down).unwrap();
    (cut, began.elapsed())
}

fn goes_at_once(family: Family) {
    let cluster = web(family);
    let load = cluster.client().start_load(Load { concurrency: 16, ..cluster.gentle_load() }).unwrap();
    load.await_more(300).unwrap();
    let (at, took) = cut(&cluster, "c2");
    load.await_more(300).unwrap();
    let report = load.stop().unwrap();
    let longest = report.outcomes().iter().filter(|it| it.at >= at).map(|it| it.took).max().unwrap();
    eprintln!("{family:?}: out after {} ms; the longest request took {} ms", took.as_millis(), longest.as_millis());
    assert!(took < patient(SOON), "{took:?}\n{}", cluster.holder().log());
    assert_eq!(report.failed_since(at), 0, "{:?}", report.summary().failures);
    assert!(longest < patient(LONGEST), "{longest:?}");
    let log = cluster.holder().whole_log();
    assert!(log.contains("host c2 is silent for") && log.contains("and nothing there answers"), "{log}");
}

#[test]
fn the_backends_of_a_host_whose_link_is_cut_are_out_at_once_and_no_connection_begun_since_fails() {
    goes_at_once(Family::V4);
}

#[test]
fn the_same_over_ipv6() {
    goes_at_once(Family::V6);
}

#[test]
fn idle_connections_to_a_host_whose_link_is_cut_are_reset() {
    let cluster = streams();
    let mut idles = cluster.client().open_idle(cluster.vip(), 40).unwrap();
    let at = Instant::now();
    cluster.lab.set_link("c2", false).unwrap();
    idles.await_reset("c2", at, patient(2 * SOON)).unwrap();
    idles.ask_each().unwrap();
}

#[test]
fn the_backends_of_a_host_that_is_back_are_back() {
    let cluster = web(Family::V4);
    cut(&cluster, "c2");
    cluster.lab.set_link("c2", true).unwrap();
    cluster.holder().await_state("c2", BackendState::Up).unwrap();
    cluster.client().open_to_backend(cluster.vip(), "c2").unwrap();
    assert!(cluster.holder().whole_log().contains("host c2 is heard again"), "{}", cluster.holder().log());
}

#[test]
fn a_host_whose_pivotd_was_killed_keeps_its_backends_and_their_connections() {
    let mut cluster = streams();
    let talks = cluster.client().talk(cluster.vip(), 40).unwrap();
    let idles = cluster.client().open_idle(cluster.vip(), 40).unwrap();
    cluster.daemon_mut("c2").kill9().unwrap();
    wait_until(Duration::from_secs(10), "c1 to miss c2", || {
        assert_eq!(cluster.holder().state_of("c2").unwrap(), BackendState::Up);
        let log = cluster.holder().whole_log();
        if log.contains("host c2 is silent for") { Ok(()) } else { Err("it does not") }
    })
    .unwrap();
    talks.await_each(20).unwrap();
    assert_eq!(cluster.holder().state_of("c2").unwrap(), BackendState::Up);
    assert_eq!((talks.broken(), idles.ended().unwrap()), (0, 0));
    let log = cluster.holder().whole_log();
    assert!(log.contains("but its backends answer: they stay") && !log.contains("is down"), "{log}");

    cluster.daemon_mut("c2").restart().unwrap();
    wait_until(Duration::from_secs(20), "c1 to hear c2 again", || {
        let log = cluster.holder().whole_log();
        if log.contains("host c2 is heard again") { Ok(()) } else { Err("it does not") }
    })
    .unwrap();
    talks.await_each(5).unwrap();
    assert_eq!((talks.broken(), idles.ended().unwrap()), (0, 0));
}

#[test]
fn a_pivotd_that_is_stopped_is_not_missed() {
    let mut cluster = web(Family::V4);
    cluster.daemon_mut("c2").stop().unwrap();
    // As long as a host that says nothing may live, twice.
    std::thread::sleep(patient(2 * SOON));
    for host in ["c1", "c3"] {
        let log = cluster.daemons[host].whole_log();
        assert!(!log.contains("is silent for"), "{host}: {log}");
    }
    assert_eq!(cluster.holder().state_of("c2").unwrap(), BackendState::Up, "that is for its checks to say");
}

/// It hears nobody, and cannot tell whether they are dead.
#[test]
fn a_host_that_was_cut_off_itself_has_all_backends_again_when_it_is_back() {
    let cluster = web(Family::V4);
    cluster.lab.set_link("c1", false).unwrap();
    wait_until(Duration::from_secs(10), "c1 to miss the others", || {
        let log = cluster.daemons["c1"].whole_log();
        let missed = ["c2", "c3"].iter().all(|host| log.contains(&format!("host {host} is silent for")));
        if missed { Ok(()) } else { Err("it does not") }
    })
    .unwrap();
    for host in ["c2", "c3"] {
        cluster.daemons[host].await_all_up().unwrap();
    }
    cluster.lab.set_link("c1", true).unwrap();
    cluster.daemons["c1"].await_all_up().unwrap();
    cluster.await_holder("c1").unwrap();
    cluster.client().open_to_backend(cluster.vip(), "c2").unwrap();
}
