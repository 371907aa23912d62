//! Three hosts, of which one holds the VIP or none does: it moves at random, backends come and go as each host sees them, pivotds are
//! started anew, and what hosts say of the writer is lost, late, or overtaken.

use proptest::prelude::*;

use super::tests::place;
use super::*;
use crate::core::config::model::Protocol;

const HOSTS: [&str; 3] = ["c1", "c2", "c3"];
const START: Duration = Duration::from_secs(1000);

/// What happens; numbers are of hosts and backends.
#[derive(Debug, Clone)]
enum Happens {
    /// A backend is seen fit, or not, by one host.
    Seen { host: usize, backend: usize, fit: bool },
    /// The same by all hosts.
    SeenByAll { backend: usize, fit: bool },
    /// Nobody holds the VIP any more.
    Lost,
    /// A host takes it, if nobody holds it.
    Taken { host: usize },
    /// A pivotd is started anew, with nothing but what is in its tables, or not even that. It does not hold the VIP.
    Started { host: usize, tables: bool },
    /// An operator wants another writer.
    Ordered { backend: usize },
    /// A host states what it knows; some of the others hear it, after so many events.
    States { host: usize, lost: [bool; 3], late: usize },
    /// Time goes by, in milliseconds.
    Passes(u64),
}

fn events() -> impl Strategy<Value = Vec<Happens>> {
    let (host, backend) = (|| 0..3_usize, || 0..3_usize);
    let fit = || prop::bool::weighted(0.6);
    let event = prop_oneof![
        2 => (host(), backend(), fit()).prop_map(|(host, backend, fit)| Happens::Seen { host, backend, fit }),
        2 => (backend(), fit()).prop_map(|(backend, fit)| Happens::SeenByAll { backend, fit }),
        1 => Just(Happens::Lost),
        2 => host().prop_map(|host| Happens::Taken { host }),
        1 => (host(), any::<bool>()).prop_map(|(host, tables)| Happens::Started { host, tables }),
        1 => backend().prop_map(|backend| Happens::Ordered { backend }),
        8 => (host(), any::<[bool; 3]>(), 0..4_usize)
            .prop_map(|(host, lost, late)| Happens::States { host, lost, late }),
        4 => (1..2000_u64).prop_map(Happens::Passes),
    ];
    prop::collection::vec(event, 1..300)
}

#[derive(Debug)]
struct Host {
    writer: Writer,
    fit: [bool; 3],
    /// The epoch that it had last.
    epoch: u64,
}

#[derive(Debug)]
struct World {
    hosts: Vec<Host>,
    holder: Option<usize>,
    failback: Failback,
    now: Now,
    /// What is under way: how many events it takes yet, from whom, to whom, and what.
    wires: Vec<(usize, usize, usize, Statement)>,
}

fn order(fit: [bool; 3]) -> Vec<Candidate<'static>> {
    let numbers = [1, 2, 3_u8];
    let candidate = |number: u8| Candidate {
        place: place(number),
        name: HOSTS[usize::from(number) - 1],
        fit: if fit[usize::from(number) - 1] { Ok(()) } else { Err("is down".into()) },
    };
    numbers.map(candidate).into()
}

impl World {
    fn new(failback: Failback) -> Self {
        let host = || Host { writer: Writer::new(None, Now(START)), fit: [true; 3], epoch: 0 };
        let mut world =
            Self { hosts: vec![host(), host(), host()], holder: None, failback, now: Now(START), wires: Vec::new() };
        world.settle();
        world
    }

    /// Every host looks at what it has.
    fn settle(&mut self) {
        for (i, host) in self.hosts.iter_mut().enumerate() {
            host.writer.configure(self.failback);
            host.writer.hold(self.holder == Some(i), self.now);
            host.writer.judge(&order(host.fit), self.now);
        }
    }

    fn statement(&self, host: usize) -> Option<Statement> {
        let service = ([10, 0, 0, 100].into(), 3306, Protocol::Tcp);
        let term = self.hosts[host].writer.term()?;
        Some(Statement { service, term, holds: self.holder == Some(host) })
    }

    fn hear(&mut self, from: usize, to: usize, said: &Statement) -> Option<Change> {
        let host = &mut self.hosts[to];
        host.writer.hear(said, (HOSTS[from], from < to), &order(host.fit), self.now)
    }

    /// Brings what has been under way for long enough.
    fn bring(&mut self) {
        let wires = std::mem::take(&mut self.wires);
        for (left, from, to, said) in wires {
            match left {
                0 => drop(self.hear(from, to, &said)),
                left => self.wires.push((left - 1, from, to, said)),
            }
        }
    }

    fn happens(&mut self, event: &Happens) {
        match *event {
            Happens::Seen { host, backend, fit } => self.hosts[host].fit[backend] = fit,
            Happens::SeenByAll { backend, fit } => self.hosts.iter_mut().for_each(|host| host.fit[backend] = fit),
            Happens::Lost => self.holder = None,
            Happens::Taken { host } => self.holder = self.holder.or(Some(host)),
            Happens::Started { host, tables } => {
                let left = self.hosts[host].writer.term().filter(|_| tables).map(|term| term.writer);
                self.holder = self.holder.filter(|holder| *holder != host);
                self.hosts[host] = Host { writer: Writer::new(left, self.now), fit: [true; 3], epoch: 0 };
            }
            Happens::Ordered { backend } => {
                let (now, Some(holder)) = (self.now, self.holder) else { return };
                let host = &mut self.hosts[holder];
                // An order that is refused changes nothing: that is looked at below.
                let _ = host.writer.give_to(place(backend as u8 + 1), &order(host.fit), now);
            }
            Happens::States { host, lost, late } => {
                let Some(said) = self.statement(host) else { return };
                let hearers = (0..3).filter(|to| *to != host && !lost[*to]);
                self.wires.extend(hearers.map(|to| (late, host, to, said)));
            }
            Happens::Passes(millis) => self.now = Now(self.now.0 + Duration::from_millis(millis)),
        }
    }

    /// Whether what must always hold does. `made` is the highest epoch so far of those that were made.
    fn check(&mut self, made: &mut u64) -> Result<(), TestCaseError> {
        for (i, host) in self.hosts.iter_mut().enumerate() {
            let Some(term) = host.writer.term() else { continue };
            prop_assert!(term.epoch >= host.epoch, "the epoch of {} fell from {}: {term:?}", HOSTS[i], host.epoch);
            host.epoch = term.epoch;
            if self.holder == Some(i) {
                *made = term.epoch.max(*made);
                let at = (1..=3).position(|number| place(number) == term.writer);
                let is_fit = at.is_some_and(|at| host.fit[at]);
                prop_assert!(is_fit || host.fit == [false; 3], "{} has an unfit writer: {term:?}", HOSTS[i]);
            }
        }
        for (host, name) in self.hosts.iter().zip(HOSTS) {
            prop_assert!(host.epoch <= *made, "{name} made epoch {} and is not the holder", host.epoch);
        }
        Ok(())
    }

    /// All hosts see the same, somebody holds the VIP, and nothing is lost: what is stated for some seconds.
    fn quiet(&mut self, fit: [bool; 3]) {
        self.wires.clear();
        self.hosts.iter_mut().for_each(|host| host.fit = fit);
        self.holder = self.holder.or(Some(0));
        for _ in 0..5 {
            self.now = Now(self.now.0 + Duration::from_secs(1));
            self.settle();
            for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
                if let Some(said) = self.statement(from) {
                    self.hear(from, to, &said);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn epochs_never_fall_and_in_the_end_all_hosts_have_the_holders_writer(
        events in events(),
        failback in prop_oneof![
            Just(Failback::Never),
            (0..5_u64).prop_map(|seconds| Failback::After(Duration::from_secs(seconds))),
        ],
        fit in any::<[bool; 3]>(),
    ) {
        let mut world = World::new(failback);
        let mut made = 0;
        for event in &events {
            world.happens(event);
            world.settle();
            world.check(&mut made)?;
            world.bring();
            world.settle();
            world.check(&mut made)?;
        }
        world.quiet(fit);
        world.check(&mut made)?;
        let terms: Vec<_> = world.hosts.iter().map(|host| host.writer.term().map(|term| (term.epoch, term.writer))).collect();
        prop_assert!(terms.iter().all(|term| *term == terms[0] && term.is_some()), "{terms:?}");

        // Wherever the VIP goes from here, and whoever is started anew, the writer stays.
        if fit != [false; 3] && failback == Failback::Never {
            for host in [2, 0, 1] {
                world.happens(&Happens::Lost);
                world.settle();
                world.happens(&Happens::Started { host: (host + 1) % 3, tables: host == 1 });
                world.hosts.iter_mut().for_each(|host| host.fit = fit);
                world.happens(&Happens::Taken { host });
                world.settle();
                prop_assert_eq!(world.hosts[host].writer.term().map(|term| term.writer), terms[0].map(|term| term.1));
                world.quiet(fit);
            }
        }
    }
}
