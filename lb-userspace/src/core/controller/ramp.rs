//! Slow start: a backend that comes up comes to its whole share of new flows in steps, over a time.
//!
//! Steps are a tenth of the share each; the first tenth is had at once, the whole share when the time has passed. At every step
//! the service's table is dealt again. Flows that have a backend keep it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::pool::{Deals, Member, Pool};
use super::{Controller, Slot};
use crate::core::command::{Command, Level};
use crate::core::event::Now;
use crate::core::view::BackendState;

/// Parts that a share is had in.
pub(super) const STEPS: u16 = 10;

/// A backend on its way up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ramp {
    began: Now,
    over: Duration,
    /// Tenths of its share that it has: `1..STEPS`.
    step: u16,
}

/// When those on their way up take their next steps.
#[derive(Debug, Clone, Default)]
pub(super) struct Ramps(BTreeSet<(Now, Slot)>);

impl Ramp {
    /// The way of one that comes up now; `None` if it takes no time.
    pub(super) fn begin(over: Duration, now: Now) -> Option<Self> {
        (!over.is_zero()).then_some(Self { began: now, over, step: 1 })
    }

    /// Tenths of its share that it has.
    pub(super) fn step(self) -> u16 {
        self.step
    }

    /// What it makes of a weight, for people; at least 1 of what is more than none.
    pub(super) fn of(self, weight: u16) -> u16 {
        (weight * self.step / STEPS).max(weight.min(1))
    }

    /// When its next step is due.
    fn next(self) -> Now {
        Now(self.began.0 + self.over * u32::from(self.step) / u32::from(STEPS - 1))
    }

    /// How far it is now; `None`: all the way up.
    fn at(mut self, now: Now) -> Option<Self> {
        while self.step < STEPS && self.next() <= now {
            self.step += 1;
        }
        (self.step < STEPS).then_some(self)
    }
}

impl Ramps {
    /// Those of these services.
    pub(super) fn of(pools: &[Pool]) -> Self {
        let members = |(i, pool): (usize, &Pool)| -> Vec<(Now, Slot)> {
            let members = pool.members.iter().enumerate();
            members.filter_map(|(j, member)| Some((member.ramp?.next(), (i, j)))).collect()
        };
        Self(pools.iter().enumerate().flat_map(members).collect())
    }

    /// When the next step is due.
    pub(super) fn deadline(&self) -> Option<Now> {
        self.0.first().map(|(time, _)| *time)
    }

    /// Puts a backend on its way, somewhere else on it, or takes it off.
    pub(super) fn set(&mut self, slot: Slot, member: &mut Member, ramp: Option<Ramp>) {
        if let Some(before) = std::mem::replace(&mut member.ramp, ramp) {
            self.0.remove(&(before.next(), slot));
        }
        self.0.extend(ramp.map(|ramp| (ramp.next(), slot)));
    }

    fn due(&self, now: Now) -> Vec<Slot> {
        self.0.range(..=(now, (usize::MAX, usize::MAX))).map(|(_, slot)| *slot).collect()
    }
}

impl Controller {
    /// Has those take their steps that are due; `None` if there are none, else what is to be said of it.
    pub(super) fn climb(&mut self, now: Now) -> Option<Vec<Command>> {
        let mut due = self.ramps.due(now);
        if due.is_empty() {
            return None;
        }
        due.sort_unstable();
        let maglev = self.config.as_ref().map_or(0, |config| config.tables.maglev);
        let (mut deals, mut logs) = (Deals::default(), Vec::new());
        for of_pool in due.chunk_by(|one, other| one.0 == other.0) {
            let Some((i, _)) = of_pool.first() else { continue };
            let pool = &mut self.pools[*i];
            for slot in of_pool {
                let member = &mut pool.members[slot.1];
                let ramp = member.ramp.and_then(|ramp| ramp.at(now));
                self.ramps.set(*slot, member, ramp);
                let reason = || "its slow start is over".to_owned();
                self.chronicle.note(pool, slot.1, &self.subjects, reason, now);
                let member = &mut pool.members[slot.1];
                if ramp.is_none() && member.state(&self.subjects) == BackendState::Up {
                    member.since = now;
                    let message = format!("backend {} has come to its whole share of new flows", member.key);
                    logs.push(Command::Log { level: Level::Info, message });
                }
            }
            pool.deal(maglev, &self.subjects, &mut deals, now);
        }
        Some(logs)
    }
}
