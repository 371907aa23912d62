use std::net::IpAddr;
use std::time::Duration;

use super::{Rig, VIP, backend, config, hop, key, outline, passed, probes, refused, service};
use crate::core::command::Level;
use crate::core::config::model::{Affinity, Backend, CheckKind, Holder, Vip};
use crate::core::event::{DrainTarget, Event, Now};
use crate::core::order::Change;
use crate::core::plan::Hold;
use crate::core::view::BackendState;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn the_holder_takes_the_vip_last_and_announces_it() {
    let mut rig = Rig::new();
    assert_eq!(
        outline(&rig.configure(config())),
        [
            "attach eth0",
            "tables",
            "+route 10.0.0.100",
            "+address 10.0.0.100/32 eth0",
            "announce 10.0.0.100 eth0 x5",
            "resolve 10.0.0.2",
            "resolve 10.0.0.3",
        ]
    );
    assert_eq!(rig.image.vips[0].hold, Hold::Yes);
    assert!(rig.logged(Level::Info, "this host holds VIP 10.0.0.100"));
}

#[test]
fn a_host_that_does_not_hold_the_vip_gets_the_route_alone() {
    let mut rig = Rig::on("c2", Vec::new());
    let expected = ["attach eth0", "tables", "+route 10.0.0.100", "resolve 10.0.0.1", "resolve 10.0.0.3"];
    assert_eq!(outline(&rig.configure(config())), expected);
    assert_eq!(rig.image.vips[0].hold, Hold::No);
    let local: Vec<_> = rig.service("keystone").backends.iter().map(|backend| backend.local).collect();
    assert_eq!(local, [false, true, false]);
}

#[test]
fn a_host_without_backends_gets_no_route() {
    let mut rig = Rig::new();
    let mut config = config();
    config.services.iter_mut().for_each(|service| service.backends.retain(|backend| backend.host != "c1"));
    assert!(!outline(&rig.configure(config)).contains(&"+route 10.0.0.100".to_owned()));
}

#[test]
fn a_host_that_is_not_configured_says_so() {
    let mut rig = Rig::on("c9", Vec::new());
    rig.configure(config());
    assert!(rig.logged(Level::Warn, "host `c9` is not in the configuration"));
}

#[test]
fn the_same_configuration_again_does_nothing() {
    let mut rig = Rig::running();
    assert_eq!(rig.configure(config()), []);
}

#[test]
fn a_reload_keeps_health_and_drains() {
    let mut rig = Rig::running();
    rig.run(LONG, |backend| if *backend == key("keystone/c2") { refused() } else { passed() });
    let _ = rig.controller.order(&DrainTarget::One(key("keystone/c3")), Change::Drain(true), rig.now).unwrap();
    let before = rig.view("keystone/c2").since_s;
    let mut next = config();
    next.services.insert(0, service("nova", 8774));
    next.services[1].check.rise = 4;
    rig.configure(next);
    assert_eq!(rig.owners("keystone"), ["c1"]);
    assert_eq!(rig.view("keystone/c2").state, BackendState::Down);
    assert_eq!(rig.view("keystone/c2").since_s, before);
    assert_eq!(rig.view("keystone/c3").state, BackendState::Drain);
    assert_eq!(rig.view("keystone/c1").health, 6, "still at the top");
}

#[test]
fn another_address_is_another_backend() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| refused());
    let mut next = config();
    next.services[0].backends[1] = backend("c2", 25_000);
    rig.configure(next);
    assert_eq!(rig.owners("keystone"), ["c2"]);
}

#[test]
fn an_answer_for_a_backend_that_is_gone_changes_nothing() {
    let mut rig = Rig::running();
    rig.now = Now(rig.now.0 + LONG);
    let started = probes(&rig.handle(Event::Tick));
    let mut next = config();
    next.services.remove(0);
    assert_eq!(outline(&rig.configure(next)), ["tables"]);
    let answer = |(_, id)| Event::ProbeEnded { id, outcome: refused() };
    for probe in started.into_iter().filter(|(backend, _)| backend.service == "keystone") {
        assert_eq!(rig.handle(answer(probe)), []);
    }
}

#[test]
fn a_check_in_flight_outlives_a_reload() {
    let mut rig = Rig::running();
    rig.now = Now(rig.now.0 + LONG);
    let (_, id) = probes(&rig.handle(Event::Tick))[0];
    let mut next = config();
    next.services.reverse();
    rig.configure(next);
    assert_eq!(outline(&rig.handle(Event::ProbeEnded { id, outcome: refused() })), ["tables"]);
}

#[test]
fn a_shorter_interval_holds_from_now_on() {
    let mut rig = Rig::new();
    let mut slow = config();
    slow.services.iter_mut().for_each(|service| service.check.interval = Duration::from_secs(3600));
    rig.configure(slow);
    rig.run(Duration::from_secs(1000), |_| passed());
    rig.configure(config());
    assert!(rig.controller.deadline().unwrap().0 - rig.now.0 <= Duration::from_secs(2));
}

#[test]
fn a_check_put_on_or_taken_off_starts_or_stops_the_probes() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| refused());
    let mut unchecked = config();
    unchecked.services.iter_mut().for_each(|service| service.check.kind = CheckKind::None);
    rig.configure(unchecked);
    assert_eq!(rig.controller.deadline(), None);
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
    rig.configure(config());
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
    rig.run(LONG, |_| refused());
    assert!(rig.service("keystone").table.is_empty());
}

#[test]
fn a_weight_changes_the_shares() {
    let mut rig = Rig::running();
    let mut next = config();
    next.services[0].backends[0].weight = 200;
    next.services[0].backends[1].weight = 0;
    assert_eq!(outline(&rig.configure(next)), ["tables"]);
    assert!((rig.view("keystone/c1").share - 2.0 / 3.0).abs() < 0.01);
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    assert_eq!(rig.view("keystone/c2").state, BackendState::Up);
}

#[test]
fn what_a_service_says_of_silence_reaches_the_tables() {
    let mut rig = Rig::running();
    let service = rig.service("keystone");
    assert_eq!((service.idle_timeout, service.affinity), (Duration::from_secs(86_400), None));
    let mut next = config();
    next.services[0].idle_timeout = Duration::from_secs(7);
    assert_eq!(outline(&rig.configure(next.clone())), ["tables"]);
    let affinity = Some(Affinity { timeout: Duration::from_secs(60), prefix4: 24, prefix6: 56 });
    next.services[0].affinity = affinity;
    assert_eq!(outline(&rig.configure(next)), ["tables"]);
    let service = rig.service("keystone");
    assert_eq!((service.idle_timeout, service.affinity), (Duration::from_secs(7), affinity));
    assert_eq!(rig.service("mysql").affinity, None);
}

#[test]
fn a_vip_that_is_only_labelled_otherwise_stays_where_it_is() {
    let mut rig = Rig::running();
    let mut next = config();
    next.vips[0].label = Some("eth0:vip".to_owned());
    let expected = ["+address 10.0.0.100/32 eth0 label eth0:vip", "announce 10.0.0.100 eth0 x5"];
    assert_eq!(outline(&rig.configure(next.clone())), expected);
    next.vips[0].prefix = 24;
    let expected =
        ["-address 10.0.0.100/32 eth0", "+address 10.0.0.100/24 eth0 label eth0:vip", "announce 10.0.0.100 eth0 x5"];
    assert_eq!(outline(&rig.configure(next)), expected);
}

#[test]
fn a_second_vip_of_the_other_family_comes_and_goes_by_itself() {
    let mut rig = Rig::running();
    let (vip, node): (IpAddr, IpAddr) = ("fd00::100".parse().unwrap(), "fd00::2".parse().unwrap());
    let mut dual = config();
    dual.vips.push(Vip { name: "internal6".to_owned(), address: vip, prefix: 128, ..dual.vips[0].clone() });
    let mut six = service("keystone6", 5000);
    six.vip = "internal6".to_owned();
    six.backends = vec![Backend { address: node, ..backend("c2", 15_000) }];
    dual.services.push(six);
    let expected = ["tables", "+address fd00::100/128 eth0", "announce fd00::100 eth0 x5", "resolve fd00::2"];
    assert_eq!(outline(&rig.configure(dual)), expected);
    let seen = Event::Neighbour { address: node, next_hop: Some(hop("eth0", 2)) };
    assert_eq!(outline(&rig.handle(seen)), ["tables"]);
    assert_eq!(rig.service("keystone6").backends[0].next_hop, Some(hop("eth0", 2)));
    assert_eq!(rig.service("keystone").backends[1].next_hop, None, "the other family is resolved by itself");
    let expected = ["-address fd00::100/128 eth0", "tables", "forget fd00::2"];
    assert_eq!(outline(&rig.configure(config())), expected);
}

#[test]
fn a_backend_behind_vips_on_two_interfaces_is_resolved_once() {
    let mut rig = Rig::running();
    let mut next = config();
    let public: IpAddr = "192.0.2.1".parse().unwrap();
    next.vips.push(Vip {
        name: "public".to_owned(),
        address: public,
        interface: "eth1".to_owned(),
        ..next.vips[0].clone()
    });
    next.services[1].vip = "public".to_owned();
    let commands = outline(&rig.configure(next.clone()));
    assert!(!commands.iter().any(|line| line.contains("resolve") || line.contains("forget")), "{commands:?}");
    next.services.remove(0);
    let commands = outline(&rig.configure(next));
    assert!(!commands.iter().any(|line| line.contains("forget")), "the other service needs it: {commands:?}");
}

#[test]
fn a_vip_that_moves_away_is_silenced_before_it_goes_and_its_route_stays() {
    let mut rig = Rig::running();
    let mut next = config();
    next.vips[0].holder = Holder::Host("c2".to_owned());
    assert_eq!(outline(&rig.configure(next)), ["tables", "-address 10.0.0.100/32 eth0"]);
    assert_eq!(rig.image.vips[0].hold, Hold::No);
    assert!(rig.logged(Level::Info, "this host does not hold VIP 10.0.0.100 any more"));
    let expected = ["tables", "+address 10.0.0.100/32 eth0", "announce 10.0.0.100 eth0 x5"];
    assert_eq!(outline(&rig.configure(config())), expected);
}

#[test]
fn a_vip_that_is_removed_leaves_no_moment_in_which_the_kernel_answers_for_it() {
    let mut rig = Rig::on("c2", Vec::new());
    rig.configure(config());
    let mut next = config();
    next.vips[0].address = "10.0.0.200".parse().unwrap();
    assert_eq!(outline(&rig.configure(next)), ["-route 10.0.0.100", "tables", "+route 10.0.0.200"]);
}

#[test]
fn a_vip_follows_its_address_prefix_and_interface() {
    let mut rig = Rig::running();
    let mut next = config();
    next.vips[0].prefix = 24;
    assert_eq!(
        outline(&rig.configure(next.clone())),
        ["-address 10.0.0.100/32 eth0", "+address 10.0.0.100/24 eth0", "announce 10.0.0.100 eth0 x5"]
    );
    next.vips[0].interface = "eth1".to_owned();
    assert_eq!(
        outline(&rig.configure(next.clone())),
        [
            "attach eth1",
            "tables",
            "-address 10.0.0.100/24 eth0",
            "+address 10.0.0.100/24 eth1",
            "announce 10.0.0.100 eth1 x5",
            "detach eth0",
        ]
    );
    next.vips[0].address = "10.0.0.200".parse().unwrap();
    assert_eq!(
        outline(&rig.configure(next)),
        [
            "-route 10.0.0.100",
            "-address 10.0.0.100/24 eth1",
            "tables",
            "+route 10.0.0.200",
            "+address 10.0.0.200/24 eth1",
            "announce 10.0.0.200 eth1 x5",
        ]
    );
}

#[test]
fn stop_hands_everything_back_and_nothing_happens_after_it() {
    let mut rig = Rig::running();
    rig.now = Now(rig.now.0 + LONG);
    let (_, id) = probes(&rig.handle(Event::Tick))[0];
    let expected = [
        "-route 10.0.0.100",
        "-address 10.0.0.100/32 eth0",
        "tables",
        "forget 10.0.0.2",
        "forget 10.0.0.3",
        "detach eth0",
    ];
    assert_eq!(outline(&rig.handle(Event::Stop)), expected);
    assert_eq!(rig.image.vips[0].hold, Hold::No);
    assert_eq!(rig.controller.deadline(), None);
    assert_eq!(rig.controller.config(), None);
    assert_eq!(rig.handle(Event::ProbeEnded { id, outcome: refused() }), []);
    assert_eq!(rig.handle(Event::Tick), []);
    assert_eq!(rig.handle(Event::Stop), []);
}

#[test]
fn the_view_is_in_the_order_of_the_configuration() {
    let rig = Rig::running();
    let (vips, services) = rig.controller.view(rig.now);
    assert_eq!((vips[0].name.as_str(), vips[0].address, vips[0].held), ("internal", VIP, true));
    let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["keystone", "mysql"]);
    assert_eq!(services[0].address, VIP);
    assert_eq!(services[0].backends.iter().map(|backend| backend.share).sum::<f64>().round(), 1.0);
}
