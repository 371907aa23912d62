//! Troubles of several hosts at random times, each schedule out of a seed.
//!
//! `PIVOT_SCHEDULES=200` has that many played, and `PIVOT_SEED=17` begins with that seed: `PIVOT_SCHEDULES=1 PIVOT_SEED=17`
//! plays one again. Hosts send adverts every 10, 20 or 30 ms, by the seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{env, fmt, thread};

use anyhow::Result;
use pivot_tests::lab::random::Random;
use pivot_tests::lab::realtime::Starved;
use pivot_tests::lab::trial::{Trial, story};
use pivot_tests::lab::{Cluster, Family};
use rustix::process::Signal;

/// Schedules that are played unless told otherwise.
const USUAL: u64 = 20;
/// Times between adverts.
const ADVERTS: [u64; 3] = [10, 20, 30];

const HOSTS: [&str; 3] = ["c1", "c2", "c3"];

/// What happens to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// pivotd is stopped (SIGSTOP), and goes on.
    Hang,
    /// It is killed, and started again.
    Kill,
    /// It is ended (SIGTERM), and started again.
    Stop,
    /// It gets no CPU.
    Starve,
    /// The host's wire is taken away, and given back.
    Unplug,
}

/// A trouble's place in a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    host: &'static str,
    trouble: Trouble,
    /// Since the schedule's begin.
    from: Duration,
    to: Duration,
}

/// What happens to all hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Schedule {
    seed: u64,
    entries: Vec<Entry>,
}

impl Schedule {
    /// What a seed says. Troubles of one host's process follow on each other; its wire has troubles of its own.
    fn of(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut entries = Vec::new();
        let mut free: BTreeMap<(&str, bool), u64> = BTreeMap::new();
        for _ in 0..2 + random.below(5) {
            let host = HOSTS[[0, 0, 0, 1, 1, 2][random.below(6) as usize]];
            let mut trouble =
                [Trouble::Hang, Trouble::Hang, Trouble::Kill, Trouble::Stop, Trouble::Starve, Trouble::Unplug]
                    [random.below(6) as usize];
            if trouble == Trouble::Starve && entries.iter().any(|entry: &Entry| entry.trouble == trouble) {
                // There is one CPU for it.
                trouble = Trouble::Hang;
            }
            let free = free.entry((host, trouble == Trouble::Unplug)).or_default();
            let from = *free + random.below(150);
            let to = from + 1 + random.below(150);
            *free = to + 1;
            let [from, to] = [from, to].map(Duration::from_millis);
            entries.push(Entry { host, trouble, from, to });
        }
        Self { seed, entries }
    }

    fn advert(&self) -> Duration {
        Duration::from_millis(ADVERTS[(self.seed % ADVERTS.len() as u64) as usize])
    }

    /// Plays it, to the end of all troubles.
    fn play(&self, cluster: &mut Cluster) -> Result<()> {
        let mut steps: Vec<(Duration, bool, Entry)> = Vec::new();
        for entry in &self.entries {
            steps.extend([(entry.from, true, *entry), (entry.to, false, *entry)]);
        }
        steps.sort_by_key(|(at, begins, _)| (*at, *begins));
        let begin = Instant::now();
        let mut starved = None;
        for (at, begins, Entry { host, trouble, from, to }) in steps {
            thread::sleep(at.saturating_sub(begin.elapsed()));
            if trouble == Trouble::Unplug {
                cluster.lab.set_link(host, !begins)?;
                continue;
            }
            let daemon = cluster.daemon_mut(host);
            match (trouble, begins) {
                (Trouble::Hang, true) => daemon.process().signal(Signal::STOP)?,
                (Trouble::Hang, false) => daemon.process().signal(Signal::CONT)?,
                (Trouble::Kill, true) => daemon.kill9()?,
                (Trouble::Stop, true) => daemon.process().signal(Signal::TERM)?,
                (Trouble::Stop, false) => {
                    daemon.process().wait(Duration::from_secs(10))?;
                    daemon.start_again()?;
                }
                (Trouble::Kill, false) => daemon.start_again()?,
                (Trouble::Starve, true) => starved = Some(Starved::begin(daemon.process(), to - from)?),
                (Trouble::Starve, false) => starved.take().map_or(Ok(()), Starved::end)?,
                (Trouble::Unplug, _) => {}
            }
        }
        cluster.daemons.values_mut().try_for_each(pivot_tests::lab::Pivotd::await_answer)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, adverts every {:?}:", self.seed, self.advert())?;
        self.entries.iter().try_for_each(|Entry { host, trouble, from, to }| {
            write!(f, "\n    {host}: {trouble:?} from {from:?} to {to:?}")
        })
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text}: a whole number, such as {otherwise}")),
        Err(_) => otherwise,
    }
}

#[test]
fn random_troubles_of_several_hosts_never_make_two_holders() {
    let (first, schedules) = (number("PIVOT_SEED", 1), number("PIVOT_SCHEDULES", USUAL));
    println!("seeds {first} to {}", first + schedules.max(1) - 1);
    let (mut reigns, mut doubled) = (0, 0);
    for advert in ADVERTS.map(Duration::from_millis) {
        let mut schedules = (first..first + schedules).map(Schedule::of).filter(|it| it.advert() == advert).peekable();
        if schedules.peek().is_none() {
            continue;
        }
        let mut cluster = Cluster::elected(Family::V4, advert).unwrap();
        for schedule in schedules {
            println!("{schedule}");
            let trial = Trial::begin(&cluster).unwrap();
            schedule.play(&mut cluster).unwrap_or_else(|error| panic!("{error:#}{}", story(&cluster)));
            let seen = trial.end(&cluster, "c1");
            (reigns, doubled) = (reigns + seen.reigns().len(), doubled + seen.doubled());
            println!("{seen}");
        }
    }
    println!("{schedules} schedules, {reigns} reigns, {doubled} questions answered by two hosts one after the other");
}

#[test]
fn a_seed_always_says_the_same_and_no_two_troubles_of_a_process_overlap() {
    for seed in 0..1000 {
        let schedule = Schedule::of(seed);
        assert_eq!(schedule, Schedule::of(seed));
        for (place, one) in schedule.entries.iter().enumerate() {
            for other in &schedule.entries[place + 1..] {
                let same =
                    one.host == other.host && (one.trouble == Trouble::Unplug) == (other.trouble == Trouble::Unplug);
                assert!(!same || one.to < other.from || other.to < one.from, "{schedule}");
            }
        }
    }
}
