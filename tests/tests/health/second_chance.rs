//! A service process that dies on a living host: nobody who connects from then on notices, and it is known at once.

use std::time::{Duration, Instant};

use lb_common::path::verdict::Verdict;
use lb_userspace::core::view::BackendState;
use pivot_tests::lab::cluster::HOLDER;
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::request::is_refused;
use pivot_tests::lab::topology::Topology;
use pivot_tests::lab::wait::wait_until;
use pivot_tests::lab::{Cluster, Family, Pivotd};

/// Requests to wait for before and after a process is killed.
const SOME_REQUESTS: usize = 300;
/// A SYN without an answer is sent again after a second: what takes less was answered at once.
const AT_ONCE: Duration = Duration::from_millis(900);
/// Nothing is found out by checks.
const NO_CHECK: &str = r#"{ type = "none" }"#;
/// Nothing is found out by checks that nobody hastens: two of them have to fail, ten seconds apart.
const SLOW_CHECK: &str =
    r#"{ interval = "10s", fast_interval = "10s", down_interval = "10s", timeout = "1s", rise = 2, fall = 2 }"#;

#[test]
fn a_killed_service_fails_no_connection_that_begins_after_it() {
    unnoticed(Family::V4, &["c2"]);
}

#[test]
fn a_killed_service_fails_no_connection_over_ipv6_that_begins_after_it() {
    unnoticed(Family::V6, &["c2"]);
}

#[test]
fn a_killed_service_on_the_directors_own_host_fails_none_either() {
    unnoticed(Family::V4, &[HOLDER]);
}

#[test]
fn a_killed_service_on_the_directors_own_host_fails_none_over_ipv6_either() {
    unnoticed(Family::V6, &[HOLDER]);
}

#[test]
fn two_killed_services_of_three_fail_none_either() {
    unnoticed(Family::V4, &["c3", HOLDER]);
}

#[test]
fn two_killed_services_of_three_fail_none_over_ipv6_either() {
    unnoticed(Family::V6, &["c2", "c3"]);
}

#[test]
fn without_any_service_left_connections_are_refused_at_once() {
    refused_at_once(Family::V4);
}

#[test]
fn without_any_service_left_connections_over_ipv6_are_refused_at_once() {
    refused_at_once(Family::V6);
}

#[test]
fn what_a_backend_refuses_has_it_checked_at_once() {
    hastened(Family::V4, "c2");
}

#[test]
fn what_a_backend_refuses_over_ipv6_has_it_checked_at_once() {
    hastened(Family::V6, "c2");
}

#[test]
fn what_the_directors_own_backend_refuses_has_it_checked_at_once() {
    hastened(Family::V4, HOLDER);
}

/// Three controllers that check their services so.
fn cluster(family: Family, check: &str) -> Cluster {
    let cluster = Cluster::build_in(family, Topology::default(), |mut config| {
        for service in &mut config.services {
            check.clone_into(&mut service.check);
        }
        config
    });
    cluster.unwrap()
}

/// Whoever sees a refusal has the backend down long before its next check is due: the director, and the backend's own host.
fn hastened(family: Family, killed: &str) {
    let mut cluster = cluster(family, SLOW_CHECK);
    for daemon in cluster.daemons.values() {
        wait_until(Duration::from_secs(10), "every backend to be checked", || {
            let status = daemon.status().map_err(|error| format!("{error:#}"))?;
            let doubtful = status.services[0].backends.iter().find(|backend| backend.health != backend.health_top);
            doubtful.map_or(Ok(()), |backend| Err(format!("{}: {}", backend.id, backend.last_check)))
        })
        .unwrap();
    }
    let load = cluster.client().start_load(cluster.gentle_load()).unwrap();
    load.await_more(SOME_REQUESTS).unwrap();
    cluster.kill_server(killed).unwrap();
    let dead = Instant::now();
    for host in [HOLDER, killed] {
        cluster.daemons[host].await_state(killed, BackendState::Down).unwrap();
        let took = dead.elapsed();
        println!("{killed} was down for {host} after {took:?}");
        assert!(took < patient(Duration::from_secs(3)), "{host}: {took:?}");
    }
    load.await_more(SOME_REQUESTS).unwrap();
    assert_eq!(load.stop().unwrap().failed_since(dead), 0);
}

fn unnoticed(family: Family, killed: &[&str]) {
    let mut cluster = cluster(family, NO_CHECK);
    let load = cluster.client().start_load(cluster.gentle_load()).unwrap();
    load.await_more(SOME_REQUESTS).unwrap();
    for host in killed {
        cluster.kill_server(host).unwrap();
    }
    let dead = Instant::now();
    load.await_more(SOME_REQUESTS).unwrap();
    let report = load.stop().unwrap();

    let since: Vec<_> = report.outcomes().iter().filter(|outcome| outcome.at >= dead).collect();
    let failed: Vec<_> = since.iter().filter(|outcome| outcome.result.is_err()).collect();
    assert!(failed.is_empty(), "{} of {}, such as {:?}", failed.len(), since.len(), failed[0]);
    let slowest = since.iter().map(|outcome| outcome.took).max().unwrap();
    assert!(slowest < patient(AT_ONCE), "{slowest:?}");
    let answered = report.backends_since(dead);
    assert!(killed.iter().all(|host| !answered.contains_key(*host)), "{answered:?}");
    assert!(second_choices(cluster.holder()) > 0);
    for host in killed {
        let handed_back = counted(&cluster.daemons[*host], Verdict::HandedBack);
        assert_eq!(handed_back > 0, *host != HOLDER, "{host} handed back {handed_back}");
    }
}

fn refused_at_once(family: Family) {
    let mut cluster = cluster(family, NO_CHECK);
    for host in ["c1", "c2", "c3"] {
        cluster.kill_server(host).unwrap();
    }
    for _ in 0..20 {
        let asked = Instant::now();
        let error = cluster.client().open(cluster.vip()).unwrap_err();
        assert!(is_refused(&error), "{error:#}");
        assert!(asked.elapsed() < patient(AT_ONCE), "{:?}", asked.elapsed());
    }
}

fn second_choices(director: &Pivotd) -> u64 {
    let choices = [Verdict::SecondChoice, Verdict::SecondChoiceBeyond, Verdict::SecondChoiceLocal];
    choices.into_iter().map(|verdict| counted(director, verdict)).sum()
}

fn counted(daemon: &Pivotd, verdict: Verdict) -> u64 {
    let verdicts = daemon.status().unwrap().verdicts;
    verdicts.iter().find(|view| view.verdict == verdict.name()).map_or(0, |view| view.packets)
}
