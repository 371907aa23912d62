//! The Virtual Router Redundancy Protocol, versions 2 (RFC 3768) and 3 (RFC 9568): the first election.
//!
//! - [`advert`]: messages, bytes in and out.
//! - [`check`]: which of them are listened to.
//! - [`timers`]: how long a backup waits.
//! - [`rules`]: what one virtual router goes by. [`router`]: its state machine.
//!
//! Here: all virtual routers of a host, behind [`Election`]. Each group of VIPs is one virtual router; several may be on one
//! interface, told apart by number and family.

pub mod advert;
pub mod check;
pub mod router;
pub mod rules;
pub mod timers;

use std::net::IpAddr;

use self::advert::{Advert, GROUP4, GROUP6, Shape};
use self::router::{Input, Output, Router};
use self::rules::{Heard, Rules};
use super::election::{Action, Datagram, Election, Event, GroupName};
use super::event::Now;

/// A group of VIPs as one virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Name of the group.
    pub group: GroupName,
    /// The interface by which it speaks with other hosts.
    pub interface: String,
    /// Number of the virtual router, 1..=255: with the family and the interface's segment it names the router.
    pub vrid: u8,
    /// What its state machine goes by.
    pub rules: Rules,
    /// What its messages look like.
    pub shape: Shape,
    /// The addresses in its messages, of one family.
    pub addresses: Vec<IpAddr>,
    /// The other hosts, if they are told one by one; empty: all at once.
    pub peers: Vec<IpAddr>,
}

impl Instance {
    /// Where messages to all at once go.
    #[must_use]
    pub fn group(&self) -> IpAddr {
        match self.rules.own {
            IpAddr::V4(_) => GROUP4.into(),
            IpAddr::V6(_) => GROUP6.into(),
        }
    }

    fn advert(&self, priority: u8) -> Advert {
        let Rules { version, interval, .. } = self.rules;
        Advert { version, vrid: self.vrid, priority, interval, addresses: self.addresses.clone() }
    }

    /// A message of this priority to everyone it is for.
    fn sends(&self, priority: u8) -> Vec<Action> {
        let advert = self.advert(priority);
        let group = [self.group()];
        let destinations = if self.peers.is_empty() { &group[..] } else { &self.peers[..] };
        let send = |destination: &IpAddr| Action::Send {
            group: self.group.clone(),
            destination: *destination,
            payload: advert::encode(&advert, self.shape, self.rules.own, *destination),
        };
        destinations.iter().map(send).collect()
    }
}

/// A group and how it stands.
#[derive(Debug, Clone)]
pub struct Member {
    /// As configured.
    pub instance: Instance,
    /// Its state machine.
    pub router: Router,
}

/// All virtual routers of this host.
#[derive(Debug, Clone, Default)]
pub struct Vrrp {
    members: Vec<Member>,
}

impl Vrrp {
    /// Routers that wait to be told what this host is fit for; each with the end of the lease on its VIPs that an earlier
    /// pivotd left behind.
    #[must_use]
    pub fn new(instances: Vec<(Instance, Option<Now>)>) -> Self {
        let start = |(instance, inherited): (Instance, _)| {
            let router = Router::new(instance.rules.clone(), inherited);
            Member { instance, router }
        };
        Self { members: instances.into_iter().map(start).collect() }
    }

    /// The groups, and how they stand.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    fn message(&mut self, datagram: &Datagram<'_>, now: Now) -> Vec<Action> {
        let source = datagram.source;
        match check::check(&self.members, datagram) {
            Ok((index, Advert { priority, interval, .. })) => {
                let heard = Heard { from: source, priority, interval, at: datagram.at };
                self.members.get_mut(index).map(|member| member.step(Input::Heard(heard), now)).unwrap_or_default()
            }
            Err((index, why)) => {
                let group = index.and_then(|index| self.members.get(index)).map(|member| member.instance.group.clone());
                vec![Action::Ignored { group, source, why: why.to_string() }]
            }
        }
    }

    fn one(&mut self, group: &str, input: Input, now: Now) -> Vec<Action> {
        let member = self.members.iter_mut().find(|member| *member.instance.group == *group);
        member.map(|member| member.step(input, now)).unwrap_or_default()
    }

    fn all(&mut self, input: &Input, now: Now) -> Vec<Action> {
        self.members.iter_mut().flat_map(|member| member.step(input.clone(), now)).collect()
    }
}

impl Election for Vrrp {
    fn handle(&mut self, event: Event<'_>, now: Now) -> Vec<Action> {
        match event {
            Event::Message(datagram) => self.message(&datagram, now),
            Event::Fitness { group, fitness } => self.one(group, Input::Fitness(fitness), now),
            Event::Yield { group } => self.one(group, Input::Yield, now),
            Event::Unsent { group, why } => self.one(group, Input::Unsent(why), now),
            Event::Tick => self.all(&Input::Tick, now),
            Event::Stop => self.all(&Input::Stop, now),
        }
    }

    fn deadline(&self) -> Option<Now> {
        self.members.iter().filter_map(|member| member.router.deadline()).min()
    }
}

impl Member {
    fn step(&mut self, input: Input, now: Now) -> Vec<Action> {
        let outputs = self.router.handle(input, now);
        outputs.into_iter().flat_map(|output| self.act(output)).collect()
    }

    fn act(&self, output: Output) -> Vec<Action> {
        let group = self.instance.group.clone();
        vec![match output {
            Output::Advertise(priority) => return self.instance.sends(priority),
            Output::Lease(until) => Action::Lease { group, until },
            Output::Release => Action::Release { group },
            Output::Announce => Action::Announce { group },
            Output::Changed(role, why) => Action::Changed { group, role, why },
        }]
    }
}
