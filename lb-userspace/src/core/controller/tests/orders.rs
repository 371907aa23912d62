use std::time::Duration;

use super::{AdoptedBackend, Rig, VIP, backend, config, key, node, outline, passed, probes, refused};
use crate::core::command::Level;
use crate::core::config::model::{CheckKind, Protocol};
use crate::core::controller::OrderError;
use crate::core::event::{DrainTarget, Event, Now};
use crate::core::order::{Change, Order, Orders};
use crate::core::view::BackendState;

const LONG: Duration = Duration::from_secs(20);

pub(super) fn one(name: &str) -> DrainTarget {
    DrainTarget::One(key(name))
}

impl Rig {
    fn drain(&mut self, target: &DrainTarget, drain: bool) -> Result<Vec<String>, OrderError> {
        self.order(target, Change::Drain(drain))
    }

    /// The backends that were meant.
    pub(super) fn order(&mut self, target: &DrainTarget, change: Change) -> Result<Vec<String>, OrderError> {
        let (meant, commands) = self.controller.order(target, change, self.now)?;
        self.take_in(commands);
        Ok(meant.iter().map(|(key, _)| key.to_string()).collect())
    }

    fn maintain(&mut self, name: &str, begin: bool) {
        self.order(&one(name), Change::Maintenance(begin)).unwrap();
    }

    fn weigh(&mut self, name: &str, weight: &str) {
        self.order(&one(name), Change::Weight(Some(weight.parse().unwrap()))).unwrap();
    }
}

#[test]
fn a_drained_backend_keeps_its_place_and_takes_no_new_flows() {
    let mut rig = Rig::running();
    assert_eq!(rig.drain(&one("keystone/c2"), true).unwrap(), ["keystone/c2"]);
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    assert_eq!(rig.service("keystone").backends[1].state, BackendState::Drain);
    assert!((rig.view("keystone/c2").share).abs() < f64::EPSILON);
    assert!((rig.view("keystone/c1").share - 0.5).abs() < 0.01);
    assert_eq!(rig.drain(&one("keystone/c2"), false).unwrap(), ["keystone/c2"]);
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
}

#[test]
fn draining_twice_changes_nothing() {
    let mut rig = Rig::running();
    rig.drain(&one("keystone/c2"), true).unwrap();
    let (keys, commands) = rig.controller.order(&one("keystone/c2"), Change::Drain(true), rig.now).unwrap();
    assert_eq!((keys, outline(&commands)), (vec![(key("keystone/c2"), false)], vec![]));
}

#[test]
fn a_drained_backend_that_fails_is_down_and_comes_back_drained() {
    let mut rig = Rig::running();
    rig.drain(&one("keystone/c2"), true).unwrap();
    rig.run(Duration::from_secs(20), |_| refused());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Down);
    rig.run(Duration::from_secs(20), |_| passed());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Drain);
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
}

#[test]
fn a_name_alone_means_every_service_and_every_backend_of_that_host() {
    let mut rig = Rig::new();
    let mut config = config();
    config.services[1].backends[1].name = "writer".to_owned();
    rig.configure(config);
    assert_eq!(rig.drain(&DrainTarget::Everywhere("c2".to_owned()), true).unwrap(), ["keystone/c2", "mysql/writer"]);
    assert_eq!(rig.owners("mysql"), ["c1", "c3"]);
    assert_eq!(rig.drain(&DrainTarget::Everywhere("writer".to_owned()), false).unwrap(), ["mysql/writer"]);
    assert_eq!(rig.owners("mysql"), ["c1", "writer", "c3"]);
}

#[test]
fn unknown_names_are_refused_and_say_what_there_is() {
    let mut rig = Rig::running();
    let image = rig.image.clone();
    let error = |rig: &mut Rig, target| rig.drain(&target, true).unwrap_err().to_string();
    assert_eq!(
        error(&mut rig, one("nova/c1")),
        "there is no service `nova`, so no backend `c1` of it; the services are: keystone, mysql"
    );
    assert_eq!(error(&mut rig, one("mysql/c9")), "service `mysql` has no backend `c9`; its backends are: c1, c2, c3");
    assert_eq!(
        error(&mut rig, DrainTarget::Everywhere("c9".to_owned())),
        "no service has a backend `c9`, and none runs on a host of that name; the backends are: c1, c2, c3"
    );
    assert_eq!(rig.image, image);
}

#[test]
fn draining_the_last_backend_warns() {
    let mut rig = Rig::running();
    for name in ["mysql/c1", "mysql/c2"] {
        rig.drain(&one(name), true).unwrap();
    }
    assert!(!rig.logged(Level::Warn, "mysql"));
    rig.drain(&one("mysql/c3"), true).unwrap();
    assert!(rig.service("mysql").table.is_empty());
    assert!(rig.logged(Level::Warn, "service mysql takes no new flows"));
}

#[test]
fn a_backend_in_maintenance_has_no_flows_and_is_not_checked() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    rig.maintain("keystone/c2", true);
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    assert_eq!(rig.service("keystone").backends[1].state, BackendState::Maint);
    let view = rig.view("keystone/c2");
    assert_eq!(
        (view.state, view.next_check_s, view.ordered.as_deref()),
        (BackendState::Maint, None, Some("maintenance"))
    );
    assert_eq!(rig.controller.healthy("keystone"), Some(2));
    rig.run(LONG, |backend| {
        assert_ne!(*backend, key("keystone/c2"));
        passed()
    });
    assert!(rig.logged(Level::Info, "keystone/c2 is in maintenance: its flows are cut"));
}

/// What it was before says nothing any more: it is asked at once.
#[test]
fn after_maintenance_it_has_to_pass_once_before_it_gets_flows() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    rig.maintain("keystone/c2", true);
    rig.run(LONG, |_| passed());
    rig.maintain("keystone/c2", false);
    assert_eq!(rig.view("keystone/c2").state, BackendState::Down);
    assert!(rig.logged(Level::Info, "keystone/c2 is not in maintenance any more: it takes flows once a check passes"));
    let started = probes(&rig.handle(Event::Tick));
    let (_, id) = *started.iter().find(|(backend, _)| *backend == key("keystone/c2")).expect("it is checked at once");
    rig.handle(Event::ProbeEnded { id, outcome: passed() });
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
    assert!(rig.logged(Level::Info, "backend keystone/c2 (10.0.0.2:15000) is up"));
}

#[test]
fn one_that_fails_after_its_maintenance_stays_down() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    rig.maintain("keystone/c2", true);
    rig.maintain("keystone/c2", false);
    rig.run(LONG, |backend| if *backend == key("keystone/c2") { refused() } else { passed() });
    assert_eq!((rig.view("keystone/c2").state, rig.owners("keystone").len()), (BackendState::Down, 2));
}

#[test]
fn an_answer_to_a_check_of_before_the_maintenance_says_nothing() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    rig.now = Now(rig.now.0 + LONG);
    let started = probes(&rig.handle(Event::Tick));
    rig.maintain("keystone/c2", true);
    let (_, id) = *started.iter().find(|(backend, _)| *backend == key("keystone/c2")).unwrap();
    assert_eq!(rig.handle(Event::ProbeEnded { id, outcome: refused() }), []);
    assert_eq!(rig.view("keystone/c2").last_check, "ok in 0.3 ms");
    // Nor is it missed by those who wait for all to be known.
    let now = rig.now;
    rig.run(LONG, |_| passed());
    assert_eq!(rig.controller.unchecked_since(now), None);
}

#[test]
fn what_is_shared_rests_only_with_all_who_go_by_it() {
    let mut rig = Rig::new();
    let mut shared = config();
    for service in &mut shared.services {
        service.backends = ["c1", "c2", "c3"].map(|host| backend(host, 8080)).into();
    }
    rig.configure(shared);
    rig.run(LONG, |_| passed());
    rig.maintain("keystone/c2", true);
    rig.run(LONG, |backend| if backend.backend == "c2" { refused() } else { passed() });
    let states = |rig: &Rig| ["keystone/c2", "mysql/c2"].map(|name| rig.view(name).state);
    assert_eq!(states(&rig), [BackendState::Maint, BackendState::Down]);
    assert!(!rig.logged(Level::Warn, "keystone/c2"), "it is as ordered");
    rig.run(LONG, |_| passed());
    rig.maintain("keystone/c2", false);
    assert_eq!(states(&rig), [BackendState::Up; 2], "it is known to be well");
    rig.order(&DrainTarget::Everywhere("c2".to_owned()), Change::Maintenance(true)).unwrap();
    rig.run(LONG, |backend| {
        assert_ne!(backend.backend, "c2");
        passed()
    });
    rig.maintain("mysql/c2", false);
    assert_eq!(states(&rig), [BackendState::Maint, BackendState::Down]);
    rig.run(LONG, |_| passed());
    assert_eq!(states(&rig), [BackendState::Maint, BackendState::Up]);
}

#[test]
fn a_backend_without_checks_is_up_right_after_its_maintenance() {
    let mut rig = Rig::new();
    let mut config = config();
    config.services[0].check.kind = CheckKind::None;
    rig.configure(config);
    rig.maintain("keystone/c2", true);
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    rig.maintain("keystone/c2", false);
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
}

#[test]
fn a_weight_at_run_time_changes_the_share_and_nothing_else() {
    let mut rig = Rig::running();
    rig.weigh("keystone/c2", "50%");
    let view = rig.view("keystone/c2");
    assert!((view.share - 0.2).abs() < 0.01, "{}", view.share);
    assert_eq!((view.state, view.weight, view.weight_now), (BackendState::Up, 100, Some(50)));
    assert!(rig.logged(Level::Info, "backend keystone/c2 has weight 50, not 100 as configured"));
    rig.weigh("keystone/c2", "0");
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    assert_eq!(rig.service("keystone").backends[1].state, BackendState::Up, "it keeps its flows");
    rig.order(&one("keystone/c2"), Change::Weight(None)).unwrap();
    let view = rig.view("keystone/c2");
    assert_eq!((view.weight_now, view.ordered), (None, None));
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
}

#[test]
fn orders_are_undone_one_by_one() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    rig.drain(&one("keystone/c2"), true).unwrap();
    rig.maintain("keystone/c2", true);
    rig.weigh("keystone/c2", "20");
    assert_eq!(rig.view("keystone/c2").ordered.as_deref(), Some("maintenance, drained, weight 20"));
    rig.maintain("keystone/c2", false);
    rig.run(LONG, |_| passed());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Drain);
    rig.drain(&one("keystone/c2"), false).unwrap();
    assert_eq!((rig.view("keystone/c2").state, rig.view("keystone/c2").weight_now), (BackendState::Up, Some(20)));
}

#[test]
fn the_last_backend_in_maintenance_warns() {
    let mut rig = Rig::running();
    rig.order(&DrainTarget::Everywhere("c1".to_owned()), Change::Maintenance(true)).unwrap();
    rig.weigh("mysql/c2", "0");
    assert!(!rig.logged(Level::Warn, "mysql"));
    rig.drain(&one("mysql/c3"), true).unwrap();
    assert!(rig.logged(Level::Warn, "service mysql takes no new flows, as no healthy backend of it is free of orders"));
}

#[test]
fn orders_outlive_a_pivotd_and_its_tables() {
    let mut rig = Rig::running();
    rig.drain(&one("keystone/c1"), true).unwrap();
    rig.maintain("keystone/c2", true);
    rig.weigh("mysql/c3", "50%");
    let orders = rig.controller.orders();
    assert_eq!(orders.len(), 3);
    let mut next = Rig::new();
    next.controller = next.controller.with_orders(orders.clone());
    next.configure(config());
    assert_eq!(next.controller.orders(), orders);
    next.run(LONG, |backend| {
        assert_ne!(*backend, key("keystone/c2"));
        passed()
    });
    assert_eq!(next.owners("keystone"), ["c3"]);
    assert_eq!(next.view("mysql/c3").weight_now, Some(50));
}

/// A drain was undone, which was remembered; the daemon was killed before the tables said so.
#[test]
fn what_is_remembered_is_believed_rather_than_the_tables() {
    let left = AdoptedBackend {
        vip: VIP,
        service_port: 5000,
        protocol: Protocol::Tcp,
        address: node("c2"),
        port: 15_000,
        state: BackendState::Drain,
        drained: true,
        next_hop: None,
    };
    let mut rig = Rig::on("c1", vec![left.clone()]);
    rig.configure(config());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Drain, "nothing is remembered");
    let mut rig = Rig::on("c1", vec![left]);
    rig.controller = rig.controller.with_orders(Orders::new());
    rig.configure(config());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Up);
}

#[test]
fn orders_end_with_their_backend_and_that_is_told() {
    let mut rig = Rig::running();
    rig.maintain("keystone/c2", true);
    rig.drain(&one("mysql/c3"), true).unwrap();
    let mut next = config();
    next.services[0].backends[1] = backend("c2", 25_000);
    next.services[1].backends.pop();
    rig.configure(next);
    assert_eq!(rig.controller.orders(), Orders::new());
    assert!(rig.logged(Level::Warn, "what was ordered of backend keystone/c2 at 10.0.0.2:15000 (maintenance) ends"));
    assert!(rig.logged(Level::Warn, "what was ordered of backend mysql/c3 at 10.0.0.3:13306 (drained) ends"));
    rig.configure(config());
    rig.run(LONG, |_| passed());
    assert_eq!((rig.owners("keystone").len(), rig.owners("mysql").len()), (3, 3));
    // The same of those that an earlier pivotd was given.
    let gone = Order { drained: true, ..Order::default() };
    let mut rig = Rig::new();
    rig.controller =
        rig.controller.with_orders(Orders::from([(key("nova/c1"), ("10.0.0.1:1".parse().unwrap(), gone))]));
    rig.configure(config());
    assert!(rig.logged(Level::Warn, "what was ordered of backend nova/c1 at 10.0.0.1:1 (drained) ends"));
    assert_eq!(rig.controller.orders(), Orders::new());
}
