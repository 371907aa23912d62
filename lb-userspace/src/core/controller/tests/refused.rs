//! What refusals that the packet path sees make of checks.

use std::time::Duration;

use super::{Rig, config, key, passed, probes, refused};
use crate::core::config::model::{Check, CheckKind};
use crate::core::event::{Event, Now};
use crate::core::view::BackendState;

const HOUR: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(1);

/// Everything is checked every hour, and was checked a while ago.
fn rig() -> Rig {
    rig_of(CheckKind::Tcp)
}

fn rig_of(kind: CheckKind) -> Rig {
    let mut config = config();
    for service in &mut config.services {
        let seldom = Check { interval: HOUR, fast_interval: HOUR, down_interval: HOUR, ..service.check.clone() };
        service.check = Check { kind: kind.clone(), ..seldom };
    }
    let mut rig = Rig::new();
    rig.configure(config);
    rig.run(HOUR / 2, |_| passed());
    rig
}

fn refuses(rig: &mut Rig, backend: &str) {
    let commands = rig.handle(Event::Refused { backend: key(backend) });
    assert!(commands.is_empty(), "{commands:?}");
}

/// What is started if nothing else happens for so long.
fn started(rig: &mut Rig, time: Duration) -> Vec<(String, u64)> {
    rig.now = Now(rig.now.0 + time);
    probes(&rig.handle(Event::Tick)).into_iter().map(|(backend, id)| (backend.to_string(), id)).collect()
}

#[test]
fn a_backend_that_refuses_is_checked_at_once_and_nobody_else() {
    let mut rig = rig();
    refuses(&mut rig, "keystone/c2");
    assert_eq!(rig.controller.deadline(), Some(rig.now));
    let started = started(&mut rig, Duration::ZERO);
    assert_eq!(started.iter().map(|(backend, _)| backend.as_str()).collect::<Vec<_>>(), ["keystone/c2"]);
}

#[test]
fn a_backend_that_goes_on_refusing_is_down_within_moments() {
    let mut rig = rig();
    let began = rig.now;
    while rig.view("keystone/c2").state == BackendState::Up {
        refuses(&mut rig, "keystone/c2");
        rig.run(MOMENT, |backend| if *backend == key("keystone/c2") { refused() } else { passed() });
        assert!(rig.now.0 - began.0 < Duration::from_millis(400), "fall is 3");
    }
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
}

#[test]
fn a_check_that_passes_is_the_last_word() {
    let mut rig = rig();
    refuses(&mut rig, "keystone/c2");
    rig.run(HOUR / 4, |_| passed());
    let view = rig.view("keystone/c2");
    assert_eq!((view.state, view.health), (BackendState::Up, view.health_top));
    assert!(rig.controller.deadline() > Some(Now(rig.now.0 + HOUR / 8)), "the usual pace");
}

#[test]
fn a_flood_of_refusals_makes_one_check_at_a_time() {
    let mut rig = rig();
    refuses(&mut rig, "keystone/c2");
    let [(_, id)] = &started(&mut rig, Duration::ZERO)[..] else { panic!("one check") };
    let id = *id;
    for _ in 0..50 {
        refuses(&mut rig, "keystone/c2");
        assert_eq!(started(&mut rig, MOMENT), [], "one is in flight");
    }
    let _ = rig.handle(Event::ProbeEnded { id, outcome: passed() });
    assert_eq!(rig.view("keystone/c2").health, rig.view("keystone/c2").health_top, "it counts though it was flooded");
    let mut checks = 0;
    for _ in 0..1000 {
        refuses(&mut rig, "keystone/c2");
        for (_, id) in started(&mut rig, MOMENT) {
            checks += 1;
            let _ = rig.handle(Event::ProbeEnded { id, outcome: passed() });
        }
    }
    assert!((9..=10).contains(&checks), "{checks} checks in a second");
}

#[test]
fn a_check_that_is_due_sooner_is_not_put_off() {
    let mut rig = Rig::running();
    rig.run(Duration::from_secs(20), |_| passed());
    let due = rig.controller.deadline();
    for backend in ["keystone/c1", "keystone/c2", "keystone/c3", "mysql/c1", "mysql/c2", "mysql/c3"] {
        refuses(&mut rig, backend);
    }
    assert!(rig.controller.deadline() <= due);
}

#[test]
fn what_is_down_gone_or_never_checked_is_left_alone() {
    let mut rig = rig();
    refuses(&mut rig, "keystone/c9");
    refuses(&mut rig, "nova/c1");
    assert_eq!(started(&mut rig, MOMENT), []);
    let unchecked = &mut rig_of(CheckKind::None);
    refuses(unchecked, "keystone/c2");
    assert_eq!(started(unchecked, MOMENT), []);
    for _ in 0..4 {
        refuses(&mut rig, "keystone/c2");
        rig.run(Duration::from_millis(200), |_| refused());
    }
    assert_eq!(rig.view("keystone/c2").state, BackendState::Down);
    refuses(&mut rig, "keystone/c2");
    assert_eq!(started(&mut rig, MOMENT), []);
}
