//! A service at run time: its backends with their orders, and who owns the slots of its table.
//!
//! What must hold: members stand in the order of the configured backends; an order outlives every reload that leaves the backend's
//! name, address and port alone, and so does what is known of its health ([`super::succession`]).

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use super::ramp::{Ramp, STEPS};
use super::subject::Subjects;
use super::writers::Single;
use crate::core::agent::Announced;
use crate::core::config::model::Service;
use crate::core::event::{BackendKey, Now};
use crate::core::maglev::{self, Entry};
use crate::core::order::Order;
use crate::core::view::BackendState;

/// A service and its backends.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) service: Service,
    pub(super) members: Vec<Member>,
    pub(super) dealt: Dealt,
    /// Whether it has too few healthy backends.
    pub(super) below: bool,
    /// Who its writer is, if it has one.
    pub(super) single: Option<Single>,
}

/// A backend.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) key: BackendKey,
    /// Where it listens.
    pub(super) target: SocketAddr,
    /// As configured.
    pub(super) weight: u16,
    /// Whether it is healthy is what is known of this.
    pub(super) subject: usize,
    pub(super) order: Order,
    /// What announces what it is to be, if anything does.
    pub(super) agent: Option<usize>,
    /// What stands of that.
    pub(super) announced: Announced,
    /// When its state last changed.
    pub(super) since: Now,
    /// The state that it had when it was looked at last, whether there was anything to tell or not.
    pub(super) was: Option<BackendState>,
    /// The state that it was told to be shown in last.
    pub(super) told: Option<BackendState>,
    /// How far it has come to its share, if not all the way.
    pub(super) ramp: Option<Ramp>,
    /// Whether it took new flows when the service last had enough healthy backends.
    pub(super) in_use: bool,
    /// Whether it takes new flows, as decided last.
    pub(super) takes: bool,
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

/// Tables made together: services of the same backends have the same one, which is made once.
#[derive(Debug, Default)]
pub(super) struct Deals(HashMap<Vec<Entry>, Dealt>);

impl Pool {
    /// A service as it starts under a configuration: so far with the members and the table of its earlier self.
    pub(super) fn start(service: &Service, earlier: Option<Pool>) -> Self {
        let earlier = earlier.map(|pool| (pool.members, pool.dealt, pool.below, pool.single));
        let (members, dealt, below, single) = earlier.unwrap_or_default();
        Self { service: service.clone(), members, dealt, below, single }
    }

    /// Takes out all members, by their names.
    pub(super) fn leave(&mut self) -> BTreeMap<String, Member> {
        self.members.drain(..).map(|member| (member.key.backend.clone(), member)).collect()
    }

    /// Brings the table in line with the members, and looks who is to be the writer.
    pub(super) fn deal(&mut self, slots: u32, subjects: &Subjects, deals: &mut Deals, now: Now) {
        self.judge_writer(subjects, now);
        self.choose(subjects);
        let entries = self.members.iter().map(|member| Entry {
            identity: member.target,
            weight: member.parts(),
            present: member.takes,
        });
        self.dealt.renew(entries.collect(), slots, deals);
    }

    /// Whether any backend takes new flows.
    pub(super) fn takes_flows(&self) -> bool {
        !self.dealt.table.is_empty()
    }

    /// How many backends take new flows, in words: "2 of 3 backends of mysql take new flows".
    pub(super) fn strength(&self) -> String {
        if self.single.is_some() {
            let writer = self.members.iter().zip(&self.dealt.owned).find(|(_, owned)| **owned > 0);
            return match writer {
                Some((member, _)) => format!("{} is the writer of {}", member.key.backend, self.service.name),
                None => format!("{} has no writer", self.service.name),
            };
        }
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
    fn renew(&mut self, entries: Vec<Entry>, slots: u32, Deals(deals): &mut Deals) {
        if self.slots == slots && self.entries == entries {
            return;
        }
        let made = deals.entry(entries).or_insert_with_key(|entries| {
            let table = maglev::build(entries, slots);
            let mut owned = vec![0; entries.len()];
            table.iter().for_each(|owner| owned[usize::from(*owner)] += 1);
            Self { entries: entries.clone(), slots, table, owned }
        });
        *self = made.clone();
    }
}

impl Member {
    /// What it is to be, by its operator and its agent.
    pub(super) fn in_force(&self) -> Order {
        self.announced.and(self.order)
    }

    /// Whether it is up: its checks say so, and its agent does not say otherwise.
    pub(super) fn is_up(&self, subjects: &Subjects) -> bool {
        subjects[self.subject].is_up() && self.announced.down().is_none()
    }

    /// Whether it could take flows, drained or not.
    pub(super) fn is_healthy(&self, subjects: &Subjects) -> bool {
        !self.in_force().maintenance && self.is_up(subjects)
    }

    /// Its weight in parts of which each step of a slow start brings some: only the proportions matter.
    fn parts(&self) -> u16 {
        self.in_force().weight(self.weight) * self.ramp.map_or(STEPS, Ramp::step)
    }

    /// Its weight as it is now.
    pub(super) fn weight_now(&self) -> u16 {
        let weight = self.in_force().weight(self.weight);
        self.ramp.map_or(weight, |ramp| ramp.of(weight))
    }

    /// What it is sent: one that is down may be in use for want of others.
    pub(super) fn sent(&self, subjects: &Subjects) -> BackendState {
        match self.state(subjects) {
            BackendState::Down if self.takes => BackendState::Up,
            state => state,
        }
    }

    /// What it is.
    pub(super) fn state(&self, subjects: &Subjects) -> BackendState {
        match (self.is_up(subjects), self.in_force()) {
            (_, Order { maintenance: true, .. }) => BackendState::Maint,
            (false, _) => BackendState::Down,
            (true, Order { drained: true, .. }) => BackendState::Drain,
            (true, _) if self.ramp.is_some() => BackendState::Starting,
            (true, _) => BackendState::Up,
        }
    }
}
