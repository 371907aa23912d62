//! A changed configuration, taken over by a running pivotd.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use lb_userspace::core::view::{ReloadView, Status};
use pivot_tests::lab::cluster::{HOLDER, web_config};
use pivot_tests::lab::request::OpenConnection;
use pivot_tests::lab::{Cluster, Load, Pivotd, Topology, wait_until};

fn backends(status: &Status) -> Vec<String> {
    status.services.iter().flat_map(|service| &service.backends).map(|backend| backend.id.clone()).collect()
}

/// Sets the backends of `web` on every controller, and returns what the holder says has changed.
fn reload_with(cluster: &Cluster, hosts: &[&str]) -> ReloadView {
    let mut config = web_config(&cluster.lab);
    config.services[0].backends = hosts.iter().map(|&host| host.to_owned()).collect();
    let reload = |daemon: &Pivotd| -> ReloadView {
        daemon.write_config(&config).unwrap();
        daemon.pivot_json(&["reload"]).unwrap()
    };
    let views: BTreeMap<&str, ReloadView> =
        cluster.daemons.iter().map(|(host, daemon)| (host.as_str(), reload(daemon))).collect();
    views[HOLDER].clone()
}

#[test]
fn open_connections_keep_their_backend_while_others_come_and_go() {
    let cluster = Cluster::build(Topology::default(), |mut config| {
        config.services[0].backends.truncate(2);
        config
    })
    .unwrap();
    let client = cluster.client();
    let mut open: Vec<OpenConnection> = (0..24).map(|_| client.open(cluster.vip()).unwrap()).collect();
    let mut answers = || -> Vec<(String, u16)> {
        open.iter_mut().map(|connection| connection.ask().unwrap()).map(|a| (a.name, a.client.port())).collect()
    };
    let before = answers();

    let added = reload_with(&cluster, &["c1", "c2", "c3"]);
    assert!(added.changes.iter().any(|change| change.starts_with('+') && change.contains("c3")), "{added:?}");
    cluster.holder().await_all_up().unwrap();
    client.open_to_backend(cluster.vip(), "c3").unwrap();
    assert_eq!(answers(), before);

    reload_with(&cluster, &["c3", "c2", "c1"]);
    cluster.holder().await_all_up().unwrap();
    assert_eq!(answers(), before);

    let removed = reload_with(&cluster, &["c1", "c2"]);
    assert!(removed.changes.iter().any(|change| change.starts_with('-') && change.contains("c3")), "{removed:?}");
    let report = client.load(Load::to(cluster.vip()).requests(300)).unwrap();
    assert_eq!((report.failed(), report.backends().contains_key("c3")), (0, false), "{}", report.summary());
    assert_eq!(answers(), before);
}

#[test]
fn reloads_fail_no_request() {
    let cluster = Cluster::web().unwrap();
    let load = cluster.client().start_load(cluster.gentle_load()).unwrap();
    for hosts in [&["c1", "c2"][..], &["c1", "c2", "c3"], &["c2", "c3"], &["c3", "c1", "c2"]] {
        reload_with(&cluster, hosts);
        load.await_more(40).unwrap();
    }
    let report = load.stop().unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
}

#[test]
fn a_hangup_signal_reloads() {
    let mut cluster = Cluster::web().unwrap();
    let mut config = web_config(&cluster.lab);
    config.services[0].backends.truncate(2);
    cluster.holder().write_config(config).unwrap();
    cluster.holder_mut().reload().unwrap();
    wait_until(Duration::from_secs(5), "two backends", || {
        match backends(&cluster.holder().status().map_err(|error| error.to_string())?) {
            two if two == ["web/c1", "web/c2"] => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
}

#[test]
fn a_bad_configuration_changes_nothing_and_says_why() {
    let cluster = Cluster::web().unwrap();
    let before = cluster.holder().status().unwrap();
    let traces = cluster.lab.traces("c1").unwrap();
    let good = fs::read_to_string(&before.config).unwrap();
    cluster.holder().write_config(good.replace("port = 80\n", "port = 0\nprot = 1\n")).unwrap();

    let output = cluster.holder().pivot(&["reload"]).unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("prot") && stderr.contains("port = 0"), "{stderr}");
    let after = cluster.holder().status().unwrap();
    assert_eq!((backends(&after), after.pid, after.vips), (backends(&before), before.pid, before.vips));
    assert_eq!(cluster.lab.traces("c1").unwrap(), traces);
    let report = cluster.client().load(Load::to(cluster.vip()).requests(100)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
}
