//! Interfaces of several kinds and numbers: a second segment, one without XDP in its driver, one whose MAC changes.

use std::time::Duration;

use pivot_tests::lab::{Cluster, Device, Family, Load, Segment, Topology, wait_until};

#[test]
fn backends_are_reached_by_another_interface_than_packets_come_in_by() {
    other_interface(Family::V4);
}

#[test]
fn backends_are_reached_by_another_interface_than_packets_of_ipv6_come_in_by() {
    other_interface(Family::V6);
}

fn other_interface(family: Family) {
    let topology = Topology { second_segment: true, ..Topology::default() };
    let cluster = Cluster::build_in(family, topology, |config| config.reached_on(Segment::Second)).unwrap();
    let backend = cluster.lab.node("c2");
    let before = backend.counters_of("eth1").unwrap();
    let report = cluster.client().load(Load::to(cluster.vip()).requests(300)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    assert!(report.client_seen_as(cluster.client_address()));
    let answers = report.backends().get("c2").copied().unwrap_or_default() as u64;
    let received = (backend.counters_of("eth1").unwrap() - before).rx_packets;
    // A SYN, an acknowledgement, a request and the end of each connection.
    assert!(answers > 0 && received >= 4 * answers, "{received} frames for {answers} connections");
}

#[test]
fn an_interface_without_xdp_in_its_driver_is_named_and_served() {
    let topology = Topology { device: Device::Macvlan, ..Topology::default() };
    let mut cluster = Cluster::build(topology, |config| config).unwrap();
    let report = cluster.client().load(Load::to(cluster.vip()).requests(300)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    assert_eq!(report.backends().len(), 3, "{}", report.summary());
    assert!(report.client_seen_as(cluster.client_address()));

    let interfaces = cluster.holder().status().unwrap().interfaces;
    assert!(interfaces.iter().any(|one| one.name == "eth0" && one.xdp.contains("generic")), "{interfaces:?}");
    let log = cluster.holder_mut().process().stderr();
    let warning = log.lines().find(|line| line.contains("WARN") && line.contains("eth0") && line.contains("generic"));
    assert!(warning.is_some(), "{log}");
}

#[test]
fn a_backend_whose_mac_changes_is_found_again() {
    found_again(Family::V4);
}

#[test]
fn a_backend_of_ipv6_whose_mac_changes_is_found_again() {
    found_again(Family::V6);
}

fn found_again(family: Family) {
    let mut cluster = Cluster::web_in(family).unwrap();
    let mac = cluster.lab.change_mac("c2").unwrap().to_string();
    // The host does not say so: what the holder knows is wrong until it asks again.
    wait_until(Duration::from_secs(15), "the holder to learn c2's MAC", || {
        let status = cluster.holder().status().map_err(|error| format!("{error:#}"))?;
        let mut backends = status.services.into_iter().flat_map(|service| service.backends);
        let seen = backends.find(|backend| backend.host == "c2").and_then(|backend| backend.mac);
        if seen.as_deref() == Some(&mac) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .unwrap();
    cluster.holder().await_all_up().unwrap();
    let report = cluster.client().load(Load::to(cluster.vip()).requests(300)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    assert!(report.backends().contains_key("c2"), "{}", report.summary());
}
