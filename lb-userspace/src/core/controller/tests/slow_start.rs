use std::time::Duration;

use super::{AdoptedBackend, Rig, VIP, config, key, node, passed, refused};
use crate::core::command::Level;
use crate::core::config::Config;
use crate::core::config::model::{CheckKind, Protocol};
use crate::core::event::{BackendKey, DrainTarget, ProbeOutcome};
use crate::core::order::{Change, Weight};
use crate::core::view::BackendState;

const LONG: Duration = Duration::from_secs(20);
const START: Duration = Duration::from_secs(90);

/// `keystone` starts slowly.
fn slow() -> Config {
    let mut config = config();
    config.services[0].slow_start = START;
    config
}

fn but_c2(backend: &BackendKey) -> ProbeOutcome {
    if backend.backend == "c2" { refused() } else { passed() }
}

/// A rig in which c2 has come up again a moment ago.
fn starting() -> Rig {
    let mut rig = Rig::new();
    rig.configure(slow());
    rig.run(LONG, but_c2);
    while rig.view("keystone/c2").state == BackendState::Down {
        rig.run(Duration::from_millis(100), |_| passed());
    }
    rig
}

#[test]
fn nothing_starts_slowly_when_pivotd_does() {
    let mut rig = Rig::new();
    rig.configure(slow());
    rig.run(LONG, |_| passed());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Up);
    let left = AdoptedBackend {
        vip: VIP,
        service_port: 5000,
        protocol: Protocol::Tcp,
        address: node("c2"),
        port: 15_000,
        state: BackendState::Up,
        drained: false,
        next_hop: None,
    };
    let mut rig = Rig::on("c1", vec![left]);
    rig.configure(slow());
    rig.run(LONG, |_| passed());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Up);
}

#[test]
fn one_that_comes_up_has_a_tenth_of_its_share_and_the_rest_in_steps() {
    let mut rig = starting();
    let view = rig.view("keystone/c2");
    assert_eq!((view.state, view.weight, view.weight_now), (BackendState::Starting, 100, Some(10)));
    assert!((view.share - 10.0 / 210.0).abs() < 0.01, "{}", view.share);
    let (mut shares, mut tables) = (vec![view.share], vec![rig.service("keystone").table.clone()]);
    let began = rig.now;
    while rig.view("keystone/c2").state == BackendState::Starting {
        rig.run(Duration::from_secs(1), |_| passed());
        let share = rig.view("keystone/c2").share;
        if shares.last() != Some(&share) {
            shares.push(share);
            tables.push(rig.service("keystone").table.clone());
        }
    }
    let took = rig.now.0 - began.0;
    assert!(took >= START && took <= START + Duration::from_secs(2), "{took:?}");
    assert!(shares.len() == 10 && shares.is_sorted(), "{shares:?}");
    assert!((shares[9] - 1.0 / 3.0).abs() < 0.01);
    assert!(tables.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!((rig.view("keystone/c2").state, rig.view("keystone/c2").weight_now), (BackendState::Up, None));
    assert!(rig.logged(Level::Info, "backend keystone/c2 has come to its whole share"));
    assert!(rig.view("keystone/c2").since_s <= 2);
}

#[test]
fn a_service_that_does_not_ask_for_it_starts_at_once() {
    let rig = starting();
    assert_eq!((rig.view("mysql/c2").state, rig.view("mysql/c2").weight_now), (BackendState::Up, None));
}

/// Proportions are kept, however small the weights.
#[test]
fn a_weight_of_one_starts_slowly_as_well() {
    let mut rig = Rig::new();
    let mut config = slow();
    config.services[0].backends.iter_mut().for_each(|backend| backend.weight = 1);
    rig.configure(config);
    rig.run(LONG, but_c2);
    while rig.view("keystone/c2").state == BackendState::Down {
        rig.run(Duration::from_millis(100), |_| passed());
    }
    let view = rig.view("keystone/c2");
    assert_eq!((view.state, view.weight_now), (BackendState::Starting, None));
    assert!((view.share - 0.1 / 2.1).abs() < 0.01, "{}", view.share);
}

#[test]
fn one_that_fails_on_its_way_begins_anew() {
    let mut rig = starting();
    rig.run(START / 2, |_| passed());
    assert!(rig.view("keystone/c2").weight_now.unwrap() >= 50);
    rig.run(LONG, but_c2);
    assert_eq!((rig.view("keystone/c2").state, rig.view("keystone/c2").weight_now), (BackendState::Down, None));
    while rig.view("keystone/c2").state == BackendState::Down {
        rig.run(Duration::from_millis(100), |_| passed());
    }
    assert_eq!(rig.view("keystone/c2").weight_now, Some(10));
}

#[test]
fn a_reload_leaves_it_on_its_way() {
    let mut rig = starting();
    let mut other = slow();
    other.services.swap(0, 1);
    other.services[0].check.interval = Duration::from_secs(4);
    rig.configure(other);
    assert_eq!(rig.view("keystone/c2").weight_now, Some(10));
    rig.run(START, |_| passed());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Up);
}

#[test]
fn after_maintenance_it_starts_slowly_with_the_weight_that_was_ordered() {
    let mut rig = Rig::new();
    let mut unchecked = slow();
    unchecked.services[0].check.kind = CheckKind::None;
    for config in [slow(), unchecked] {
        rig.configure(config);
        rig.run(LONG, |_| passed());
        let c2 = DrainTarget::One(key("keystone/c2"));
        let changes =
            [Change::Maintenance(true), Change::Weight(Some(Weight::Percent(50))), Change::Maintenance(false)];
        for change in changes {
            rig.order(&c2, change).unwrap();
        }
        rig.run(Duration::from_millis(1), |_| passed());
        assert_eq!(
            (rig.view("keystone/c2").state, rig.view("keystone/c2").weight_now),
            (BackendState::Starting, Some(5))
        );
        rig.order(&c2, Change::Maintenance(true)).unwrap();
        rig.run(2 * START, |_| passed());
        assert_eq!(
            (rig.view("keystone/c2").state, rig.view("keystone/c2").weight_now),
            (BackendState::Maint, Some(50))
        );
        for undo in [Change::Maintenance(false), Change::Weight(None)] {
            rig.order(&c2, undo).unwrap();
        }
        rig.run(2 * START, |_| passed());
        assert_eq!(rig.view("keystone/c2").state, BackendState::Up);
    }
}

#[test]
fn the_only_one_that_is_up_takes_everything_however_new() {
    let mut rig = Rig::new();
    rig.configure(slow());
    rig.run(LONG, |_| refused());
    while rig.owners("keystone").is_empty() {
        rig.run(Duration::from_millis(100), |backend| if backend.backend == "c1" { passed() } else { refused() });
    }
    assert_eq!(
        (rig.view("keystone/c1").state, rig.owners("keystone")),
        (BackendState::Starting, vec!["c1".to_owned()])
    );
    assert!((rig.view("keystone/c1").share - 1.0).abs() < f64::EPSILON);
}
