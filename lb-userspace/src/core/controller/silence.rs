//! Hosts that are not heard any more: their backends are down at once, if they do not answer.
//!
//! A host that is silent is dead, cut off, or has lost its pivotd alone; and it may be this host that is cut off. So every backend
//! that is up there is asked once, for as long as the host would have beaten twice: whether a connection is accepted, not whether the
//! service is well. Those that do not answer go down together, whatever their counters said, and the next check that passes brings
//! each of them back. What those that answer are worth is for their checks to say, as ever.
//!
//! A backend without a check goes if its host does not even refuse the connection, and this one hears another host: else nothing
//! would bring it back but the end of a cut that may be this host's own. It comes back with its host.
//!
//! What must hold: a question in flight is of a host that is silent; answers to others change nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::probing::ANEW;
use super::subject::Probing;
use super::{Controller, Slot};
use crate::core::check::{Attempt, spoken};
use crate::core::command::{Command, Level};
use crate::core::config::model::CheckKind;
use crate::core::event::{Now, ProbeOutcome, Silent};

/// Shortest time in which a live host is sure to answer.
const LEAST: Duration = Duration::from_millis(50);

/// What is known of silent hosts.
#[derive(Debug, Clone, Default)]
pub(super) struct Silence {
    hosts: BTreeMap<String, Questions>,
    /// The host and the subject that each question in flight is about.
    asked: BTreeMap<u64, (String, usize)>,
}

/// What is asked of a silent host.
#[derive(Debug, Clone)]
struct Questions {
    silent: Silent,
    /// When it is judged whatever was heard of the questions, each of which ends by itself before that; `None`: it was.
    until: Option<Now>,
    answered: Vec<usize>,
    /// Those that said no. Who says nothing has nothing here.
    refused: Vec<(usize, ProbeOutcome)>,
    /// How many questions there are.
    asked: usize,
}

impl Silence {
    /// When a host is judged next.
    pub(super) fn deadline(&self) -> Option<Now> {
        self.hosts.values().filter_map(|questions| questions.until).min()
    }
}

impl Controller {
    /// A host was heard, and is not any more.
    pub(super) fn host_silent(&mut self, silent: Silent, now: Now) -> Vec<Command> {
        if silent.host == self.host {
            return Vec::new();
        }
        self.ask_host(silent, now)
    }

    /// A host is heard, for the first time or again: what is down there is checked at once, and nothing is known of it until that
    /// check has ended; what is not checked is back.
    pub(super) fn host_heard(&mut self, host: &str, now: Now) -> Vec<Command> {
        if self.silence.hosts.remove(host).is_none() {
            return Vec::new();
        }
        self.silence.asked.retain(|_, (of, _)| of != host);
        let mut back = Vec::new();
        for subject in self.subjects_on(host, false) {
            if self.subjects[subject].probing == Probing::Never {
                self.subjects.bring_back(subject);
                back.push(subject);
            } else {
                self.subjects.ask_anew(subject, now);
            }
        }
        let message = format!("host {host} is heard again: its backends that are down are checked at once");
        let heard = Command::Log { level: Level::Info, message };
        let changes = self.subjects_changed(&back, now);
        self.publish().into_iter().chain([heard]).chain(changes).collect()
    }

    /// Takes in the answer to a question; `None` if it is to none.
    pub(super) fn answered(&mut self, id: u64, outcome: &ProbeOutcome, now: Now) -> Option<Vec<Command>> {
        let (host, subject) = self.silence.asked.remove(&id)?;
        let questions = self.silence.hosts.get_mut(&host)?;
        match outcome.has_passed() {
            true => questions.answered.push(subject),
            false => questions.refused.push((subject, outcome.clone())),
        }
        let all = questions.answered.len() + questions.refused.len() == questions.asked;
        Some(if all { self.judge_host(&host, now) } else { Vec::new() })
    }

    /// Judges the hosts whose time is up.
    pub(super) fn judge_hosts(&mut self, now: Now) -> Vec<Command> {
        let due = |(host, questions): (&String, &Questions)| {
            questions.until.is_some_and(|until| until <= now).then(|| host.clone())
        };
        let due: Vec<String> = self.silence.hosts.iter().filter_map(due).collect();
        due.iter().flat_map(|host| self.judge_host(host, now)).collect()
    }

    /// Under another configuration, hosts that are silent are asked again: subjects are not what they were. Those
    /// that are not configured any more, or not listened to, are forgotten.
    pub(super) fn ask_again(&mut self, now: Now) -> Vec<Command> {
        let hosts = std::mem::take(&mut self.silence).hosts;
        let known = |host: &String| {
            let config = self.config.as_ref()?;
            let listens = config.cluster.as_ref().is_some_and(|cluster| !cluster.heartbeat.is_zero());
            (listens && config.hosts.iter().any(|it| it.name == *host)).then_some(())
        };
        let (silent, heard): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|(host, _)| known(host).is_some());
        let mut back = Vec::new();
        for (host, _) in heard {
            let unchecked = self.subjects_on(&host, false).into_iter();
            back.extend(unchecked.filter(|subject| self.subjects[*subject].probing == Probing::Never));
        }
        back.iter().for_each(|subject| self.subjects.bring_back(*subject));
        let changes = self.subjects_changed(&back, now);
        let tables: Vec<Command> = if changes.is_empty() { Vec::new() } else { self.publish().into_iter().collect() };
        let asked = silent.into_iter().flat_map(|(_, questions)| self.ask_host(questions.silent, now));
        let asked: Vec<Command> = asked.collect();
        tables.into_iter().chain(changes).chain(asked).collect()
    }

    /// Asks every backend that is up on a host.
    fn ask_host(&mut self, silent: Silent, now: Now) -> Vec<Command> {
        let within = silent.within.max(LEAST);
        let mut probes = Vec::new();
        for subject in self.subjects_on(&silent.host, true) {
            let it = &self.subjects[subject];
            self.last_probe += 1;
            let (pool, member) = it.members[0];
            let backend = self.pools[pool].members[member].key.clone();
            let attempt = Arc::new(question(&it.attempt, within));
            self.silence.asked.insert(self.last_probe, (silent.host.clone(), subject));
            probes.push(Command::Probe { backend, id: self.last_probe, attempt, late: Duration::ZERO });
        }
        let (host, asked) = (silent.host.clone(), probes.len());
        let questions = Questions {
            silent,
            until: Some(Now(now.0 + within * 2)),
            answered: Vec::new(),
            refused: Vec::new(),
            asked,
        };
        self.silence.hosts.insert(host.clone(), questions);
        if asked == 0 { self.judge_host(&host, now) } else { probes }
    }

    /// Takes out what has not answered.
    fn judge_host(&mut self, host: &str, now: Now) -> Vec<Command> {
        let nobody = self.hears_nobody();
        let Some(questions) = self.silence.hosts.get_mut(host) else { return Vec::new() };
        questions.until = None;
        let (within, alone) = (questions.silent.within.max(LEAST), nobody || questions.silent.alone);
        let silence = spoken(questions.silent.silence);
        let (answered, refused) = (std::mem::take(&mut questions.answered), std::mem::take(&mut questions.refused));
        let mute = self.silence.asked.extract_if(.., |_, (of, _)| of == host).map(|(_, (_, subject))| {
            (subject, ProbeOutcome::failed(format!("no answer within {}", spoken(within)), within))
        });
        let out: Vec<(usize, ProbeOutcome)> = refused.into_iter().chain(mute).collect();
        let mut gone = Vec::new();
        for (subject, outcome) in out {
            let it = &self.subjects[subject];
            // Whoever refuses lives.
            let stays = it.probing == Probing::Never && (alone || outcome.took < within);
            // What a check has found meanwhile stands.
            if stays || !it.is_up() {
                continue;
            }
            let why = outcome.verdict.err().unwrap_or_default();
            let outcome = ProbeOutcome::failed(format!("host {host} is silent, and {why}"), outcome.took);
            let soon = Now(now.0 + self.jitter.up_to(ANEW));
            self.subjects.take_out(subject, outcome, soon, now);
            gone.push(subject);
        }
        gone.sort_unstable();
        let (level, what) = match (gone.is_empty(), answered.is_empty()) {
            (true, true) => return Vec::new(),
            (true, false) => (Level::Warn, "but its backends answer: they stay, and its pivotd is to be looked at"),
            (false, true) => {
                (Level::Warn, "and nothing there answers: its backends are taken out until a check passes")
            }
            (false, false) => {
                (Level::Warn, "and some of its backends do not answer: these are taken out until a check passes")
            }
        };
        let line = Command::Log { level, message: format!("host {host} is silent for {silence}, {what}") };
        let changes = self.subjects_changed(&gone, now);
        self.publish().into_iter().chain([line]).chain(changes).collect()
    }

    /// Whether every other host that is configured is silent.
    fn hears_nobody(&self) -> bool {
        let mut others = self.config.iter().flat_map(|config| &config.hosts).filter(|host| host.name != self.host);
        others.all(|host| self.silence.hosts.contains_key(&host.name))
    }

    /// What goes by subjects that went down or came up is told.
    fn subjects_changed(&mut self, subjects: &[usize], now: Now) -> Vec<Command> {
        let mut members: Vec<Slot> = subjects.iter().flat_map(|it| self.subjects[*it].members.clone()).collect();
        members.sort_unstable();
        self.states_changed(&members, now)
    }

    /// The subjects that are up, or down, on a host.
    fn subjects_on(&self, host: &str, up: bool) -> Vec<usize> {
        let is_there = |subject: &usize| {
            let it = &self.subjects[*subject];
            let (pool, member) = it.members[0];
            let rests = it.probing == Probing::Resting;
            !rests && it.is_up() == up && self.pools[pool].service.backends[member].host == host
        };
        (0..self.subjects.count()).filter(is_there).collect()
    }
}

/// Whether a connection is accepted there, where the check is one of connections; else the check itself, in less time.
fn question(attempt: &Attempt, within: Duration) -> Attempt {
    let timeout = attempt.timeout.min(within);
    match attempt.kind {
        CheckKind::Udp(_) | CheckKind::Command(_) => Attempt { timeout, ..attempt.clone() },
        _ => Attempt { target: attempt.target, kind: CheckKind::Tcp, tls: None, timeout },
    }
}
