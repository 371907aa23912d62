//! A service with one writer (`balance = "single"`): who has its flows, on every host, whatever dies, moves or comes back.

use std::time::{Duration, Instant};

use anyhow::Result;
use lb_userspace::core::view::{BackendState, SwitchView, WriterView};
use pivot_tests::lab::cluster::{BACKEND_PORT, SERVICE_PORT};
use pivot_tests::lab::config::ConfigText;
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::request::is_reset;
use pivot_tests::lab::{Cluster, Lab, Load, Node, Pivotd, Process, wait_until};

use crate::fallen::SOON;

/// Ten adverts in a second.
const FAST: &str = "advert = \"100ms\"";
const PATIENCE: Duration = Duration::from_secs(10);

/// Three hosts that elect who holds the VIP, c1 first, with one writer among the services on all of them.
fn cluster(more: &str) -> Cluster {
    cluster_of(more, |host| host.serve_http(BACKEND_PORT))
}

fn cluster_of(more: &str, serve: impl Fn(&Node) -> Result<Process>) -> Cluster {
    let (lab, hosts) = (Lab::new().unwrap(), ["c1", "c2", "c3"]);
    let config = ConfigText::new(&lab, "c1").elected(FAST).service("web", SERVICE_PORT, BACKEND_PORT, &hosts);
    let config = config.with("balance = \"single\"").with(more);
    let cluster = Cluster::start(lab, config, serve).unwrap();
    cluster.await_holder("c1").unwrap();
    cluster.daemons.values().for_each(|daemon| daemon.await_all_up().unwrap());
    cluster
}

fn writer(daemon: &Pivotd) -> std::result::Result<WriterView, String> {
    let status = daemon.status().map_err(|error| format!("{error:#}"))?;
    status.services[0].writer.clone().ok_or_else(|| "no writer".to_owned())
}

/// Waits until every host whose pivotd runs names this writer, all in one epoch, which is returned.
fn await_writer(cluster: &Cluster, name: &str) -> u64 {
    wait_until(PATIENCE, &format!("all to name {name} as the writer"), || {
        let daemons = cluster.daemons.values().filter(|daemon| daemon.listens());
        let writers = daemons.map(writer).collect::<std::result::Result<Vec<_>, _>>()?;
        let first = writers.first().ok_or("nobody")?;
        let agree = |one: &WriterView| (one.backend.as_deref(), one.epoch) == (Some(name), first.epoch);
        if first.epoch > 0 && writers.iter().all(agree) { Ok(first.epoch) } else { Err(format!("{writers:?}")) }
    })
    .unwrap()
}

/// Every request is answered, and by this backend.
fn assert_all_reach(cluster: &Cluster, name: &str) {
    let report = cluster.client().load(Load::to(cluster.vip()).requests(200)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    assert_eq!(report.backends().keys().collect::<Vec<_>>(), [name], "{}", report.summary());
}

fn switch(cluster: &Cluster, host: &str, target: &str) -> SwitchView {
    cluster.daemons[host].pivot_json(&["switch", target]).unwrap()
}

#[test]
fn one_backend_has_all_flows_and_all_hosts_name_it() {
    let cluster = cluster("");
    let asked = Instant::now();
    let epoch = await_writer(&cluster, "c1");
    assert!(asked.elapsed() < Duration::from_secs(3), "it is stated every second");
    assert_all_reach(&cluster, "c1");
    for (host, daemon) in &cluster.daemons {
        assert_eq!(daemon.state_of("c1").unwrap(), BackendState::Up);
        assert_eq!(daemon.state_of("c2").unwrap(), BackendState::Standby);
        assert_eq!(writer(daemon).unwrap().decided_here, host == "c1");
    }
    let page = cluster.holder().pivot(&["backends"]).unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.contains(&format!("up (writer, epoch {epoch})")) && page.contains("standby"), "{page}");
    let page = cluster.holder().pivot(&["status"]).unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.contains(&format!("writer c1, epoch {epoch}, for ")) && page.contains("nothing to warn of"), "{page}");
}

#[test]
fn the_next_one_takes_over_from_a_killed_writer_and_keeps_the_flows() {
    let mut cluster = cluster("");
    let epoch = await_writer(&cluster, "c1");
    cluster.kill_server("c1").unwrap();
    let next = await_writer(&cluster, "c2");
    assert!(next > epoch, "{epoch} {next}");
    assert_all_reach(&cluster, "c2");
    let server = cluster.lab.node("c1").serve_http(BACKEND_PORT).unwrap();
    cluster.servers.insert("c1".to_owned(), server);
    cluster.holder().await_state("c1", BackendState::Standby).unwrap();
    assert_eq!(await_writer(&cluster, "c2"), next);
    assert_all_reach(&cluster, "c2");
    let log = cluster.holder().whole_log();
    assert!(log.contains(&format!("writer of web: c1 -> c2 (epoch {next}): c1 is down: ")), "{log}");
}

#[test]
fn flows_go_back_to_the_first_one_if_that_is_configured() {
    let mut cluster = cluster("failback = \"500ms\"");
    await_writer(&cluster, "c1");
    cluster.kill_server("c1").unwrap();
    await_writer(&cluster, "c2");
    let mut open = cluster.client().open_to_backend(cluster.vip(), "c2").unwrap();
    let server = cluster.lab.node("c1").serve_http(BACKEND_PORT).unwrap();
    cluster.servers.insert("c1".to_owned(), server);
    await_writer(&cluster, "c1");
    let error = open.ask().unwrap_err();
    assert!(is_reset(&error), "{error:#}");
    assert_all_reach(&cluster, "c1");
}

#[test]
fn a_drained_writer_is_cut_and_clients_that_come_again_reach_the_next_one() {
    let cluster = cluster("");
    await_writer(&cluster, "c1");
    let mut open = cluster.client().open_to_backend(cluster.vip(), "c1").unwrap();
    assert!(cluster.holder().pivot(&["drain", "web/c1"]).unwrap().status.success());
    let error = open.ask().unwrap_err();
    assert!(is_reset(&error), "{error:#}");
    assert_eq!(cluster.client().open(cluster.vip()).unwrap().ask().unwrap().name, "c2");
    await_writer(&cluster, "c2");
    assert_all_reach(&cluster, "c2");
}

#[test]
fn idle_connections_of_a_former_writer_are_reset_within_a_second_whatever_on_down_says() {
    let cluster = cluster_of("on_down = \"keep\"", |host| host.serve_stream(BACKEND_PORT));
    await_writer(&cluster, "c1");
    let mut idles = cluster.client().open_idle(cluster.vip(), 40).unwrap();
    assert_eq!(idles.spread().into_keys().collect::<Vec<_>>(), ["c1"]);
    let since = Instant::now();
    switch(&cluster, "c1", "web/c3");
    idles.await_reset("c1", since, patient(SOON)).unwrap();
}

#[test]
fn wherever_the_vip_goes_the_writer_stays_with_its_connections() {
    let mut cluster = cluster("");
    await_writer(&cluster, "c1");
    assert!(switch(&cluster, "c1", "web/c3").changed);
    let epoch = await_writer(&cluster, "c3");
    let mut open = cluster.client().open_to_backend(cluster.vip(), "c3").unwrap();
    assert!(cluster.holder().pivot(&["failover"]).unwrap().status.success());
    cluster.await_holder("c2").unwrap();
    assert_eq!(await_writer(&cluster, "c3"), epoch);
    assert!(writer(&cluster.daemons["c2"]).unwrap().decided_here);
    assert_eq!(open.ask().unwrap().name, "c3");
    assert_all_reach(&cluster, "c3");

    cluster.daemon_mut("c2").kill9().unwrap();
    cluster.await_holder("c1").unwrap();
    assert_eq!(await_writer(&cluster, "c3"), epoch);
    assert_eq!(open.ask().unwrap().name, "c3");
    assert_all_reach(&cluster, "c3");
}

#[test]
fn a_holder_that_is_started_again_keeps_the_writer() {
    let mut cluster = cluster("");
    await_writer(&cluster, "c1");
    switch(&cluster, "c1", "web/c2");
    let epoch = await_writer(&cluster, "c2");
    let mut open = cluster.client().open_to_backend(cluster.vip(), "c2").unwrap();
    cluster.holder_mut().kill9().unwrap();
    cluster.holder_mut().restart().unwrap();
    cluster.await_holder("c1").unwrap();
    assert_eq!(await_writer(&cluster, "c2"), epoch);
    assert_eq!(open.ask().unwrap().name, "c2");
    assert_all_reach(&cluster, "c2");

    cluster.holder_mut().stop().unwrap();
    cluster.await_holder("c2").unwrap();
    cluster.holder_mut().restart().unwrap();
    cluster.await_holder("c1").unwrap();
    assert_eq!(await_writer(&cluster, "c2"), epoch);
    assert_all_reach(&cluster, "c2");
}

#[test]
fn a_writer_is_switched_by_hand_where_the_vip_is_held() {
    let cluster = cluster("failback = true");
    await_writer(&cluster, "c1");
    let mut open = cluster.client().open_to_backend(cluster.vip(), "c1").unwrap();
    let view = switch(&cluster, "c1", "web/c2");
    assert!(view.changed && view.writer.by_hand && view.writer.backend.as_deref() == Some("c2"), "{view:?}");
    assert!(!switch(&cluster, "c1", "web/c2").changed);
    let error = open.ask().unwrap_err();
    assert!(is_reset(&error), "{error:#}");
    await_writer(&cluster, "c2");
    assert_all_reach(&cluster, "c2");
    let refused = |host: &str, target: &str| {
        let output = cluster.daemons[host].pivot(&["switch", target]).unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused("c3", "web/c3").contains("c1 holds it, switch there"));
    assert!(refused("c1", "web/c9").contains("its backends are: c1, c2, c3"));
    cluster.holder().pivot(&["drain", "web/c3"]).unwrap();
    assert!(refused("c1", "web/c3").contains("backend `web/c3` is drained: it cannot be the writer"));
}

#[test]
fn connections_move_from_one_writer_to_the_next_and_none_is_served_by_two() {
    let cluster = cluster("");
    await_writer(&cluster, "c1");
    let load = cluster.client().start_load(cluster.gentle_load()).unwrap();
    load.await_more(100).unwrap();
    for (target, name) in [("web/c2", "c2"), ("web/c3", "c3"), ("web/c1", "c1")] {
        switch(&cluster, "c1", target);
        load.await_more(200).unwrap();
        await_writer(&cluster, name);
    }
    let report = load.stop().unwrap();
    // By when they were asked, the answers of each writer are in one piece.
    let mut order: Vec<&str> = report.answers().map(|answer| answer.name.as_str()).collect();
    order.dedup();
    assert_eq!(order, ["c1", "c2", "c3", "c1"]);
    eprintln!("{} of {} requests failed in three switches", report.failed(), report.requests());
    assert!(report.failed() <= 12, "only those under way, four at a time: {}", report.summary());
}
