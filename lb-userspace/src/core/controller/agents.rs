//! Agents: when they are asked, and what becomes of their answers.
//!
//! One that several backends name is asked once, if all of the question is the same, the pace included. Agents are asked whatever
//! state their backends are in: how else would one end its backend's maintenance. What they say is carried out as orders are.
//!
//! What must hold: every backend has at most one agent, and every agent has backends, all of which have its words once it has
//! answered, and until then what they had before; a question is in flight or due; one that is not answered, or not understood, changes
//! nothing. Nothing that is done for each answer takes longer
//! the more agents there are, but for looking up one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use super::obey::Cause;
use super::pool::Member;
use super::probing::ANEW;
use super::{Controller, Slot};
use crate::core::agent::words::Heard;
use crate::core::agent::{Announced, question};
use crate::core::check::Attempt;
use crate::core::command::{Command, Level};
use crate::core::config::model;
use crate::core::event::Now;
use crate::core::health::Jitter;
use crate::core::view::AgentView;

/// What tells agents apart: where they are asked, for what, and how often.
type Identity = (SocketAddr, model::Agent);

/// Where an agent is asked, and for what: path and host.
type Asked = (SocketAddr, String, Option<String>);

/// An agent.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    identity: Identity,
    question: Arc<Attempt>,
    /// The backends that go by it, in order.
    members: Vec<Slot>,
    /// What stands of its words; nothing before it has answered.
    announced: Announced,
    /// Its last answer that was understood, and when.
    heard: Option<(Now, Heard)>,
    /// What was wrong with the last question, if anything.
    error: Option<String>,
    /// Whether it was told that something of its answers is ignored.
    ignored_told: bool,
    asking: Asking,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
enum Asking {
    /// The next question is, then.
    Due(Now),
    /// One is under way; if nothing is heard of it by then, it was not answered.
    InFlight { id: u64, give_up: Now },
}

/// Every agent.
#[derive(Debug, Clone, Default)]
pub(super) struct Agents {
    all: Vec<Agent>,
    /// When each question is due, or given up, in the order of time.
    timers: BTreeSet<(Now, usize)>,
    /// Whom each one in flight asks.
    in_flight: BTreeMap<u64, usize>,
}

/// Backends on their way to the agents of another configuration.
#[derive(Debug)]
pub(super) struct Seating {
    before: HashMap<Identity, Agent>,
    /// Of those, one for each question, at whatever pace: the one that was heard last.
    asked: HashMap<Asked, Identity>,
    seated: Vec<Agent>,
    places: HashMap<Identity, usize>,
}

impl Asking {
    fn deadline(self) -> Now {
        match self {
            Self::Due(time) | Self::InFlight { give_up: time, .. } => time,
        }
    }
}

impl Agents {
    /// When the next question is due, or given up.
    pub(super) fn deadline(&self) -> Option<Now> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// Begins to seat the backends of another configuration.
    pub(super) fn leave(&mut self) -> Seating {
        let mut all = std::mem::take(self).all;
        // Of several that are asked the same, the one that was heard last is entered last.
        all.sort_by_key(|agent| agent.heard.as_ref().map(|(at, _)| *at));
        let asked = all.iter().map(|agent| (asked(&agent.identity), agent.identity.clone())).collect();
        let before = all.into_iter().map(|agent| (agent.identity.clone(), agent)).collect();
        Seating { before, asked, seated: Vec::new(), places: HashMap::new() }
    }

    fn due(&self, now: Now) -> Vec<usize> {
        self.timers.range(..=(now, usize::MAX)).map(|(_, agent)| *agent).collect()
    }

    /// What is asked from now on.
    fn plan(&mut self, agent: usize, asking: Asking) {
        let before = std::mem::replace(&mut self.all[agent].asking, asking);
        self.timers.remove(&(before.deadline(), agent));
        if let Asking::InFlight { id, .. } = before {
            self.in_flight.remove(&id);
        }
        self.book(agent);
    }

    fn book(&mut self, agent: usize) {
        let asking = self.all[agent].asking;
        self.timers.insert((asking.deadline(), agent));
        if let Asking::InFlight { id, .. } = asking {
            self.in_flight.insert(id, agent);
        }
    }

    /// What an agent has answered last, in words.
    pub(super) fn says(&self, agent: usize) -> Option<String> {
        self.all[agent].heard.as_ref().map(|(_, heard)| heard.to_string())
    }

    /// An agent, for people; `announced`: what stands for a backend of it.
    pub(super) fn view(&self, agent: usize, announced: &Announced, now: Now) -> AgentView {
        let Agent { identity: (target, asked), heard, error, asking, .. } = &self.all[agent];
        AgentView {
            url: format!("http://{target}{}", asked.path),
            in_force: (!announced.is_nothing()).then(|| announced.to_string()),
            down: announced.down().map(ToString::to_string),
            says: heard.as_ref().map(|(_, heard)| heard.to_string()),
            said_s: heard.as_ref().map(|(at, _)| now.0.saturating_sub(at.0).as_secs_f64()),
            ignored: heard.as_ref().and_then(|(_, heard)| heard.ignored.clone()),
            error: error.clone(),
            next_s: match asking {
                Asking::Due(at) => Some(at.0.saturating_sub(now.0).as_secs_f64()),
                Asking::InFlight { .. } => None,
            },
        }
    }
}

impl Seating {
    /// Has a backend go by this agent from now on; returns the agent's place, and what stands of its words if it has answered. One of
    /// which only the pace is new goes on with what it has said, and is asked at once.
    pub(super) fn seat(
        &mut self,
        agent: &model::Agent,
        bound: SocketAddr,
        slot: Slot,
        jitter: &mut Jitter,
        now: Now,
    ) -> (usize, Option<Announced>) {
        let target = agent.target(bound);
        let identity = (target, model::Agent { address: None, ..agent.clone() });
        let Self { before, asked: asked_before, seated, places } = self;
        let place = *places.entry(identity).or_insert_with_key(|identity| {
            let soon = Now(now.0 + jitter.up_to((agent.interval / 10).min(ANEW)));
            let agent = before.get(identity).cloned().unwrap_or_else(|| {
                let earlier = asked_before.get(&asked(identity)).and_then(|identity| before.get(identity));
                let fresh = Agent {
                    identity: identity.clone(),
                    question: Arc::new(question(agent, bound)),
                    members: Vec::new(),
                    announced: Announced::default(),
                    heard: None,
                    error: None,
                    ignored_told: false,
                    asking: Asking::Due(soon),
                };
                let Some(Agent { announced, heard, error, ignored_told, .. }) = earlier.cloned() else { return fresh };
                Agent { announced, heard, error, ignored_told, ..fresh }
            });
            seated.push(Agent { members: Vec::new(), ..agent });
            seated.len() - 1
        });
        let agent = &mut seated[place];
        agent.members.push(slot);
        (place, agent.heard.as_ref().map(|_| agent.announced.clone()))
    }

    /// The agents from now on, in their places.
    pub(super) fn settle(self) -> Agents {
        let mut agents = Agents { all: self.seated, ..Agents::default() };
        (0..agents.all.len()).for_each(|agent| agents.book(agent));
        agents
    }
}

fn asked((target, agent): &Identity) -> Asked {
    (*target, agent.path.clone(), agent.host.clone())
}

impl Agent {
    /// Whom an operator is told of: `the agent of web/c2 (http://10.0.0.12:9999/)`.
    fn name(&self, first: &Member) -> String {
        let (target, asked) = &self.identity;
        let others = match self.members.len() {
            1 => String::new(),
            all => format!(" and {} more", all - 1),
        };
        format!("the agent of {}{others} (http://{target}{})", first.key, asked.path)
    }
}

impl Controller {
    /// Asks those of which a question is due, and gives up those that say nothing.
    pub(super) fn ask_agents(&mut self, now: Now) -> Vec<Command> {
        let mut commands = Vec::new();
        for agent in self.agents.due(now) {
            let question = self.agents.all[agent].question.clone();
            let patience = question.timeout * 2;
            match self.agents.all[agent].asking {
                Asking::Due(_) => {
                    self.last_probe += 1;
                    let id = self.last_probe;
                    self.agents.plan(agent, Asking::InFlight { id, give_up: Now(now.0 + patience) });
                    commands.push(Command::Ask { id, question });
                }
                Asking::InFlight { .. } => {
                    let why = format!("nothing was heard of the question for {patience:?}");
                    commands.extend(self.hear(agent, Err(why), now));
                }
            }
        }
        commands
    }

    /// Has all of them asked soon.
    pub(super) fn ask_agents_anew(&mut self, now: Now) {
        for agent in 0..self.agents.all.len() {
            let within = (self.agents.all[agent].identity.1.interval / 10).min(ANEW);
            let due = Now(now.0 + self.jitter.up_to(within));
            self.agents.plan(agent, Asking::Due(due));
        }
    }

    /// Takes in what an agent answered; an answer that nobody waits for any more is ignored.
    pub(super) fn agent_answered(&mut self, id: u64, answer: Result<Heard, String>, now: Now) -> Vec<Command> {
        match self.agents.in_flight.get(&id).copied() {
            Some(agent) => self.hear(agent, answer, now),
            None => Vec::new(),
        }
    }

    fn hear(&mut self, agent: usize, answer: Result<Heard, String>, now: Now) -> Vec<Command> {
        let pause = self.jitter.around(self.agents.all[agent].identity.1.interval);
        self.agents.plan(agent, Asking::Due(Now(now.0 + pause)));
        let it = &mut self.agents.all[agent];
        let (pool, member) = it.members[0];
        let name = it.name(&self.pools[pool].members[member]);
        let heard = match answer {
            Ok(heard) => heard,
            Err(why) => {
                let stands = &self.pools[pool].members[member].announced;
                let line = format!("{name}: {why}; what it said before stands: {stands}");
                // Told when it begins, not whenever it is put otherwise: what an agent says is of any kind.
                let begins = it.error.replace(why).is_none();
                return begins.then_some(Command::Log { level: Level::Warn, message: line }).into_iter().collect();
            }
        };
        let mut logs = Vec::new();
        let mut told = |message: String| logs.push(Command::Log { level: Level::Info, message });
        if it.error.take().is_some() {
            told(format!("{name} answers again: {heard}"));
        }
        if let Some(ignored) = heard.ignored.as_ref().filter(|_| !it.ignored_told) {
            told(format!("{name} says {ignored}: that is ignored, as pivot does not limit connections of a backend"));
            it.ignored_told = true;
        }
        let (announced, words) = (it.announced.after(&heard), heard.to_string());
        it.heard = Some((now, heard));
        it.announced = announced.clone();
        let members = it.members.clone();
        let (mut changed, mut quietly) = (Vec::new(), true);
        for slot @ (i, j) in members {
            let member = &mut self.pools[i].members[j];
            let state = member.state(&self.subjects);
            let before = std::mem::replace(&mut member.announced, announced.clone());
            let alike = before.differs_in_weight_alone(&announced);
            if !alike || before.weight() != announced.weight() {
                changed.push((slot, state));
                quietly &= alike && !before.is_weightless() && !announced.is_weightless();
            }
        }
        // Why one is down may be put otherwise with each answer: that is nothing new.
        if changed.is_empty() {
            return logs;
        }
        self.rest(now);
        logs.extend(self.obey(&changed, Cause::Said { words: &words, quietly }, now));
        self.publish().into_iter().chain(logs).collect()
    }
}

#[cfg(test)]
impl Controller {
    /// Every backend of a service with agents goes by one, every agent has backends, which have its words once it has answered, and
    /// what is asked alike is one.
    pub(super) fn judge_agents(&self) -> Result<(), proptest::test_runner::TestCaseError> {
        use proptest::prelude::*;
        let identities: std::collections::HashSet<&Identity> = self.agents.all.iter().map(|it| &it.identity).collect();
        prop_assert_eq!(identities.len(), self.agents.all.len());
        for (i, agent) in self.agents.all.iter().enumerate() {
            prop_assert!(!agent.members.is_empty() && agent.members.is_sorted());
            prop_assert!(self.agents.timers.contains(&(agent.asking.deadline(), i)));
            for (pool, member) in &agent.members {
                let member = &self.pools[*pool].members[*member];
                prop_assert_eq!(member.agent, Some(i));
                prop_assert!(agent.heard.is_none() || member.announced == agent.announced, "{}", member.key);
            }
        }
        prop_assert_eq!(self.agents.timers.len(), self.agents.all.len());
        let has_agent = |pool: &&super::pool::Pool| pool.service.agent.is_some();
        let members: usize = self.pools.iter().filter(has_agent).map(|pool| pool.members.len()).sum();
        prop_assert_eq!(self.agents.all.iter().map(|agent| agent.members.len()).sum::<usize>(), members);
        let mut others = self.pools.iter().filter(|pool| !has_agent(pool)).flat_map(|pool| &pool.members);
        prop_assert!(others.all(|member| member.agent.is_none() && member.announced.is_nothing()));
        Ok(())
    }
}
