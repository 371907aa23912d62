//! Hooks: what this host runs when it becomes holder, backup or unfit, beside everything else that pivotd does.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::Daemon;
use super::tracking::HOST;
use crate::core::config::Config;
use crate::core::election::Role;
use crate::core::event::Now;
use crate::core::hooks::{self, HookResult, Job, Queue, Transition};
use crate::core::run::Run;
use crate::core::view::hooks::HooksView;
use crate::io::command;

/// A hook has ended.
#[derive(Debug)]
pub(super) struct Ended {
    group: String,
    run: Run,
}

/// The hooks of all groups.
pub(super) struct Hooks {
    host: String,
    queues: BTreeMap<String, Queue>,
    ends: mpsc::UnboundedSender<Ended>,
    /// Ends of hooks.
    pub(super) ended: mpsc::UnboundedReceiver<Ended>,
}

impl Hooks {
    /// Of a host of this name.
    pub(super) fn new(host: String) -> Self {
        let (ends, ended) = mpsc::unbounded_channel();
        Self { host, queues: BTreeMap::new(), ends, ended }
    }

    /// Forgets groups that are not configured any more.
    pub(super) fn keep(&mut self, config: &Config) {
        let is_known = |name: &String| config.groups.iter().any(|group| group.name == *name);
        self.queues.retain(|name, queue| is_known(name) || queue.is_busy());
    }

    /// Takes in what this host has become for a group, and why.
    pub(super) fn turn(&mut self, config: &Config, group: &str, role: Role, why: &str, now: Now) {
        let Some(group) = config.groups.iter().find(|known| known.name == group) else { return };
        let vips = config.vips_of(group).map(|vip| vip.address).collect();
        let transition = Transition { group: group.name.clone(), role, why: why.to_owned(), vips };
        let queue = self.queues.entry(group.name.clone()).or_default();
        for job in queue.turn(transition, hooks::of_role(&group.hooks, role)) {
            let (group, title, role) = (&group.name, job.title(), role.name());
            tracing::warn!("group {group}: {title} is not run: this host is {role} now");
        }
        self.start(&group.name, now);
    }

    /// Takes in that a hook has ended, and runs the next one.
    pub(super) fn end(&mut self, Ended { group, run }: Ended, at: Now) {
        if let Some(HookResult { job, run, .. }) = self.queues.get_mut(&group).and_then(|queue| queue.ended(run, at)) {
            let (title, took) = (job.title(), run.took.as_millis());
            if run.passed() {
                tracing::info!("group {group}: {title}, after {took} ms: {run}");
            } else {
                tracing::warn!("group {group}: {title}, after {took} ms: {run}");
            }
        }
        self.start(&group, at);
    }

    /// What an operator is shown of a group's.
    pub(super) fn view(&self, group: &str, now: Now) -> HooksView {
        // A clock before 1970 is nobody's.
        let date = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.queues.get(group).map(|queue| HooksView::of(queue, now, date)).unwrap_or_default()
    }

    /// Runs what is left to run, now that a host that held groups has handed them over, to its end.
    pub(super) async fn finish(&mut self, config: &Config, now: impl Fn() -> Now) {
        let holds = |(group, queue): (&String, &Queue)| (queue.role() == Some(Role::Holder)).then(|| group.clone());
        for group in self.queues.iter().filter_map(holds).collect::<Vec<_>>() {
            self.turn(config, &group, Role::Backup, "pivotd stops", now());
        }
        while self.queues.values().any(Queue::is_busy) {
            // Each one ends by its timeout; the sender is this one's own.
            let Some(ended) = self.ended.recv().await else { return };
            self.end(ended, now());
        }
    }

    /// Starts the next hook of a group, if it is its turn.
    fn start(&mut self, group: &str, now: Now) {
        if let Some(job) = self.queues.get_mut(group).and_then(|queue| queue.start(now)) {
            tokio::spawn(carry_out(job, self.host.clone(), self.ends.clone()));
        }
    }
}

impl Daemon {
    /// Runs the hooks of what this host has become for a group.
    pub(super) fn run_hooks(&mut self, group: &str, role: Role, why: &str) {
        let now = self.now();
        if let Some(config) = self.controller.config() {
            self.hooks.turn(config, group, role, why, now);
        }
    }
}

async fn carry_out(job: Job, host: String, ends: mpsc::UnboundedSender<Ended>) {
    let mut environment = job.environment();
    environment.push((HOST, host));
    let run = command::run(&hooks::argv(&job.hook.deed), &environment, job.hook.timeout).await;
    // The daemon has stopped: nobody waits for it.
    let _ = ends.send(Ended { group: job.transition.group.clone(), run });
}
