//! Clients that wait for a backend that was cut: they are made to speak, and learn of it by what they are answered.
//!
//! Whoever holds the VIP does it, beside everything else: it walks through the flow table in steps, and provokes some clients in
//! each turn ([`crate::io::provoke`]). Everyone is provoked thrice, as packets are lost, and stacks differ in what they answer.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::Daemon;
use crate::core::event::Now;
use crate::io::provoke::{Form, Provoker};
use crate::tables::fallen::{Connection, Walk};
use crate::tables::writer::Writer;

/// Sets of the flow table that are looked at in one step: 8,192 flows.
const SETS: usize = 2048;
/// Steps in one turn: a millisecond or less if the table is empty, some if it is full.
const STEPS: usize = 8;
/// Clients that are provoked in one turn: some 20,000 in a second, at a few microseconds each.
const BATCH: usize = 48;
/// Rest between two turns, so that everything else has its turn.
const REST: Duration = Duration::from_millis(2);
/// From the end of one time to the next.
const AGAIN: Duration = Duration::from_millis(300);
/// Stacks that take no segment without a timestamp answer one of two that are 2^31 apart.
const TIMES: [Form; 3] = [Form::Plain, Form::Stamped(0), Form::Stamped(1 << 31)];
/// Clients, of which one packet was seen, that are provoked each time: anyone can make them up.
const HEARSAY: usize = 10_000;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Idle {
    provoker: Option<Provoker>,
    /// VIPs that this host held when it was last asked.
    held: BTreeSet<IpAddr>,
    /// Backends that were cut, by when their clients are to be provoked for which time.
    due: Vec<(Now, usize, BTreeSet<u16>)>,
    /// The time that is under way.
    round: Option<Round>,
    /// When to go on with it.
    next: Now,
}

#[derive(Debug)]
struct Round {
    time: usize,
    backends: BTreeSet<u16>,
    /// `None`: it is through.
    walk: Option<Walk>,
    waiting: VecDeque<Connection>,
    /// How many more clients may be provoked of which one packet was seen.
    hearsay: usize,
    provoked: usize,
    /// Of those, or beside them, in whose place the kernel said this.
    failed: Option<io::Error>,
}

impl Idle {
    /// Takes in which backends were cut, and which VIPs this host holds: of one that it did not hold, all that are.
    fn notice(&mut self, writer: &Writer, mut cut: BTreeSet<u16>, held: BTreeSet<IpAddr>, now: Now) {
        let gained: BTreeSet<IpAddr> = held.difference(&self.held).copied().collect();
        if !gained.is_empty() {
            cut.extend(writer.cut_on(&gained));
        }
        if let Some(round) = self.round.as_mut().filter(|_| held != self.held) {
            round.waiting.retain(|connection| held.contains(&connection.vip.ip()));
        }
        self.held = held;
        if !cut.is_empty() && !self.held.is_empty() {
            self.due.push((now, 0, cut));
        }
    }

    /// When there is something to do; `None`: nothing is.
    fn deadline(&self) -> Option<Now> {
        match self.round {
            Some(_) => Some(self.next),
            None => self.due.iter().map(|(at, ..)| *at).min(),
        }
    }

    /// Does some of what is to be done.
    fn turn(&mut self, writer: &Writer, now: Now) {
        self.next = Now(now.0 + REST);
        if self.round.is_none() {
            self.round = self.begin(writer, now);
        }
        let Some(round) = &mut self.round else { return };
        round.look(writer);
        let provoker = self.provoker.get_or_insert_with(|| Provoker::open(now.0.subsec_nanos()));
        round.send(provoker);
        if round.walk.is_none() && round.waiting.is_empty() {
            round.report();
            let (time, backends) = (round.time + 1, std::mem::take(&mut round.backends));
            self.round = None;
            if time < TIMES.len() {
                self.due.push((Now(now.0 + AGAIN), time, backends));
            }
        }
    }

    /// The earliest that is due, and all others of that time. What has come up again is not looked for.
    fn begin(&mut self, writer: &Writer, now: Now) -> Option<Round> {
        let time =
            self.due.iter().filter(|(at, ..)| *at <= now).min_by_key(|(at, ..)| *at).map(|(_, time, _)| *time)?;
        let (these, later) = std::mem::take(&mut self.due).into_iter().partition(|it| it.0 <= now && it.1 == time);
        self.due = later;
        let these: Vec<(Now, usize, BTreeSet<u16>)> = these;
        let fallen = writer.fallen(&these.into_iter().flat_map(|(.., cut)| cut).collect(), &self.held);
        let backends: BTreeSet<u16> = fallen.keys().copied().collect();
        let walk = Some(Walk::new(fallen));
        let waiting = VecDeque::new();
        let round = Round { time, backends, walk, waiting, hearsay: HEARSAY, provoked: 0, failed: None };
        (!round.backends.is_empty()).then_some(round)
    }
}

impl Round {
    /// Looks at more of the flow table, unless clients wait already.
    fn look(&mut self, writer: &Writer) {
        let (mut found, mut steps) = (Vec::new(), 0..STEPS);
        while self.waiting.is_empty()
            && found.is_empty()
            && let Some(walk) = &mut self.walk
        {
            if !walk.step(writer.memory(), writer.clock(), SETS, &mut found) {
                self.walk = None;
            }
            if steps.next().is_none() {
                break;
            }
        }
        let hearsay = &mut self.hearsay;
        self.waiting.extend(found.into_iter().filter(|connection| {
            let takes = connection.established || *hearsay > 0;
            *hearsay -= usize::from(takes && !connection.established);
            takes
        }));
    }

    fn send(&mut self, provoker: &mut Provoker) {
        for _ in 0..BATCH {
            let Some(connection) = self.waiting.front() else { return };
            match provoker.provoke(connection.vip, connection.client, TIMES[self.time]) {
                Ok(()) => self.provoked += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => self.failed = Some(error),
            }
            self.waiting.pop_front();
        }
    }

    fn report(&self) {
        if self.provoked > 0 {
            tracing::debug!("{} clients of backends that were cut were made to speak", self.provoked);
        }
        if let (Some(error), 0) = (&self.failed, self.time) {
            tracing::warn!(
                "clients that wait for a backend that is down are not all told: sending to one failed: {error}"
            );
        }
    }
}

impl Daemon {
    /// Has clients told whose backends were cut since this was called last.
    pub(super) fn notice_cut(&mut self) {
        let (now, cut) = (self.now(), self.executor.datapath.take_cut());
        self.idle.notice(self.executor.datapath.writer(), cut, self.controller.held(), now);
    }

    /// One turn of telling them.
    pub(super) fn tell_idle(&mut self) {
        let now = self.now();
        self.idle.turn(self.executor.datapath.writer(), now);
    }
}

/// Waits until there is something to do; for ever if nothing is.
pub(super) async fn ready(idle: &Idle, began: std::time::Instant) {
    match idle.deadline() {
        Some(Now(at)) => tokio::time::sleep_until(tokio::time::Instant::from_std(began + at)).await,
        None => std::future::pending().await,
    }
}
