//! What a load came to: every request's outcome, and the figures drawn from them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::http::Answer;

/// How one request ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// When it began.
    pub at: Instant,
    /// How long it took, connecting included.
    pub took: Duration,
    /// The client's port, if it came to have one.
    pub port: Option<u16>,
    /// The answer, or why there was none.
    pub result: Result<Answer, String>,
}

/// All outcomes of a load, in the order in which they began.
#[derive(Debug, Clone)]
pub struct Report {
    start: Instant,
    outcomes: Vec<Outcome>,
}

/// The figures of a [`Report`], for JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Requests in all.
    pub requests: usize,
    /// Those without an answer.
    pub failed: usize,
    /// Answers by the backend's name.
    pub backends: BTreeMap<String, usize>,
    /// The first failures: when, in milliseconds since the load began, and why.
    pub failures: Vec<Failure>,
    /// Of the answered requests, connecting included.
    pub latency_us: Latency,
}

/// One failure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// When the request began, in milliseconds since the load began.
    pub at_ms: u128,
    /// How long it took to fail, in milliseconds.
    pub took_ms: u128,
    /// Why.
    pub reason: String,
}

/// Percentiles in microseconds; 0 if nothing was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50: u128,
    /// 90 % of them.
    pub p90: u128,
    /// 99 % of them.
    pub p99: u128,
    /// The longest.
    pub max: u128,
}

/// Failures that a [`Summary`] tells one by one.
const FAILURES_TOLD: usize = 20;

impl Report {
    pub(super) fn new(start: Instant, mut outcomes: Vec<Outcome>) -> Self {
        outcomes.sort_by_key(|outcome| outcome.at);
        Self { start, outcomes }
    }

    /// Every outcome.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Number of requests.
    pub fn requests(&self) -> usize {
        self.outcomes.len()
    }

    /// Requests without an answer.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.result.is_err())
    }

    /// Number of requests without an answer.
    pub fn failed(&self) -> usize {
        self.failures().count()
    }

    /// Number of requests without an answer among those that began at `from` or later.
    pub fn failed_since(&self, from: Instant) -> usize {
        self.failures().filter(|outcome| outcome.at >= from).count()
    }

    /// Answers.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.outcomes.iter().filter_map(|outcome| outcome.result.as_ref().ok())
    }

    /// Answers of requests that began at `from` or later, by the backend's name.
    pub fn backends_since(&self, from: Instant) -> BTreeMap<String, usize> {
        count(
            self.outcomes
                .iter()
                .filter(|outcome| outcome.at >= from)
                .filter_map(|outcome| outcome.result.as_ref().ok()),
        )
    }

    /// Answers by the backend's name.
    pub fn backends(&self) -> BTreeMap<String, usize> {
        count(self.answers())
    }

    /// Whether there were answers, and each service saw this client: its address, and the port it really used.
    pub fn client_seen_as(&self, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        let seen = |outcome: &Outcome| match &outcome.result {
            Ok(answer) => answer.client.ip() == address && Some(answer.client.port()) == outcome.port,
            Err(_) => true,
        };
        self.answers().next().is_some() && self.outcomes.iter().all(seen)
    }

    /// The figures.
    pub fn summary(&self) -> Summary {
        let failures = self.failures().take(FAILURES_TOLD).map(|outcome| Failure {
            at_ms: (outcome.at - self.start).as_millis(),
            took_ms: outcome.took.as_millis(),
            reason: outcome.result.clone().err().unwrap_or_default(),
        });
        Summary {
            requests: self.requests(),
            failed: self.failed(),
            backends: self.backends(),
            failures: failures.collect(),
            latency_us: self.latency(),
        }
    }

    fn latency(&self) -> Latency {
        let answered = self.outcomes.iter().filter(|outcome| outcome.result.is_ok());
        let mut took: Vec<u128> = answered.map(|outcome| outcome.took.as_micros()).collect();
        took.sort_unstable();
        let percentile = |percent: usize| match took.len() {
            0 => 0,
            n => took[(n * percent).div_ceil(100).max(1) - 1],
        };
        Latency { p50: percentile(50), p90: percentile(90), p99: percentile(99), max: percentile(100) }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, failed, backends, failures, latency_us: Latency { p50, p90, p99, max } } = self;
        write!(f, "{requests} requests, {failed} failed; ")?;
        for (backend, answers) in backends {
            write!(f, "{backend} {answers}, ")?;
        }
        write!(f, "50/90/99/100 % within {p50}/{p90}/{p99}/{max} us")?;
        failures.iter().try_for_each(|Failure { at_ms, took_ms, reason }| {
            write!(f, "\nfailed at {at_ms} ms after {took_ms} ms: {reason}")
        })
    }
}

fn count<'a>(answers: impl Iterator<Item = &'a Answer>) -> BTreeMap<String, usize> {
    answers.fold(BTreeMap::new(), |mut counts, answer| {
        *counts.entry(answer.name.clone()).or_default() += 1;
        counts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(start: Instant, took_us: u64, result: Result<&str, &str>) -> Outcome {
        let client = "10.0.0.1:1000".parse().unwrap();
        let answer = |name: &str| Answer { name: name.into(), client, local: None };
        Outcome {
            at: start + Duration::from_micros(took_us),
            took: Duration::from_micros(took_us),
            port: Some(1000),
            result: result.map(answer).map_err(str::to_owned),
        }
    }

    #[test]
    fn percentiles_are_of_the_answered_requests() {
        let start = Instant::now();
        let mut outcomes: Vec<_> = (1..=100).map(|us| outcome(start, us, Ok("c1"))).collect();
        outcomes.push(outcome(start, 9000, Err("refused")));
        let summary = Report::new(start, outcomes).summary();
        assert_eq!(summary.latency_us, Latency { p50: 50, p90: 90, p99: 99, max: 100 });
        assert_eq!(summary.failures, [Failure { at_ms: 9, took_ms: 9, reason: "refused".into() }]);
        assert_eq!((summary.requests, summary.failed), (101, 1));
    }

    #[test]
    fn a_client_is_not_seen_if_one_service_saw_another_port() {
        let start = Instant::now();
        let mut outcomes = vec![outcome(start, 1, Ok("c1"))];
        assert!(Report::new(start, outcomes.clone()).client_seen_as([10, 0, 0, 1]));
        assert!(!Report::new(start, outcomes.clone()).client_seen_as([10, 0, 0, 2]));
        outcomes[0].port = Some(1001);
        assert!(!Report::new(start, outcomes).client_seen_as([10, 0, 0, 1]));
        assert!(!Report::new(start, Vec::new()).client_seen_as([10, 0, 0, 1]));
    }
}
