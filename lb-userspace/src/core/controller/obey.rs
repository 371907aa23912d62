//! What becomes of backends by an order of their operator, or by what their agents say: both go the same way.
//!
//! In: backends of which either has changed, and the states that they had. Out: tables that follow, ways up that begin or end, and
//! what is to be told.

use super::pool::{Deals, Member, Pool};
use super::ramp::Ramp;
use super::subject::Subjects;
use super::{Controller, Slot};
use crate::core::command::{Command, Level};
use crate::core::event::Now;
use crate::core::order::Change;
use crate::core::view::BackendState;

/// Why backends are to be something else.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause<'s> {
    /// Their operator ordered it.
    Ordered(Change),
    /// Their agent said these words; `quietly`: of a weight that varies, which is no news.
    Said { words: &'s str, quietly: bool },
    /// Nobody asks their agent any more: what it said has ended.
    Unasked,
    /// The same, or it says something else; but checks that they go by since then say this: they are down.
    Found(&'s str),
}

impl Controller {
    /// Has the tables follow; returns what is to be told. Nothing is published yet.
    pub(super) fn obey(&mut self, changed: &[(Slot, BackendState)], cause: Cause<'_>, now: Now) -> Vec<Command> {
        let maglev = self.config.as_ref().map_or(0, |config| config.tables.maglev);
        let (mut logs, mut deals) = (Vec::new(), Deals::default());
        for ((i, j), was) in changed.iter().copied() {
            let pool = &mut self.pools[i];
            let (slow_start, member) = (pool.service.slow_start, &mut pool.members[j]);
            match (was, member.state(&self.subjects)) {
                (_, BackendState::Maint | BackendState::Down) => self.ramps.set((i, j), member, None),
                // Nothing says of it that it comes up.
                (BackendState::Maint | BackendState::Down, BackendState::Up | BackendState::Drain) => {
                    self.ramps.set((i, j), member, Ramp::begin(slow_start, now));
                }
                _ => {}
            }
            let member = &mut pool.members[j];
            let awaits = !self.subjects[member.subject].is_up();
            self.chronicle.note(pool, j, &self.subjects, || cause.reason(awaits), now);
            let before = pool.stands();
            pool.deal(maglev, &self.subjects, &mut deals, now);
            let member = &mut pool.members[j];
            if member.state(&self.subjects) != was {
                member.since = now;
            }
            logs.push(cause.told(pool, j, was, &self.subjects));
            let judged = pool.judged(before, &self.subjects);
            if judged.is_none() && before.took_flows && !pool.takes_flows() {
                let message = cause.none_left(pool);
                logs.push(Command::Log { level: Level::Warn, message });
            }
            logs.extend(judged);
        }
        logs
    }
}

impl Cause<'_> {
    /// As the reason of a transition; `awaits`: of a backend that is to pass a check first.
    fn reason(self, awaits: bool) -> String {
        let order = match self {
            Self::Said { words, .. } => return format!("its agent says: {words}"),
            Self::Unasked => return "its agent is not asked any more".to_owned(),
            Self::Found(reason) => return reason.to_owned(),
            Self::Ordered(Change::Drain(true)) => "drain",
            Self::Ordered(Change::Drain(false)) => "undrain",
            Self::Ordered(Change::Maintenance(true)) => "maintenance",
            Self::Ordered(Change::Maintenance(false)) if awaits => "ready; it is checked first",
            Self::Ordered(Change::Maintenance(false)) => "ready",
            Self::Ordered(Change::Weight(_)) => "weight",
        };
        format!("ordered: {order}")
    }

    /// A line about what has become of a backend.
    fn told(self, pool: &Pool, member: usize, was: BackendState, subjects: &Subjects) -> Command {
        let member = &pool.members[member];
        let state = member.state(subjects);
        let drains = matches!(self, Self::Ordered(Change::Drain(true))) || state == BackendState::Drain && state != was;
        let says = match self {
            // It was cut, or had nothing to begin with.
            _ if drains && pool.sent(member, subjects) == BackendState::Standby => {
                "is drained: another one is the writer".to_owned()
            }
            Self::Ordered(change) => ordered(change, member, state),
            Self::Said { .. } | Self::Unasked | Self::Found(_) => announced(member, was, state),
        };
        let because = match self {
            Self::Ordered(_) => String::new(),
            Self::Said { .. } | Self::Unasked | Self::Found(_) => format!(" ({})", self.reason(false)),
        };
        let level = match self {
            Self::Said { .. } | Self::Found(_) if state == BackendState::Down && was != state => Level::Warn,
            Self::Said { quietly: true, .. } => Level::Debug,
            _ => Level::Info,
        };
        let message = format!("backend {} {says}{because}; {}", member.key, pool.strength());
        Command::Log { level, message }
    }

    /// A line about a service that takes no new flows any more.
    fn none_left(self, pool: &Pool) -> String {
        let service = &pool.service.name;
        let by_orders = matches!(self, Self::Ordered(_)) && pool.members.iter().all(|it| it.announced.is_nothing());
        if by_orders {
            format!(
                "service {service} takes no new flows, as no healthy backend of it is free of orders: `pivot undrain {service}/NAME`, \
                 `pivot ready {service}/NAME` or `pivot weight {service}/NAME reset` brings one back"
            )
        } else {
            format!(
                "service {service} takes no new flows, as its backends are down, or kept from them by orders or their agents: `pivot \
                 backends` shows which"
            )
        }
    }
}

/// What an order has made of a backend, in words.
fn ordered(change: Change, member: &Member, state: BackendState) -> String {
    let (configured, in_force) = (member.weight, member.in_force());
    match change {
        Change::Drain(true) => "is drained: it keeps its flows and takes no new ones".to_owned(),
        Change::Drain(false) if in_force.drained => "is drained by its agent alone".to_owned(),
        Change::Drain(false) => "is not drained any more".to_owned(),
        Change::Maintenance(true) => {
            "is in maintenance: its flows are cut, it takes no new ones and is not checked".to_owned()
        }
        Change::Maintenance(false) if in_force.maintenance => "is in maintenance by its agent alone".to_owned(),
        Change::Maintenance(false) if state == BackendState::Down => {
            "is not in maintenance any more: it takes flows once a check passes".to_owned()
        }
        Change::Maintenance(false) => "is not in maintenance any more".to_owned(),
        Change::Weight(Some(_)) => {
            format!("has weight {}, not {configured} as configured", in_force.weight(configured))
        }
        Change::Weight(None) => match member.announced.weight() {
            Some(weight) => format!("has weight {} again, {weight} as its agent says", in_force.weight(configured)),
            None => format!("has weight {configured} again, as configured"),
        },
    }
}

/// What an agent's words have made of a backend.
fn announced(member: &Member, was: BackendState, state: BackendState) -> String {
    let (configured, weight) = (member.weight, member.in_force().weight(member.weight));
    let weight = if weight == configured {
        format!("has weight {configured}")
    } else {
        format!("has weight {weight}, not {configured} as configured")
    };
    let is = match (was, state) {
        (was, state) if was == state => return format!("{}, and {weight}", still(state)),
        (_, BackendState::Drain) => "is drained: it keeps its flows and takes no new ones",
        (_, BackendState::Maint) => "is in maintenance: its flows are cut, it takes no new ones and is not checked",
        (BackendState::Maint, BackendState::Down) if member.announced.down().is_none() => {
            "is not in maintenance any more: it takes flows once a check passes"
        }
        (_, BackendState::Down) => "is down",
        (BackendState::Maint, _) => "is not in maintenance any more",
        (BackendState::Drain, _) => "is not drained any more",
        (_, BackendState::Up | BackendState::Starting | BackendState::Standby) => "is up",
    };
    is.to_owned()
}

fn still(state: BackendState) -> &'static str {
    match state {
        BackendState::Up | BackendState::Starting | BackendState::Standby => "is up",
        BackendState::Drain => "is drained still",
        BackendState::Down => "is down still",
        BackendState::Maint => "is in maintenance still",
    }
}
