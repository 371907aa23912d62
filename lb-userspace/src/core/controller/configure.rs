//! A configuration to run, the first or another one, and the end of it all.
//!
//! In: a checked configuration. Out: the commands that lead from what runs to what is to run. What stays is not touched:
//! health counters, drains and checks in flight go on; the same configuration again gives no command at all.

use std::collections::BTreeMap;

use super::footprint::Footprint;
use super::pool::{Known, Pool};
use super::{AdoptedBackend, Controller};
use crate::core::command::{Command, Level};
use crate::core::config::Config;
use crate::core::config::model::{Backend, Service};
use crate::core::event::Now;
use crate::core::plan::Hold;

impl Controller {
    pub(super) fn configure(&mut self, config: Config, now: Now) -> Vec<Command> {
        self.elected.retain(|name, _| config.groups.iter().any(|group| group.name == *name));
        let footprint = self.footprint_of(&config);
        self.start_pools(&config, now);
        let unknown_host = !config.hosts.iter().any(|host| host.name == self.host);
        let first = self.config.replace(config).is_none();
        let tables = self.publish();
        let mut commands = self.footprint.change(&footprint, tables);
        self.footprint = footprint;
        if first && unknown_host {
            commands.push(Command::Log { level: Level::Warn, message: self.stranger() });
        }
        commands
    }

    /// Hands everything back. The addresses go first, so that another host can take over; then nothing is held, even if an
    /// interface cannot be detached.
    pub(super) fn stop(&mut self) -> Vec<Command> {
        let nothing_held = self.image.take().map(|mut image| {
            image.vips.iter_mut().for_each(|vip| vip.hold = Hold::No);
            Command::Tables(Box::new(image))
        });
        let commands = std::mem::take(&mut self.footprint).change(&Footprint::default(), nothing_held);
        self.config = None;
        self.elected.clear();
        self.pools.clear();
        self.index.clear();
        self.timers.clear();
        commands
    }

    /// Replaces the pools, and with them the index and the timers.
    fn start_pools(&mut self, config: &Config, now: Now) {
        let mut earlier: BTreeMap<String, Pool> =
            self.pools.drain(..).map(|pool| (pool.service.name.clone(), pool)).collect();
        let adopted = std::mem::take(&mut self.adopted);
        let key = |a: &AdoptedBackend| (a.vip, a.service_port, a.protocol, a.address, a.port);
        let adopted: BTreeMap<_, Known> =
            adopted.iter().map(|a| (key(a), Known { state: a.state, drained: a.drained })).collect();
        for service in &config.services {
            let vip = config.vips.iter().find(|vip| vip.name == service.vip).map(|vip| vip.address);
            let known = |backend: &Backend| {
                let Service { port, protocol, .. } = *service;
                adopted.get(&(vip?, port, protocol, backend.address, backend.port)).copied()
            };
            let before = earlier.remove(&service.name);
            let mut pool = Pool::start(service.clone(), before, known, &mut self.jitter, now);
            pool.deal(config.tables.maglev);
            self.pools.push(pool);
        }
        self.index.clear();
        self.timers.clear();
        for (i, pool) in self.pools.iter().enumerate() {
            for (j, member) in pool.members.iter().enumerate() {
                self.index.insert(member.key.clone(), (i, j));
                self.timers.extend(member.probing.deadline().map(|time| (time, (i, j))));
            }
        }
    }

    fn stranger(&self) -> String {
        let known: Vec<_> =
            self.config.iter().flat_map(|config| &config.hosts).map(|host| host.name.as_str()).collect();
        format!(
            "host `{}` is not in the configuration: it holds no VIP and runs no backend; name it there, or start pivotd \
             under one of the names that are: {}",
            self.host,
            known.join(", ")
        )
    }
}
