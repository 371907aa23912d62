//! A host that is sick never makes two holders.
//!
//! Somebody asks every 2 ms who has the VIP while a holder is killed, hangs, is starved, or loses its wire. What is asserted
//! each time: the answers can be explained by one holder after the other, no more of them than were elected
//! ([`Watch::reigns`]), and in the end the best host holds. A step of the clock is not among the troubles: a namespace has
//! no wall clock of its own, and the machine's is not ours to set; in a virtual machine it is (area `stock`).

mod cut;
mod schedule;

use std::ops::Range;
use std::thread::sleep;
use std::time::Duration;

use pivot_tests::lab::realtime::Starved;
use pivot_tests::lab::trial::Trial;
use pivot_tests::lab::watch::Watch;
use pivot_tests::lab::{Cluster, Family};
use rustix::process::Signal;

const FAST: Duration = Duration::from_millis(10);
const USUAL: Duration = Duration::from_millis(100);

/// What a host serves after its last advert at most: two intervals and a half, as long as the configuration says nothing
/// else; and one interval and a jiffy of 10 ms until that last advert is as old as the trouble.
fn lease(advert: Duration) -> Duration {
    advert * 5 / 2 + Duration::from_millis(10)
}

fn in_either_family(advert: Duration, test: fn(&mut Cluster, Duration)) {
    for family in Family::ALL {
        test(&mut Cluster::elected(family, advert).unwrap(), advert);
    }
}

#[test]
fn a_holder_whose_pivotd_is_killed_is_succeeded_and_comes_back_at_10_ms() {
    in_either_family(FAST, killed);
}

#[test]
fn a_holder_whose_pivotd_is_killed_is_succeeded_and_comes_back_at_100_ms() {
    in_either_family(USUAL, killed);
}

fn killed(cluster: &mut Cluster, advert: Duration) {
    let trial = Trial::begin(cluster).unwrap();
    cluster.daemon_mut("c1").kill9().unwrap();
    let killed = trial.now();
    trial.await_answer_of(cluster, "c2");
    cluster.daemon_mut("c1").start_again().unwrap();
    let back = trial.now();
    cluster.daemon_mut("c1").await_answer().unwrap();
    let seen = trial.end(cluster, "c1");
    assert_silent(cluster, &seen, "c1", killed + lease(advert)..back);
}

#[test]
fn a_holder_that_hangs_for_ten_seconds_serves_nothing_and_wakes_up_as_a_backup_at_10_ms() {
    hung(&mut Cluster::elected(Family::V4, FAST).unwrap(), FAST);
}

#[test]
fn a_holder_that_hangs_for_ten_seconds_serves_nothing_and_wakes_up_as_a_backup_at_100_ms() {
    hung(&mut Cluster::elected(Family::V4, USUAL).unwrap(), USUAL);
}

#[test]
fn a_holder_that_hangs_over_ipv6_serves_nothing_and_wakes_up_as_a_backup() {
    hung(&mut Cluster::elected(Family::V6, FAST).unwrap(), FAST);
}

fn hung(cluster: &mut Cluster, advert: Duration) {
    let trial = Trial::begin(cluster).unwrap();
    // It keeps the hung host's frames coming until the client has heard of the new holder.
    let prober = cluster.client().probe(cluster.vip());
    cluster.daemon_mut("c1").process().signal(Signal::STOP).unwrap();
    let (hung, begin) = (trial.now(), prober.now());
    trial.await_time(hung + lease(advert));
    let served = cluster.lab.served("c1").unwrap();
    trial.await_answer_of(cluster, "c2");
    trial.await_time(hung + Duration::from_secs(10));
    assert_eq!(cluster.lab.served("c1").unwrap(), served, "packets served by a host whose lease has run out");
    let back = trial.now();
    cluster.daemon_mut("c1").process().signal(Signal::CONT).unwrap();
    let seen = trial.end(cluster, "c1");
    assert_silent(cluster, &seen, "c1", hung + lease(advert)..back);
    let probes = prober.stop().unwrap();
    assert!(served > 0 && probes.backends().len() == 2, "{probes}");
    assert!(probes.outage().is_some_and(|outage| outage.from + advert >= begin), "it was no trouble: {probes}");
}

#[test]
fn a_starved_holder_is_never_one_of_two_at_10_ms() {
    in_either_family(FAST, starved);
}

#[test]
fn a_starved_holder_is_never_one_of_two_at_100_ms() {
    in_either_family(USUAL, starved);
}

fn starved(cluster: &mut Cluster, advert: Duration) {
    let trial = Trial::begin(cluster).unwrap();
    let hungry = Starved::begin(cluster.daemon_mut("c1").process(), advert * 15).unwrap();
    hungry.end().unwrap();
    let seen = trial.end(cluster, "c1");
    assert!(seen.reigns().len() >= 3, "it was no trouble: {seen}");
}

#[test]
fn a_holder_that_loses_its_wire_is_never_one_of_two_at_10_ms() {
    in_either_family(FAST, unplugged);
}

#[test]
fn a_holder_that_loses_its_wire_is_never_one_of_two_at_100_ms() {
    in_either_family(USUAL, unplugged);
}

fn unplugged(cluster: &mut Cluster, advert: Duration) {
    // Long enough to be noticed by others, just about, and hardly at all.
    for part in [10, 4, 3, 1] {
        let trial = Trial::begin(cluster).unwrap();
        cluster.lab.set_link("c1", false).unwrap();
        sleep(advert * part);
        cluster.lab.set_link("c1", true).unwrap();
        let seen = trial.end(cluster, "c1");
        assert!(part < 10 || seen.reigns().len() >= 3, "it was no trouble: {seen}");
    }
}

/// Asserts that a host answered nothing that was asked within a time.
fn assert_silent(cluster: &Cluster, seen: &Watch, host: &str, time: Range<Duration>) {
    let answered = seen.answered(cluster.lab.node(host).mac, time.clone());
    assert_eq!(answered, 0, "{host} answered for the VIP from {time:?}, without a lease: {seen}");
}
