use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use super::{AdoptedBackend, Rig, VIP, config, hop, key, node, outline, passed, probes, refused, service};
use crate::core::check::http::StatusSet;
use crate::core::command::Level;
use crate::core::config::model::{Check, CheckKind, HttpCheck, MysqlCheck, Protocol, UdpAnswer, UdpCheck};
use crate::core::event::{DrainTarget, Event, Now, ProbeOutcome};
use crate::core::order::Change;
use crate::core::view::BackendState;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn every_backend_is_up_before_its_first_check() {
    let rig = Rig::running();
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
    assert_eq!(rig.view("keystone/c2").state, BackendState::Up);
    assert_eq!(rig.view("keystone/c2").last_check, "not checked yet");
}

#[test]
fn first_checks_start_at_once_and_not_together() {
    let mut rig = Rig::running();
    let (start, mut starts) = (rig.now, Vec::new());
    while starts.len() < 6 {
        rig.now = rig.controller.deadline().expect("checks are due");
        let started = probes(&rig.handle(Event::Tick));
        starts.extend(started.iter().map(|_| rig.now));
    }
    assert!(starts.iter().all(|at| at.0 - start.0 <= Duration::from_millis(200)), "{starts:?}");
    starts.dedup();
    assert!(starts.len() > 3, "{starts:?}");
}

#[test]
fn a_failing_backend_goes_down_and_its_reason_is_told() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    rig.run(LONG, |backend| if *backend == key("keystone/c2") { refused() } else { passed() });
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    assert_eq!(rig.owners("mysql"), ["c1", "c2", "c3"], "another service of the same host is not touched");
    assert_eq!(rig.service("keystone").backends[1].state, BackendState::Down);
    assert!(rig.logged(Level::Warn, "backend keystone/c2 (10.0.0.2:15000) is down: connection refused; 2 of 3"));
    rig.run(LONG, |_| passed());
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
    assert!(rig.logged(Level::Info, "backend keystone/c2 (10.0.0.2:15000) is up"));
    assert!(rig.view("keystone/c2").last_check.starts_with("ok in 0.3 ms"));
}

#[test]
fn a_host_that_was_cut_off_checks_every_backend_anew() {
    let mut rig = Rig::running();
    let start = rig.now;
    assert!(rig.controller.unchecked_since(start).is_some());
    rig.run(LONG, |_| passed());
    assert_eq!(rig.controller.unchecked_since(start), None);
    rig.run(LONG, |backend| if *backend == key("keystone/c2") { refused() } else { passed() });
    assert_eq!(rig.controller.unchecked_since(start), None, "that it is down is known, too");
    rig.run(Duration::from_millis(1), |_| passed());
    let cut = rig.now;
    assert!(rig.controller.unchecked_since(cut).is_some());
    let _ = rig.handle(Event::Recheck);
    // Rise is 2: a pass leaves doubt about the one that was down.
    rig.run(Duration::from_millis(210), |_| passed());
    assert_eq!(rig.controller.unchecked_since(cut), Some(&key("keystone/c2")));
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    rig.run(LONG, |_| passed());
    assert_eq!(rig.controller.unchecked_since(cut), None);
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
}

#[test]
fn a_check_from_before_the_cut_says_nothing() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    rig.now = rig.controller.deadline().expect("a check is due");
    let started = probes(&rig.handle(Event::Tick));
    let Some((backend, id)) = started.first().cloned() else { panic!("no check") };
    rig.now = Now(rig.now.0 + Duration::from_millis(1));
    let cut = rig.now;
    let _ = rig.handle(Event::Recheck);
    let before = rig.view(&backend.to_string()).last_check;
    let _ = rig.handle(Event::ProbeEnded { id, outcome: refused() });
    assert_eq!(rig.view(&backend.to_string()).last_check, before);
    rig.run(Duration::from_millis(210), |_| passed());
    assert_eq!(rig.controller.unchecked_since(cut), None);
}

/// Whatever a check asks, it is asked anew; and who waits for that does not wait for long intervals.
#[test]
fn checks_of_every_type_are_made_anew() {
    let mysql = MysqlCheck { wsrep: Some(true), ..MysqlCheck::default() };
    let udp = UdpCheck { send: b"ping".to_vec(), expect: UdpAnswer::Any };
    let kinds = [
        CheckKind::Tcp,
        CheckKind::Http(HttpCheck {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: None,
            headers: Vec::new(),
            expect_status: StatusSet::default(),
            expect_body: None,
        }),
        CheckKind::Mysql(mysql),
        CheckKind::Amqp,
        CheckKind::Memcached,
        CheckKind::Udp(udp),
        CheckKind::Command(vec!["/bin/true".to_owned()]),
        CheckKind::None,
    ];
    let mut rig = Rig::new();
    let mut config = config();
    let hour = Duration::from_secs(3600);
    config.services = kinds.iter().zip(5000..).map(|(kind, port)| service(kind.name(false), port)).collect();
    for (service, kind) in config.services.iter_mut().zip(kinds) {
        service.check =
            Check { kind, interval: hour, fast_interval: hour, down_interval: hour, ..service.check.clone() };
    }
    rig.configure(config);
    rig.run(hour, |_| passed());
    rig.run(Duration::from_millis(1), |_| passed());
    let cut = rig.now;
    let _ = rig.handle(Event::Recheck);
    let asked = RefCell::new(BTreeSet::new());
    rig.run(Duration::from_millis(500), |backend| {
        assert!(asked.borrow_mut().insert(backend.clone()), "{backend} was asked twice");
        passed()
    });
    assert_eq!(asked.borrow().len(), 3 * 7, "all but those that are never asked: {asked:?}");
    assert_eq!(rig.controller.unchecked_since(cut), None);
}

#[test]
fn an_answer_to_another_question_does_not_make_a_backend_known() {
    let mut rig = Rig::running();
    let start = rig.now;
    rig.run(LONG, |_| passed());
    assert_eq!(rig.controller.unchecked_since(start), None);
    let mut next = config();
    next.services[1].check.kind = CheckKind::Mysql(MysqlCheck::default());
    rig.configure(next);
    assert_eq!(rig.controller.unchecked_since(start), Some(&key("mysql/c1")));
    rig.run(LONG, |_| passed());
    assert_eq!(rig.controller.unchecked_since(start), None);
}

#[test]
fn healthy_backends_are_counted_drained_or_not() {
    let mut rig = Rig::running();
    assert_eq!(rig.controller.healthy("keystone"), Some(3));
    assert_eq!(["keyston", "keystonf", ""].map(|name| rig.controller.healthy(name)), [None; 3]);
    rig.run(LONG, |backend| if *backend == key("keystone/c2") { refused() } else { passed() });
    assert_eq!(rig.controller.healthy("keystone"), Some(2));
    let commands = rig.controller.order(&DrainTarget::One(key("keystone/c1")), Change::Drain(true), rig.now).unwrap().1;
    rig.take_in(commands);
    assert_eq!(rig.owners("keystone"), ["c3"]);
    assert_eq!(rig.controller.healthy("keystone"), Some(2));
    assert_eq!(rig.controller.healthy("mysql"), Some(3));
}

#[test]
fn detection_takes_fall_failures_at_the_fast_interval() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    let start = rig.now;
    while rig.owners("keystone").len() == 3 {
        rig.run(Duration::from_millis(10), |backend| if backend.backend == "c2" { refused() } else { passed() });
    }
    let took = rig.now.0 - start.0;
    assert!(took <= Duration::from_millis(2200 + 2 * 550 + 10), "{took:?}");
}

#[test]
fn only_the_service_that_changed_gets_another_table() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    let before = rig.service("mysql").table.clone();
    rig.run(LONG, |backend| if *backend == key("keystone/c2") { refused() } else { passed() });
    assert!(std::sync::Arc::ptr_eq(&before, &rig.service("mysql").table));
}

#[test]
fn no_backend_left_empties_the_table_and_is_an_error() {
    let mut rig = Rig::running();
    rig.run(LONG, |backend| if backend.service == "mysql" { refused() } else { passed() });
    assert!(rig.service("mysql").table.is_empty());
    assert!(
        rig.logged(Level::Error, "service mysql (tcp port 3306 of VIP internal) has no backend for new connections")
    );
}

#[test]
fn passing_checks_change_nothing() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    let image = rig.image.clone();
    rig.logs.clear();
    rig.run(LONG, |_| passed());
    assert_eq!(rig.image, image);
    assert_eq!(rig.logs, []);
}

#[test]
fn a_check_that_never_ends_counts_as_failed_and_delays_no_other() {
    let mut rig = Rig::running();
    let end = Now(rig.now.0 + LONG);
    let mut checked = 0;
    while let Some(deadline) = rig.controller.deadline().filter(|deadline| *deadline <= end) {
        rig.now = deadline;
        for (backend, id) in probes(&rig.handle(Event::Tick)) {
            if backend != key("keystone/c2") {
                checked += 1;
                rig.handle(Event::ProbeEnded { id, outcome: passed() });
            }
        }
    }
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    assert_eq!(rig.view("keystone/c2").last_check, "nothing was heard of the check for 2s");
    assert!(checked >= 5 * 9, "5 backends every 2.2 s at most: {checked}");
}

#[test]
fn only_the_answer_to_the_check_in_flight_counts() {
    let mut rig = Rig::running();
    rig.now = Now(rig.now.0 + LONG);
    let started = probes(&rig.handle(Event::Tick));
    assert_eq!(started.len(), 6);
    let (_, id) = started[0];
    let fail = |id| Event::ProbeEnded { id, outcome: refused() };
    assert_eq!(rig.handle(fail(id + 100)), [], "another check");
    assert_eq!(outline(&rig.handle(fail(id))), ["tables"]);
    assert_eq!(rig.handle(fail(id)), [], "a second answer to the same");
}

#[test]
fn one_check_of_a_backend_is_in_flight_at_a_time() {
    let mut rig = Rig::running();
    rig.now = Now(rig.now.0 + LONG);
    assert_eq!(probes(&rig.handle(Event::Tick)).len(), 6);
    assert_eq!(rig.handle(Event::Tick), []);
}

#[test]
fn a_service_without_check_is_up_and_never_probed() {
    let mut rig = Rig::new();
    let mut config = config();
    config.services.iter_mut().for_each(|service| service.check.kind = CheckKind::None);
    rig.configure(config);
    assert_eq!(rig.controller.deadline(), None);
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
    assert_eq!(rig.view("keystone/c1").last_check, "no check");
}

#[test]
fn states_of_an_earlier_run_are_adopted() {
    let mut rig = Rig::on(
        "c1",
        vec![adopt("c1", BackendState::Up), adopt("c2", BackendState::Down), adopt("c3", BackendState::Drain)],
    );
    rig.configure(config());
    assert_eq!(rig.owners("keystone"), ["c1"]);
    assert_eq!(rig.owners("mysql"), ["c1", "c2", "c3"]);
    let health = |name| (rig.view(name).state, rig.view(name).health);
    assert_eq!(health("keystone/c1"), (BackendState::Up, 4), "sure of it: one failure does not take it down");
    assert_eq!(health("keystone/c2"), (BackendState::Down, 0));
    assert_eq!(health("keystone/c3"), (BackendState::Drain, 4));
    assert_eq!(health("mysql/c1"), (BackendState::Up, 2));
}

#[test]
fn a_next_hop_reaches_the_tables_and_outlives_its_neighbour_entry() {
    let mut rig = Rig::running();
    let seen = |host, next_hop| Event::Neighbour { address: node(host), next_hop };
    assert_eq!(rig.service("keystone").backends[1].next_hop, None);
    assert_eq!(outline(&rig.handle(seen("c2", Some(hop("eth0", 2))))), ["tables"]);
    assert_eq!(rig.service("keystone").backends[1].next_hop, Some(hop("eth0", 2)));
    assert_eq!(rig.service("mysql").backends[1].next_hop, Some(hop("eth0", 2)));
    assert_eq!(rig.view("mysql/c2").mac.as_deref(), Some("02:00:00:00:00:02"));
    assert_eq!(rig.view("mysql/c2").interface.as_deref(), Some("eth0"));
    assert_eq!(rig.handle(seen("c2", Some(hop("eth0", 2)))), [], "the same again");
    assert_eq!(rig.handle(seen("c2", None)), [], "the entry fails: the checks tell whether it can be reached");
    assert_eq!(outline(&rig.handle(seen("c2", Some(hop("eth0", 9))))), ["tables"], "its network card was changed");
    assert_eq!(outline(&rig.handle(seen("c2", Some(hop("eth1", 9))))), ["tables"], "the route leads elsewhere");
    assert_eq!(rig.service("keystone").backends[1].next_hop, Some(hop("eth1", 9)));
    assert_eq!(rig.handle(seen("c1", Some(hop("eth0", 1)))), [], "this host is reached by nobody over a segment");
    assert_eq!(rig.handle(seen("c9", Some(hop("eth0", 1)))), [], "nobody we know");
}

#[test]
fn the_next_hop_of_an_earlier_run_is_used_until_the_kernel_says_otherwise() {
    let adopted = AdoptedBackend { next_hop: Some(hop("eth1", 2)), ..adopt("c2", BackendState::Up) };
    let mut rig = Rig::on("c1", vec![adopted]);
    rig.configure(config());
    assert_eq!(rig.service("keystone").backends[1].next_hop, Some(hop("eth1", 2)));
    assert_eq!(rig.service("keystone").backends[2].next_hop, None);
    let seen = Event::Neighbour { address: node("c2"), next_hop: Some(hop("eth0", 2)) };
    assert_eq!(outline(&rig.handle(seen)), ["tables"]);
    assert_eq!(rig.service("mysql").backends[1].next_hop, Some(hop("eth0", 2)));
}

/// A backend of `keystone` as an earlier pivotd left it.
fn adopt(host: &str, state: BackendState) -> AdoptedBackend {
    AdoptedBackend {
        vip: VIP,
        service_port: 5000,
        protocol: Protocol::Tcp,
        address: node(host),
        port: 15_000,
        state,
        drained: state == BackendState::Drain,
        next_hop: None,
    }
}

#[test]
fn a_state_of_another_protocol_is_not_adopted() {
    let udp = AdoptedBackend { protocol: Protocol::Udp, ..adopt("c2", BackendState::Down) };
    let mut rig = Rig::on("c1", vec![udp]);
    rig.configure(config());
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
}

#[test]
fn a_udp_service_without_backends_says_that_its_flows_are_refused() {
    let mut rig = Rig::new();
    let mut config = config();
    config.services[0].protocol = Protocol::Udp;
    rig.configure(config);
    assert_eq!(rig.service("keystone").protocol, Protocol::Udp);
    rig.run(LONG, |_| refused());
    let message = "service keystone (udp port 5000 of VIP internal) has no backend for new flows: they are refused";
    assert!(rig.logged(Level::Error, message), "{:?}", rig.logs);
}

#[test]
fn time_since_a_change_is_shown() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    assert_eq!(rig.view("keystone/c1").since_s, 20);
    rig.run(Duration::from_secs(10), |_| ProbeOutcome::failed("timeout after 1s", Duration::from_secs(1)));
    assert!(rig.view("keystone/c1").since_s < 10);
    assert_eq!(rig.view("keystone/c1").last_check, "timeout after 1s");
}

#[test]
fn a_drained_backend_that_was_down_at_a_restart_comes_up_drained() {
    let mut rig = Rig::on("c1", vec![AdoptedBackend { drained: true, ..adopt("c2", BackendState::Down) }]);
    rig.configure(config());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Down);
    assert!(rig.service("keystone").backends[1].drained, "and another restart finds it so");
    rig.run(Duration::from_secs(20), |_| passed());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Drain);
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
}
