//! The daemon's own life: killed, restarted, stopped.

use std::time::Duration;

use lb_userspace::core::view::BackendState;
use pivot_tests::demo::steps;
use pivot_tests::lab::cluster::{web_config, web_config_in};
use pivot_tests::lab::pivotd::Pivotd;
use pivot_tests::lab::wait::wait_until;
use pivot_tests::lab::{Cluster, Family, Lab, Load, VIP};

#[test]
fn a_host_is_ready_once_it_has_found_the_others() {
    ready_once_found(Family::V4);
}

#[test]
fn a_host_is_ready_once_it_has_found_the_others_over_ipv6() {
    ready_once_found(Family::V6);
}

/// Or a director would leave backends out, and an agent would drop what a director sends it: that would be a stranger.
fn ready_once_found(family: Family) {
    let lab = Lab::new().unwrap();
    for host in ["c1", "c2", "c3"] {
        let pivotd = lab.pivotd(host, web_config_in(&lab, family)).unwrap();
        let backends = pivotd.status().unwrap().services.into_iter().flat_map(|service| service.backends);
        let (found, unfound): (Vec<_>, Vec<_>) =
            backends.filter(|backend| !backend.local).partition(|backend| backend.mac.is_some());
        assert_eq!((found.len(), unfound.len()), (2, 0), "{host}: {unfound:?}");
        await_words(&pivotd, "pivotd is ready host=").unwrap();
    }
}

#[test]
fn a_host_that_does_not_answer_keeps_no_other_from_being_ready() {
    let lab = Lab::new().unwrap();
    lab.set_link("c3", false).unwrap();
    let pivotd = lab.pivotd("c1", web_config(&lab)).unwrap();
    let silent = format!(
        "not all other hosts have answered yet host=\"c1\" instance=\"c1\" silent=\"{}\"",
        lab.node("c3").address
    );
    await_words(&pivotd, &silent).unwrap();
    pivotd.await_state("c2", BackendState::Down).unwrap();
}

/// Waits until these words are in its log.
fn await_words(pivotd: &Pivotd, words: &str) -> anyhow::Result<()> {
    wait_until(Duration::from_secs(5), words, || {
        let log = pivotd.whole_log();
        if log.contains(words) { Ok(()) } else { Err(log) }
    })
}

#[test]
fn packets_keep_flowing_without_the_daemon_and_its_restart_drops_nothing() {
    let mut cluster = Cluster::web().unwrap();
    let (killed, restarted) = steps::kill_daemon(&mut cluster, "c1").unwrap();
    assert_eq!((killed.failed, restarted.failed), (0, 0), "{killed:?} {restarted:?}");
    assert!(restarted.adopted && restarted.open_connections_kept, "{restarted:?}");
}

#[test]
fn a_backend_host_serves_on_without_its_daemon_and_through_its_restart() {
    let mut cluster = Cluster::web().unwrap();
    let (killed, restarted) = steps::kill_daemon(&mut cluster, "c2").unwrap();
    assert_eq!((killed.failed, restarted.failed), (0, 0), "{killed:?} {restarted:?}");
    assert!(restarted.adopted && restarted.open_connections_kept, "{restarted:?}");
}

#[test]
fn a_clean_stop_removes_everything_on_a_holder_and_on_a_backend() {
    let lab = Lab::new().unwrap();
    let server = lab.node("c1").serve_http(8080).unwrap();
    for host in ["c1", "c2"] {
        let before = lab.traces(host).unwrap();
        let mut pivotd = lab.pivotd(host, web_config(&lab)).unwrap();
        assert_ne!(lab.traces(host).unwrap(), before);
        pivotd.stop().unwrap();
        assert_eq!(lab.traces(host).unwrap(), before);
    }
    drop(server);
}

#[test]
fn what_a_killed_daemon_left_is_removed_by_the_clean_stop_of_the_next() {
    let lab = Lab::new().unwrap();
    let before = lab.traces("c1").unwrap();
    let mut pivotd = lab.pivotd("c1", web_config(&lab)).unwrap();
    assert!(!pivotd.status().unwrap().adopted);
    pivotd.kill9().unwrap();
    pivotd.restart().unwrap();
    assert!(pivotd.status().unwrap().adopted);
    pivotd.stop().unwrap();
    assert_eq!(lab.traces("c1").unwrap(), before);
}

#[test]
fn a_vip_that_left_the_configuration_while_no_daemon_ran_is_given_up_at_the_next_start() {
    let lab = Lab::new().unwrap();
    let mut pivotd = lab.pivotd("c1", web_config(&lab)).unwrap();
    assert!(lab.traces("c1").unwrap().contains(&VIP.to_string()));
    pivotd.kill9().unwrap();
    let config = web_config(&lab).to_string();
    let (hosts, _) = config.split_once("[[vip]]").unwrap();
    pivotd.write_config(hosts).unwrap();
    pivotd.restart().unwrap();
    let traces = lab.traces("c1").unwrap();
    for left in [VIP.to_string().as_str(), "pivot_xdp", "pivot_listen"] {
        assert!(!traces.contains(left), "{left} is left:\n{traces}");
    }
}

#[test]
fn a_second_pivotd_is_refused_and_the_first_one_goes_on() {
    let cluster = Cluster::web().unwrap();
    let first = cluster.holder().status().unwrap().pid;
    let before = cluster.lab.traces("c1").unwrap();
    let mut second = cluster.lab.start_pivotd("c1", web_config(&cluster.lab)).unwrap();
    let status = second.process().wait(Duration::from_secs(10)).unwrap();
    assert_eq!(status.code(), Some(6), "{}", second.process().tail());
    let stderr = second.process().stderr();
    assert!(stderr.contains("another pivotd") && stderr.contains(&first.to_string()), "{stderr}");

    assert_eq!(cluster.lab.traces("c1").unwrap(), before);
    assert_eq!(cluster.holder().status().unwrap().pid, first);
    let report = cluster.client().load(Load::to(cluster.vip()).requests(100)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
}
