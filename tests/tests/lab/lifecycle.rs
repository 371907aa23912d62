//! The daemon's own life: killed, restarted, stopped.

use pivot_tests::demo::steps;
use pivot_tests::lab::cluster::web_config;
use pivot_tests::lab::{Cluster, Lab, Load, VIP};

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
    let status = second.process().wait(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(status.code(), Some(6), "{}", second.process().tail());
    let stderr = second.process().stderr();
    assert!(stderr.contains("another pivotd") && stderr.contains(&first.to_string()), "{stderr}");

    assert_eq!(cluster.lab.traces("c1").unwrap(), before);
    assert_eq!(cluster.holder().status().unwrap().pid, first);
    let report = cluster.client().load(Load::to(cluster.vip()).requests(100)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
}
