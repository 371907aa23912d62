//! Backends of several services of which the same is asked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{AdoptedBackend, Rig, VIP, backend, config, key, node, passed, probes, refused, service};
use crate::core::command::Level;
use crate::core::config::Config;
use crate::core::config::model::{CheckKind, Protocol};
use crate::core::event::{DrainTarget, Event, Now};
use crate::core::order::Change;
use crate::core::view::BackendState;

const LONG: Duration = Duration::from_secs(20);
const MOMENT: Duration = Duration::from_millis(1);

/// Services `s0`, `s1`, ... on ports of their own, all in front of port 8080 of the three hosts.
fn shared(services: u16) -> Config {
    let mut config = config();
    config.services = (0..services)
        .map(|i| {
            let mut service = service(&format!("s{i}"), 5000 + i);
            service.backends = ["c1", "c2", "c3"].map(|host| backend(host, 8080)).into();
            service
        })
        .collect();
    config
}

fn running(config: Config) -> Rig {
    let mut rig = Rig::new();
    rig.configure(config);
    rig
}

impl Rig {
    /// Runs for this time while every check passes but those at these hosts; how many were made at each host.
    fn count(&mut self, time: Duration, down: &[&str]) -> BTreeMap<String, usize> {
        let made = RefCell::new(BTreeMap::new());
        self.run(time, |backend| {
            *made.borrow_mut().entry(backend.backend.clone()).or_insert(0) += 1;
            if down.contains(&backend.backend.as_str()) { refused() } else { passed() }
        });
        made.into_inner()
    }

    fn states(&self, host: &str) -> Vec<BackendState> {
        let (_, services) = self.controller.view(self.now);
        let backends = services.into_iter().flat_map(|service| service.backends);
        backends.filter(|backend| backend.name == host).map(|backend| backend.state).collect()
    }
}

#[test]
fn what_a_hundred_services_share_is_checked_once() {
    let mut rig = running(shared(100));
    // Of the first ones, within a tenth of the interval.
    assert_eq!(rig.count(Duration::from_millis(200), &[]).into_values().collect::<Vec<_>>(), [1, 1, 1]);
    // The interval is 2 s, give or take a tenth.
    for made in rig.count(200 * Duration::from_secs(1), &[]).into_values() {
        assert!((90..=112).contains(&made), "{made}");
    }
}

#[test]
fn the_answer_holds_for_every_service_and_each_is_told_of() {
    let mut rig = running(shared(100));
    rig.run(LONG, |_| passed());
    rig.logs.clear();
    rig.count(LONG, &["c2"]);
    assert_eq!(rig.states("c2"), [BackendState::Down; 100]);
    assert_eq!(rig.states("c1"), [BackendState::Up; 100]);
    for i in 0..100 {
        let name = format!("s{i}");
        assert_eq!(rig.owners(&name), ["c1", "c3"]);
        let line = format!("backend {name}/c2 (10.0.0.2:8080) is down: connection refused; 2 of 3 backends of {name}");
        assert_eq!(rig.logs.iter().filter(|(level, said)| *level == Level::Warn && said.starts_with(&line)).count(), 1);
    }
    assert_eq!(rig.logs.len(), 100);
    let [one, other] = ["s0/c2", "s99/c2"].map(|name| rig.view(name));
    assert_eq!(
        (one.last_check, one.checked_s, one.next_check_s),
        (other.last_check, other.checked_s, other.next_check_s)
    );
    rig.run(LONG, |_| passed());
    assert_eq!(rig.states("c2"), [BackendState::Up; 100]);
}

#[test]
fn the_tables_of_all_of_them_change_at_once_and_are_made_once() {
    let mut rig = running(shared(100));
    rig.run(LONG, |_| passed());
    while rig.states("c2")[0] == BackendState::Up {
        let before = rig.image.clone();
        rig.count(MOMENT, &["c2"]);
        let tables: Vec<_> = rig.image.services.iter().map(|service| &service.table).collect();
        assert!(tables.windows(2).all(|pair| std::sync::Arc::ptr_eq(pair[0], pair[1])));
        let changed = rig.image.services.iter().zip(&before.services).filter(|(now, then)| now != then).count();
        assert!([0, 100].contains(&changed), "{changed}");
    }
}

#[test]
fn a_drain_is_of_one_service() {
    let mut rig = running(shared(3));
    rig.run(LONG, |_| passed());
    let commands = rig.controller.order(&DrainTarget::One(key("s1/c2")), Change::Drain(true), rig.now).unwrap().1;
    rig.take_in(commands);
    assert_eq!(rig.states("c2"), [BackendState::Up, BackendState::Drain, BackendState::Up]);
    rig.count(LONG, &["c2"]);
    assert_eq!(rig.states("c2"), [BackendState::Down; 3]);
    rig.run(LONG, |_| passed());
    assert_eq!(rig.states("c2"), [BackendState::Up, BackendState::Drain, BackendState::Up]);
}

/// What differs in anything is not the same.
#[test]
fn only_the_very_same_check_of_the_same_place_is_shared() {
    let mut other = shared(6);
    other.services[1].check.timeout = Duration::from_millis(999);
    other.services[2].check.fall = 4;
    other.services[3].check.kind = CheckKind::Amqp;
    other.services[4].check.port = Some(9200);
    other.services[5].backends.iter_mut().for_each(|backend| backend.port = 8081);
    let mut rig = running(other);
    assert_eq!(rig.count(Duration::from_millis(200), &[]).into_values().collect::<Vec<_>>(), [6, 6, 6]);
    // However the place is said.
    let mut same = shared(2);
    same.services[1].check.port = Some(8080);
    same.services[1].backends.iter_mut().for_each(|backend| backend.port = 8081);
    let mut rig = running(same);
    assert_eq!(rig.count(Duration::from_millis(200), &[]).into_values().collect::<Vec<_>>(), [1, 1, 1]);
}

/// It is told which service and backend it is to judge.
#[test]
fn a_command_is_run_for_each_backend() {
    let mut config = shared(4);
    for service in &mut config.services {
        service.check.kind = CheckKind::Command(vec!["/bin/true".to_owned()]);
    }
    let mut rig = running(config);
    assert_eq!(rig.count(Duration::from_millis(200), &[]).into_values().collect::<Vec<_>>(), [4, 4, 4]);
}

#[test]
fn a_service_with_another_interval_is_split_off_and_keeps_what_is_known() {
    let mut rig = running(shared(3));
    rig.count(LONG, &["c2"]);
    rig.logs.clear();
    let before = rig.view("s1/c2");
    let mut next = shared(3);
    next.services[1].check.interval = Duration::from_secs(1);
    rig.configure(next);
    let after = rig.view("s1/c2");
    assert_eq!((after.state, &after.last_check, after.since_s), (before.state, &before.last_check, before.since_s));
    assert_eq!((after.health, rig.view("s1/c1").health), (0, 4), "and as sure of it");
    assert_eq!(rig.states("c2"), [BackendState::Down; 3]);
    let made = rig.count(Duration::from_secs(100), &["c2"]);
    assert!((130..=170).contains(&made["c1"]), "50 for two of them and 100 for the third: {made:?}");
    assert_eq!(rig.logs, [], "nothing has changed");
}

#[test]
fn a_service_that_was_split_off_joins_again() {
    let mut rig = running(shared(3));
    rig.run(LONG, |_| passed());
    let mut next = shared(3);
    next.services[1].check.interval = Duration::from_secs(1);
    rig.configure(next);
    rig.count(LONG, &["c2"]);
    rig.logs.clear();
    rig.configure(shared(3));
    assert_eq!(rig.states("c2"), [BackendState::Down; 3]);
    let made = rig.count(Duration::from_secs(100), &["c2"]);
    assert!((45..=56).contains(&made["c1"]), "{made:?}");
    assert_eq!(rig.logs, []);
}

/// The split-off one asks often, and has seen what the others have not yet.
#[test]
fn one_that_knows_otherwise_takes_over_what_it_joins_and_has_it_checked_at_once() {
    let hour = Duration::from_secs(3600);
    let with = |interval: Duration| {
        let mut config = shared(2);
        config.services.iter_mut().for_each(|service| service.check.interval = hour);
        config.services[1].check.interval = interval;
        config
    };
    let mut rig = running(with(Duration::from_secs(1)));
    rig.run(hour, |_| passed());
    rig.count(LONG, &["c2"]);
    assert_eq!(rig.states("c2"), [BackendState::Up, BackendState::Down]);
    rig.logs.clear();
    rig.configure(with(hour));
    assert_eq!(rig.states("c2"), [BackendState::Up; 2]);
    assert!(rig.logged(Level::Info, "backend s1/c2 (10.0.0.2:8080) is up; 3 of 3"), "{:?}", rig.logs);
    assert_eq!(rig.owners("s1"), ["c1", "c2", "c3"]);
    rig.count(Duration::from_millis(1200), &["c2"]);
    assert_eq!(rig.states("c2"), [BackendState::Down; 2]);
}

#[test]
fn a_new_service_goes_by_what_is_known() {
    let mut rig = running(shared(1));
    rig.count(LONG, &["c2"]);
    rig.logs.clear();
    rig.configure(shared(2));
    assert_eq!(rig.states("c2"), [BackendState::Down; 2]);
    assert_eq!(rig.owners("s1"), ["c1", "c3"]);
    assert!(rig.logged(Level::Warn, "backend s1/c2 (10.0.0.2:8080) is down: connection refused; 2 of 3"));
    assert_eq!(rig.view("s1/c1").last_check, rig.view("s0/c1").last_check);
}

/// The check was started in the name of a service that is gone.
#[test]
fn a_check_in_flight_counts_for_those_that_stay() {
    let mut rig = running(shared(2));
    rig.run(LONG, |_| passed());
    rig.now = Now(rig.now.0 + LONG);
    let started = probes(&rig.handle(Event::Tick));
    assert_eq!(started.iter().map(|(backend, _)| backend.service.as_str()).collect::<Vec<_>>(), ["s0"; 3]);
    let mut next = shared(2);
    next.services.remove(0);
    rig.configure(next);
    for (_, id) in started {
        rig.handle(Event::ProbeEnded { id, outcome: refused() });
    }
    assert_eq!(rig.view("s1/c1").last_check, "connection refused");
    assert_eq!(rig.handle(Event::Tick), [], "none is given up");
}

#[test]
fn a_check_in_flight_goes_on_with_one_of_those_that_split() {
    let mut rig = running(shared(2));
    rig.run(LONG, |_| passed());
    rig.now = Now(rig.now.0 + LONG);
    let started = probes(&rig.handle(Event::Tick));
    let mut next = shared(2);
    next.services[0].check.fall = 5;
    next.services[1].check.fall = 6;
    rig.configure(next);
    for (_, id) in started {
        rig.handle(Event::ProbeEnded { id, outcome: refused() });
    }
    let said = ["s0/c1", "s1/c1"].map(|name| rig.view(name).last_check == "connection refused");
    assert_eq!(said, [true, false]);
    assert!(rig.controller.deadline().unwrap().0 <= rig.now.0 + Duration::from_millis(200), "the other asks itself");
}

/// An earlier pivotd, whose services asked differently, left them so.
#[test]
fn those_that_were_left_differently_begin_as_up() {
    let left = |service_port: u16, state: BackendState, drained: bool| AdoptedBackend {
        vip: VIP,
        service_port,
        protocol: Protocol::Tcp,
        address: node("c2"),
        port: 8080,
        state,
        drained,
        next_hop: None,
    };
    let down = left(5000, BackendState::Down, false);
    let mut rig = Rig::on("c1", vec![down.clone(), left(5001, BackendState::Drain, true)]);
    rig.configure(shared(2));
    assert_eq!(rig.states("c2"), [BackendState::Up, BackendState::Drain]);
    let mut rig = Rig::on("c1", vec![down]);
    rig.configure(shared(2));
    assert_eq!(rig.states("c2"), [BackendState::Down; 2], "of the other nothing is known");
}

#[test]
fn a_host_that_was_cut_off_asks_once_again() {
    let mut rig = running(shared(100));
    rig.run(LONG, |_| passed());
    rig.run(MOMENT, |_| passed());
    let cut = rig.now;
    let _ = rig.handle(Event::Recheck);
    assert_eq!(rig.controller.unchecked_since(cut), Some(&key("s0/c1")));
    assert_eq!(rig.count(Duration::from_millis(500), &[]).into_values().collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(rig.controller.unchecked_since(cut), None);
}
