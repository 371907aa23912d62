//! One trial of a cluster: who answered for its VIP meanwhile, and how many elections there were.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::cluster::Cluster;
use super::node::Node;
use super::watch::Watch;
use super::watcher::Watcher;

/// Words of the lines in pivotd's log that tell of roles and backends.
const TOLD: [&str; 3] = ["this host's role has changed", " backend ", "may take over though"];

/// A trial under way.
#[derive(Debug)]
pub struct Trial {
    watcher: Watcher,
    promotions: usize,
}

impl Trial {
    /// Begins with a cluster whose holder is known, and answers.
    pub fn begin(cluster: &Cluster) -> Result<Self> {
        let promotions = cluster.promotions()?;
        let watcher = cluster.client().watch(cluster.vip().ip())?;
        watcher.await_answer_of(cluster.lab.node("c1"))?;
        Ok(Self { watcher, promotions })
    }

    /// The time by which it counts.
    pub fn now(&self) -> Duration {
        self.watcher.now()
    }

    /// Waits until it is that late.
    pub fn await_time(&self, time: Duration) {
        sleep(time.saturating_sub(self.now()));
    }

    /// Waits until a host answers for the VIP.
    ///
    /// # Panics
    /// If it never does.
    pub fn await_answer_of(&self, cluster: &Cluster, host: &str) {
        let node: &Node = cluster.lab.node(host);
        self.watcher.await_answer_of(node).unwrap_or_else(|error| panic!("{error:#}{}", story(cluster)));
    }

    /// Waits until this host alone holds the VIP and answers for it.
    ///
    /// # Panics
    /// If it never does, or if there were two at once.
    pub fn end(self, cluster: &Cluster, holder: &str) -> Watch {
        cluster.await_holder(holder).unwrap_or_else(|error| panic!("{error:#}{}", story(cluster)));
        self.await_answer_of(cluster, holder);
        let seen = self.watcher.stop().unwrap();
        let elected = cluster.promotions().unwrap() - self.promotions;
        assert!(seen.reigns().len() <= elected + 1, "{elected} elections explain not this: {seen}{}", story(cluster));
        seen
    }
}

/// What all hosts say of what happened to their roles and backends, in order.
pub fn story(cluster: &Cluster) -> String {
    let mut lines = Vec::new();
    for (host, daemon) in &cluster.daemons {
        let log = cluster.lab.pivotd_log(host).unwrap_or_else(|_| daemon.log());
        lines.extend(
            log.lines()
                .filter(|line| TOLD.iter().any(|words| line.contains(words)))
                .map(|line| format!("\n    {line} ({host})")),
        );
    }
    lines.sort();
    lines[lines.len().saturating_sub(40)..].concat()
}
