use std::time::Duration;

use super::{Rig, config, key, passed, refused};
use crate::core::config::model::Balance;
use crate::core::controller::chronicle::REMEMBERED;
use crate::core::event::{DrainTarget, ProbeOutcome};
use crate::core::order::{Change, Weight};
use crate::core::writer::Failback;

const LONG: Duration = Duration::from_secs(20);

/// `backend: was -> is: reason`, of a service or all.
fn told(rig: &Rig, service: Option<&str>) -> Vec<String> {
    let events = rig.controller.events(service, REMEMBERED, rig.now);
    let line = |event: crate::core::view::EventView| {
        format!("{}: {:?} -> {:?}: {}", event.backend, event.from, event.to, event.reason)
    };
    events.into_iter().map(line).collect()
}

#[test]
fn every_transition_is_told_with_its_reason() {
    let mut rig = Rig::new();
    let mut slow = config();
    slow.services.truncate(1);
    slow.services[0].slow_start = Duration::from_secs(9);
    rig.configure(slow);
    assert_eq!(told(&rig, None), [] as [&str; 0], "beginning is no transition");
    rig.run(LONG, |backend| if backend.backend == "c2" { refused() } else { passed() });
    rig.run(LONG, |_| ProbeOutcome::passed("HTTP 200", Duration::ZERO));
    let c1 = DrainTarget::Everywhere("c1".to_owned());
    for change in [
        Change::Drain(true),
        Change::Drain(true),
        Change::Weight(Some(Weight::Of(7))),
        Change::Maintenance(true),
        Change::Drain(false),
        Change::Maintenance(false),
    ] {
        rig.order(&c1, change).unwrap();
    }
    assert_eq!(
        told(&rig, None),
        [
            "keystone/c2: Up -> Down: connection refused",
            "keystone/c2: Down -> Starting: its checks pass: HTTP 200",
            "keystone/c2: Starting -> Up: its slow start is over",
            "keystone/c1: Up -> Drain: ordered: drain",
            "keystone/c1: Drain -> Maint: ordered: maintenance",
            "keystone/c1: Maint -> Down: ordered: ready; it is checked first",
        ]
    );
}

#[test]
fn they_are_told_by_service_with_their_time_and_the_newest_of_them() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| refused());
    assert_eq!(told(&rig, None).len(), 6);
    assert_eq!(told(&rig, Some("mysql")).len(), 3);
    assert_eq!(told(&rig, Some("nova")), [] as [&str; 0]);
    rig.run(LONG, |_| passed());
    let last = rig.controller.events(None, 2, rig.now);
    assert_eq!(last.iter().map(|event| event.number).collect::<Vec<_>>(), [11, 12]);
    assert!(last.iter().all(|event| event.ago_ms > 1000 && event.ago_ms < 20_000), "{last:?}");
}

#[test]
fn what_a_reload_does_is_told_and_what_it_takes_away_is_not_forgotten() {
    let mut rig = Rig::running();
    rig.run(LONG, |backend| if backend.backend == "c2" { refused() } else { passed() });
    let mut next = config();
    next.services[0].check.kind = crate::core::config::model::CheckKind::None;
    next.services.pop();
    rig.configure(next);
    assert_eq!(told(&rig, Some("mysql")), ["mysql/c2: Up -> Down: connection refused"]);
    let of_keystone = [
        "keystone/c2: Up -> Down: connection refused",
        "keystone/c2: Down -> Up: it is not checked, so it is taken to be up",
    ];
    assert_eq!(told(&rig, Some("keystone")), of_keystone);
}

#[test]
fn no_more_are_remembered_than_there_is_room_for() {
    let mut rig = Rig::running();
    let c1 = DrainTarget::Everywhere("c1".to_owned());
    for i in 0..REMEMBERED + 10 {
        rig.order(&c1, Change::Drain(i % 2 == 0)).unwrap();
    }
    let events = rig.controller.events(None, usize::MAX, rig.now);
    assert_eq!(events.len(), REMEMBERED);
    assert_eq!(events.last().unwrap().number, 2 * (REMEMBERED as u64 + 10));
}

#[test]
fn another_writer_is_told_of_both_that_are_shown_otherwise_by_it() {
    let mut rig = Rig::new();
    let mut single = config();
    single.services[1].balance = Balance::Single { failback: Failback::Never };
    rig.configure(single);
    rig.run(LONG, |_| passed());
    rig.run(LONG, |backend| if backend.backend == "c1" { refused() } else { passed() });
    rig.run(LONG, |_| passed());
    rig.switched("mysql/c1").unwrap();
    rig.order(&DrainTarget::One(key("mysql/c1")), Change::Drain(true)).unwrap();
    assert_eq!(
        told(&rig, Some("mysql")),
        [
            "mysql/c1: Standby -> Up: c1 is the writer (epoch 1): it is the first of those that are fit",
            "mysql/c1: Up -> Down: connection refused",
            "mysql/c2: Standby -> Up: c2 is the writer (epoch 2): c1 is down: connection refused",
            "mysql/c1: Down -> Standby: its checks pass",
            "mysql/c1: Standby -> Up: c1 is the writer (epoch 3): its operator wants it",
            "mysql/c2: Up -> Standby: c1 is the writer (epoch 3): its operator wants it",
            "mysql/c1: Up -> Drain: ordered: drain",
            "mysql/c2: Standby -> Up: c2 is the writer (epoch 4): c1 is drained",
        ]
    );
}

#[test]
fn a_service_that_comes_to_have_one_writer_tells_of_those_that_stand_by_from_then_on() {
    let mut rig = Rig::running();
    rig.run(LONG, |_| passed());
    let mut single = config();
    single.services[1].balance = Balance::Single { failback: Failback::Never };
    rig.configure(single);
    let why = "c1 is the writer (epoch 1): it is the first of those that are fit";
    let others = ["c2", "c3"].map(|other| format!("mysql/{other}: Up -> Standby: {why}"));
    assert_eq!(told(&rig, Some("mysql")), others);
    rig.configure(config());
    assert_eq!(
        told(&rig, Some("mysql"))[2..],
        ["c2", "c3"].map(|other| format!("mysql/{other}: Standby -> Up: the configuration was reloaded"))
    );
}
