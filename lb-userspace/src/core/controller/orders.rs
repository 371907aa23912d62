//! Orders of the operator about backends: to take no new flows (drain), none at all (maintenance), or another share of them (weight).
//!
//! An order is remembered until it is undone, over failures and reloads of the backend and over restarts of pivotd. It ends
//! with the backend: one that is taken out of the configuration, or listens elsewhere, comes back without orders.
//!
//! What must hold: what is asked of backends in maintenance alone is not asked; once it is asked again, it has to pass once
//! before anything goes there.

use super::obey::Cause;
use super::subject::Probing;
use super::{Controller, Slot};
use crate::core::command::{Command, Level};
use crate::core::event::{BackendKey, DrainTarget, Now};
use crate::core::health::Health;
use crate::core::order::{Change, Order, Orders};

/// Why nothing was ordered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The service is not configured.
    #[error("there is no service `{service}`, so no backend `{backend}` of it; the services are: {known}")]
    UnknownService {
        /// The service that was named.
        service: String,
        /// The backend that was named.
        backend: String,
        /// What there is.
        known: String,
    },
    /// The service has no such backend.
    #[error("service `{service}` has no backend `{backend}`; its backends are: {known}")]
    UnknownBackend {
        /// The service.
        service: String,
        /// The backend that was named.
        backend: String,
        /// What there is.
        known: String,
    },
    /// No service has such a backend.
    #[error("no service has a backend `{name}`, and none runs on a host of that name; the backends are: {known}")]
    UnknownName {
        /// The name.
        name: String,
        /// What there is.
        known: String,
    },
}

/// A backend that was meant, and whether the order changed anything.
pub type Ordered = (BackendKey, bool);

impl Controller {
    /// Gives an order about backends, or undoes one. Returns those that were meant, and what is to be done.
    ///
    /// [`DrainTarget::Everywhere`] means every backend of that name, and every backend on the host of that name.
    ///
    /// # Errors
    /// If nothing has that name; then nothing has changed.
    pub fn order(
        &mut self,
        target: &DrainTarget,
        change: Change,
        now: Now,
    ) -> Result<(Vec<Ordered>, Vec<Command>), OrderError> {
        let slots = self.find(target)?;
        let (mut meant, mut changed) = (Vec::new(), Vec::new());
        for slot @ (i, j) in slots {
            let member = &mut self.pools[i].members[j];
            let order = member.order.with(change);
            meant.push((member.key.clone(), order != member.order));
            if order != member.order {
                changed.push((slot, member.state(&self.subjects)));
                member.order = order;
            }
        }
        self.rest(now);
        let logs = self.obey(&changed, Cause::Ordered(change), now);
        let commands = self.publish().into_iter().chain(logs).collect();
        Ok((meant, commands))
    }

    /// Every order in force: what is to be remembered for the next pivotd.
    #[must_use]
    pub fn orders(&self) -> Orders {
        let members = self.pools.iter().flat_map(|pool| &pool.members);
        let ordered = members.filter(|member| member.order != Order::default());
        ordered.map(|member| (member.key.clone(), (member.target, member.order))).collect()
    }

    /// Orders of before that are not in force any more, as the backends that they were about are gone.
    pub(super) fn ended_orders(&self, before: Orders) -> Vec<Command> {
        let is_there = |(key, (target, _)): &(BackendKey, (std::net::SocketAddr, Order))| {
            let slot = self.index.get(key);
            slot.is_some_and(|(i, j)| self.pools[*i].members[*j].target == *target)
        };
        let ended = before.into_iter().filter(|order| !is_there(order));
        let line = |(key, (target, order))| {
            let message =
                format!("what was ordered of backend {key} at {target} ({order}) ends: it is not configured any more");
            Command::Log { level: Level::Warn, message }
        };
        ended.map(line).collect()
    }

    /// Stops the checks of those that only backends in maintenance go by, and begins those of others that were stopped.
    pub(super) fn rest(&mut self, now: Now) {
        for i in 0..self.subjects.count() {
            let subject = &self.subjects[i];
            let in_maintenance = |(pool, member): &Slot| self.pools[*pool].members[*member].in_force().maintenance;
            match (subject.members.iter().all(in_maintenance), subject.probing) {
                (true, Probing::Due(_) | Probing::InFlight { .. }) => self.subjects.plan(i, Probing::Resting),
                (false, Probing::Resting) => {
                    let health = Health::awaiting(subject.check());
                    self.subjects.resume(i, health, now);
                }
                _ => {}
            }
        }
    }

    /// The backends that are meant.
    pub(super) fn find(&self, target: &DrainTarget) -> Result<Vec<Slot>, OrderError> {
        match target {
            DrainTarget::One(key) => match self.index.get(key) {
                Some(slot) => Ok(vec![*slot]),
                None => Err(self.unknown(key)),
            },
            DrainTarget::Everywhere(name) => {
                let named = |(i, j): &Slot| {
                    let backend = &self.pools[*i].service.backends[*j];
                    backend.name == *name || backend.host == *name
                };
                let mut slots: Vec<Slot> = self.index.values().copied().filter(named).collect();
                slots.sort_unstable();
                if slots.is_empty() {
                    let known = join(self.index.keys().map(|key| key.backend.as_str()));
                    return Err(OrderError::UnknownName { name: name.clone(), known });
                }
                Ok(slots)
            }
        }
    }

    fn unknown(&self, key: &BackendKey) -> OrderError {
        let BackendKey { service, backend } = key.clone();
        match self.pools.iter().find(|pool| pool.service.name == service) {
            Some(pool) => {
                let known = join(pool.members.iter().map(|member| member.key.backend.as_str()));
                OrderError::UnknownBackend { service, backend, known }
            }
            None => {
                let known = join(self.pools.iter().map(|pool| pool.service.name.as_str()));
                OrderError::UnknownService { service, backend, known }
            }
        }
    }
}

/// Names for people: sorted, each once, and "none" rather than nothing.
fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: std::collections::BTreeSet<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
}
