//! Explanations over tables on the heap, against what the path does with the packet itself.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use lb_common::host::Frame;
use lb_common::path::verdict::Verdict;
use lb_common::wire::word::Word;

use super::*;
use crate::core::config::model::{Affinity, Mode, OnDown, Protocol, TableSizes};
use crate::core::event::{BackendKey, NextHop};
use crate::core::plan::{BackendImage, Hold, Image, ServiceImage, VipImage};
use crate::core::view::BackendState::{self, Down, Drain, Up};
use crate::tables::clock::Clock;
use crate::tables::memory::TableMemory;
use crate::tables::sizes::Sizes;

const ETH0: u32 = 2;
const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
const CLIENT: &str = "10.9.9.9:40000";

fn backend(number: u8, state: BackendState, interface: &str) -> BackendImage {
    let next_hop = NextHop { interface: interface.to_owned(), mac: Mac([2, 0, 0, 0, 1, number]) };
    BackendImage {
        key: BackendKey { service: "web".to_owned(), backend: format!("c{number}") },
        address: [10, 0, 0, number].into(),
        port: 8080,
        mode: Mode::L2,
        local: false,
        state,
        drained: state == Drain,
        next_hop: Some(next_hop),
    }
}

/// A service on port 80 of VIP 10.0.0.100, whose new flows all go to its first backend, if that is up.
fn service(name: &str, vip: &str, protocol: Protocol, backends: Vec<BackendImage>) -> ServiceImage {
    let takes_flows = backends.first().is_some_and(|backend| backend.state == Up);
    ServiceImage {
        name: name.to_owned(),
        vip: vip.to_owned(),
        port: 80,
        protocol,
        idle_timeout: Duration::from_secs(60),
        affinity: None,
        on_down: OnDown::Reset,
        backends,
        single: false,
        table: if takes_flows { vec![0; 251] } else { Vec::new() }.into(),
    }
}

fn image(backends: Vec<BackendImage>) -> Image {
    let vip = |name: &str, address: &str, held| VipImage {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        interface: "eth0".to_owned(),
        hold: Hold::from(held),
        holder: None,
        speaker: None,
    };
    let mut six = backend(9, Up, "eth0");
    six.address = "fd00::9".parse().unwrap();
    Image {
        vips: vec![
            vip("internal", "10.0.0.100", true),
            vip("other", "10.0.0.101", false),
            vip("six", "fd00::100", true),
        ],
        services: vec![
            service("web", "internal", Protocol::Tcp, backends),
            service("far", "other", Protocol::Tcp, vec![backend(1, Up, "eth0")]),
            service("v6", "six", Protocol::Udp, vec![six]),
        ],
        controllers: BTreeSet::new(),
    }
}

fn writer(backends: Vec<BackendImage>) -> Writer {
    let clock = Clock::with_hz(1000);
    let sizes = Sizes::of(&TableSizes { services: 8, backends: 8, flows: 1024, ..TableSizes::default() }, 1);
    let mut writer = Writer::new(TableMemory::heap(&sizes, clock), clock, Box::new(|| Ok(())));
    writer.set_link("eth0", ETH0, OWN, None).unwrap();
    writer.set_link("eth1", 3, Mac([2, 0, 0, 0, 0, 2]), None).unwrap();
    writer.apply(&image(backends)).unwrap();
    writer
}

fn question(source: &str, destination: &str, flags: Option<&str>) -> Question {
    let (source, destination): (SocketAddr, SocketAddr) = (source.parse().unwrap(), destination.parse().unwrap());
    let protocol = if source.is_ipv4() { Protocol::Tcp } else { Protocol::Udp };
    Question::new(source, destination, protocol, flags, false).unwrap()
}

fn ask(writer: &Writer, question: &Question) -> ExplainView {
    let place = Place { interface: "eth0", index: ETH0, holder: Some("c2"), now: writer.memory().now.get() };
    explain(writer, question, place)
}

fn said<'v>(view: &'v ExplainView, stage: &str) -> &'v str {
    view.stages.iter().find(|found| found.stage == stage).map_or("nothing", |found| &found.says)
}

/// Sends the packet itself.
fn send(writer: &Writer, question: &Question) -> (Verdict, Frame) {
    let mut frame = frame::build(question, lb_common::wire::link::mac48(OWN.0));
    let exit = run::run(&mut frame, writer.memory(), ETH0);
    (exit.verdict, frame)
}

/// Every word that the path writes.
fn words(memory: &TableMemory) -> Vec<u64> {
    let flows = memory.flows.v4.iter().flat_map(|set| set.flows().map(|(key, entry, _)| key[0] ^ entry.word()));
    let six = memory.flows.v6.iter().flat_map(|set| set.flows().map(|(key, entry, _)| key[0] ^ entry.word()));
    let counted = memory.service_counters.iter().map(|c| c.bytes.get() + c.chosen.get());
    let sent = memory.backend_counters.iter().map(|c| c.bytes.get());
    let paces = memory.paces.iter().map(|pace| pace.flows.get() + pace.errors.get());
    flows.chain(six).chain(memory.verdicts.iter().map(Word::get)).chain(counted).chain(sent).chain(paces).collect()
}

#[test]
fn explaining_changes_nothing_and_foretells_what_the_path_does() {
    let writer = writer(vec![backend(1, Up, "eth0"), backend(2, Drain, "eth0")]);
    let questions = [
        question(CLIENT, "10.0.0.100:80", None),
        question(CLIENT, "10.0.0.100:80", Some("ack")),
        question(CLIENT, "10.0.0.100:80", Some("fin,ack")),
        question(CLIENT, "10.0.0.101:80", None),
        question(CLIENT, "10.0.0.100:81", None),
        question("[fd00::7]:4000", "[fd00::100]:80", None),
        question(CLIENT, "10.0.0.100:80", Some("rst")),
    ];
    for question in &questions {
        let before = words(writer.memory());
        let view = ask(&writer, question);
        assert_eq!(words(writer.memory()), before, "{}", question.packet());
        let (verdict, frame) = send(&writer, question);
        assert_eq!(view.verdict, verdict.name(), "{}", question.packet());
        let destination = frame.header::<Ethernet>(0).unwrap().destination.mac48();
        if let Some(leaves) = &view.leaves {
            assert_eq!(leaves.destination, mac(destination), "{}", question.packet());
        }
        assert_eq!(view.leaves.is_some(), verdict == Verdict::Forwarded, "{}", question.packet());
    }
}

#[test]
fn a_new_flow_is_followed_from_its_service_to_the_mac_it_leaves_for() {
    let writer = writer(vec![backend(1, Up, "eth0")]);
    let view = ask(&writer, &question(CLIENT, "10.0.0.100:80", None));
    assert_eq!((view.service.as_deref(), view.backend.as_deref()), (Some("web"), Some("web/c1")));
    assert_eq!(said(&view, "vip"), "internal is held by this host");
    assert_eq!(said(&view, "flow"), "not known");
    assert!(said(&view, "select").ends_with("of 251: web/c1"), "{}", said(&view, "select"));
    assert_eq!(said(&view, "backend"), "web/c1 at 10.0.0.1:8080, up, by eth0 to 02:00:00:00:01:01");
    assert_eq!(said(&view, "then"), "a SYN to which nothing listens there is refused: no other backend is left");
    assert_eq!(said(&view, "verdict"), "tx-forwarded: out of eth0");
    let leaves = view.leaves.unwrap();
    assert_eq!((leaves.source.as_str(), leaves.destination.as_str()), ("02:00:00:00:00:01", "02:00:00:00:01:01"));
}

#[test]
fn a_known_flow_says_since_when_and_that_nothing_is_chosen() {
    let mut writer = writer(vec![backend(1, Up, "eth0"), backend(2, Up, "eth1")]);
    let packet = question(CLIENT, "10.0.0.100:80", Some("ack"));
    assert_eq!([send(&writer, &packet).0, send(&writer, &packet).0], [Verdict::Forwarded; 2]);
    writer.apply(&image(vec![backend(1, Drain, "eth1"), backend(2, Up, "eth1")])).unwrap();
    let view = ask(&writer, &packet);
    assert!(said(&view, "flow").starts_with("known: web/c1, established, forgotten in 6"), "{view:?}");
    assert_eq!(said(&view, "select"), "nothing");
    assert_eq!(said(&view, "backend"), "web/c1 at 10.0.0.1:8080, drained, by eth1 to 02:00:00:00:01:01");
    assert_eq!((view.action.as_str(), view.leaves.unwrap().interface.as_str()), ("redirect", "eth1"));
}

#[test]
fn a_vip_of_another_host_is_explained_as_its_holder_would_see_it() {
    let mut writer = writer(vec![backend(1, Up, "eth0")]);
    let mut packet = question(CLIENT, "10.0.0.101:80", None);
    let view = ask(&writer, &packet);
    assert!(said(&view, "vip").starts_with("other is held by c2, not by this host"), "{view:?}");
    assert!(said(&view, "vip").contains("what a client sends is dropped"), "{view:?}");
    assert_eq!((view.action.as_str(), view.backend), ("drop", None));
    let mut image = image(vec![backend(1, Up, "eth0")]);
    for (interface, verdict) in [("eth0", "tx-passed-on: out of eth0"), ("eth1", "redirect-passed-on: out of eth1")] {
        image.vips[1].holder = Some(NextHop { interface: interface.to_owned(), mac: Mac([2, 0, 0, 0, 7, 7]) });
        writer.apply(&image).unwrap();
        let view = ask(&writer, &packet);
        assert!(said(&view, "vip").contains("what a client sends is passed on to c2"), "{view:?}");
        assert_eq!(said(&view, "verdict"), verdict);
        assert_eq!(view.leaves.unwrap().destination, "02:00:00:00:07:07");
    }
    packet.as_holder = true;
    let view = ask(&writer, &packet);
    assert!(said(&view, "vip").starts_with("other is held by c2; from here on"), "{view:?}");
    assert_eq!((view.action.as_str(), view.backend.as_deref()), ("transmit", Some("web/c1")));
}

#[test]
fn what_is_no_service_is_told_what_there_is() {
    let writer = writer(vec![]);
    let view = ask(&writer, &question(CLIENT, "10.0.0.100:443", None));
    assert_eq!(said(&view, "service"), "none: VIP 10.0.0.100 has nothing on 443/tcp; it serves 80/tcp");
    let view = ask(&writer, &question(CLIENT, "10.0.0.7:80", None));
    assert_eq!(said(&view, "service"), "none: 10.0.0.7 is no VIP; the VIPs are 10.0.0.100, 10.0.0.101, fd00::100");
    assert_eq!((view.verdict.as_str(), view.service), ("pass-not-service", None));
}

#[test]
fn a_service_without_a_backend_answers_the_client() {
    let writer = writer(vec![backend(1, Down, "eth0")]);
    let view = ask(&writer, &question(CLIENT, "10.0.0.100:80", None));
    assert_eq!(said(&view, "select"), "no backend takes new flows");
    assert_eq!(said(&view, "verdict"), "tx-reset-no-backend: out of eth0");
    assert_eq!(view.leaves.unwrap().source, "02:00:00:00:00:01", "back to where it came from");
}

#[test]
fn a_client_with_affinity_is_named_with_its_backend() {
    let mut writer = writer(vec![]);
    let mut image = image(vec![backend(1, Up, "eth0"), backend(2, Up, "eth0")]);
    let timeout = Duration::from_secs(600);
    image.services[0].affinity = Some(Affinity { timeout, prefix4: 24, prefix6: 64 });
    writer.apply(&image).unwrap();
    let view = ask(&writer, &question(CLIENT, "10.0.0.100:80", None));
    assert!(said(&view, "affinity").starts_with("client 10.9.9.0/24 (600 s) has no backend"), "{view:?}");
    assert_eq!(view.backend.as_deref(), Some("web/c1"));
    assert_eq!(send(&writer, &question("10.9.9.1:1", "10.0.0.100:80", None)).0, Verdict::Forwarded);
    let view = ask(&writer, &question(CLIENT, "10.0.0.100:80", None));
    assert_eq!(said(&view, "affinity"), "client 10.9.9.0/24 (600 s) has web/c1");
    assert_eq!(said(&view, "select"), "nothing");
}

#[test]
fn a_local_backend_is_the_agents() {
    let mut local = backend(1, Up, "eth0");
    local.local = true;
    let writer = writer(vec![local]);
    let view = ask(&writer, &question(CLIENT, "10.0.0.100:80", None));
    assert_eq!(said(&view, "agent"), "connections that open here go to the socket of web/c1 at 10.0.0.1:8080");
    assert_eq!(said(&view, "verdict"), "pass-local-backend: up the stack of this host");
}

#[test]
fn a_flow_is_told_the_backend_that_has_it_if_nobody_takes_it() {
    let mut writer = writer(vec![]);
    let mut image = image(vec![backend(1, Up, "eth0"), backend(2, Up, "eth0")]);
    image.services[0].table = [0, 1].repeat(100).into();
    writer.apply(&image).unwrap();
    let view = ask(&writer, &question(CLIENT, "10.0.0.100:80", None));
    let other = if view.backend.as_deref() == Some("web/c1") { "web/c2" } else { "web/c1" };
    assert_eq!(said(&view, "then"), format!("a SYN to which nothing listens there goes to {other}"));
}
