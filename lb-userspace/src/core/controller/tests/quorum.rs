use std::time::Duration;

use super::{Rig, config, key, passed, refused};
use crate::core::command::Level;
use crate::core::config::Config;
use crate::core::config::model::BelowMin;
use crate::core::event::{BackendKey, DrainTarget, ProbeOutcome};
use crate::core::order::Change;
use crate::core::view::BackendState;

const LONG: Duration = Duration::from_secs(20);

/// `keystone` needs this many healthy backends.
fn needing(min_healthy: u32, below_min: BelowMin) -> Config {
    let mut config = config();
    (config.services[0].min_healthy, config.services[0].below_min) = (min_healthy, below_min);
    config
}

fn running(config: Config) -> Rig {
    let mut rig = Rig::new();
    rig.configure(config);
    rig.run(LONG, |_| passed());
    rig.logs.clear();
    rig
}

/// All pass but those of `keystone` on these hosts.
fn but(hosts: &'static [&'static str]) -> impl Fn(&BackendKey) -> ProbeOutcome {
    move |backend| {
        let fails = backend.service == "keystone" && hosts.contains(&backend.backend.as_str());
        if fails { refused() } else { passed() }
    }
}

fn states(rig: &Rig) -> [BackendState; 3] {
    ["c1", "c2", "c3"].map(|host| rig.view(&format!("keystone/{host}")).state)
}

#[test]
fn unless_told_a_service_needs_one_and_refuses_without() {
    let mut rig = running(config());
    rig.run(LONG, but(&["c1", "c2"]));
    assert_eq!(rig.owners("keystone"), ["c3"]);
    assert!(!rig.logs.iter().any(|(level, _)| *level == Level::Error), "{:?}", rig.logs);
    rig.run(LONG, but(&["c1", "c2", "c3"]));
    assert!(rig.service("keystone").table.is_empty());
    let errors: Vec<&String> = rig.logs.iter().filter(|(level, _)| *level == Level::Error).map(|(_, it)| it).collect();
    assert!(errors.len() == 1 && errors[0].contains("has no backend for new connections"), "{errors:?}");
}

#[test]
fn below_its_minimum_a_service_refuses_new_flows_and_says_so() {
    let mut rig = running(needing(2, BelowMin::Reset));
    rig.run(LONG, but(&["c1"]));
    assert_eq!(rig.owners("keystone"), ["c2", "c3"]);
    rig.run(LONG, but(&["c1", "c2"]));
    assert!(rig.service("keystone").table.is_empty());
    assert_eq!(states(&rig), [BackendState::Down, BackendState::Down, BackendState::Up], "c3 keeps its flows");
    assert_eq!(rig.service("keystone").backends[2].state, BackendState::Up);
    assert!(rig.logged(
        Level::Error,
        "service keystone has 1 healthy backend, fewer than min_healthy = 2: new connections are refused until"
    ));
    let (_, services) = rig.controller.view(rig.now);
    let below = services[0].below.as_ref().unwrap();
    assert_eq!((below.healthy, below.min_healthy, below.below_min.as_str()), (1, 2, "reset"));
    rig.run(LONG, but(&["c1"]));
    assert_eq!(rig.owners("keystone"), ["c2", "c3"]);
    assert!(rig.logged(Level::Info, "service keystone has 2 healthy backends and is not below its minimum any more"));
    assert_eq!(rig.controller.view(rig.now).1[0].below, None);
}

#[test]
fn the_last_set_is_kept_on_request_down_or_not() {
    let mut rig = running(needing(2, BelowMin::Keep));
    rig.run(LONG, but(&["c1"]));
    assert_eq!(rig.owners("keystone"), ["c2", "c3"]);
    rig.run(LONG, but(&["c1", "c2", "c3"]));
    assert_eq!(rig.owners("keystone"), ["c2", "c3"]);
    assert_eq!(states(&rig), [BackendState::Down; 3], "as the checks say");
    let sent: Vec<BackendState> = rig.service("keystone").backends.iter().map(|backend| backend.state).collect();
    assert_eq!(sent, [BackendState::Down, BackendState::Up, BackendState::Up], "its flows go on as well");
    assert!(rig.logged(Level::Error, "those that were in use get new connections as before, down or not"));
    // One that comes up meanwhile is used at once; and when there are enough, the others are not any more.
    rig.run(LONG, but(&["c2", "c3"]));
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
    rig.run(LONG, but(&["c2"]));
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    assert_eq!(rig.service("keystone").backends[1].state, BackendState::Down);
}

#[test]
fn without_a_minimum_the_last_one_is_kept_on_request() {
    let mut rig = running(needing(1, BelowMin::Keep));
    rig.run(LONG, but(&["c1", "c2"]));
    rig.run(LONG, but(&["c1", "c2", "c3"]));
    assert_eq!(rig.owners("keystone"), ["c3"]);
    assert!(rig.logged(Level::Error, "service keystone has 0 healthy backends, fewer than min_healthy = 1"));
}

#[test]
fn orders_count_also_below_the_minimum() {
    let mut rig = running(needing(3, BelowMin::Keep));
    rig.run(LONG, but(&["c1", "c2", "c3"]));
    assert_eq!(rig.owners("keystone").len(), 3);
    let c2 = DrainTarget::One(key("keystone/c2"));
    for (change, owners) in [
        (Change::Drain(true), 2),
        (Change::Drain(false), 3),
        (Change::Maintenance(true), 2),
        (Change::Maintenance(false), 3),
    ] {
        rig.order(&c2, change).unwrap();
        assert_eq!(rig.owners("keystone").len(), owners, "{change:?}");
    }
}

/// A drained one is healthy: it was ordered to take nothing, and is not lost.
#[test]
fn drained_backends_count_as_healthy_and_those_in_maintenance_do_not() {
    let mut rig = running(needing(2, BelowMin::Reset));
    let all = |host: &str| DrainTarget::One(key(&format!("keystone/{host}")));
    for host in ["c1", "c2"] {
        rig.order(&all(host), Change::Drain(true)).unwrap();
    }
    assert_eq!(rig.owners("keystone"), ["c3"]);
    rig.order(&all("c1"), Change::Maintenance(true)).unwrap();
    assert_eq!(rig.owners("keystone"), ["c3"]);
    rig.order(&all("c2"), Change::Maintenance(true)).unwrap();
    assert!(rig.service("keystone").table.is_empty());
    assert!(rig.logged(Level::Error, "service keystone has 1 healthy backend, fewer than min_healthy = 2"));
}

#[test]
fn a_reload_that_asks_for_more_counts_at_once() {
    let mut rig = running(needing(1, BelowMin::Reset));
    rig.run(LONG, but(&["c1", "c2"]));
    rig.configure(needing(2, BelowMin::Reset));
    assert!(rig.service("keystone").table.is_empty());
    assert!(rig.logged(Level::Error, "fewer than min_healthy = 2"));
    rig.configure(needing(2, BelowMin::Keep));
    assert_eq!(rig.owners("keystone"), ["c3"], "the last that was in use");
    rig.configure(needing(1, BelowMin::Keep));
    assert_eq!(rig.owners("keystone"), ["c3"]);
}
