//! Who answers for the VIP on the segment: its holder, and nobody else.

use std::net::Ipv4Addr;

use pivot_tests::lab::capture::{Arp, Capture, Frame};
use pivot_tests::lab::{Cluster, Load, Node, VIP};

fn arps(frames: &[Frame]) -> Vec<Arp> {
    frames.iter().filter_map(Frame::arp).collect()
}

fn forget_neighbours(host: &Node) {
    host.netns().ip("neighbour flush dev eth0").unwrap();
}

#[test]
fn hosts_that_do_not_hold_the_vip_never_speak_for_it() {
    let cluster = Cluster::web().unwrap();
    let client = cluster.client();
    let holder = cluster.lab.node("c1");
    let is_arp = |frame: &Frame| frame.arp().is_some();
    let captures = ["c2", "c3"].map(|port| Capture::start(cluster.lab.switch(), port, is_arp).unwrap());
    let at_client = Capture::start(client.netns(), "eth0", is_arp).unwrap();

    for _ in 0..5 {
        // Everybody has to ask again: the client for the VIP, the backends for the client while they answer as the VIP.
        cluster.lab.nodes().for_each(forget_neighbours);
        let report = client.load(Load::to(cluster.vip()).requests(60)).unwrap();
        assert_eq!(report.failed(), 0, "{}", report.summary());
        assert_eq!(report.backends().len(), 3, "{}", report.summary());
    }

    for (host, capture) in ["c2", "c3"].into_iter().zip(captures) {
        let mac = cluster.lab.node(host).mac;
        let frames = capture.stop().unwrap();
        let sent: Vec<Frame> = frames.iter().filter(|frame| frame.source() == Some(mac)).cloned().collect();
        let sent = arps(&sent);
        assert!(sent.iter().any(|arp| arp.operation == 1), "{host} had to ask for the client, and did not: {frames:?}");
        assert!(sent.iter().all(|arp| arp.sender != VIP), "{host} spoke for the VIP: {sent:?}");
    }
    let heard = arps(&at_client.stop().unwrap());
    let for_vip: Vec<&Arp> = heard.iter().filter(|arp| arp.sender == VIP).collect();
    assert!(!for_vip.is_empty(), "nobody answered for the VIP: {heard:?}");
    assert!(for_vip.iter().all(|arp| arp.sender_mac == holder.mac), "{for_vip:?}");
}

#[test]
fn the_clients_neighbour_entry_for_the_vip_stays_with_the_holder() {
    let cluster = Cluster::web().unwrap();
    let client = cluster.client();
    let mac = cluster.lab.node("c1").mac.to_string();
    for _ in 0..20 {
        let report = client.load(Load::to(cluster.vip()).requests(30)).unwrap();
        assert_eq!(report.failed(), 0, "{}", report.summary());
        let entry = client.netns().output("ip", &["neighbour", "show", &VIP.to_string()]).unwrap();
        assert!(entry.contains(&mac), "{entry}");
    }
}

#[test]
fn the_vip_is_announced_when_it_is_taken() {
    let mut cluster = Cluster::web().unwrap();
    cluster.holder_mut().stop().unwrap();
    let at_client = Capture::start(cluster.client().netns(), "eth0", |frame| frame.arp().is_some()).unwrap();
    cluster.holder_mut().restart().unwrap();
    let holder = cluster.lab.node("c1").mac;
    let announcements = arps(&at_client.stop().unwrap()).into_iter().filter(is_announcement_of(VIP));
    let announcers: Vec<_> = announcements.map(|arp| arp.sender_mac).collect();
    assert_eq!(announcers, [holder; 5]);
}

/// RFC 5227, section 2.3: sender and target are the address announced.
fn is_announcement_of(address: Ipv4Addr) -> impl Fn(&Arp) -> bool {
    move |arp| arp.sender == address && arp.target == address
}
