//! Drains: the operator asks for a backend to keep its flows and take no new ones, or to take them again.
//!
//! A drain is remembered until it is undone, over failures and reloads of the backend and over restarts of pivotd.

use super::pool::Deals;
use super::{Controller, Slot};
use crate::core::command::{Command, Level};
use crate::core::event::{BackendKey, DrainTarget, Now};

/// Why nothing was drained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    /// The service is not configured.
    #[error("there is no service `{service}` to drain `{backend}` of; the services are: {known}")]
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

impl Controller {
    /// Drains backends, or undoes it. Returns those that were meant, whether or not they were drained before, and what is to
    /// be done.
    ///
    /// [`DrainTarget::Everywhere`] means every backend of that name, and every backend on the host of that name.
    ///
    /// # Errors
    /// If nothing has that name; then nothing has changed.
    pub fn drain(
        &mut self,
        target: &DrainTarget,
        drain: bool,
        now: Now,
    ) -> Result<(Vec<BackendKey>, Vec<Command>), DrainError> {
        let slots = self.find(target)?;
        let maglev = self.config.as_ref().map_or(0, |config| config.tables.maglev);
        let (mut keys, mut logs, mut deals) = (Vec::new(), Vec::new(), Deals::default());
        for (i, j) in slots {
            let pool = &mut self.pools[i];
            let took_flows = pool.takes_flows();
            let member = &mut pool.members[j];
            keys.push(member.key.clone());
            if member.drained == drain {
                continue;
            }
            member.drained = drain;
            if self.subjects[member.subject].is_up() {
                member.since = now;
            }
            let key = member.key.clone();
            pool.deal(maglev, &self.subjects, &mut deals, now);
            let done = if drain { "drained: it keeps its flows and takes no new ones" } else { "not drained any more" };
            logs.push(Command::Log {
                level: Level::Info,
                message: format!("backend {key} is {done}; {}", pool.strength()),
            });
            if took_flows && !pool.takes_flows() {
                let message = format!(
                    "service {0} takes no new flows: every healthy backend is drained; `pivot undrain {0}/NAME` brings one back",
                    pool.service.name
                );
                logs.push(Command::Log { level: Level::Warn, message });
            }
        }
        let commands = self.publish().into_iter().chain(logs).collect();
        Ok((keys, commands))
    }

    /// The backends that are meant.
    pub(super) fn find(&self, target: &DrainTarget) -> Result<Vec<Slot>, DrainError> {
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
                    return Err(DrainError::UnknownName { name: name.clone(), known });
                }
                Ok(slots)
            }
        }
    }

    fn unknown(&self, key: &BackendKey) -> DrainError {
        let BackendKey { service, backend } = key.clone();
        match self.pools.iter().find(|pool| pool.service.name == service) {
            Some(pool) => {
                let known = join(pool.members.iter().map(|member| member.key.backend.as_str()));
                DrainError::UnknownBackend { service, backend, known }
            }
            None => {
                let known = join(self.pools.iter().map(|pool| pool.service.name.as_str()));
                DrainError::UnknownService { service, backend, known }
            }
        }
    }
}

/// Names for people: sorted, each once, and "none" rather than nothing.
fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: std::collections::BTreeSet<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
}
