//! Anything may happen in any order: checks that pass, fail or are never heard of, orders, reloads, neighbours, a stop.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;

use super::{Rig, backend, config, hop, node, passed, refused, service};
use crate::core::agent::words::Heard;
use crate::core::check::Attempt;
use crate::core::command::Command;
use crate::core::config::Config;
use crate::core::config::model::{Agent, BelowMin, Holder};
use crate::core::controller::probing::ANEW;
use crate::core::controller::subject::{Identity, Probing};
use crate::core::event::{BackendKey, DrainTarget, Event, Mac, NextHop, Now, ProbeOutcome};
use crate::core::order::{Change, Weight};
use crate::core::plan::Hold;
use crate::core::view::BackendState;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// Time goes on to the next deadline, and this much past it.
    Wait(u16),
    /// The end of one of the checks that ever started, in flight or not.
    Answer(prop::sample::Index, bool),
    /// An agent answers one of the questions that were ever put, awaited or not.
    Say(prop::sample::Index, &'static str),
    /// This configuration is loaded.
    Reload(Config),
    /// This is ordered of this backend of this service, or everywhere.
    Order(Option<&'static str>, &'static str, Change),
    /// A neighbour is seen over this interface, or lost.
    Neighbour(u8, Option<&'static str>),
    /// This host was cut off, and is back.
    Recheck,
    /// The daemon stops; another reload may follow.
    Stop,
}

/// Variations of one configuration: services and backends come and go, move and change weight, or are the same ones; the VIP moves.
fn configs() -> impl Strategy<Value = Config> {
    let services = prop::sample::subsequence(vec!["keystone", "mysql", "nova"], 0..=3);
    let backends = prop::sample::subsequence(vec!["c1", "c2", "c3", "c4"], 1..=4);
    let holder = prop::sample::select(vec!["c1", "c2"]);
    let weight = prop::sample::select(vec![0, 50, 100]);
    let alike = prop::sample::select(vec![None, Some(2), Some(3)]);
    let below = prop::sample::select(vec![(1, BelowMin::Reset), (2, BelowMin::Reset), (2, BelowMin::Keep)]);
    let paths = prop::sample::select(vec![None, Some("/"), Some("/new")]);
    let agents = (paths.clone(), paths, prop::sample::select(vec![1, 60]));
    let policy = (prop::sample::select(vec![0, 7]), below, agents);
    (services, backends, holder, weight, any::<bool>(), 1u32..4, alike, policy).prop_map(
        |(names, hosts, holder, weight, moved, rise, alike, (slow_start, (min_healthy, below_min), agents))| {
            let mut config = config();
            config.vips[0].holder = Holder::Host(holder.to_owned());
            config.services = names.iter().zip([5000, 3306, 8774]).map(|(name, port)| service(name, port)).collect();
            for service in &mut config.services {
                service.check.rise = rise;
                let (one, others, interval) = agents;
                let path = if service.name == "mysql" { one } else { others };
                let agent = |path: &str| Agent {
                    path: path.to_owned(),
                    interval: Duration::from_secs(interval),
                    ..Agent::at(9999)
                };
                service.agent = path.map(agent);
                service.slow_start = Duration::from_secs(slow_start);
                (service.min_healthy, service.below_min) = (min_healthy.min(hosts.len() as u32), below_min);
                let port = match alike {
                    Some(_) => 8080,
                    None => service.port + if moved { 20_000 } else { 10_000 },
                };
                // Of the same backends: the same is asked of them, or one asks at another pace.
                if let ("nova", Some(interval)) = (service.name.as_str(), alike) {
                    service.check.interval = Duration::from_secs(interval);
                }
                service.backends = hosts.iter().map(|host| backend(host, port)).collect();
                service.backends[0].weight = weight;
            }
            config
        },
    )
}

/// What agents say; the last one is not understood.
const SAYINGS: [&str; 9] = ["up", "ready up 100%", "drain", "maint", "down # full", "down", "0%", "50%", "dreary"];

fn changes() -> impl Strategy<Value = Change> {
    let weights =
        prop::sample::select(vec![None, Some(Weight::Of(0)), Some(Weight::Of(30)), Some(Weight::Percent(50))]);
    prop_oneof![
        any::<bool>().prop_map(Change::Drain),
        any::<bool>().prop_map(Change::Maintenance),
        weights.prop_map(Change::Weight),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let services = prop::sample::select(vec![None, Some("keystone"), Some("mysql"), Some("nope")]);
    let backends = prop::sample::select(vec!["c1", "c2", "c3", "c4", "nobody"]);
    let interface = prop::sample::select(vec![None, Some("eth0"), Some("eth1")]);
    prop_oneof![
        20 => (0u16..3000).prop_map(Step::Wait),
        40 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(probe, passes)| Step::Answer(probe, passes)),
        20 => (any::<prop::sample::Index>(), prop::sample::select(SAYINGS.to_vec()))
            .prop_map(|(question, words)| Step::Say(question, words)),
        4 => configs().prop_map(Step::Reload),
        8 => (services, backends, changes()).prop_map(|(service, backend, change)| Step::Order(service, backend, change)),
        4 => (1u8..6, interface).prop_map(|(host, interface)| Step::Neighbour(host, interface)),
        2 => Just(Step::Recheck),
        1 => Just(Step::Stop),
    ]
}

/// A rig, and what must be remembered to judge it.
struct Trial {
    rig: Rig,
    /// Every check that ever started.
    started: Vec<(BackendKey, u64)>,
    /// Every question that was ever put.
    asked: Vec<u64>,
    /// The one in flight of each subject: its id, and when it is given up.
    in_flight: HashMap<Identity, (u64, Now)>,
    /// Where each address was seen last; one that is lost is remembered while a backend on another host has it.
    seen: BTreeMap<IpAddr, NextHop>,
}

impl Trial {
    fn start() -> Self {
        Self {
            rig: Rig::running(),
            started: Vec::new(),
            asked: Vec::new(),
            in_flight: HashMap::new(),
            seen: BTreeMap::new(),
        }
    }
}

impl Trial {
    fn apply(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait(past) => {
                let Some(deadline) = self.rig.controller.deadline() else { return Ok(()) };
                self.rig.now = self.rig.now.max(deadline);
                self.rig.now.0 += Duration::from_millis(past.into());
                let commands = self.rig.handle(Event::Tick);
                self.judge(&commands)?;
                let next = self.rig.controller.deadline();
                prop_assert!(next.is_none_or(|next| next > self.rig.now), "a tick leaves nothing due");
                Ok(())
            }
            Step::Answer(probe, passes) => {
                let Some((_, id)) = (!self.started.is_empty()).then(|| probe.get(&self.started).clone()) else {
                    return Ok(());
                };
                self.in_flight.retain(|_, (current, _)| *current != id);
                let outcome: ProbeOutcome = if passes { passed() } else { refused() };
                let commands = self.rig.handle(Event::ProbeEnded { id, outcome });
                self.judge(&commands)
            }
            Step::Say(question, words) => {
                let Some(id) = (!self.asked.is_empty()).then(|| *question.get(&self.asked)) else { return Ok(()) };
                let commands = self.rig.handle(Event::AgentAnswered { id, answer: Heard::read(words.as_bytes()) });
                // What is under way of those that rest from now on does not count.
                let subjects = &self.rig.controller.subjects;
                self.in_flight.retain(|_, (id, _)| subjects.of_check(*id).is_some());
                self.judge(&commands)
            }
            Step::Reload(config) => {
                let wanted = config.clone();
                let commands = self.rig.configure(config.clone());
                self.judge(&commands)?;
                prop_assert_eq!(self.rig.controller.config(), Some(&wanted));
                prop_assert_eq!(self.rig.configure(config), vec![], "the same again changes nothing");
                Ok(())
            }
            Step::Order(service, name, change) => {
                let target = match service {
                    Some(service) => DrainTarget::One(BackendKey { service: service.into(), backend: name.into() }),
                    None => DrainTarget::Everywhere(name.into()),
                };
                let before = self.rig.image.clone();
                match self.rig.controller.order(&target, change, self.rig.now) {
                    Ok((meant, commands)) => {
                        prop_assert!(!meant.is_empty());
                        let orders = self.rig.controller.orders();
                        let as_ordered = |key| orders.get(key).map(|(_, order)| *order).unwrap_or_default();
                        for (key, _) in &meant {
                            prop_assert_eq!(as_ordered(key).with(change), as_ordered(key));
                        }
                        // What is under way of those that rest from now on does not count.
                        let subjects = &self.rig.controller.subjects;
                        let awaited = |id: u64| subjects.of_check(id).is_some();
                        self.in_flight.retain(|_, (id, _)| awaited(*id));
                        let commands = self.rig.take_in(commands);
                        self.judge(&commands)
                    }
                    Err(_) => {
                        prop_assert_eq!(&before, &self.rig.image);
                        Ok(())
                    }
                }
            }
            Step::Neighbour(host, interface) => {
                let address = node(&format!("c{host}"));
                let next_hop = interface.map(|interface| hop(interface, host));
                let backends = self.rig.image.services.iter().flat_map(|service| &service.backends);
                let backend = backends.filter(|backend| !backend.local).any(|backend| backend.address == address);
                // The other hosts of every configuration here.
                let wanted = backend || [2, 3].contains(&host);
                match &next_hop {
                    Some(next_hop) => _ = self.seen.insert(address, next_hop.clone()),
                    None if wanted && self.rig.controller.config().is_some() => {}
                    None => _ = self.seen.remove(&address),
                }
                let commands = self.rig.handle(Event::Neighbour { address, next_hop });
                self.judge(&commands)
            }
            Step::Recheck => {
                let commands = self.rig.handle(Event::Recheck);
                prop_assert_eq!(commands, vec![]);
                // What is under way does not count, and delays nothing.
                self.in_flight.clear();
                let soon = Now(self.rig.now.0 + ANEW);
                prop_assert!(self.rig.controller.deadline().is_none_or(|next| next <= soon));
                self.judge(&[])
            }
            Step::Stop => {
                let commands = self.rig.handle(Event::Stop);
                self.judge(&commands)?;
                prop_assert_eq!(self.rig.controller.deadline(), None);
                prop_assert!(self.rig.image.vips.iter().all(|vip| vip.hold == Hold::No));
                Ok(())
            }
        }
    }

    fn judge(&mut self, commands: &[Command]) -> Result<(), TestCaseError> {
        let configured = self.configured();
        self.judge_subjects()?;
        self.rig.controller.judge_agents()?;
        let subjects = &self.rig.controller.subjects;
        // What a reload took away, or has asked otherwise, takes its check along.
        self.in_flight.retain(|identity, _| subjects.iter().any(|subject| subject.identity == *identity));
        for command in commands {
            if let Command::Ask { id, .. } = command {
                self.asked.push(*id);
            }
            if let Command::Probe { backend, id, attempt, .. } = command {
                let Attempt { target, timeout, .. } = &**attempt;
                prop_assert_eq!(configured.get(backend), Some(target), "a check of a backend that is configured");
                prop_assert!(self.started.last().is_none_or(|(_, last)| last < id), "ids are never used again");
                let subject = &subjects[subjects.of_check(*id).expect("somebody waits for it")];
                let give_up = Now(self.rig.now.0 + *timeout * 2);
                let earlier = self.in_flight.insert(subject.identity.clone(), (*id, give_up));
                let over = earlier.is_none_or(|(_, give_up)| give_up <= self.rig.now);
                prop_assert!(over, "one check of {} at a time", target);
                self.started.push((backend.clone(), *id));
            }
        }
        if self.rig.controller.config().is_none() {
            return Ok(());
        }
        let hosts = [2, 3].map(|host| node(&format!("c{host}")));
        let backends = self.rig.image.services.iter().flat_map(|service| &service.backends);
        let addresses = backends.filter(|backend| !backend.local).map(|backend| backend.address).chain(hosts);
        let macs: BTreeSet<Mac> =
            addresses.filter_map(|address| self.seen.get(&address)).map(|next_hop| next_hop.mac).collect();
        prop_assert_eq!(&self.rig.image.controllers, &macs, "controllers are those that were seen");
        for vip in &self.rig.image.vips {
            let holder = if vip.hold == Hold::No { self.seen.get(&node("c2")) } else { None };
            prop_assert_eq!(vip.holder.as_ref(), holder, "packets go to where the holder was seen last");
        }
        let pools = &self.rig.controller.pools;
        let subjects = &self.rig.controller.subjects;
        let kept: BTreeMap<String, Option<BelowMin>> = pools
            .iter()
            .map(|pool| {
                let below = pool.healthy(subjects) < pool.service.min_healthy as usize;
                (pool.service.name.clone(), below.then_some(pool.service.below_min))
            })
            .collect();
        for service in &self.rig.image.services {
            for owner in service.table.iter() {
                let backend = &service.backends[usize::from(*owner)];
                prop_assert!(backend.state.takes_flows(), "{} is {:?}", backend.key, backend.state);
            }
            for backend in &service.backends {
                prop_assert!(configured.contains_key(&backend.key), "{} is gone", backend.key);
                let shown = self.rig.view(&backend.key.to_string());
                let gets = shown.share > 0.0;
                match kept.get(&service.name).copied().flatten() {
                    // Nothing else than its state decides.
                    None => {
                        prop_assert_eq!(shown.state, backend.state);
                        prop_assert_eq!(gets, shown.state.takes_flows() && shown.weight_in_force() > 0);
                    }
                    Some(BelowMin::Reset) => prop_assert!(!gets, "{} takes flows", backend.key),
                    Some(BelowMin::Keep) => {
                        prop_assert!(gets || !shown.state.takes_flows() || shown.weight_in_force() == 0);
                        let by_order = matches!(shown.state, BackendState::Drain | BackendState::Maint);
                        prop_assert!(!(gets && by_order), "{} is {:?}", backend.key, shown.state);
                    }
                }
                prop_assert!(shown.health <= shown.health_top);
                let hop = if backend.local { None } else { self.seen.get(&backend.address) };
                prop_assert_eq!(backend.next_hop.as_ref(), hop, "{} is sent to where it was seen last", backend.key);
            }
        }
        prop_assert_eq!(
            self.rig.image.services.iter().map(|service| service.backends.len()).sum::<usize>(),
            configured.len()
        );
        let controller = &self.rig.controller;
        for pool in &controller.pools {
            for member in &pool.members {
                let (shown, _) = pool.shown(member, &controller.subjects);
                prop_assert_eq!(member.told, Some(shown), "{} changed unheard", member.key);
            }
        }
        let members = controller.pools.iter().flat_map(|pool| &pool.members);
        let checked = members.filter(|member| !member.in_force().maintenance).map(|member| member.subject);
        let checked: BTreeSet<usize> = checked.collect();
        for (i, subject) in controller.subjects.iter().enumerate() {
            prop_assert_eq!(checked.contains(&i), subject.probing != Probing::Resting, "maintenance alone rests");
        }
        let announced = controller.pools.iter().any(|pool| pool.service.agent.is_some());
        let due = !checked.is_empty() || announced;
        prop_assert_eq!(
            controller.deadline().is_some(),
            due,
            "every other backend has a next check, every agent a question"
        );
        Ok(())
    }

    /// Every backend goes by one subject, every subject has backends, and what is the same is one.
    fn judge_subjects(&self) -> Result<(), TestCaseError> {
        let Rig { controller, .. } = &self.rig;
        let mut identities = HashSet::new();
        for (i, subject) in controller.subjects.iter().enumerate() {
            prop_assert!(identities.insert(&subject.identity), "{:?} is there twice", subject.identity);
            prop_assert!(!subject.members.is_empty() && subject.members.is_sorted());
            for (pool, member) in &subject.members {
                prop_assert_eq!(controller.pools[*pool].members[*member].subject, i);
            }
        }
        let members: usize = controller.subjects.iter().map(|subject| subject.members.len()).sum();
        prop_assert_eq!(members, controller.index.len());
        Ok(())
    }

    fn configured(&self) -> BTreeMap<BackendKey, SocketAddr> {
        let services = self.rig.controller.config().map(|config| config.services.clone()).unwrap_or_default();
        let backends = services.into_iter().flat_map(|service| {
            let key = move |name| BackendKey { service: service.name.clone(), backend: name };
            service.backends.into_iter().map(move |b| (key(b.name), SocketAddr::new(b.address, b.port)))
        });
        backends.collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_events_breaks_an_invariant(steps in prop::collection::vec(steps(), 1..120)) {
        let mut trial = Trial::start();
        for step in steps {
            trial.apply(step)?;
        }
    }

    /// Whatever happened before: when every check passes and every order is undone, every backend takes flows again.
    #[test]
    fn everything_recovers(steps in prop::collection::vec(steps(), 1..60)) {
        let mut trial = Trial::start();
        for step in steps {
            trial.apply(step)?;
        }
        let mut rig = trial.rig;
        rig.configure(config());
        for host in ["c1", "c2", "c3"] {
            for undo in [Change::Drain(false), Change::Maintenance(false), Change::Weight(None)] {
                rig.order(&DrainTarget::Everywhere(host.to_owned()), undo).unwrap();
            }
        }
        rig.run(Duration::from_secs(60), |_| passed());
        prop_assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
        prop_assert_eq!(rig.owners("mysql"), ["c1", "c2", "c3"]);
    }
}
