//! Health checks: when they start, what their ends mean.
//!
//! Every host checks every backend, its own included. A check in flight holds up no other one; one whose end is never heard of counts
//! as failed after twice its timeout. An answer counts only if it is to a check in flight: late ones, and those of subjects
//! that are gone, change nothing.

use std::time::Duration;

use super::pool::{Deals, Member, Pool};
use super::ramp::Ramp;
use super::subject::{Probing, Subject, Subjects};
use super::{Controller, Slot};
use crate::core::command::{Command, Level};
use crate::core::config::model::{CheckKind, Protocol};
use crate::core::event::{Now, ProbeOutcome};
use crate::core::health::Transition;

/// All checks that are to be made anew begin within this time, however long their intervals are: somebody waits for them.
pub(super) const ANEW: Duration = Duration::from_millis(500);

impl Controller {
    /// Does what is due.
    pub(super) fn tick(&mut self, now: Now) -> Vec<Command> {
        let climbed = self.climb(now);
        let changed = climbed.is_some();
        let (mut probes, mut logs) = (Vec::new(), climbed.unwrap_or_default());
        for subject in self.subjects.due(now) {
            match self.subjects[subject].probing {
                Probing::Never | Probing::Resting => {}
                Probing::Due(due) => probes.push(self.start_probe(subject, due, now)),
                Probing::InFlight { .. } => {
                    let waited = self.subjects[subject].attempt.timeout * 2;
                    let reason = format!("nothing was heard of the check for {waited:?}");
                    logs.extend(self.ended(subject, ProbeOutcome::failed(reason, waited), now));
                }
            }
        }
        probes.extend(self.judge_hosts(now));
        if logs.is_empty() && !changed {
            return probes;
        }
        self.publish().into_iter().chain(logs).chain(probes).collect()
    }

    /// Has everything checked soon; checks under way may be from before whatever happened, and do not count.
    pub(super) fn recheck(&mut self, now: Now) -> Vec<Command> {
        for subject in 0..self.subjects.count() {
            if matches!(self.subjects[subject].probing, Probing::Never | Probing::Resting) {
                continue;
            }
            let within = (self.subjects[subject].check().interval / 10).min(ANEW);
            let due = Now(now.0 + self.jitter.up_to(within));
            self.subjects.plan(subject, Probing::Due(due));
        }
        self.ask_agents_anew(now);
        Vec::new()
    }

    /// Takes in the end of a check.
    pub(super) fn probe_ended(&mut self, ended: u64, outcome: ProbeOutcome, now: Now) -> Vec<Command> {
        let Some(subject) = self.subjects.of_check(ended) else {
            return self.answered(ended, &outcome, now).unwrap_or_default();
        };
        let logs = self.ended(subject, outcome, now);
        if logs.is_empty() {
            return logs;
        }
        self.publish().into_iter().chain(logs).collect()
    }

    fn start_probe(&mut self, subject: usize, due: Now, now: Now) -> Command {
        self.last_probe += 1;
        let id = self.last_probe;
        let it = &self.subjects[subject];
        let (pool, member) = it.members[0];
        let attempt = it.attempt.clone();
        let give_up = Now(now.0 + attempt.timeout * 2);
        self.subjects.plan(subject, Probing::InFlight { id, began: now, give_up });
        Command::Probe {
            backend: self.pools[pool].members[member].key.clone(),
            id,
            attempt,
            late: now.0.saturating_sub(due.0),
        }
    }

    /// Counts the outcome of a check and plans the next one; returns what is to be told if backends went down or came up, and
    /// nothing if they did not.
    fn ended(&mut self, subject: usize, outcome: ProbeOutcome, now: Now) -> Vec<Command> {
        match self.subjects.end(subject, outcome, &mut self.jitter, now) {
            Transition::Unchanged => Vec::new(),
            Transition::CameUp | Transition::WentDown => {
                let members = self.subjects[subject].members.clone();
                self.states_changed(&members, now)
            }
        }
    }

    /// Deals the tables of services again after backends of theirs, in order, went down or came up, and says so. Of those in
    /// maintenance, and those that are down as their agents say, it is not told: they are as ordered.
    pub(super) fn states_changed(&mut self, members: &[Slot], now: Now) -> Vec<Command> {
        let slots = self.config.as_ref().map_or(0, |config| config.tables.maglev);
        let (mut deals, mut logs) = (Deals::default(), Vec::new());
        for of_pool in members.chunk_by(|one, other| one.0 == other.0) {
            let Some((place, _)) = of_pool.first() else { continue };
            let pool = &mut self.pools[*place];
            let before = pool.stands();
            let members = of_pool.iter().map(|(_, member)| *member);
            let is_told = |member: &Member| !member.in_force().maintenance && member.announced.down().is_none();
            let members: Vec<usize> = members.filter(|member| is_told(&pool.members[*member])).collect();
            for member in &members {
                let slot = (*place, *member);
                let member = &mut pool.members[*member];
                member.since = now;
                let is_up = self.subjects[member.subject].is_up();
                let ramp = Ramp::begin(pool.service.slow_start, now).filter(|_| is_up);
                self.ramps.set(slot, member, ramp);
                let subject = &self.subjects[member.subject];
                self.chronicle.note(pool, slot.1, &self.subjects, || why(subject), now);
            }
            pool.deal(slots, &self.subjects, &mut deals, now);
            logs.extend(members.iter().map(|member| changed(pool, *member, &self.subjects)));
            match pool.judged(before, &self.subjects) {
                Some(judged) => logs.push(judged),
                None if before.took_flows && !pool.takes_flows() => logs.push(lost(pool)),
                None => {}
            }
        }
        logs
    }
}

/// Why backends are up, or down.
pub(super) fn why(subject: &Subject) -> String {
    match (subject.last_check.as_ref().map(|(_, outcome)| &outcome.verdict), subject.is_up()) {
        (Some(Err(reason)), false) => reason.clone(),
        (Some(Ok(found)), true) if !found.is_empty() => format!("its checks pass: {found}"),
        (Some(Ok(_)), true) => "its checks pass".to_owned(),
        (_, true) if subject.check().kind == CheckKind::None => "it is not checked, so it is taken to be up".to_owned(),
        _ => "it goes by other checks since a reload".to_owned(),
    }
}

/// A line about a backend that went down or came up.
fn changed(pool: &Pool, member: usize, subjects: &Subjects) -> Command {
    let member = &pool.members[member];
    let subject = &subjects[member.subject];
    let (name, target, strength) = (&member.key, member.target, pool.strength());
    let (level, message) = match (&subject.last_check, subject.is_up()) {
        (Some((_, ProbeOutcome { verdict: Err(reason), .. })), false) => {
            (Level::Warn, format!("backend {name} ({target}) is down: {reason}; {strength}"))
        }
        (_, false) => (Level::Warn, format!("backend {name} ({target}) is down; {strength}")),
        (_, true) if member.in_force().drained => {
            (Level::Info, format!("backend {name} ({target}) is healthy again, and drained; {strength}"))
        }
        (_, true) => (Level::Info, format!("backend {name} ({target}) is up; {strength}")),
    };
    Command::Log { level, message }
}

/// A line about a service that has no backend left.
fn lost(pool: &Pool) -> Command {
    let service = &pool.service;
    let lost = match service.protocol {
        Protocol::Tcp => "connections: they are reset",
        Protocol::Udp => "flows: they are refused",
    };
    let message = format!(
        "service {} ({} port {} of VIP {}) has no backend for new {lost} until a check passes",
        service.name,
        service.protocol.name(),
        service.port,
        service.vip
    );
    Command::Log { level: Level::Error, message }
}
