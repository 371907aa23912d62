//! The Virtual Router Redundancy Protocol, versions 2 (RFC 3768) and 3 (RFC 9568): the first election.
//!
//! - [`advert`]: messages, bytes in and out.
//! - [`check`]: which of them are listened to.
//! - [`seal`]: messages under the cluster's key.
//! - [`timers`]: how long a backup waits.
//! - [`rules`]: what one virtual router goes by. [`router`]: its state machine, [`state`]: where that stands. [`duplicate`]: whether its addresses are free.
//! - [`peers`]: who was heard. [`belief`]: who of them may be passed packets, and until when.
//!
//! Here: all virtual routers of a host, behind [`Election`]. Each group of VIPs is one virtual router; several may be on one
//! interface, told apart by number and family.

pub mod advert;
pub mod belief;
pub mod check;
mod duplicate;
pub mod peers;
pub mod router;
pub mod rules;
pub mod seal;
pub mod state;
pub mod timers;

use std::collections::BTreeMap;
use std::net::IpAddr;

use self::advert::{Advert, GROUP4, GROUP6, Shape};
use self::check::Believed;
use self::peers::Peers;
use self::router::Router;
use self::rules::{Heard, Rules};
use self::state::{Input, Output, State};
use super::election::{Action, Datagram, Election, Event, GroupName};
use super::event::Now;
use super::sync::message::Key;

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
    /// What messages are sealed by, if they are.
    pub key: Option<Key>,
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

    /// Whether another configuration of it is still the same router to others.
    fn is_kin(&self, next: &Self) -> bool {
        let wire = |it: &Self| (it.group.clone(), it.interface.clone(), it.vrid, it.rules.version, it.rules.own);
        wire(self) == wire(next)
    }

    fn advert(&self, priority: u8) -> Advert {
        let Rules { version, interval, .. } = self.rules;
        Advert { version, vrid: self.vrid, priority, interval, addresses: self.addresses.clone() }
    }

    /// A message of this priority to everyone it is for; each that is sealed has the next `sequence`.
    fn sends(&self, priority: u8, sequence: &mut u64) -> Vec<Action> {
        let advert = self.advert(priority);
        let group = [self.group()];
        let destinations = if self.peers.is_empty() { &group[..] } else { &self.peers[..] };
        let send = |destination: &IpAddr| {
            let payload = advert::encode(&advert, self.shape, self.rules.own, *destination);
            let payload = match &self.key {
                Some(key) => {
                    *sequence += 1;
                    seal::seal(payload, key, self.rules.own, *destination, *sequence)
                }
                None => payload,
            };
            Action::Send { group: self.group.clone(), destination: *destination, payload }
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
    /// Who was heard.
    pub peers: Peers,
    /// The last sequence of each peer, where messages are sealed.
    sequences: BTreeMap<IpAddr, u64>,
}

/// All virtual routers of this host.
#[derive(Debug, Clone, Default)]
pub struct Vrrp {
    members: Vec<Member>,
    /// Of the last message that was sealed.
    sequence: u64,
}

impl Vrrp {
    /// Routers that wait to be told what this host is fit for; each with the end of the lease on its VIPs that an earlier
    /// pivotd left behind.
    #[must_use]
    pub fn new(instances: Vec<(Instance, Option<Now>)>) -> Self {
        let start = |(instance, inherited)| Member::new(instance, inherited);
        Self { members: instances.into_iter().map(start).collect(), sequence: 0 }
    }

    /// None yet. The first message that is sealed has the sequence behind this one: it must be higher than any of an earlier
    /// pivotd of this host, such as the time of day in nanoseconds.
    #[must_use]
    pub fn behind(sequence: u64) -> Self {
        Self { members: Vec::new(), sequence }
    }

    /// Has these routers, and no others, from now on. One that stays as it was goes on; one that only goes by other rules does
    /// so, too; any other one gives up what it holds and begins anew.
    #[must_use]
    pub fn configure(&mut self, instances: Vec<(Instance, Option<Now>)>, now: Now) -> Vec<Action> {
        let mut earlier = std::mem::take(&mut self.members);
        for (instance, inherited) in instances {
            let known = earlier.iter().position(|member| member.instance.is_kin(&instance));
            let member = match known.map(|index| earlier.swap_remove(index)) {
                Some(mut member) => {
                    member.router.go_by(instance.rules.clone());
                    Member { instance, ..member }
                }
                None => Member::new(instance, inherited),
            };
            self.members.push(member);
        }
        let sequence = &mut self.sequence;
        earlier.into_iter().flat_map(|mut member| member.step(Input::Stop, now, sequence)).collect()
    }

    /// The groups, and how they stand.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    fn message(&mut self, datagram: &Datagram<'_>, now: Now) -> Vec<Action> {
        let source = datagram.source;
        match check::check(&self.members, datagram) {
            Ok(Believed { index, advert: Advert { priority, interval, .. }, sequence }) => {
                let heard = Heard { from: source, priority, interval, at: datagram.at };
                let Some(member) = self.members.get_mut(index) else { return Vec::new() };
                member.sequences.extend(sequence.map(|sequence| (source, sequence)));
                member.hear(heard, now, &mut self.sequence)
            }
            Err((index, why)) => {
                let group = index.and_then(|index| self.members.get(index)).map(|member| member.instance.group.clone());
                vec![Action::Ignored { group, source, kind: why.kind(), why: why.to_string() }]
            }
        }
    }

    fn one(&mut self, group: &str, input: Input, now: Now) -> Vec<Action> {
        let member = self.members.iter_mut().find(|member| *member.instance.group == *group);
        member.map(|member| member.step(input, now, &mut self.sequence)).unwrap_or_default()
    }

    fn all(&mut self, input: &Input, now: Now) -> Vec<Action> {
        let sequence = &mut self.sequence;
        self.members.iter_mut().flat_map(|member| member.step(input.clone(), now, sequence)).collect()
    }
}

impl Election for Vrrp {
    fn handle(&mut self, event: Event<'_>, now: Now) -> Vec<Action> {
        match event {
            Event::Message(datagram) => self.message(&datagram, now),
            Event::Fitness { group, fitness } => self.one(group, Input::Fitness(fitness), now),
            Event::CaughtUp { group, since } => self.one(group, Input::CaughtUp(since), now),
            Event::Yield { group } => self.one(group, Input::Yield, now),
            Event::InUse { group, answer } => self.one(group, Input::InUse(answer), now),
            Event::Unsent { group, why } => self.one(group, Input::Unsent(why), now),
            Event::Tick => self.all(&Input::Tick, now),
            Event::Stop => self.all(&Input::Stop, now),
        }
    }

    fn deadline(&self) -> Option<Now> {
        self.members.iter().filter_map(|member| member.router.deadline()).min()
    }

    fn behind_since(&self, group: &str) -> Option<Now> {
        self.members.iter().find(|member| *member.instance.group == *group)?.router.behind()
    }
}

impl Member {
    fn new(instance: Instance, inherited: Option<Now>) -> Self {
        let router = Router::new(instance.rules.clone(), inherited);
        Self { instance, router, peers: Peers::default(), sequences: BTreeMap::new() }
    }

    /// Who holds the group, as far as this host knows; `None` if that is this host, or nobody was heard. A host that takes no
    /// part looks on.
    #[must_use]
    pub fn holder(&self, now: Now) -> Option<Heard> {
        match self.router.state() {
            State::Backup { holder, .. } => *holder,
            State::Fault(_) => self.peers.holder(now),
            State::Claim { .. } | State::Holder { .. } => None,
        }
    }

    /// When [`Member::holder`] changes by itself, without anything happening.
    #[must_use]
    pub fn forgets_at(&self, now: Now) -> Option<Now> {
        match self.router.state() {
            State::Fault(_) => self.peers.holder(now).map(|heard| peers::lost(&heard)),
            _ => None,
        }
    }

    fn hear(&mut self, heard: Heard, now: Now, sequence: &mut u64) -> Vec<Action> {
        self.peers.take(heard, self.instance.rules.is_rival(&heard));
        self.step(Input::Heard(heard), now, sequence)
    }

    fn step(&mut self, input: Input, now: Now, sequence: &mut u64) -> Vec<Action> {
        let outputs = self.router.handle(input, now);
        outputs.into_iter().flat_map(|output| self.act(output, sequence)).collect()
    }

    fn act(&self, output: Output, sequence: &mut u64) -> Vec<Action> {
        let group = self.instance.group.clone();
        vec![match output {
            Output::Advertise(priority) => return self.instance.sends(priority, sequence),
            Output::Lease(until) => Action::Lease { group, until },
            Output::Release => Action::Release { group },
            Output::Announce => Action::Announce { group },
            Output::Ask => Action::Ask { group },
            Output::InUse(why) => Action::InUse { group, why },
            Output::Changed(role, why) => Action::Changed { group, role, why },
        }]
    }
}

#[cfg(test)]
mod tests;
