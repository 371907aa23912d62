//! What is checked: a place that is asked in one way and at one pace, and what is known of it.
//!
//! Backends of which the same is asked share a subject, whichever services they are of: it is asked once, and the answer holds
//! for all of them. Only a command is told whom it is to judge, so each backend has one of its own.
//!
//! What must hold: every backend goes by one subject, and every subject has backends; the timers are in step with what the
//! checks are doing. Nothing that is done for each check takes longer the more subjects there are, but for looking up one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Index;
use std::sync::Arc;
use std::time::Duration;

use super::Slot;
use crate::core::check::Attempt;
use crate::core::config::model::{Check, CheckKind};
use crate::core::event::{BackendKey, Now, ProbeOutcome};
use crate::core::health::{self, Health, Jitter, Transition};

/// For so long what fails on a host that is back is not believed: where the host is may have to be asked for a second time, which the
/// kernel does after a second.
const SETTLED: Duration = Duration::from_millis(1200);
/// Pause between checks meanwhile, at most.
const AGAIN: Duration = Duration::from_millis(200);

/// What tells subjects apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    /// Where it is asked.
    pub(super) target: SocketAddr,
    /// What, and at which pace; without the place.
    pub(super) check: Check,
    /// The only backend that goes by it, where the check depends on that.
    only: Option<BackendKey>,
}

/// A subject.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) identity: Identity,
    /// What is done at each check.
    pub(super) attempt: Arc<Attempt>,
    /// The backends that go by it, in order.
    pub(super) members: Vec<Slot>,
    pub(super) health: Health,
    /// When its last check ended, and how.
    pub(super) last_check: Option<(Now, ProbeOutcome)>,
    /// When the last check that has ended began.
    pub(super) checked: Option<Now>,
    /// What fails before that may do so because its host is only just back.
    pub(super) unsettled: Option<Now>,
    pub(super) probing: Probing,
}

/// What the checks of a subject are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probing {
    /// There are none: it is taken to be up.
    Never,
    /// There are none for now: all who go by it are in maintenance.
    Resting,
    /// The next one starts then.
    Due(Now),
    /// One is under way; if its end is not heard of by then, it has failed.
    InFlight { id: u64, began: Now, give_up: Now },
}

/// Every subject.
#[derive(Debug, Clone, Default)]
pub(super) struct Subjects {
    all: Vec<Subject>,
    /// When each check is due, or given up, in the order of time.
    timers: BTreeSet<(Now, usize)>,
    /// Whose check each one in flight is.
    in_flight: BTreeMap<u64, usize>,
}

impl Identity {
    /// What a service asks of a backend that is bound there.
    pub(super) fn of(check: &Check, bound: SocketAddr, backend: &BackendKey) -> Self {
        let only = matches!(check.kind, CheckKind::Command(_)).then(|| backend.clone());
        Self { target: check.target(bound), check: Check { port: None, address: None, ..check.clone() }, only }
    }

    /// Whether both ask the same of the same: then the answers to one say something of the other.
    pub(super) fn asks_as(&self, other: &Self) -> bool {
        let question = |it: &Self| (it.target, it.check.kind.clone(), it.check.tls.clone(), it.only.clone());
        question(self) == question(other)
    }
}

impl Subject {
    /// One of which this much is known, and whose checks begin.
    pub(super) fn new(identity: Identity, members: Vec<Slot>, health: Health, jitter: &mut Jitter, now: Now) -> Self {
        let attempt = Arc::new(Attempt::of(&identity.check, identity.target));
        let probing = Probing::first(&identity.check, jitter, now);
        Self { identity, attempt, members, health, last_check: None, checked: None, unsettled: None, probing }
    }

    pub(super) fn check(&self) -> &Check {
        &self.identity.check
    }

    pub(super) fn is_up(&self) -> bool {
        self.health.is_up(self.check())
    }

    /// Whether a check that began since then has ended, and left no doubt.
    pub(super) fn is_known_since(&self, since: Now) -> bool {
        let is_checked = self.checked.is_some_and(|began| began >= since) && self.health.is_sure(self.check());
        match self.probing {
            Probing::Never => self.is_up(),
            Probing::Resting => true,
            Probing::Due(_) | Probing::InFlight { .. } => is_checked && self.unsettled.is_none(),
        }
    }
}

impl Probing {
    /// The first check comes at once, give or take a tenth of the interval so that not all start together.
    pub(super) fn first(check: &Check, jitter: &mut Jitter, now: Now) -> Self {
        match check.kind {
            CheckKind::None => Self::Never,
            _ => Self::Due(Now(now.0 + jitter.up_to(check.interval / 10))),
        }
    }

    /// When something is to be done about it.
    fn deadline(self) -> Option<Now> {
        match self {
            Self::Never | Self::Resting => None,
            Self::Due(time) | Self::InFlight { give_up: time, .. } => Some(time),
        }
    }

    /// The check in flight.
    fn id(self) -> Option<u64> {
        match self {
            Self::Never | Self::Resting | Self::Due(_) => None,
            Self::InFlight { id, .. } => Some(id),
        }
    }
}

impl Subjects {
    pub(super) fn new(all: Vec<Subject>) -> Self {
        let subjects = || all.iter().enumerate();
        let timers = subjects().filter_map(|(i, subject)| Some((subject.probing.deadline()?, i))).collect();
        let in_flight = subjects().filter_map(|(i, subject)| Some((subject.probing.id()?, i))).collect();
        Self { all, timers, in_flight }
    }

    pub(super) fn into_all(self) -> Vec<Subject> {
        self.all
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subject> {
        self.all.iter()
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// When the next check is due, or given up.
    pub(super) fn deadline(&self) -> Option<Now> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// Those of which a check is due, or given up.
    pub(super) fn due(&self, now: Now) -> Vec<usize> {
        self.timers.range(..=(now, usize::MAX)).map(|(_, subject)| *subject).collect()
    }

    /// The one whose check in flight this is.
    pub(super) fn of_check(&self, id: u64) -> Option<usize> {
        self.in_flight.get(&id).copied()
    }

    /// What its checks do from now on.
    pub(super) fn plan(&mut self, subject: usize, probing: Probing) {
        let before = std::mem::replace(&mut self.all[subject].probing, probing);
        if let Some(time) = before.deadline() {
            self.timers.remove(&(time, subject));
        }
        if let Some(id) = before.id() {
            self.in_flight.remove(&id);
        }
        self.timers.extend(probing.deadline().map(|time| (time, subject)));
        self.in_flight.extend(probing.id().map(|id| (id, subject)));
    }

    /// Takes it to be down, and why; it is checked again at `due`, and up if that passes. What is under way does not count.
    pub(super) fn take_out(&mut self, subject: usize, why: ProbeOutcome, due: Now, now: Now) {
        let it = &mut self.all[subject];
        it.health = Health::doubted(&it.identity.check);
        it.last_check = Some((now, why));
        if it.probing != Probing::Never {
            self.plan(subject, Probing::Due(due));
        }
    }

    /// Has it checked now, as its host is back, and again soon until that has settled: what earlier checks found does not count any
    /// more, and what fails at first is not believed.
    pub(super) fn ask_anew(&mut self, subject: usize, now: Now) {
        let it = &mut self.all[subject];
        (it.checked, it.unsettled) = (None, Some(Now(now.0 + SETTLED)));
        self.plan(subject, Probing::Due(now));
    }

    /// Takes one that is not checked to be up again.
    pub(super) fn bring_back(&mut self, subject: usize) {
        let it = &mut self.all[subject];
        (it.health, it.last_check) = (Health::known(&it.identity.check, true), None);
    }

    /// Begins checks again that rested, with this much known.
    pub(super) fn resume(&mut self, subject: usize, health: Health, now: Now) {
        self.all[subject].health = health;
        self.plan(subject, Probing::Due(now));
    }

    /// Takes in the end of a check, and plans the next one.
    pub(super) fn end(&mut self, subject: usize, outcome: ProbeOutcome, jitter: &mut Jitter, now: Now) -> Transition {
        let it = &mut self.all[subject];
        let began = match it.probing {
            Probing::InFlight { began, .. } => began,
            Probing::Never | Probing::Resting | Probing::Due(_) => now,
        };
        it.unsettled = it.unsettled.filter(|until| began < *until && !outcome.has_passed());
        if it.unsettled.is_some() {
            let pause = it.check().fast_interval.min(AGAIN);
            it.last_check = Some((now, outcome));
            self.plan(subject, Probing::Due(Now(now.0 + pause)));
            return Transition::Unchanged;
        }
        let (health, transition) = health::step(it.health, &it.identity.check, outcome.has_passed());
        it.health = health;
        it.last_check = Some((now, outcome));
        if let Probing::InFlight { began, .. } = it.probing {
            it.checked = Some(began);
        }
        let due = jitter.due(now, health.pause(it.check()));
        self.plan(subject, Probing::Due(due));
        transition
    }
}

impl Index<usize> for Subjects {
    type Output = Subject;

    fn index(&self, subject: usize) -> &Subject {
        &self.all[subject]
    }
}
