//! What this host is judged by: facts of interfaces, services and commands to the election, as they change.
//!
//! What must hold: each tracked command runs once at a time, however many groups track it, and not at all once none does.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::Daemon;
use crate::core::config::Config;
use crate::core::config::model::{CommandCheck, Track, Tracked};
use crate::core::election::Fitness;
use crate::core::run::Run;
use crate::core::tracking::{self, Judgement, Known};
use crate::io::command;
use crate::io::netlink::Netlink;

/// The variable that tells commands the name of this host.
pub(super) const HOST: &str = "PIVOT_HOST";

/// A tracked command has ended.
#[derive(Debug)]
pub(super) struct Ended {
    check: CommandCheck,
    run: Run,
}

/// What is known, and who finds it out.
pub(super) struct Tracking {
    known: Known,
    /// By group: what the interface by which it speaks says.
    own: BTreeMap<String, Result<(), String>>,
    runners: BTreeMap<CommandCheck, Runner>,
    /// By group: what the election knows.
    judged: BTreeMap<String, Judgement>,
    ends: mpsc::UnboundedSender<Ended>,
    /// Ends of tracked commands.
    pub(super) ended: mpsc::UnboundedReceiver<Ended>,
}

/// A task that runs a command again and again, until it is dropped.
struct Runner(AbortHandle);

impl Drop for Runner {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Default for Tracking {
    fn default() -> Self {
        let (ends, ended) = mpsc::unbounded_channel();
        let (known, own, runners, judged) = Default::default();
        Self { known, own, runners, judged, ends, ended }
    }
}

impl Tracking {
    /// Follows what a configuration tracks, and nothing else.
    pub(super) async fn follow(&mut self, config: &Config, host: &str, netlink: &Netlink) {
        let tracks = || config.groups.iter().flat_map(|group| &group.track);
        let interfaces: BTreeSet<&str> = tracks().filter_map(Track::interface).collect();
        self.known.carriers.clear();
        for name in interfaces {
            self.known.carriers.insert(name.to_owned(), carrier(name, netlink).await);
        }
        let commands: BTreeSet<&CommandCheck> = tracks().filter_map(Track::command).collect();
        self.runners.retain(|check, _| commands.contains(check));
        self.known.commands.retain(|check, _| commands.contains(check));
        for check in commands {
            self.runners.entry(check.clone()).or_insert_with(|| {
                let (check, host, ends) = (check.clone(), host.to_owned(), self.ends.clone());
                Runner(tokio::spawn(watch(check, host, ends)).abort_handle())
            });
        }
        self.judged.retain(|name, _| config.groups.iter().any(|group| group.name == *name));
    }

    /// Takes in what the interface by which a group's hosts speak says.
    pub(super) fn take_own(&mut self, own: BTreeMap<String, Result<(), String>>) {
        self.own = own;
    }

    /// Why this host is not fit to hold a group, if it is known not to be.
    pub(super) fn fault(&self, group: &str) -> Option<&str> {
        match &self.judged.get(group)?.fitness {
            Fitness::Fault(why) => Some(why),
            Fitness::Weighted(_) => None,
        }
    }

    /// Tells the election next time what it has been told already.
    pub(super) fn judge_anew(&mut self) {
        self.judged.clear();
    }

    /// Takes in the end of a command; one that is not tracked any more says nothing.
    pub(super) fn take(&mut self, Ended { check, run }: &Ended) {
        if self.runners.contains_key(check) {
            self.known.ended(check, run);
        }
    }
}

impl Daemon {
    /// Tells the election what this host is fit for, as far as that has changed.
    pub(super) fn judge(&mut self) {
        let (Some(config), Some(elections)) = (self.controller.config(), &self.elections) else { return };
        for group in &config.groups {
            let tracking = &mut self.tracking;
            for track in &group.track {
                if let Tracked::Service { name, .. } = &track.what
                    && let Some(healthy) = self.controller.healthy(name)
                {
                    tracking.known.healthy.insert(name.clone(), healthy);
                }
            }
            let Some(own) = tracking.own.get(&group.name) else { continue };
            let Some(judgement) = tracking::judge(own, &group.track, &tracking.known) else { continue };
            let before = tracking.judged.insert(group.name.clone(), judgement.clone());
            if before.as_ref().map(|before| &before.fitness) == Some(&judgement.fitness) {
                continue;
            }
            // Of faults the election says more: whether they change what this host is.
            if let Fitness::Weighted(weight) = judgement.fitness
                && (weight != 0 || before.is_some())
            {
                let why =
                    if judgement.failing.is_empty() { "nothing fails".into() } else { judgement.failing.join("; ") };
                tracing::info!("group {}: what is tracked adds {weight} to this host's priority: {why}", group.name);
            }
            elections.judge(&group.name, judgement.fitness);
        }
    }
}

async fn carrier(name: &str, netlink: &Netlink) -> Result<(), String> {
    let link = netlink.link(name).await.map_err(|error| error.to_string())?;
    if link.up { Ok(()) } else { Err(format!("{name} has no carrier")) }
}

async fn watch(check: CommandCheck, host: String, ends: mpsc::UnboundedSender<Ended>) {
    loop {
        let run = command::run(&check.argv, &[(HOST, host.clone())], check.timeout).await;
        tracing::debug!(command = ?check.argv, %run, took = ?run.took, "a tracked command has ended");
        if ends.send(Ended { check: check.clone(), run }).is_err() {
            return;
        }
        tokio::time::sleep(check.interval).await;
    }
}
