//! UDP services: bound to a wildcard address and to the VIP's port, they answer as the VIP.

use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::cluster::HOLDER;
use pivot_tests::lab::frame::Frame;
use pivot_tests::lab::udp::Datagrams;
use pivot_tests::lab::{Cluster, ConfigText, Family, Lab};

/// Port of the service, on the VIP and on its hosts.
const PORT: u16 = 5353;

fn echoes(family: Family) -> Cluster {
    let lab = Lab::new().unwrap();
    let config = ConfigText::new(&lab, HOLDER).of(family).udp_service("echo", PORT, &["c1", "c2", "c3"]);
    Cluster::start(lab, config, |host| host.serve_udp(PORT)).unwrap()
}

#[test]
fn every_datagram_is_answered_as_the_vip_with_the_client_seen() {
    answered_as_the_vip(Family::V4);
}

#[test]
fn every_datagram_of_ipv6_is_answered_as_the_vip_with_the_client_seen() {
    answered_as_the_vip(Family::V6);
}

fn answered_as_the_vip(family: Family) {
    let cluster = echoes(family);
    let answers = cluster.client().ask_udp(Datagrams::to((family.vip(), PORT), 600)).unwrap();
    assert_eq!((answers.answers.len(), answers.failed()), (600, 0), "{:?}", answers.wrong);
    for host in ["c1", "c2", "c3"] {
        let share = answers.backends().get(host).copied().unwrap_or_default();
        // A third each, six standard deviations (12) of leeway.
        assert!((128..=272).contains(&share), "{host}: {:?}", answers.backends());
    }
}

#[test]
fn datagrams_from_one_port_go_to_one_backend() {
    one_backend(Family::V4);
}

#[test]
fn datagrams_of_ipv6_from_one_port_go_to_one_backend() {
    one_backend(Family::V6);
}

fn one_backend(family: Family) {
    let cluster = echoes(family);
    for _ in 0..10 {
        let datagrams = Datagrams::to((family.vip(), PORT), 20).from_one_port();
        let answers = cluster.client().ask_udp(datagrams).unwrap();
        assert_eq!((answers.answers.len(), answers.failed()), (20, 0), "{:?}", answers.wrong);
        assert_eq!(answers.backends().len(), 1, "{:?}", answers.backends());
    }
}

#[test]
fn a_datagram_in_fragments_arrives_whole_and_so_does_its_answer() {
    in_fragments(Family::V4);
}

#[test]
fn a_datagram_of_ipv6_in_fragments_arrives_whole_and_so_does_its_answer() {
    in_fragments(Family::V6);
}

fn in_fragments(family: Family) {
    let cluster = echoes(family);
    let client = cluster.client();
    let fragments = Capture::start(client.netns(), "eth0", Frame::is_fragment).unwrap();
    let answers = client.ask_udp(Datagrams::to((family.vip(), PORT), 60).sized(4000)).unwrap();
    assert_eq!((answers.answers.len(), answers.failed()), (60, 0), "{:?}", answers.wrong);
    assert_eq!(answers.backends().len(), 3, "{:?}", answers.backends());
    let fragments = fragments.stop().unwrap();
    let sent = fragments.iter().filter(|frame| frame.source() == Some(client.mac)).count();
    // Three to each datagram; a busy machine's capture may miss some.
    let received = fragments.len() - sent;
    assert!(sent > 100 && received > 100, "{sent} fragments sent, {received} received");
}
