//! What a host runs when it becomes something else for a group, and what runs next.
//!
//! In: transitions of one group, and the ends of what was run for them. Out: the next [`Job`], and what became of the last
//! ones. What must hold: at most one job of a group runs at a time; a transition waits for it, and takes the place of all
//! others that wait, so that what runs next is always for what the host is now; of what has ended, only the last is remembered.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use super::config::model::{Deed, Hook, Hooks};
use super::election::Role;
use super::event::Now;
use super::run::{self, Run};

/// Runs that are remembered of each group: a host that flaps must not fill memory.
const REMEMBERED: usize = 8;

/// A host has become something else for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The group.
    pub group: String,
    /// What the host is for it now.
    pub role: Role,
    /// Why, in words an operator knows.
    pub why: String,
    /// The group's VIPs.
    pub vips: Vec<IpAddr>,
}

/// One hook that is to run for a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// For this.
    pub transition: Arc<Transition>,
    /// What is to be done.
    pub hook: Hook,
    /// Its place among the hooks of the transition, from 1 on.
    pub place: usize,
    /// How many there are.
    pub of: usize,
}

/// What became of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookResult {
    /// The hook, and what it was run for.
    pub job: Job,
    /// How it ended.
    pub run: Run,
    /// When.
    pub at: Now,
}

/// The hooks of one group.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    /// What this host is, as the last transition says.
    role: Option<Role>,
    waiting: VecDeque<Job>,
    /// Since when.
    running: Option<(Job, Now)>,
    /// The latest first.
    results: VecDeque<HookResult>,
}

impl Queue {
    /// Takes in a transition; what it already was is none. Returns the jobs of an earlier one that are not run any more.
    pub fn turn(&mut self, transition: Transition, hooks: &[Hook]) -> Vec<Job> {
        if self.role.replace(transition.role) == Some(transition.role) {
            return Vec::new();
        }
        let (transition, of) = (Arc::new(transition), hooks.len());
        let job = |(index, hook): (usize, &Hook)| Job {
            transition: Arc::clone(&transition),
            hook: hook.clone(),
            place: index + 1,
            of,
        };
        let waiting = hooks.iter().enumerate().map(job).collect();
        std::mem::replace(&mut self.waiting, waiting).into()
    }

    /// Starts the next job, which runs from now on until [`Queue::ended`]; `None` while another one does, or if there is none.
    pub fn start(&mut self, now: Now) -> Option<Job> {
        if self.running.is_some() {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.running = Some((job.clone(), now));
        Some(job)
    }

    /// Takes in how the job that ran has ended; `None` if none did.
    pub fn ended(&mut self, run: Run, at: Now) -> Option<&HookResult> {
        let (job, _) = self.running.take()?;
        self.results.truncate(REMEMBERED - 1);
        self.results.push_front(HookResult { job, run, at });
        self.results.front()
    }

    /// What this host is, as the last transition says.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// Whether anything runs or waits.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.running.is_some() || !self.waiting.is_empty()
    }

    /// What runs, and since when.
    #[must_use]
    pub fn running(&self) -> Option<(&Job, Now)> {
        self.running.as_ref().map(|(job, since)| (job, *since))
    }

    /// What runs after that, in order.
    pub fn waiting(&self) -> impl Iterator<Item = &Job> {
        self.waiting.iter()
    }

    /// What became of the last ones, the latest first.
    pub fn results(&self) -> impl Iterator<Item = &HookResult> {
        self.results.iter()
    }
}

/// The hooks for what a host has become.
#[must_use]
pub fn of_role(hooks: &Hooks, role: Role) -> &[Hook] {
    match role {
        Role::Holder => &hooks.on_holder,
        Role::Backup => &hooks.on_backup,
        Role::Fault => &hooks.on_fault,
    }
}

/// What is run for a deed: a program and its arguments.
#[must_use]
pub fn argv(deed: &Deed) -> Vec<String> {
    let systemctl = |verb: &str, unit: &String| ["systemctl".to_owned(), verb.to_owned(), unit.clone()].into();
    match deed {
        Deed::Command(argv) => argv.clone(),
        Deed::Start(unit) => systemctl("start", unit),
        Deed::Stop(unit) => systemctl("stop", unit),
    }
}

impl Job {
    /// What it is told of the transition, besides the host's name.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let Transition { group, role, why, vips } = &*self.transition;
        let vips: Vec<String> = vips.iter().map(ToString::to_string).collect();
        vec![
            ("PIVOT_GROUP", group.clone()),
            ("PIVOT_ROLE", role.name().to_owned()),
            ("PIVOT_REASON", why.clone()),
            ("PIVOT_VIPS", vips.join(" ")),
        ]
    }

    /// As the log calls it: "hook 1 of 2 of `holder`, `systemctl start haproxy.service`".
    #[must_use]
    pub fn title(&self) -> String {
        let (role, called) = (self.transition.role.name(), run::called(&argv(&self.hook.deed)));
        format!("hook {} of {} of `{role}`, {called}", self.place, self.of)
    }
}

#[cfg(test)]
mod tests;
