//! The controller: events and time in, commands out.
//!
//! It knows what is configured, how healthy each backend is, what the operator drained and where each backend answers, and
//! turns every change of these into the commands that make the host follow. It does nothing itself: the whole of it can be
//! driven in a test, tick by tick.
//!
//! What must hold after every event:
//! - the last [`Command::Tables`] says what [`Controller::view`] says: no table leads to a backend that is not `Up`;
//! - a backend has at most one check in flight, and every backend with a check has one in flight or due;
//! - [`Controller::deadline`] is when something is due next; a tick at that time does it, so it always moves on.

mod configure;
mod drain;
mod footprint;
mod image;
mod pool;
mod probing;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::command::Command;
use super::config::Config;
use super::config::model::Protocol;
use super::event::{BackendKey, Event, NextHop, Now};
use super::health::Jitter;
use super::plan::Image;
use super::view::BackendState;
use footprint::Footprint;
use pool::Pool;

pub use drain::DrainError;

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
    /// Whether its operator had drained it: so of one that is `Drain`, and maybe of one that is `Down`.
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
    config: Option<Config>,
    /// One per service, in the order of the configuration.
    pools: Vec<Pool>,
    /// Where each backend is in `pools`.
    index: BTreeMap<BackendKey, Slot>,
    /// When each check is due, or given up: what the members of the pools say, in the order of time.
    timers: BTreeSet<(Now, Slot)>,
    last_probe: u64,
    /// Next hops as last seen.
    neighbours: BTreeMap<IpAddr, NextHop>,
    footprint: Footprint,
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
            neighbours: adopted.iter().filter_map(|b| Some((b.address, b.next_hop.clone()?))).collect(),
            adopted,
            config: None,
            pools: Vec::new(),
            index: BTreeMap::new(),
            timers: BTreeSet::new(),
            last_probe: 0,
            footprint: Footprint::default(),
            image: None,
        }
    }

    /// Takes in an event; returns what is to be done, in order.
    #[must_use]
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Command> {
        match event {
            Event::Configure(config) => self.configure(*config, now),
            Event::ProbeEnded { backend, id, outcome } => self.probe_ended(&backend, id, outcome, now),
            Event::Neighbour { address, next_hop } => self.neighbour(address, next_hop),
            Event::Tick => self.tick(now),
            Event::Stop => self.stop(),
        }
    }

    /// When an [`Event::Tick`] is wanted; `None` if time alone changes nothing.
    #[must_use]
    pub fn deadline(&self) -> Option<Now> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// The configuration that runs; `None` before the first one and after [`Event::Stop`].
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    /// A next hop that is known is kept when the kernel's entry fails: the health checks, which need that same entry,
    /// decide whether the backend is reachable, and a passing loss of ARP must not cut flows that still get through.
    fn neighbour(&mut self, address: IpAddr, next_hop: Option<NextHop>) -> Vec<Command> {
        match next_hop {
            Some(next_hop) => {
                let known = self.neighbours.get(&address) == Some(&next_hop);
                self.neighbours.insert(address, next_hop);
                if known || !self.footprint.resolves(address) {
                    return Vec::new();
                }
                self.publish().into_iter().collect()
            }
            None if self.footprint.resolves(address) => Vec::new(),
            None => {
                self.neighbours.remove(&address);
                Vec::new()
            }
        }
    }
}
