//! A wall clock that is set ahead and back, on all hosts at once: nothing in an election goes by it.

use std::time::Duration;

use pivot_tests::lab::trial::Trial;
use pivot_tests::lab::{Cluster, Family, kernel, wait_until};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

const HOUR: i64 = 3600;

/// Sets the machine's clock by so many seconds.
fn step(seconds: i64) {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Realtime);
    clock_settime(ClockId::Realtime, Timespec { tv_sec: tv_sec + seconds, tv_nsec }).unwrap();
}

/// Adverts that the holder has sent.
fn sent(cluster: &Cluster) -> u64 {
    cluster.daemons["c1"].vips().unwrap().groups.iter().map(|group| group.counters.adverts_sent).sum()
}

fn await_adverts(cluster: &Cluster, more: u64) {
    let before = sent(cluster);
    wait_until(Duration::from_secs(20), "adverts of the holder", || match sent(cluster) - before {
        new if new >= more => Ok(()),
        new => Err(format!("{new}")),
    })
    .unwrap();
}

#[test]
fn a_clock_that_is_set_ahead_and_back_changes_no_holder() {
    kernel::require_throwaway().unwrap();
    // Sealed messages carry a sequence, which begins with the time of day.
    let mut cluster = Cluster::elected_by(Family::V4, "advert = \"200ms\"\nunicast = true\nsigned = true").unwrap();
    let (trial, promotions) = (Trial::begin(&cluster).unwrap(), cluster.promotions().unwrap());
    for seconds in [HOUR, -2 * HOUR, HOUR] {
        step(seconds);
        await_adverts(&cluster, 20);
    }
    trial.end(&cluster, "c1");
    assert_eq!(cluster.promotions().unwrap(), promotions, "somebody took over");

    // Whoever starts anew in the past is believed all the same.
    let trial = Trial::begin(&cluster).unwrap();
    step(-HOUR);
    cluster.daemon_mut("c1").kill9().unwrap();
    trial.await_answer_of(&cluster, "c2");
    cluster.daemon_mut("c1").start_again().unwrap();
    trial.end(&cluster, "c1");
    step(HOUR);
}
