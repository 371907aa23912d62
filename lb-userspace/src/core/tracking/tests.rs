//! Hosts judged by what is tracked: what counts, when, and what is said of it.

use std::time::Duration;

use super::*;
use crate::core::run::Ending;

const ETH1: &str = "eth1 has no carrier";

fn interface(weight: Option<i16>) -> Track {
    Track { what: Tracked::Interface("eth1".into()), weight }
}

fn service(min_healthy: u32, weight: Option<i16>) -> Track {
    Track { what: Tracked::Service { name: "keystone".into(), min_healthy }, weight }
}

fn check() -> CommandCheck {
    let time = Duration::from_secs(1);
    CommandCheck { argv: vec!["/usr/bin/check".into(), "-x".into()], interval: time, timeout: time, rise: 2, fall: 3 }
}

fn command(weight: Option<i16>) -> Track {
    Track { what: Tracked::Command(check()), weight }
}

fn exited(code: i32) -> Run {
    Run { ending: Ending::Exited(code), took: Duration::ZERO, last_line: String::new() }
}

fn carrier(up: bool) -> Known {
    let state = if up { Ok(()) } else { Err(ETH1.to_owned()) };
    Known { carriers: [("eth1".to_owned(), state)].into(), ..Known::default() }
}

fn healthy(count: usize) -> Known {
    Known { healthy: [("keystone".to_owned(), count)].into(), ..Known::default() }
}

/// A command that ended with these exit codes.
fn codes(codes: &[i32]) -> Known {
    let mut known = Known::default();
    codes.iter().for_each(|code| known.ended(&check(), &exited(*code)));
    known
}

fn fitness(tracks: &[Track], known: &Known) -> Option<Fitness> {
    judge(&Ok(()), tracks, known).map(|judgement| judgement.fitness)
}

fn fault(why: &str) -> Option<Fitness> {
    Some(Fitness::Fault(why.to_owned()))
}

fn weighted(weight: i32) -> Option<Fitness> {
    Some(Fitness::Weighted(weight))
}

#[test]
fn a_host_that_tracks_nothing_is_judged_by_its_own_interface() {
    assert_eq!(fitness(&[], &Known::default()), weighted(0));
    let judged = judge(&Err("eth0 has no carrier".into()), &[], &Known::default());
    assert_eq!(judged.map(|judgement| judgement.fitness), fault("eth0 has no carrier"));
}

#[test]
fn a_negative_weight_counts_while_it_fails_and_a_positive_one_while_it_does_not() {
    for (weight, up, sum) in [(-20, true, 0), (-20, false, -20), (30, true, 30), (30, false, 0)] {
        assert_eq!(fitness(&[interface(Some(weight))], &carrier(up)), weighted(sum), "{weight} {up}");
    }
}

#[test]
fn without_a_weight_a_failure_is_a_fault() {
    assert_eq!(fitness(&[interface(None)], &carrier(false)), fault(ETH1));
    assert_eq!(fitness(&[interface(None)], &carrier(true)), weighted(0));
}

#[test]
fn a_service_fails_below_the_backends_that_it_must_have() {
    assert_eq!(fitness(&[service(2, None)], &healthy(2)), weighted(0));
    let why = "keystone has 1 healthy backend of the 2 that it must have";
    assert_eq!(fitness(&[service(2, None)], &healthy(1)), fault(why));
    let why = "keystone has 0 healthy backends of the 1 that it must have";
    assert_eq!(fitness(&[service(1, None)], &healthy(0)), fault(why));
}

#[test]
fn weights_add_up_and_every_failure_is_named() {
    let known = Known { carriers: carrier(false).carriers, healthy: healthy(1).healthy, ..codes(&[0]) };
    let tracks = [interface(Some(-20)), service(2, Some(-30)), service(3, Some(-5)), command(Some(7))];
    let judged = judge(&Ok(()), &tracks, &known).unwrap();
    assert_eq!(judged.fitness, Fitness::Weighted(-48));
    assert_eq!(judged.failing.len(), 3, "{judged:?}");

    let judged = judge(&Err("no address".into()), &[interface(None), service(2, Some(-30))], &known).unwrap();
    assert_eq!(judged.fitness, Fitness::Fault(format!("no address; {ETH1}")));
    assert_eq!(judged.failing.len(), 3, "{judged:?}");
}

#[test]
fn a_host_waits_for_the_first_result_of_a_command_without_a_weight() {
    assert_eq!(fitness(&[command(None)], &Known::default()), None);
    assert_eq!(fitness(&[command(None)], &codes(&[0])), weighted(0), "one pass is enough");
    assert_eq!(fitness(&[command(None)], &codes(&[3])), fault("`/usr/bin/check -x` failed: exit code 3"));
    // What is known to be at fault need not wait for what is not known.
    assert_eq!(fitness(&[command(None), interface(None)], &carrier(false)), fault(ETH1));
    for weight in [-9, 9] {
        assert_eq!(fitness(&[command(Some(weight))], &Known::default()), weighted(0), "{weight}");
    }
}

#[test]
fn later_results_count_in_a_row() {
    // Rise 2, fall 3.
    for (results, passes) in [
        (&[0, 1, 1][..], true),
        (&[0, 1, 1, 1], false),
        (&[0, 1, 1, 0, 1, 1], true),
        (&[1, 0], false),
        (&[1, 0, 0], true),
        (&[1, 0, 1, 0], false),
        (&[0, 1, 1, 1, 0, 0, 1, 1], true),
    ] {
        let sum = if passes { 0 } else { -1 };
        assert_eq!(fitness(&[command(Some(-1))], &codes(results)), weighted(sum), "{results:?}");
    }
}

#[test]
fn the_last_failure_is_the_one_that_is_named() {
    let mut known = codes(&[1]);
    let timeout = Duration::from_secs(1);
    known.ended(&check(), &Run { ending: Ending::TimedOut(timeout), took: timeout, last_line: "hm".into() });
    known.ended(&check(), &exited(0));
    let why = "`/usr/bin/check -x` failed: killed, as it was not over after 1s (hm)";
    assert_eq!(fitness(&[command(None)], &known), fault(why));
}
