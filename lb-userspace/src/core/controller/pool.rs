//! A service at run time: its backends with their health and drains, and who owns the slots of its table.
//!
//! What must hold: members stand in the order of the configured backends; a drain and a health counter outlive every
//! reload that leaves the backend's name, address and port alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::core::config::model::{Backend, Check, CheckKind, Service};
use crate::core::event::{BackendKey, Now, ProbeOutcome};
use crate::core::health::{Health, Jitter};
use crate::core::maglev::{self, Entry};
use crate::core::view::BackendState;

/// A service and its backends.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) service: Service,
    pub(super) members: Vec<Member>,
    pub(super) dealt: Dealt,
}

/// A backend.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) key: BackendKey,
    /// Where it listens.
    pub(super) target: SocketAddr,
    pub(super) weight: u16,
    pub(super) health: Health,
    pub(super) drained: bool,
    /// When its state last changed.
    pub(super) since: Now,
    /// When its last check ended, and how.
    pub(super) last_check: Option<(Now, ProbeOutcome)>,
    /// When the last check that has ended began.
    pub(super) checked: Option<Now>,
    pub(super) probing: Probing,
}

/// How an earlier pivotd left a backend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) state: BackendState,
    pub(super) drained: bool,
}

/// What a backend's checks are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probing {
    /// There are none: it is taken to be up.
    Never,
    /// The next one starts then.
    Due(Now),
    /// One is under way; if its end is not heard of by then, it has failed.
    InFlight { id: u64, began: Now, give_up: Now },
}

impl Probing {
    /// When something is to be done about it.
    pub(super) fn deadline(self) -> Option<Now> {
        match self {
            Self::Never => None,
            Self::Due(time) | Self::InFlight { give_up: time, .. } => Some(time),
        }
    }
}

/// The Maglev table of a service, and what it was made from.
#[derive(Debug, Clone, Default)]
pub(super) struct Dealt {
    entries: Vec<Entry>,
    slots: u32,
    pub(super) table: Arc<[u16]>,
    /// Slots of each member.
    owned: Vec<u32>,
}

impl Pool {
    /// A service as it starts under a configuration; `earlier` is the pool of that name so far, and `known` how an earlier
    /// pivotd left a backend.
    pub(super) fn start(
        service: Service,
        earlier: Option<Pool>,
        known: impl Fn(&Backend) -> Option<Known>,
        jitter: &mut Jitter,
        now: Now,
    ) -> Self {
        let (mut members, dealt, old_check) = match earlier {
            Some(pool) => {
                let members = pool.members.into_iter().map(|member| (member.key.backend.clone(), member)).collect();
                (members, pool.dealt, Some(pool.service.check))
            }
            None => (BTreeMap::new(), Dealt::default(), None),
        };
        let mut start = |backend: &Backend| {
            let target = SocketAddr::new(backend.address, backend.port);
            let same = members.remove(&backend.name).filter(|member| member.target == target);
            let mut member = match (same, &old_check) {
                (Some(member), Some(old_check)) => member.under(old_check, &service.check, jitter, now),
                _ => Member::start(&service, backend, known(backend), jitter, now),
            };
            member.weight = backend.weight;
            member
        };
        let members = service.backends.iter().map(&mut start).collect();
        Self { service, members, dealt }
    }

    /// Brings the table in line with the members.
    pub(super) fn deal(&mut self, slots: u32) {
        let check = &self.service.check;
        let entries = self.members.iter().map(|member| Entry {
            identity: member.target,
            weight: member.weight,
            present: member.state(check) == BackendState::Up,
        });
        self.dealt.renew(entries.collect(), slots);
    }

    /// Whether any backend takes new flows.
    pub(super) fn takes_flows(&self) -> bool {
        !self.dealt.table.is_empty()
    }

    /// How many backends take new flows, in words: "2 of 3 backends of mysql take new flows".
    pub(super) fn strength(&self) -> String {
        let up = self.dealt.owned.iter().filter(|owned| **owned > 0).count();
        format!("{up} of {} backends of {} take new flows", self.members.len(), self.service.name)
    }
}

impl Dealt {
    /// Share of a member in the new flows, 0.0..=1.0.
    pub(super) fn share(&self, member: usize) -> f64 {
        match self.owned.get(member) {
            Some(owned) if !self.table.is_empty() => f64::from(*owned) / self.table.len() as f64,
            _ => 0.0,
        }
    }

    /// Makes the table anew if what it is made from has changed.
    fn renew(&mut self, entries: Vec<Entry>, slots: u32) {
        if self.slots == slots && self.entries == entries {
            return;
        }
        let table = maglev::build(&entries, slots);
        let mut owned = vec![0; entries.len()];
        table.iter().for_each(|owner| owned[usize::from(*owner)] += 1);
        *self = Self { entries, slots, table, owned };
    }
}

impl Member {
    /// A backend that was not there before.
    fn start(service: &Service, backend: &Backend, known: Option<Known>, jitter: &mut Jitter, now: Now) -> Self {
        let check = &service.check;
        let health = match (check.kind == CheckKind::None, known) {
            (true, _) => Health::known(check, true),
            (false, Some(known)) => Health::known(check, known.state != BackendState::Down),
            (false, None) => Health::presumed(check),
        };
        Self {
            key: BackendKey { service: service.name.clone(), backend: backend.name.clone() },
            target: SocketAddr::new(backend.address, backend.port),
            weight: backend.weight,
            health,
            drained: known.is_some_and(|known| known.drained),
            since: now,
            last_check: None,
            checked: None,
            probing: first_check(check, jitter, now),
        }
    }

    /// The same backend when its service's check has changed, or not.
    fn under(mut self, old: &Check, new: &Check, jitter: &mut Jitter, now: Now) -> Self {
        let state = self.state(old);
        if new.asks_as(old) {
            self.health = self.health.under(old, new);
            if let Probing::Due(due) = self.probing {
                self.probing = Probing::Due(due.min(Now(now.0 + self.health.pause(new))));
            }
        } else {
            // An answer to another question says nothing: start asking anew, from the state that is known.
            self.health = Health::known(new, new.kind == CheckKind::None || self.health.is_up(old));
            self.probing = first_check(new, jitter, now);
            (self.last_check, self.checked) = (None, None);
        }
        self.changed_from(state, new, now);
        self
    }

    /// What it may be sent.
    pub(super) fn state(&self, check: &Check) -> BackendState {
        match (self.health.is_up(check), self.drained) {
            (false, _) => BackendState::Down,
            (true, true) => BackendState::Drain,
            (true, false) => BackendState::Up,
        }
    }

    /// Whether a check that began since then has ended, and left no doubt.
    pub(super) fn is_known_since(&self, since: Now, check: &Check) -> bool {
        let is_checked = self.checked.is_some_and(|began| began >= since) && self.health.is_sure(check);
        self.probing == Probing::Never || is_checked
    }

    /// Notes the time if its state is not `before` any more.
    pub(super) fn changed_from(&mut self, before: BackendState, check: &Check, now: Now) {
        if self.state(check) != before {
            self.since = now;
        }
    }
}

/// The first check comes at once, give or take a tenth of the interval so that not all start together.
fn first_check(check: &Check, jitter: &mut Jitter, now: Now) -> Probing {
    match check.kind {
        CheckKind::None => Probing::Never,
        _ => Probing::Due(Now(now.0 + jitter.up_to(check.interval / 10))),
    }
}
