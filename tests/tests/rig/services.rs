//! The lab's services and clients, without pivot: that they notice what they are there to notice.

use std::time::{Duration, Instant};

use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::frame::Frame;
use pivot_tests::lab::request::is_refused;
use pivot_tests::lab::udp::Datagrams;
use pivot_tests::lab::{Family, Lab, Listen, Load, wait_until};

#[test]
fn a_load_tells_who_answered_and_whom_the_service_saw() {
    let lab = Lab::new().unwrap();
    let (host, client) = (lab.node("c2"), lab.node("client"));
    let _servers = [(Listen::Addresses, 8080), (Listen::Wildcard, 8081)]
        .map(|(listen, port)| host.serve_http_on(listen, port).unwrap());
    for (family, port) in Family::ALL.into_iter().flat_map(|family| [8080, 8081].map(|port| (family, port))) {
        let target = (host.address_in(family), port).into();
        let report = client.load(Load::to(target).requests(200).padded(5000)).unwrap();
        let summary = report.summary();
        assert_eq!((summary.requests, summary.failed), (200, 0), "{summary}");
        assert_eq!(summary.backends, [("c2".to_owned(), 200)].into());
        assert!(report.client_seen_as(client.address_in(family)));
        assert!(report.answers().all(|answer| answer.local == Some(target)));
    }
}

#[test]
fn a_load_counts_every_request_that_a_killed_service_fails() {
    let lab = Lab::new().unwrap();
    let host = lab.node("c2");
    let mut server = host.serve_http(8080).unwrap();
    let load = lab.node("client").start_load(Load::gently_to((host.address, 8080))).unwrap();
    load.await_more(50).unwrap();
    let mut open = lab.node("client").open((host.address, 8080)).unwrap();
    assert_eq!(open.ask().unwrap().client, open.ask().unwrap().client);
    let begun = Instant::now();
    server.kill().unwrap();
    let killed = Instant::now();
    load.await_more(50).unwrap();
    let report = load.stop().unwrap();
    assert!(report.failed_since(killed) >= 46, "{}", report.summary());
    // Those that were under way then.
    assert!(report.failed() - report.failed_since(begun) <= 4, "{}", report.summary());
    assert_eq!(report.backends_since(killed), [].into());
    assert!(open.ask().is_err());
    assert!(is_refused(&lab.node("client").open((host.address, 8080)).unwrap_err()));
}

#[test]
fn a_stream_arrives_whole_in_both_directions() {
    let lab = Lab::new().unwrap();
    let (host, client) = (lab.node("c1"), lab.node("client"));
    let _server = host.serve_stream(9000).unwrap();
    for target in Family::ALL.map(|family| (host.address_in(family), 9000)) {
        let answers = [client.download(target, 10_000_001).unwrap(), client.upload(target, 10_000_001).unwrap()];
        assert!(answers.iter().all(|answer| answer.name == "c1" && answer.local == Some(target.into())), "{answers:?}");
    }
}

#[test]
fn a_talk_goes_on_until_it_is_ended_or_breaks() {
    let lab = Lab::new().unwrap();
    let (host, client) = (lab.node("c1"), lab.node("client"));
    let mut server = host.serve_stream(9000).unwrap();
    let talks = client.talk((host.address6, 9000), 20).unwrap();
    let count = |what: &str, count: &dyn Fn() -> u64, goal| {
        wait_until(Duration::from_secs(10), what, || match count() {
            enough if enough >= goal => Ok(()),
            few => Err(format!("{few} of {goal}")),
        })
    };
    count("bytes to come back", &|| talks.exchanged(), 100).unwrap();
    assert_eq!(talks.broken(), 0);
    server.kill().unwrap();
    count("connections to break", &|| talks.broken(), 20).unwrap();
    let talks = talks.stop().unwrap();
    assert_eq!(talks.len(), 20);
    assert!(talks.iter().all(|talk| talk.exchanged > 0 && talk.broken.is_some()), "{talks:?}");

    let _server = host.serve_stream(9000).unwrap();
    let talks = client.talk((host.address, 9000), 20).unwrap().stop().unwrap();
    assert!(talks.iter().all(|talk| talk.name == "c1" && talk.broken.is_none()), "{talks:?}");
}

#[test]
fn a_datagram_is_answered_from_the_address_it_was_sent_to() {
    let lab = Lab::new().unwrap();
    let (host, client) = (lab.node("c1"), lab.node("client"));
    let _server = host.serve_udp(5353).unwrap();
    for family in Family::ALL {
        // A second address: the kernel alone would answer from the first.
        let second = family.of_crowd(77);
        host.add_address(second).unwrap();
        let gateway = host.address_in(family);
        client.netns().ip(&format!("route add {second} via {gateway}")).unwrap();
        for address in [gateway, second] {
            for datagrams in [Datagrams::to((address, 5353), 50), Datagrams::to((address, 5353), 50).from_one_port()] {
                let echoes = client.ask_udp(datagrams).unwrap();
                assert_eq!((echoes.answers.len(), echoes.failed()), (50, 0), "{echoes:?}");
                assert_eq!(echoes.backends(), [("c1", 50)].into());
            }
        }
    }
}

#[test]
fn a_large_datagram_goes_there_and_back_in_pieces() {
    let lab = Lab::new().unwrap();
    let (host, client) = (lab.node("c1"), lab.node("client"));
    let _server = host.serve_udp(5353).unwrap();
    for family in Family::ALL {
        let fragments = Capture::start(client.netns(), "eth0", Frame::is_fragment).unwrap();
        let echoes = client.ask_udp(Datagrams::to((host.address_in(family), 5353), 20).sized(4000)).unwrap();
        assert_eq!((echoes.answers.len(), echoes.failed()), (20, 0), "{echoes:?}");
        let fragments = fragments.stop().unwrap();
        let [there, back] =
            [client.mac, host.mac].map(|mac| fragments.iter().filter(|frame| frame.source() == Some(mac)).count());
        assert_eq!((there, back), (60, 60), "{family}");
    }
}

#[test]
fn a_datagram_that_nobody_takes_is_refused_and_one_that_gets_lost_is_counted() {
    let lab = Lab::new().unwrap();
    let (host, client) = (lab.node("c1"), lab.node("client"));
    for family in Family::ALL {
        let echoes = client.ask_udp(Datagrams::to((host.address_in(family), 5353), 3)).unwrap();
        assert_eq!((echoes.refused, echoes.failed(), echoes.answers.len()), (3, 3, 0), "{echoes:?}");
    }
    lab.set_link("c1", false).unwrap();
    let echoes = client.ask_udp(Datagrams::to((host.address, 5353), 1)).unwrap();
    assert_eq!((echoes.lost, echoes.failed()), (1, 1), "{echoes:?}");
}
