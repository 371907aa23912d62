//! Who answers for the VIP on the segment, in ARP and in neighbour discovery: its holder, and nobody else.

use std::net::IpAddr;

use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::frame::{Frame, Neighbour, NeighbourKind};
use pivot_tests::lab::{Cluster, Family, Load, Node};

fn neighbours(frames: &[Frame]) -> Vec<Neighbour> {
    frames.iter().filter_map(Frame::neighbour).collect()
}

fn is_neighbour(frame: &Frame) -> bool {
    frame.neighbour().is_some()
}

#[test]
fn hosts_that_do_not_hold_the_vip_never_speak_for_it() {
    never_speak_for_it(Family::V4);
}

#[test]
fn hosts_that_do_not_hold_the_vip_of_ipv6_never_speak_for_it() {
    never_speak_for_it(Family::V6);
}

fn never_speak_for_it(family: Family) {
    let cluster = Cluster::web_in(family).unwrap();
    let (client, vip) = (cluster.client(), cluster.vip().ip());
    let holder = cluster.lab.node("c1");
    let captures = ["c2", "c3"].map(|port| Capture::start(cluster.lab.switch(), port, is_neighbour).unwrap());
    let at_client = Capture::start(client.netns(), "eth0", is_neighbour).unwrap();

    for _ in 0..5 {
        // Everybody has to ask again: the client for the VIP, the backends for the client while they answer as the VIP.
        cluster.lab.nodes().try_for_each(Node::forget_neighbours).unwrap();
        let report = client.load(Load::to(cluster.vip()).requests(60)).unwrap();
        assert_eq!(report.failed(), 0, "{}", report.summary());
        assert_eq!(report.backends().len(), 3, "{}", report.summary());
    }

    for (host, capture) in ["c2", "c3"].into_iter().zip(captures) {
        let mac = cluster.lab.node(host).mac;
        let frames = capture.stop().unwrap();
        let asked = neighbours(&frames)
            .into_iter()
            .any(|heard| heard.mac != mac && heard.kind == NeighbourKind::Question && heard.target == vip);
        // A solicitation goes to the group of the address's last three bytes; the switch floods it.
        assert!(asked, "{host} was never asked for the VIP: {frames:?}");
        let sent: Vec<Frame> = frames.iter().filter(|frame| frame.source() == Some(mac)).cloned().collect();
        let sent = neighbours(&sent);
        let questions = sent.iter().any(|sent| sent.kind == NeighbourKind::Question);
        assert!(questions, "{host} had to ask for the client, and did not: {frames:?}");
        assert!(sent.iter().all(|sent| sent.sender != vip), "{host} spoke for the VIP: {sent:?}");
    }
    let heard = neighbours(&at_client.stop().unwrap());
    let for_vip: Vec<&Neighbour> = heard.iter().filter(|heard| heard.sender == vip).collect();
    assert!(!for_vip.is_empty(), "nobody answered for the VIP: {heard:?}");
    assert!(for_vip.iter().all(|heard| heard.mac == holder.mac), "{for_vip:?}");
}

#[test]
fn the_clients_neighbour_entry_for_the_vip_stays_with_the_holder() {
    entry_stays_with_the_holder(Family::V4);
}

#[test]
fn the_clients_neighbour_entry_for_the_vip_of_ipv6_stays_with_the_holder() {
    entry_stays_with_the_holder(Family::V6);
}

fn entry_stays_with_the_holder(family: Family) {
    let cluster = Cluster::web_in(family).unwrap();
    let client = cluster.client();
    let mac = cluster.lab.node("c1").mac.to_string();
    for _ in 0..20 {
        let report = client.load(Load::to(cluster.vip()).requests(30)).unwrap();
        assert_eq!(report.failed(), 0, "{}", report.summary());
        let entry = client.netns().output("ip", &["neighbour", "show", &family.vip().to_string()]).unwrap();
        assert!(entry.contains(&mac), "{entry}");
    }
}

#[test]
fn the_vip_is_announced_when_it_is_taken() {
    assert_announced(Family::V4);
}

#[test]
fn the_vip_of_ipv6_is_announced_when_it_is_taken() {
    assert_announced(Family::V6);
}

fn assert_announced(family: Family) {
    let mut cluster = Cluster::web_in(family).unwrap();
    cluster.holder_mut().stop().unwrap();
    let at_client = Capture::start(cluster.client().netns(), "eth0", is_neighbour).unwrap();
    cluster.holder_mut().restart().unwrap();
    let holder = cluster.lab.node("c1").mac;
    let announcements = neighbours(&at_client.stop().unwrap()).into_iter().filter(is_announcement_of(family.vip()));
    let announcers: Vec<_> = announcements.map(|heard| heard.mac).collect();
    assert_eq!(announcers, [holder; 5]);
}

fn is_announcement_of(address: IpAddr) -> impl Fn(&Neighbour) -> bool {
    move |heard| heard.kind == NeighbourKind::Announcement && heard.target == address
}

#[test]
fn an_echo_request_to_the_vip_is_answered_by_its_holder() {
    answered_by_its_holder(Family::V4);
}

#[test]
fn an_echo_request_to_the_vip_of_ipv6_is_answered_by_its_holder() {
    answered_by_its_holder(Family::V6);
}

fn answered_by_its_holder(family: Family) {
    let cluster = Cluster::web_in(family).unwrap();
    let is_echo = |frame: &Frame| frame.icmp().is_some_and(|icmp| [0, 8, 128, 129].contains(&icmp.kind));
    let at_client = Capture::start(cluster.client().netns(), "eth0", is_echo).unwrap();
    assert_eq!(cluster.client().ping(family.vip(), 20).unwrap(), 20);
    let holder = cluster.lab.node("c1").mac;
    let frames = at_client.stop().unwrap();
    let from_vip = |frame: &&Frame| frame.icmp().is_some_and(|icmp| icmp.source == family.vip());
    let sources: Vec<_> = frames.iter().filter(from_vip).map(Frame::source).collect();
    assert_eq!(sources, [Some(holder); 20]);
}
