//! What a host runs when it becomes something else for a group, and what runs next.
//!
//! In: transitions of one group, and the ends of what was run for them. Out: the next [`Job`], and what became of the last
//! ones. What must hold: at most one job of a group runs at a time; a transition waits for it, and takes the place of all
//! others that wait, so that what runs next is always for what the host is now.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use super::config::model::{Deed, Hook, Hooks};
use super::election::Role;
use super::event::Now;
use super::run::{self, Run};

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
    running: Option<Job>,
    /// Of the last transition of which a hook has ended.
    results: Vec<HookResult>,
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
    pub fn start(&mut self) -> Option<Job> {
        if self.running.is_none() {
            self.running = self.waiting.pop_front();
            return self.running.clone();
        }
        None
    }

    /// Takes in how the job that ran has ended; `None` if none did.
    pub fn ended(&mut self, run: Run, at: Now) -> Option<&HookResult> {
        let job = self.running.take()?;
        // Those of an earlier transition say nothing of this one.
        self.results.retain(|result| Arc::ptr_eq(&result.job.transition, &job.transition));
        self.results.push(HookResult { job, run, at });
        self.results.last()
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

    /// What became of the hooks of the last transition that had any, in order, as far as they have ended.
    #[must_use]
    pub fn results(&self) -> &[HookResult] {
        &self.results
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
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::run::Ending;

    fn hooks(units: &[&str]) -> Vec<Hook> {
        let hook = |unit: &&str| Hook { deed: Deed::Start((*unit).to_owned()), timeout: Duration::from_secs(30) };
        units.iter().map(hook).collect()
    }

    fn transition(role: Role) -> Transition {
        let vips = vec!["10.0.0.100".parse().unwrap(), "fd00::100".parse().unwrap()];
        Transition { group: "control".into(), role, why: "c1 is silent".into(), vips }
    }

    fn exited(code: i32) -> Run {
        Run { ending: Ending::Exited(code), took: Duration::ZERO, last_line: String::new() }
    }

    fn units(jobs: &[Job]) -> Vec<String> {
        jobs.iter().map(|job| argv(&job.hook.deed).pop().unwrap()).collect()
    }

    /// Runs whatever is next, to its end.
    fn run(queue: &mut Queue, code: i32) -> Option<String> {
        let job = queue.start()?;
        assert_eq!(queue.start(), None, "one at a time");
        assert_eq!(queue.ended(exited(code), Now::default()).unwrap().job, job);
        units(&[job]).pop()
    }

    #[test]
    fn hooks_run_in_order_and_one_that_fails_does_not_stop_the_others() {
        let mut queue = Queue::default();
        assert!(!queue.is_busy());
        assert_eq!(queue.turn(transition(Role::Holder), &hooks(&["a", "b", "c"])), []);
        assert!(queue.is_busy());
        let ran: Vec<String> = std::iter::from_fn(|| run(&mut queue, 1)).collect();
        assert_eq!(ran, ["a", "b", "c"]);
        assert!(!queue.is_busy());
        assert_eq!(queue.results().len(), 3);
        assert!(queue.results().iter().all(|result| result.run == exited(1)));
        let places: Vec<_> = queue.results().iter().map(|result| (result.job.place, result.job.of)).collect();
        assert_eq!(places, [(1, 3), (2, 3), (3, 3)]);
    }

    #[test]
    fn what_a_host_is_already_runs_nothing() {
        let mut queue = Queue::default();
        let _ = queue.turn(transition(Role::Backup), &hooks(&["a"]));
        assert_eq!(run(&mut queue, 0).as_deref(), Some("a"));
        assert_eq!(queue.turn(transition(Role::Backup), &hooks(&["a"])), []);
        assert_eq!(queue.start(), None);
        assert_eq!(queue.role(), Some(Role::Backup));
    }

    #[test]
    fn a_transition_waits_for_what_runs_and_replaces_what_waits() {
        let mut queue = Queue::default();
        let _ = queue.turn(transition(Role::Holder), &hooks(&["a", "b", "c"]));
        let first = queue.start().unwrap();
        assert_eq!(units(&queue.turn(transition(Role::Fault), &hooks(&["x", "y"]))), ["b", "c"]);
        assert_eq!(units(&queue.turn(transition(Role::Backup), &hooks(&["p", "q"]))), ["x", "y"]);
        assert_eq!(queue.start(), None, "the first one still runs");
        assert_eq!(queue.ended(exited(0), Now::default()).unwrap().job, first);
        assert_eq!(run(&mut queue, 0).as_deref(), Some("p"));
        assert_eq!(run(&mut queue, 0).as_deref(), Some("q"));
        assert_eq!(run(&mut queue, 0), None);
        let roles: Vec<Role> = queue.results().iter().map(|result| result.job.transition.role).collect();
        assert_eq!(roles, [Role::Backup, Role::Backup], "results are those of one transition");
    }

    #[test]
    fn a_transition_without_hooks_still_puts_an_end_to_those_that_wait() {
        let mut queue = Queue::default();
        let _ = queue.turn(transition(Role::Holder), &hooks(&["a", "b"]));
        let _ = queue.start();
        assert_eq!(units(&queue.turn(transition(Role::Fault), &[])), ["b"]);
        let _ = queue.ended(exited(0), Now::default());
        assert_eq!(queue.start(), None);
        assert_eq!(queue.results().len(), 1);
    }

    #[test]
    fn an_end_of_nothing_is_none() {
        assert_eq!(Queue::default().ended(exited(0), Now::default()), None);
    }

    #[test]
    fn jobs_are_told_of_the_transition() {
        let mut queue = Queue::default();
        let _ = queue.turn(transition(Role::Holder), &hooks(&["haproxy.service"]));
        let job = queue.start().unwrap();
        assert_eq!(job.title(), "hook 1 of 1 of `holder`, `systemctl start haproxy.service`");
        let expected = [
            ("PIVOT_GROUP", "control"),
            ("PIVOT_ROLE", "holder"),
            ("PIVOT_REASON", "c1 is silent"),
            ("PIVOT_VIPS", "10.0.0.100 fd00::100"),
        ];
        assert_eq!(job.environment(), expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn units_are_started_and_stopped_by_systemctl() {
        assert_eq!(argv(&Deed::Start("a.service".into())), ["systemctl", "start", "a.service"]);
        assert_eq!(argv(&Deed::Stop("a.service".into())), ["systemctl", "stop", "a.service"]);
        assert_eq!(argv(&Deed::Command(vec!["/bin/true".into()])), ["/bin/true"]);
    }
}
