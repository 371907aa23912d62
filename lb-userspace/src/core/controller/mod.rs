//! The controller: events and time in, commands out.
//!
//! It knows what is configured, how healthy each backend is, what the operator ordered, what agents announce and where each backend answers, and
//! turns every change of these into the commands that make the host follow. It does nothing itself: the whole of it can be
//! driven in a test, tick by tick.
//!
//! What must hold after every event:
//! - the last [`Command::Tables`] says what [`Controller::view`] says: no table leads to a backend that is not sent new flows;
//! - what is checked has at most one check in flight that counts, and one in flight or due, however many backends go by it;
//! - [`Controller::deadline`] is when something is due next; a tick at that time does it, so it always moves on.

mod agents;
mod chronicle;
mod configure;
mod elected;
mod elsewhere;
mod footprint;
mod image;
mod obey;
mod orders;
mod pool;
mod probing;
mod quorum;
mod ramp;
mod refused;
mod silence;
mod subject;
mod succession;
#[cfg(test)]
mod tests;
mod view;
mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::command::Command;
use super::config::Config;
use super::config::model::Protocol;
use super::event::{Addressee, BackendKey, Event, Mac, NextHop, Now};
use super::health::Jitter;
use super::order::Orders;
use super::plan::Image;
use super::view::BackendState;
use super::writer::Statement;
use agents::Agents;
use chronicle::Chronicle;
use elected::Elected;
use footprint::Footprint;
use pool::Pool;
use ramp::Ramps;
use silence::Silence;
use subject::Subjects;

pub use chronicle::REMEMBERED;
pub use orders::{OrderError, Ordered};
pub use writers::SwitchError;

/// A backend as an earlier pivotd left it in the pinned maps: its state is believed until a check says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptedBackend {
    /// Address of the service's VIP.
    pub vip: IpAddr,
    /// Port on the VIP.
    pub service_port: u16,
    /// Protocol of the service.
    pub protocol: Protocol,
    /// Address of the backend.
    pub address: IpAddr,
    /// Port of the backend.
    pub port: u16,
    /// Its state.
    pub state: BackendState,
    /// Whether its operator had drained it. One that is `Drain` and was not drained by its operator was by its agent.
    pub drained: bool,
    /// Where it was sent to: packets go on there until the neighbour table says otherwise.
    pub next_hop: Option<NextHop>,
}

/// Decides everything that pivotd does.
#[derive(Debug, Clone)]
pub struct Controller {
    host: String,
    jitter: Jitter,
    /// What the first configuration starts from; empty afterwards.
    adopted: Vec<AdoptedBackend>,
    /// Orders that it starts from; `None` afterwards, and if it goes by the drains of what was adopted.
    remembered: Option<Orders>,
    config: Option<Config>,
    /// One per service, in the order of the configuration.
    pools: Vec<Pool>,
    /// Where each backend is in `pools`.
    index: BTreeMap<BackendKey, Slot>,
    /// What is checked.
    subjects: Subjects,
    /// What announces what backends are to be.
    agents: Agents,
    /// Backends on their way to their whole share.
    ramps: Ramps,
    /// What has become of backends.
    chronicle: Chronicle,
    last_probe: u64,
    /// Hosts that are not heard any more.
    silence: Silence,
    /// Who holds each group of VIPs, as the election said last.
    elected: BTreeMap<String, Elected>,
    /// Next hops as last seen.
    neighbours: BTreeMap<Addressee, NextHop>,
    /// MACs of controllers that an earlier pivotd had seen: believed until all other hosts have been seen again.
    inherited: BTreeSet<Mac>,
    footprint: Footprint,
    /// What this host states of writers.
    statements: Arc<[Statement]>,
    /// When time alone may change a writer.
    writers_due: Option<Now>,
    /// The last image sent, to tell whether another one is needed.
    image: Option<Image>,
}

/// A backend's place: position of its pool, and its position within.
type Slot = (usize, usize);

impl Controller {
    /// A controller that waits for its first [`Event::Configure`].
    ///
    /// `host` is this host's name in the configuration, `adopted` what the pinned maps of an earlier pivotd say (empty on a
    /// fresh start), `seed` starts the jitter and should differ from host to host.
    #[must_use]
    pub fn new(host: String, adopted: Vec<AdoptedBackend>, seed: u64) -> Self {
        Self {
            host,
            jitter: Jitter::new(seed),
            neighbours: adopted.iter().filter_map(|b| Some((b.address.into(), b.next_hop.clone()?))).collect(),
            inherited: BTreeSet::new(),
            adopted,
            remembered: None,
            config: None,
            pools: Vec::new(),
            index: BTreeMap::new(),
            subjects: Subjects::default(),
            agents: Agents::default(),
            ramps: Ramps::default(),
            chronicle: Chronicle::default(),
            last_probe: 0,
            silence: Silence::default(),
            elected: BTreeMap::new(),
            footprint: Footprint::default(),
            statements: Arc::default(),
            writers_due: None,
            image: None,
        }
    }

    /// The same, which knows MACs of other controllers from the tables of an earlier pivotd.
    #[must_use]
    pub fn with_controllers(self, inherited: BTreeSet<Mac>) -> Self {
        Self { inherited, ..self }
    }

    /// The same, which goes by orders that an earlier pivotd was given and that were remembered.
    #[must_use]
    pub fn with_orders(self, orders: Orders) -> Self {
        Self { remembered: Some(orders), ..self }
    }

    /// Takes in an event; returns what is to be done, in order.
    #[must_use]
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Command> {
        match event {
            Event::Configure(config) => self.configure(*config, now),
            Event::ProbeEnded { id, outcome } => self.probe_ended(id, outcome, now),
            Event::AgentAnswered { id, answer } => self.agent_answered(id, answer, now),
            Event::Neighbour { address, next_hop } => self.neighbour(address, next_hop),
            Event::Elected { group, role, holder } => self.take_in(group, Elected { role, holder }, now),
            Event::Stated { from, statements } => self.hear_of_writers(&from, &statements, now),
            Event::HostSilent(silent) => self.host_silent(silent, now),
            Event::HostHeard { host } => self.host_heard(&host, now),
            Event::Refused { backend } => {
                self.refused(&backend, now);
                Vec::new()
            }
            Event::Recheck => self.recheck(now),
            Event::Tick => {
                let mut commands = self.tick(now);
                commands.extend(self.fail_back(now));
                commands.extend(self.ask_agents(now));
                commands
            }
            Event::Stop => self.stop(),
        }
    }

    /// When an [`Event::Tick`] is wanted; `None` if time alone changes nothing.
    #[must_use]
    pub fn deadline(&self) -> Option<Now> {
        let Self { subjects, agents, ramps, silence, writers_due, .. } = self;
        let times = [subjects.deadline(), agents.deadline(), ramps.deadline(), silence.deadline(), *writers_due];
        times.into_iter().flatten().min()
    }

    /// The configuration that runs; `None` before the first one and after [`Event::Stop`].
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    /// How many backends of a service are healthy, drained or not, and not in maintenance; `None` if there is no service of that name.
    #[must_use]
    pub fn healthy(&self, service: &str) -> Option<usize> {
        let first = BackendKey { service: service.to_owned(), backend: String::new() };
        let (key, (pool, _)) = self.index.range(first..).next()?;
        let pool = self.pools.get(*pool).filter(|_| key.service == service)?;
        Some(pool.healthy(&self.subjects))
    }

    /// A backend of which no check that began since then has ended, or whose state is in doubt; `None` if all are known.
    #[must_use]
    pub fn unchecked_since(&self, since: Now) -> Option<&BackendKey> {
        let late = self.subjects.iter().find(|subject| !subject.is_known_since(since));
        late.map(|subject| subject.members[0]).map(|(pool, member)| &self.pools[pool].members[member].key)
    }

    /// A next hop that is known is kept when the kernel's entry fails: the health checks, which need that same entry,
    /// decide whether the backend is reachable, and a passing loss of ARP must not cut flows that still get through.
    fn neighbour(&mut self, address: IpAddr, next_hop: Option<NextHop>) -> Vec<Command> {
        match next_hop {
            Some(next_hop) => {
                let addressee = Addressee::by(&next_hop.interface, address);
                let wanted = self.footprint.resolves(&addressee);
                let known = self.neighbours.insert(addressee, next_hop.clone()) == Some(next_hop);
                if known || !wanted {
                    return Vec::new();
                }
                self.publish()
            }
            None => {
                self.neighbours.retain(|it, _| it.address != address || self.footprint.resolves(it));
                Vec::new()
            }
        }
    }
}
