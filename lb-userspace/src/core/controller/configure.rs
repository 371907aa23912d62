//! A configuration to run, the first or another one, and the end of it all.
//!
//! In: a checked configuration. Out: the commands that lead from what runs to what is to run. What stays is not touched:
//! health counters, orders and checks in flight go on; the same configuration again gives no command at all. A backend that by
//! this goes by other checks may be down, or up, from now on: that is told as ever.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::agents::Agents;
use super::footprint::Footprint;
use super::obey::Cause;
use super::pool::{Deals, Member, Pool};
use super::probing::why;
use super::ramp::Ramps;
use super::silence::Silence;
use super::subject::{Identity, Subjects};
use super::succession::{Origin, Succession};
use super::{AdoptedBackend, Controller, Slot};
use crate::core::agent::Announced;
use crate::core::command::{Command, Level};
use crate::core::config::Config;
use crate::core::config::model::{Backend, Balance, Service};
use crate::core::event::{BackendKey, Now};
use crate::core::order::Order;
use crate::core::plan::Hold;
use crate::core::view::BackendState;

impl Controller {
    pub(super) fn configure(&mut self, config: Config, now: Now) -> Vec<Command> {
        self.elected.retain(|name, _| config.groups.iter().any(|group| group.name == *name));
        let footprint = self.footprint_of(&config);
        let orders = self.remembered.clone().unwrap_or_else(|| self.orders());
        let (changed, retold) = self.start_pools(&config, now);
        let unknown_host = !config.hosts.iter().any(|host| host.name == self.host);
        let first = self.config.replace(config).is_none();
        self.hold_writers(now);
        let mut changes = self.states_changed(&changed, now);
        for told @ (slot, was) in retold {
            let (found, words) = (self.found_down(slot, was), self.words(slot));
            let said = || words.as_ref().map_or(Cause::Unasked, |words| Cause::Said { words, quietly: false });
            let cause = found.as_ref().map_or_else(said, |reason| Cause::Found(reason));
            changes.extend(self.obey(&[told], cause, now));
        }
        let judged = self.deal_all(now);
        let tables = self.publish();
        // Of a service that comes to have a writer, only now is it known who stands by, and why.
        self.note_all(now);
        let mut commands = self.footprint.change(&footprint, tables);
        self.footprint = footprint;
        if first && unknown_host {
            commands.push(Command::Log { level: Level::Warn, message: self.stranger() });
        }
        commands.extend(self.ended_orders(orders));
        commands.extend(changes);
        commands.extend(judged);
        commands.extend(self.ask_again(now));
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
        self.subjects = Subjects::default();
        self.agents = Agents::default();
        self.ramps = Ramps::default();
        self.silence = Silence::default();
        commands
    }

    /// Replaces pools, subjects, agents and the index; returns the backends that are down, or up, by that, and those of which
    /// other words of agents stand than before, with the states that they had. No table is dealt yet.
    fn start_pools(&mut self, config: &Config, now: Now) -> (Vec<Slot>, Vec<(Slot, BackendState)>) {
        let mut earlier: BTreeMap<String, Pool> =
            self.pools.drain(..).map(|pool| (pool.service.name.clone(), pool)).collect();
        let adopted = std::mem::take(&mut self.adopted);
        let key = |a: &AdoptedBackend| (a.vip, a.service_port, a.protocol, a.address, a.port);
        let adopted: BTreeMap<_, _> = adopted.iter().map(|a| (key(a), a)).collect();
        let mut succession = Succession::of(std::mem::take(&mut self.subjects).into_all());
        let mut agents = self.agents.leave();
        let (remembered, mut was_up, mut retold) = (self.remembered.take(), Vec::new(), Vec::new());
        self.index.clear();
        for (i, service) in config.services.iter().enumerate() {
            let vip = config.vips.iter().find(|vip| vip.name == service.vip).map(|vip| vip.address);
            let left = |backend: &Backend| {
                let Service { port, protocol, .. } = *service;
                adopted.get(&(vip?, port, protocol, backend.address, backend.port)).copied()
            };
            let is_single = matches!(service.balance, Balance::Single { .. });
            let mut pool = Pool::start(service, earlier.remove(&service.name));
            let mut members = pool.leave();
            for (j, backend) in service.backends.iter().enumerate() {
                let key = BackendKey { service: service.name.clone(), backend: backend.name.clone() };
                let target = SocketAddr::new(backend.address, backend.port);
                let before = members.remove(&backend.name).filter(|before| before.target == target);
                let drained = left(backend).is_some_and(|left| left.drained);
                let order = match &remembered {
                    Some(orders) => orders.get(&key).filter(|(at, _)| *at == target).map(|(_, order)| *order),
                    None => Some(Order { drained, ..Order::default() }),
                };
                let new = |order: Option<Order>| Member {
                    key: key.clone(),
                    target,
                    weight: backend.weight,
                    subject: 0,
                    order: order.unwrap_or_default(),
                    agent: None,
                    announced: Announced::default(),
                    since: now,
                    was: None,
                    told: None,
                    ramp: None,
                    in_use: false,
                    takes: false,
                };
                let (origin, member) = match (before, left(backend)) {
                    (Some(before), _) => (Origin::Subject(before.subject), before),
                    // Of those that had no flows it was not told whether they were healthy.
                    (None, Some(left)) if is_single && left.state == BackendState::Down => (Origin::New, new(order)),
                    (None, Some(left)) => (Origin::Left(left.state != BackendState::Down), new(order)),
                    (None, None) => (Origin::New, new(order)),
                };
                was_up.push(((i, j), succession.was_up(origin)));
                let subject = succession.seat(Identity::of(&service.check, target, &key), (i, j), origin);
                self.index.insert(key.clone(), (i, j));
                let asked = service.agent.as_ref();
                let (agent, announced) = asked
                    .map(|agent| agents.seat(agent, target, (i, j), &mut self.jitter, now))
                    // Until another agent than before has answered, what stands does.
                    .map(|(agent, says)| (Some(agent), says.unwrap_or_else(|| member.announced.clone())))
                    .unwrap_or_default();
                if let Some(was) = member.was.filter(|_| member.announced != announced) {
                    retold.push(((i, j), was));
                }
                pool.members.push(Member { key, weight: backend.weight, subject, agent, announced, ..member });
            }
            let had_flows = |backend: &&Backend| left(backend).is_some_and(|left| left.state != BackendState::Down);
            let writer = service.backends.iter().find(had_flows);
            let writer = writer.map(|backend| SocketAddr::new(backend.address, backend.port));
            pool.seat_writer(vip.map(|vip| (vip, service.port, service.protocol)), writer, now);
            self.pools.push(pool);
        }
        self.agents = agents.settle();
        self.subjects = Subjects::new(succession.settle(&mut self.jitter, now));
        self.rest(now);
        self.ramps = Ramps::of(&self.pools);
        // What a backend is at its beginning is no transition.
        for pool in &mut self.pools {
            for member in 0..pool.members.len() {
                let (shown, _) = pool.shown(&pool.members[member], &self.subjects);
                let member = &mut pool.members[member];
                member.was.get_or_insert(member.state(&self.subjects));
                member.told.get_or_insert(shown);
            }
        }
        let is_up = |(pool, member): Slot| self.subjects[self.pools[pool].members[member].subject].is_up();
        let is_retold = |slot: Slot| retold.binary_search_by_key(&slot, |(slot, _)| *slot).is_ok();
        let changed = was_up.into_iter().filter(|(slot, was_up)| is_up(*slot) != *was_up && !is_retold(*slot));
        let changed = changed.map(|(slot, _)| slot);
        (changed.collect(), retold)
    }

    /// What checks say of a backend that by a reload goes by other ones, and is down by that rather than by its agent.
    fn found_down(&self, (pool, member): Slot, was: BackendState) -> Option<String> {
        let member = &self.pools[pool].members[member];
        let subject = &self.subjects[member.subject];
        let was_healthy = !matches!(was, BackendState::Down | BackendState::Maint);
        let is_down = !subject.is_up() && member.announced.down().is_none() && !member.in_force().maintenance;
        (was_healthy && is_down).then(|| why(subject))
    }

    /// What the agent of a backend says, if there is one.
    fn words(&self, (pool, member): Slot) -> Option<String> {
        let member = &self.pools[pool].members[member];
        match (&member.announced, member.agent) {
            (announced, Some(agent)) if announced.is_nothing() => self.agents.says(agent),
            (announced, _) => (!announced.is_nothing()).then(|| announced.to_string()),
        }
    }

    /// Deals every table that is not what it should be; says which services have too few healthy backends by that.
    fn deal_all(&mut self, now: Now) -> Vec<Command> {
        let slots = self.config.as_ref().map_or(0, |config| config.tables.maglev);
        let mut deals = Deals::default();
        let deal = |pool: &mut Pool| {
            let before = pool.stands();
            pool.deal(slots, &self.subjects, &mut deals, now);
            pool.judged(before, &self.subjects)
        };
        self.pools.iter_mut().filter_map(deal).collect()
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
