//! One trial of a cluster: who answered for its VIP meanwhile, and how many elections there were.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use pivot_tests::lab::watch::Watch;
use pivot_tests::lab::watcher::Watcher;
use pivot_tests::lab::{Cluster, Node};

/// A trial under way.
pub(super) struct Trial {
    watcher: Watcher,
    promotions: usize,
}

impl Trial {
    /// Begins with a cluster whose holder is known, and answers.
    pub(super) fn begin(cluster: &Cluster) -> Result<Self> {
        let promotions = cluster.promotions()?;
        let watcher = cluster.client().watch(cluster.vip().ip())?;
        watcher.await_answer_of(cluster.lab.node("c1"))?;
        Ok(Self { watcher, promotions })
    }

    /// The time by which it counts.
    pub(super) fn now(&self) -> Duration {
        self.watcher.now()
    }

    /// Waits until it is that late.
    pub(super) fn await_time(&self, time: Duration) {
        sleep(time.saturating_sub(self.now()));
    }

    /// Waits until a host answers for the VIP.
    pub(super) fn await_answer_of(&self, cluster: &Cluster, host: &str) {
        let node: &Node = cluster.lab.node(host);
        self.watcher.await_answer_of(node).unwrap_or_else(|error| panic!("{error:#}{}", story(cluster)));
    }

    /// Waits until this host alone holds the VIP and answers for it. Asserts that there never were two.
    pub(super) fn end(self, cluster: &Cluster, holder: &str) -> Watch {
        cluster.await_holder(holder).unwrap_or_else(|error| panic!("{error:#}{}", story(cluster)));
        self.await_answer_of(cluster, holder);
        let seen = self.watcher.stop().unwrap();
        let elected = cluster.promotions().unwrap() - self.promotions;
        assert!(seen.reigns().len() <= elected + 1, "{elected} elections explain not this: {seen}{}", story(cluster));
        seen
    }
}

/// What the elections of all hosts say of what happened, in order.
pub(super) fn story(cluster: &Cluster) -> String {
    let mut lines = Vec::new();
    for (host, daemon) in &cluster.daemons {
        let log = cluster.lab.pivotd_log(host).unwrap_or_else(|_| daemon.log());
        lines.extend(
            log.lines()
                .filter(|line| line.contains("this host's role has changed"))
                .map(|line| format!("\n    {line} ({host})")),
        );
    }
    lines.sort();
    lines[lines.len().saturating_sub(40)..].concat()
}
