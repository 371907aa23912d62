//! A client that notices every outage: a fresh connection every 5 ms, whatever became of those before.
//!
//! Each has 200 ms to be made, asked and answered: less than a SYN takes to be sent again, so one that fails says how it
//! was when it began.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::node::Node;
use super::realtime::{OBSERVER, run_before_others};
use super::request;
use super::wait::wait_until;

/// Time between the beginnings of two attempts.
pub const EVERY: Duration = Duration::from_millis(5);

/// What an attempt may take.
pub const TIMEOUT: Duration = Duration::from_millis(200);

/// Answers in a row after which an outage is over: for longer than an attempt may take to fail.
const CALM: usize = 60;

/// Probing under way; ended, and what it saw lost, when dropped.
#[derive(Debug)]
pub struct Prober {
    shared: Arc<Shared>,
    begin: Instant,
    thread: Option<JoinHandle<Result<Probes>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// Answers since the last failure.
    answered: AtomicUsize,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began, since the prober did.
    pub at: Duration,
    /// Name of the backend that answered, or why none did.
    pub result: Result<String, String>,
}

/// All connections, in the order in which they began.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    /// Each of them.
    pub attempts: Vec<Attempt>,
}

/// A time in which clients noticed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When the first attempt that failed began.
    pub from: Duration,
    /// When the first one began from which on all succeeded; `None` if the last one failed.
    pub to: Option<Duration>,
    /// Attempts that failed.
    pub failed: usize,
}

impl Node {
    /// Begins to probe a service of the lab ([`super::http`]) from this host.
    pub fn probe(&self, target: SocketAddr) -> Prober {
        let (shared, begin) = (Arc::<Shared>::default(), Instant::now());
        let thread = thread::spawn({
            let (node, shared) = (self.clone(), Arc::clone(&shared));
            move || node.run(|| run(target, begin, &shared))?
        });
        Prober { shared, begin, thread: Some(thread) }
    }
}

impl Prober {
    /// The time by which it counts: since it began.
    pub fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Waits until, from now on, all have been answered for longer than one may take to fail.
    pub fn await_calm(&self) -> Result<()> {
        self.shared.answered.store(0, Ordering::Relaxed);
        wait_until(Duration::from_secs(20), "connections to be answered", || {
            let answered = self.shared.answered.load(Ordering::Relaxed);
            if answered >= CALM { Ok(()) } else { Err(format!("{answered} in a row")) }
        })
    }

    /// Ends it, and returns what it saw.
    pub fn stop(mut self) -> Result<Probes> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("a prober that was stopped already")?;
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it saw is of no use to anyone now.
            let _ = thread.join();
        }
    }
}

impl Probes {
    /// From the first attempt that failed to the first after which none did; `None` if none failed.
    pub fn outage(&self) -> Option<Outage> {
        let failed = |attempt: &&Attempt| attempt.result.is_err();
        let first = self.attempts.iter().find(failed)?;
        let last = self.attempts.iter().rposition(|attempt| attempt.result.is_err())?;
        let to = self.attempts.get(last + 1).map(|attempt| attempt.at);
        Some(Outage { from: first.at, to, failed: self.attempts.iter().filter(failed).count() })
    }

    /// How long that was; zero if nothing failed, `None` if it did not end.
    pub fn outage_length(&self) -> Option<Duration> {
        self.outage().map_or(Some(Duration::ZERO), |outage| Some(outage.to? - outage.from))
    }

    /// Answers by the backend's name.
    pub fn backends(&self) -> BTreeMap<&str, usize> {
        let mut backends = BTreeMap::new();
        for name in self.attempts.iter().filter_map(|attempt| attempt.result.as_deref().ok()) {
            *backends.entry(name).or_default() += 1;
        }
        backends
    }
}

impl fmt::Display for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attempts, answered by {:?}, outage {:?}", self.attempts.len(), self.backends(), self.outage())?;
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in self.attempts.iter().filter_map(|attempt| attempt.result.as_deref().err()) {
            *reasons.entry(reason).or_default() += 1;
        }
        reasons.into_iter().try_for_each(|(reason, times)| write!(f, "\n    {times} times: {reason}"))
    }
}

fn run(target: SocketAddr, begin: Instant, shared: &Shared) -> Result<Probes> {
    run_before_others(OBSERVER).context("asking for a real-time priority")?;
    let runtime = Builder::new_current_thread().enable_all().build().context("starting the prober's runtime")?;
    let mut attempts = runtime.block_on(async {
        let mut under_way = JoinSet::new();
        let mut done = Vec::new();
        let mut clock = interval(EVERY);
        // Attempts that are overdue are left out: each is to begin at a time of its own.
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shared.stop.load(Ordering::Relaxed) {
            clock.tick().await;
            under_way.spawn(attempt(target, begin));
            while let Some(ended) = under_way.try_join_next() {
                let attempt: Attempt = ended?;
                match &attempt.result {
                    Ok(_) => drop(shared.answered.fetch_add(1, Ordering::Relaxed)),
                    Err(_) => shared.answered.store(0, Ordering::Relaxed),
                }
                done.push(attempt);
            }
        }
        while let Some(ended) = under_way.join_next().await {
            done.push(ended?);
        }
        anyhow::Ok(done)
    })?;
    attempts.sort_by_key(|attempt| attempt.at);
    Ok(Probes { attempts })
}

async fn attempt(target: SocketAddr, begin: Instant) -> Attempt {
    let at = begin.elapsed();
    let exchange = async {
        let connecting = request::begin_connecting(None, target)?;
        let (mut sender, _connection) = request::finish_connecting(connecting, target).await?;
        request::exchange(&mut sender, 0, "close").await
    };
    let result = match timeout(TIMEOUT, exchange).await {
        Ok(Ok(answer)) => Ok(answer.name),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(_) => Err("no answer in time".to_owned()),
    };
    Attempt { at, result }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attempt every 5 ms; those of `failed` did.
    fn probes(failed: &[u64]) -> Probes {
        let attempt = |number: u64| Attempt {
            at: EVERY * number as u32,
            result: if failed.contains(&number) { Err("lost".to_owned()) } else { Ok("c2".to_owned()) },
        };
        Probes { attempts: (0..10).map(attempt).collect() }
    }

    #[test]
    fn an_outage_lasts_from_the_first_failure_until_none_follows() {
        let (from, to) = (EVERY * 3, Some(EVERY * 7));
        assert_eq!(probes(&[3, 4, 6]).outage(), Some(Outage { from, to, failed: 3 }));
        assert_eq!(probes(&[3, 4, 6]).outage_length(), Some(EVERY * 4));
        assert_eq!(probes(&[]).outage_length(), Some(Duration::ZERO));
        assert_eq!(probes(&[8, 9]).outage_length(), None, "it has not ended");
        assert_eq!(probes(&[1]).backends(), BTreeMap::from([("c2", 9)]));
    }
}
