use std::time::Duration;

use proptest::prelude::*;

use super::{Health, Jitter, Transition, step, top};
use crate::core::config::model::Check;
use crate::core::event::Now;

fn check(rise: u32, fall: u32) -> Check {
    Check {
        interval: Duration::from_secs(2),
        fast_interval: Duration::from_millis(500),
        down_interval: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
        rise,
        fall,
        ..Check::default()
    }
}

/// Runs a series of checks (`+` passes, `-` fails) and returns the counter after each.
fn run(mut health: Health, check: &Check, series: &str) -> Vec<u32> {
    let one = |outcome| {
        health = step(health, check, outcome == '+').0;
        health.counter()
    };
    series.chars().map(one).collect()
}

#[test]
fn a_new_backend_is_up_and_goes_down_at_its_first_failure() {
    let check = check(2, 3);
    let (after, transition) = step(Health::presumed(&check), &check, false);
    assert!(Health::presumed(&check).is_up(&check));
    assert_eq!((after.counter(), transition), (0, Transition::WentDown));
}

#[test]
fn counter_follows_haproxy() {
    let check = check(2, 3);
    assert_eq!(run(Health::presumed(&check), &check, "+"), [4], "a pass at rise goes to the top");
    assert_eq!(run(Health::known(&check, true), &check, "---+"), [3, 2, 0, 1], "fall failures, then one pass");
    assert_eq!(run(Health::known(&check, true), &check, "--+--"), [3, 2, 4, 3, 2], "a pass between failures restores");
    assert_eq!(run(Health::known(&check, false), &check, "+-++"), [1, 0, 1, 4], "a failure below rise starts over");
    assert_eq!(run(Health::known(&check, false), &check, "--"), [0, 0], "down stays down");
}

#[test]
fn a_backend_in_doubt_is_checked_at_the_fast_interval() {
    let check = check(2, 3);
    let pauses: Vec<_> = (0..=4).map(|counter| Health { counter }.pause(&check).as_millis()).collect();
    assert_eq!(pauses, [5000, 500, 500, 500, 2000]);
}

#[test]
fn another_rise_and_fall_keep_the_state() {
    let (old, new) = (check(2, 3), check(5, 2));
    for counter in 0..=top(&old) {
        let before = Health { counter };
        let after = before.under(&old, &new);
        assert_eq!(before.is_up(&old), after.is_up(&new), "{before:?} -> {after:?}");
        assert!(after.counter() <= top(&new));
    }
    assert_eq!(Health::known(&old, true).under(&old, &new), Health::known(&new, true));
}

proptest! {
    /// The counter against a model that only knows "so many in a row".
    #[test]
    fn state_changes_after_rise_passes_or_fall_failures_in_a_row(
        rise in 1u32..6, fall in 1u32..6, start in any::<bool>(), series in prop::collection::vec(any::<bool>(), 0..200),
    ) {
        let check = check(rise, fall);
        let mut health = Health::known(&check, start);
        let (mut up, mut against) = (start, 0);
        for passed in series {
            let (after, transition) = step(health, &check, passed);
            against = if passed == up { 0 } else { against + 1 };
            let flips = against == if up { fall } else { rise };
            if flips {
                up = !up;
                against = 0;
            }
            let expected = match (flips, up) {
                (false, _) => Transition::Unchanged,
                (true, true) => Transition::CameUp,
                (true, false) => Transition::WentDown,
            };
            prop_assert_eq!(transition, expected);
            prop_assert_eq!(after.is_up(&check), up);
            prop_assert!(after.counter() <= top(&check));
            prop_assert_eq!(after.counter() == top(&check) || after.counter() == 0, against == 0);
            health = after;
        }
    }

    #[test]
    fn jitter_stays_within_a_tenth(seed in any::<u64>(), millis in 1u64..100_000) {
        let pause = Duration::from_millis(millis);
        let jittered = Jitter::new(seed).around(pause);
        prop_assert!(jittered >= pause * 9 / 10 && jittered <= pause * 11 / 10, "{:?}", jittered);
    }

    #[test]
    fn what_is_due_is_within_a_tenth_too_and_at_few_different_times(
        seed in any::<u64>(), now in 0u64..u64::MAX / 4, millis in 1u64..100_000
    ) {
        let (now, pause) = (Now(Duration::from_nanos(now)), Duration::from_millis(millis));
        let due = Jitter::new(seed).due(now, pause);
        let waits = due.0 - now.0;
        prop_assert!(waits >= pause * 9 / 10 && waits <= pause * 11 / 10, "{:?}", waits);
        let step = (pause / 100).min(Duration::from_millis(10));
        prop_assert_eq!(due.0.as_nanos() % step.as_nanos(), 0);
    }
}

#[test]
fn checks_of_many_backends_begin_together_in_small_numbers() {
    let mut jitter = Jitter::new(7);
    let due = (0..4000).map(|_| jitter.due(Now(Duration::from_secs(77)), Duration::from_secs(2)));
    let mut at: std::collections::BTreeMap<Now, usize> = std::collections::BTreeMap::new();
    due.for_each(|due| *at.entry(due).or_default() += 1);
    assert!((39..=41).contains(&at.len()), "a fifth of 2 s, in steps of 10 ms: {}", at.len());
    assert!(at.values().all(|together| *together < 200), "{at:?}");
}

#[test]
fn jitter_differs_from_check_to_check() {
    let mut jitter = Jitter::new(7);
    let pauses: std::collections::HashSet<_> = (0..100).map(|_| jitter.around(Duration::from_secs(2))).collect();
    assert!(pauses.len() > 90);
}
