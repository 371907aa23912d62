//! Health checks: when they start, what their ends mean.
//!
//! Every host checks every backend, its own included. A check in flight holds up no other backend's; one whose end is never
//! heard of counts as failed after twice its timeout. An answer counts only if it is to the check in flight: late ones, and
//! those for backends that are gone, change nothing.

use std::time::Duration;

use super::pool::Probing;
use super::{Controller, Slot};
use crate::core::check::Attempt;
use crate::core::command::{Command, Level};
use crate::core::config::model::Protocol;
use crate::core::event::{BackendKey, Now, ProbeOutcome};
use crate::core::health::{self, Transition};

/// All checks that are to be made anew begin within this time, however long their intervals are: somebody waits for them.
const ANEW: Duration = Duration::from_millis(500);

impl Controller {
    /// Does what is due.
    pub(super) fn tick(&mut self, now: Now) -> Vec<Command> {
        let due: Vec<Slot> = self.timers.range(..=(now, (usize::MAX, usize::MAX))).map(|(_, slot)| *slot).collect();
        let (mut probes, mut logs) = (Vec::new(), Vec::new());
        for slot in due {
            if let Probing::InFlight { .. } = self.pools[slot.0].members[slot.1].probing {
                let waited = self.pools[slot.0].service.check.timeout * 2;
                let reason = format!("nothing was heard of the check for {waited:?}");
                logs.extend(self.ended(slot, ProbeOutcome::failed(reason, waited), now));
            } else {
                probes.push(self.start_probe(slot, now));
            }
        }
        if logs.is_empty() {
            return probes;
        }
        self.publish().into_iter().chain(logs).chain(probes).collect()
    }

    /// Has every backend checked soon; checks under way may be from before whatever happened, and do not count.
    pub(super) fn recheck(&mut self, now: Now) -> Vec<Command> {
        for slot in self.index.values().copied().collect::<Vec<_>>() {
            if self.pools[slot.0].members[slot.1].probing == Probing::Never {
                continue;
            }
            let within = (self.pools[slot.0].service.check.interval / 10).min(ANEW);
            let due = Now(now.0 + self.jitter.up_to(within));
            self.set_probing(slot, Probing::Due(due));
        }
        Vec::new()
    }

    /// Takes in the end of a check.
    pub(super) fn probe_ended(
        &mut self,
        backend: &BackendKey,
        ended: u64,
        outcome: ProbeOutcome,
        now: Now,
    ) -> Vec<Command> {
        let Some(&slot) = self.index.get(backend) else { return Vec::new() };
        match self.pools[slot.0].members[slot.1].probing {
            Probing::InFlight { id, .. } if id == ended => {}
            Probing::InFlight { .. } | Probing::Due(_) | Probing::Never => return Vec::new(),
        }
        let logs = self.ended(slot, outcome, now);
        if logs.is_empty() {
            return logs;
        }
        self.publish().into_iter().chain(logs).collect()
    }

    fn start_probe(&mut self, slot: Slot, now: Now) -> Command {
        self.last_probe += 1;
        let id = self.last_probe;
        let pool = &self.pools[slot.0];
        let member = &pool.members[slot.1];
        let attempt = Box::new(Attempt::of(&pool.service.check, member.target));
        let timeout = attempt.timeout;
        let command = Command::Probe { backend: member.key.clone(), id, attempt };
        self.set_probing(slot, Probing::InFlight { id, began: now, give_up: Now(now.0 + timeout * 2) });
        command
    }

    /// Counts the outcome of a check and plans the next one; returns what is to be told if the backend's state changed, and
    /// nothing if it did not.
    fn ended(&mut self, slot: Slot, outcome: ProbeOutcome, now: Now) -> Vec<Command> {
        let pool = &mut self.pools[slot.0];
        let check = &pool.service.check;
        let member = &mut pool.members[slot.1];
        let before = member.state(check);
        let (health, transition) = health::step(member.health, check, outcome.has_passed());
        member.health = health;
        member.last_check = Some((now, outcome));
        if let Probing::InFlight { began, .. } = member.probing {
            member.checked = Some(began);
        }
        member.changed_from(before, check, now);
        let pause = self.jitter.around(health.pause(check));
        self.set_probing(slot, Probing::Due(Now(now.0 + pause)));
        match transition {
            Transition::Unchanged => Vec::new(),
            Transition::CameUp | Transition::WentDown => self.state_changed(slot),
        }
    }

    /// Deals the table of a service again after a backend went down or came up, and says so.
    fn state_changed(&mut self, slot: Slot) -> Vec<Command> {
        let slots = self.config.as_ref().map_or(0, |config| config.tables.maglev);
        let pool = &mut self.pools[slot.0];
        let took_flows = pool.takes_flows();
        pool.deal(slots);
        let member = &pool.members[slot.1];
        let (name, target, strength) = (&member.key, member.target, pool.strength());
        let log = |level, message| Command::Log { level, message };
        let mut logs = Vec::new();
        match &member.last_check {
            Some((_, ProbeOutcome { verdict: Err(reason), .. })) => {
                logs.push(log(Level::Warn, format!("backend {name} ({target}) is down: {reason}; {strength}")));
            }
            _ if member.drained => {
                logs.push(log(
                    Level::Info,
                    format!("backend {name} ({target}) is healthy again, and drained; {strength}"),
                ));
            }
            _ => logs.push(log(Level::Info, format!("backend {name} ({target}) is up; {strength}"))),
        }
        if took_flows && !pool.takes_flows() {
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
            logs.push(log(Level::Error, message));
        }
        logs
    }

    fn set_probing(&mut self, slot: Slot, probing: Probing) {
        let member = &mut self.pools[slot.0].members[slot.1];
        let before = std::mem::replace(&mut member.probing, probing);
        if let Some(time) = before.deadline() {
            self.timers.remove(&(time, slot));
        }
        self.timers.extend(probing.deadline().map(|time| (time, slot)));
    }
}
