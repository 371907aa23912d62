//! Large and many transfers through the VIP: every byte in its place, every client seen as it is, none failed.

use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::cluster::{BACKEND_PORT, HOLDER, SERVICE_PORT};
use pivot_tests::lab::frame::Frame;
use pivot_tests::lab::patience::eased;
use pivot_tests::lab::{Cluster, ConfigText, Family, Lab, Load, Node, Topology};

/// The service of streams on every controller, behind the VIP of a family.
fn streams(topology: Topology, family: Family) -> Cluster {
    let lab = Lab::build(topology).unwrap();
    let hosts: Vec<&str> = lab.hosts().map(|host| host.name.as_str()).collect();
    let config = ConfigText::new(&lab, HOLDER).of(family).service("streams", SERVICE_PORT, BACKEND_PORT, &hosts);
    Cluster::start(lab, config, |host| host.serve_stream(BACKEND_PORT)).unwrap()
}

#[test]
fn a_gigabyte_over_one_connection_arrives_whole_in_each_direction() {
    gigabyte(Family::V4);
}

#[test]
fn a_gigabyte_over_one_connection_of_ipv6_arrives_whole_in_each_direction() {
    gigabyte(Family::V6);
}

fn gigabyte(family: Family) {
    let cluster = streams(Topology::default(), family);
    let client = cluster.client();
    let gigabyte = eased(1 << 30);
    for answer in [client.download(cluster.vip(), gigabyte), client.upload(cluster.vip(), gigabyte)] {
        let answer = answer.unwrap();
        assert_eq!(answer.client.ip(), cluster.client_address());
        assert_eq!(answer.local, Some(cluster.vip()));
    }
}

#[test]
fn none_of_ten_thousand_short_connections_fails() {
    ten_thousand(Family::V4);
}

#[test]
fn none_of_ten_thousand_short_connections_of_ipv6_fails() {
    ten_thousand(Family::V6);
}

fn ten_thousand(family: Family) {
    let cluster = Cluster::web_in(family).unwrap();
    let requests = eased(10_000) as usize;
    let report = cluster.client().load(Load::to(cluster.vip()).requests(requests).padded(100)).unwrap();
    assert_eq!((report.requests(), report.failed()), (requests, 0), "{}", report.summary());
    assert!(report.client_seen_as(cluster.client_address()));
    assert!(report.answers().all(|answer| answer.local == Some(cluster.vip())));
    assert_eq!(report.backends().len(), 3, "{}", report.summary());
}

#[test]
fn every_backend_learns_the_path_of_its_replies() {
    learns_the_path(Family::V4);
}

#[test]
fn every_backend_learns_the_path_of_its_replies_over_ipv6() {
    learns_the_path(Family::V6);
}

/// The router's errors are sent to the VIP, and are of use only to the backend whose segments they quote.
fn learns_the_path(family: Family) {
    const PATH_MTU: u32 = 1400;
    let cluster = streams(Topology { path_mtu: PATH_MTU, ..Topology::routed() }, family);
    let client = cluster.client();
    let errors = Capture::start(cluster.lab.switch(), "router", is_too_big).unwrap();
    let mut waiting: Vec<&Node> = cluster.lab.hosts().collect();
    for _ in 0..100 {
        let answer = client.download(cluster.vip(), 300_000).unwrap();
        client.upload(cluster.vip(), 300_000).unwrap();
        waiting.retain(|host| host.name != answer.name);
        if waiting.is_empty() {
            break;
        }
    }
    assert!(waiting.is_empty(), "no connection went to {waiting:?}");
    for host in cluster.lab.hosts() {
        let route = host.netns().output("ip", &["route", "get", &cluster.client_address().to_string()]).unwrap();
        assert!(route.contains(&format!("mtu {PATH_MTU}")), "{} has not learnt it: {route}", host.name);
    }
    let errors = errors.stop().unwrap();
    let to_vip = errors.iter().filter_map(Frame::icmp).filter(|icmp| icmp.target == family.vip()).count();
    assert!(to_vip >= 3, "the router sent {to_vip} errors to the VIP, which are one for each backend at least");
}

/// Fragmentation needed (RFC 1191); packet too big (RFC 4443, section 3.2).
fn is_too_big(frame: &Frame) -> bool {
    frame.icmp().is_some_and(|icmp| (icmp.kind, icmp.code) == if icmp.source.is_ipv4() { (3, 4) } else { (2, 0) })
}

#[test]
fn jumbo_frames_pass_through_the_vip_whole() {
    jumbo(Family::V4);
}

#[test]
fn jumbo_frames_of_ipv6_pass_through_the_vip_whole() {
    jumbo(Family::V6);
}

fn jumbo(family: Family) {
    let cluster = streams(Topology { mtu: 9000, ..Topology::default() }, family);
    let director = cluster.lab.node(HOLDER);
    let before = director.counters().unwrap();
    for _ in 0..12 {
        cluster.client().upload(cluster.vip(), 4 << 20).unwrap();
        cluster.client().download(cluster.vip(), 4 << 20).unwrap();
    }
    let received = director.counters().unwrap() - before;
    assert!(received.rx_bytes / received.rx_packets > 2000, "frames were not large: {received:?}");
}
