//! The lab's network, without pivot: that it carries what tests send through it, and loses what it should.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::flood::Flood;
use pivot_tests::lab::frame::{Frame, NeighbourKind};
use pivot_tests::lab::patience::eased;
use pivot_tests::lab::request::is_refused;
use pivot_tests::lab::{Device, Family, Lab, Load, Node, Segment, Topology, pass, wait_until};

#[test]
fn the_client_reaches_every_host_through_the_router() {
    let lab = Lab::build(Topology::routed()).unwrap();
    for (host, family) in lab.hosts().flat_map(|host| Family::ALL.map(|family| (host, family))) {
        let listener = host.run(|| TcpListener::bind((host.address_in(family), 0))).unwrap().unwrap();
        let target = listener.local_addr().unwrap();
        let stream = lab.run_in("client", || std::net::TcpStream::connect(target)).unwrap().unwrap();
        assert_eq!(listener.accept().unwrap().1, stream.local_addr().unwrap());
        assert_eq!(stream.local_addr().unwrap().ip(), lab.node("client").address_in(family));
    }
}

#[test]
fn a_smaller_path_is_told_to_the_sender_by_the_router() {
    let lab = Lab::build(Topology { path_mtu: 1400, ..Topology::routed() }).unwrap();
    let (host, client) = (lab.node("c1"), lab.node("client"));
    let _server = host.serve_stream(9000).unwrap();
    for family in Family::ALL {
        let errors = Capture::start(lab.switch(), "router", is_too_big).unwrap();
        client.download((host.address_in(family), 9000), 1 << 20).unwrap();
        client.upload((host.address_in(family), 9000), 1 << 20).unwrap();
        let errors = errors.stop().unwrap();
        let told = errors.iter().filter_map(Frame::icmp).filter(|icmp| icmp.target == host.address_in(family));
        assert!(told.count() > 0, "{family}: {errors:?}");
    }
}

/// Fragmentation needed (RFC 1191); packet too big (RFC 4443, section 3.2).
fn is_too_big(frame: &Frame) -> bool {
    frame.icmp().is_some_and(|icmp| (icmp.kind, icmp.code) == if icmp.source.is_ipv4() { (3, 4) } else { (2, 0) })
}

#[test]
fn the_client_can_be_many() {
    for topology in [Topology::default(), Topology::routed()] {
        let lab = Lab::build(topology).unwrap();
        let (host, client) = (lab.node("c1"), lab.node("client"));
        let _server = host.serve_http(8080).unwrap();
        for (family, number) in Family::ALL.into_iter().flat_map(|family| [1, 200].map(|number| (family, number))) {
            let from = family.of_crowd(number);
            client.add_address(from).unwrap();
            let report = client.load(Load::to((host.address_in(family), 8080)).from(from).requests(20)).unwrap();
            assert_eq!(report.failed(), 0, "{}", report.summary());
            assert!(report.client_seen_as(from));
        }
    }
}

#[test]
fn an_echo_request_is_answered_by_a_host_that_is_there() {
    let lab = Lab::new().unwrap();
    let client = lab.node("client");
    for family in Family::ALL {
        assert_eq!(client.ping(lab.node("c3").address_in(family), 3).unwrap(), 3);
    }
    lab.set_link("c3", false).unwrap();
    assert_eq!(client.ping(lab.node("c3").address, 1).unwrap(), 0);
}

#[test]
fn the_second_segment_joins_controllers_and_nobody_else() {
    let lab = Lab::build(Topology { second_segment: true, ..Topology::default() }).unwrap();
    let (first, second) = (lab.node("c1"), lab.node("c2"));
    for family in Family::ALL {
        let target = second.address_on(Segment::Second, family);
        let before = second.counters_of("eth1").unwrap();
        assert_eq!(first.ping(target, 5).unwrap(), 5);
        assert!((second.counters_of("eth1").unwrap() - before).rx_packets >= 5);
        let error = format!("{:#}", lab.node("client").ping(target, 1).unwrap_err());
        assert!(error.contains("unreachable"), "{error}");
    }
}

#[test]
fn a_jumbo_frame_passes_whole() {
    let lab = Lab::build(Topology { mtu: 9000, ..Topology::default() }).unwrap();
    let (host, client) = (lab.node("c2"), lab.node("client"));
    let _server = host.serve_stream(9000).unwrap();
    for family in Family::ALL {
        let before = host.counters().unwrap();
        client.upload((host.address_in(family), 9000), 4 << 20).unwrap();
        let received = host.counters().unwrap() - before;
        assert!(received.rx_bytes / received.rx_packets > 4000, "{received:?}");
    }
}

#[test]
fn a_macvlan_has_no_xdp_in_its_driver_and_carries_traffic() {
    let lab = Lab::build(Topology { device: Device::Macvlan, ..Topology::default() }).unwrap();
    let host = lab.node("c1");
    let error = host.run(|| pass::attach("eth0")).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(host.run(|| pass::attach("wire0")).unwrap().is_ok());
    let _server = host.serve_stream(9000).unwrap();
    for family in Family::ALL {
        lab.node("client").download((host.address_in(family), 9000), 1 << 20).unwrap();
    }
}

#[test]
fn a_host_with_another_mac_is_found_again_by_who_asks() {
    let mut lab = Lab::new().unwrap();
    let before = lab.node("c2").mac;
    let mac = lab.change_mac("c2").unwrap();
    assert_ne!(mac, before);
    let (client, host) = (lab.node("client"), lab.node("c2"));
    for family in Family::ALL {
        client.forget_neighbours().unwrap();
        assert_eq!(client.ping(host.address_in(family), 1).unwrap(), 1);
        let entry = client.netns().output("ip", &["neighbour", "show", &host.address_in(family).to_string()]).unwrap();
        assert!(entry.contains(&mac.to_string()), "{entry}");
    }
}

#[test]
fn a_flood_arrives_from_everywhere_and_its_answers_go_nowhere() {
    let lab = Lab::build(Topology::routed()).unwrap();
    let (router, host) = (lab.node("router"), lab.node("c1"));
    let neighbours = |node: &Node| node.netns().output("ip", &["neighbour", "show"]).unwrap().lines().count();
    for family in Family::ALL {
        let listener = host.run(|| TcpListener::bind((host.address_in(family), 0))).unwrap().unwrap();
        let target = listener.local_addr().unwrap();
        let answers = Capture::start(lab.switch(), "c1", from_port(target.port())).unwrap();
        let before = ["c1", "router", "client"].map(|node| neighbours(lab.node(node)));
        let rate = Some(eased(20_000));
        let flood = router.start_flood(Flood { target, next_hop: host.mac, rate }).unwrap();
        wait_until(Duration::from_secs(5), "2000 segments", || match flood.sent() {
            enough if enough >= 2000 => Ok(()),
            few => Err(format!("{few}")),
        })
        .unwrap();
        let sent = flood.stop().unwrap();
        // Its listener's queue overflows at once: then it answers with SYN cookies.
        let answers = answers.stop().unwrap().len() as u64;
        assert!(answers > sent / 2, "{family}: {answers} answers to {sent} segments");
        // Nodes of the lab meet now and then; a neighbour for every source of the flood would be thousands.
        for (now, before) in ["c1", "router", "client"].map(|node| neighbours(lab.node(node))).into_iter().zip(before) {
            assert!(now <= before + 20, "{family}: {before} neighbours, then {now}");
        }
    }
}

fn from_port(port: u16) -> impl Fn(&Frame) -> bool {
    move |frame| frame.tcp().is_some_and(|(_, [source, _])| source == port)
}

#[test]
fn a_capture_on_a_port_of_the_switch_sees_what_its_host_sends() {
    let lab = Lab::new().unwrap();
    let (client, host) = (lab.node("client").clone(), lab.node("c3"));
    for family in Family::ALL {
        let wanted = |frame: &Frame| frame.neighbour().is_some() || frame.tcp().is_some();
        let capture = Capture::start(lab.switch(), "c3", wanted).unwrap();
        client.forget_neighbours().unwrap();
        let address = host.address_in(family);
        assert!(is_refused(&client.open((address, 81)).unwrap_err()));
        let frames = capture.stop().unwrap();
        let mut heard = frames.iter().filter_map(Frame::neighbour).filter(|heard| heard.kind == NeighbourKind::Answer);
        assert!(heard.any(|heard| heard.sender == address && heard.mac == host.mac), "{frames:?}");
        let resets = frames.iter().filter(|frame| frame.source() == Some(host.mac)).filter_map(Frame::tcp);
        assert_eq!(resets.map(|(source, ports)| (source, ports[0])).collect::<Vec<_>>(), [(address, 81)]);
    }
}
