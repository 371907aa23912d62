//! The outage that clients see when the holder of a VIP is lost: pivot's beside keepalived's, in the same lab.
//!
//! Three hosts elect the holder; a client opens a connection every 5 ms ([`crate::lab::prober`]). Then something happens to the
//! holder, at any time between two of its adverts, and is mended again once the client is at rest. Services are on hosts that
//! stay alive; with keepalived, which does not balance, on every host.

use std::fmt::Write as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::machine;
use super::rivals::{Kept, Pivot, Rival};
use crate::lab::prober::Probes;
use crate::lab::random::Random;
use crate::lab::wait_until;

/// What happens to the holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Its daemon is killed (SIGKILL), with all its processes.
    Killed,
    /// Its wire is taken away.
    LinkDown,
    /// Its daemon is told to stop (SIGTERM).
    CleanStop,
}

/// Longest outages that are good.
struct Limit {
    advert: Duration,
    /// When the holder is lost.
    lost: Duration,
}

const LIMITS: [Limit; 3] = [
    Limit { advert: Duration::from_secs(1), lost: Duration::from_millis(3700) },
    Limit { advert: Duration::from_millis(100), lost: Duration::from_millis(330) },
    Limit { advert: Duration::from_millis(10), lost: Duration::from_millis(45) },
];

/// The same when it stops cleanly.
const STOPPED: Duration = Duration::from_millis(10);

/// For so long everything must be well before the holder is lost.
const BEFORE: Duration = Duration::from_millis(100);

impl Loss {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Killed, Self::LinkDown, Self::CleanStop];

    fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::LinkDown => "link down",
            Self::CleanStop => "clean stop",
        }
    }

    fn limit(self, limit: &Limit) -> Duration {
        if self == Self::CleanStop { STOPPED } else { limit.lost }
    }
}

/// One case, measured.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Time between adverts.
    pub advert_ms: u128,
    /// What happened.
    pub loss: Loss,
    /// Median of pivot's outages.
    pub pivot_ms: f64,
    /// What that is to be at most.
    pub limit_ms: f64,
    /// Median of keepalived's outages.
    pub keepalived_ms: f64,
    /// All of pivot's, in order.
    pub pivot_all_ms: Vec<f64>,
    /// All of keepalived's, in order.
    pub keepalived_all_ms: Vec<f64>,
}

/// All cases.
#[derive(Debug)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Measures each case so many times. Says on standard error how far it is.
    ///
    /// # Errors
    /// If a lab cannot be made, or a VIP gets no holder.
    pub fn measure(runs: u32) -> Result<Self> {
        let mut rows = Vec::new();
        for limit in &LIMITS {
            let pivot = measure(&mut Pivot::start(limit.advert)?, limit.advert, runs)?;
            let kept = measure(&mut Kept::start(limit.advert)?, limit.advert, runs)?;
            rows.extend(Loss::ALL.into_iter().zip(pivot).zip(kept).map(|((loss, pivot), kept)| Row {
                advert_ms: limit.advert.as_millis(),
                loss,
                pivot_ms: median(&pivot),
                limit_ms: millis(loss.limit(limit)),
                keepalived_ms: median(&kept),
                pivot_all_ms: pivot,
                keepalived_all_ms: kept,
            }));
        }
        Ok(Self { rows })
    }

    /// For people: a table in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = "| adverts | holder | pivot, ms | range | limit | | keepalived, ms | range |\n\
                         |---|---|---|---|---|---|---|---|\n"
            .to_owned();
        for row in &self.rows {
            let judgement = if row.pivot_ms <= row.limit_ms { "ok" } else { "over" };
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "| {} ms | {} | **{:.0}** | {} | {:.0} | {judgement} | {:.0} | {} |",
                row.advert_ms,
                row.loss.name(),
                row.pivot_ms,
                range(&row.pivot_all_ms),
                row.limit_ms,
                row.keepalived_ms,
                range(&row.keepalived_all_ms)
            );
        }
        table
    }

    /// For programs: `{"rows":[{"advert_ms":10,"loss":"killed","pivot_ms":x,...},...]}`.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "rows": self.rows })
    }

    /// Keeps everything that was measured, and where, in `folder/failover-DATE.json`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        machine::keep(folder, "failover", json!({ "rows": self.rows }))
    }
}

/// The outages of each loss, sorted, in milliseconds.
fn measure(rival: &mut impl Rival, advert: Duration, runs: u32) -> Result<Vec<Vec<f64>>> {
    let mut random = Random(advert.as_micros() as u64);
    let mut all = Vec::new();
    for loss in Loss::ALL {
        let mut outages = Vec::new();
        for _ in 0..runs {
            let phase = Duration::from_micros(random.below(advert.as_micros() as u64));
            let probes = lose(rival, loss, phase)?;
            let outage = probes.outage_length().with_context(|| format!("the outage did not end: {probes}"))?;
            if outage > advert * 4 + BEFORE {
                eprintln!("{}, {}, much longer than it should be: {probes}", rival.name(), loss.name());
            }
            outages.push(millis(outage));
        }
        outages.sort_by(f64::total_cmp);
        eprintln!("{}, adverts every {advert:?}, {}: {}", rival.name(), loss.name(), range(&outages));
        all.push(outages);
    }
    Ok(all)
}

/// Has a loss happen once, and mends it.
fn lose(rival: &mut impl Rival, loss: Loss, phase: Duration) -> Result<Probes> {
    await_believed(rival, "c1")?;
    let prober = rival.client().probe(rival.vip());
    prober.await_calm()?;
    sleep(BEFORE + phase);
    rival.lose(loss)?;
    await_believed(rival, "c2").with_context(|| format!("{} {}", rival.name(), loss.name()))?;
    prober.await_calm()?;
    let probes = prober.stop()?;
    rival.mend(loss)?;
    rival.await_first()?;
    Ok(probes)
}

/// Waits until the client sends to a host what is for the VIP.
fn await_believed(rival: &impl Rival, host: &str) -> Result<()> {
    let (vip, mac) = (rival.vip().ip(), rival.lab().node(host).mac);
    wait_until(Duration::from_secs(20), &format!("the client to believe in {host}"), || {
        // A client that never asked has no belief.
        rival.client().ping(vip, 1).map_err(|error| format!("{error:#}"))?;
        match rival.client().believed(vip) {
            Ok(Some(believed)) if believed == mac => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn range(sorted: &[f64]) -> String {
    let ends = sorted.first().zip(sorted.last());
    ends.map_or_else(|| "none".to_owned(), |(first, last)| format!("{first:.0} to {last:.0}"))
}

/// In tenths: the client does not see more.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_judged_by_its_median_and_a_clean_stop_by_a_limit_of_its_own() {
        let row = |loss: Loss, all: &[f64]| Row {
            advert_ms: 10,
            loss,
            pivot_ms: median(all),
            limit_ms: millis(loss.limit(&LIMITS[2])),
            keepalived_ms: 25.0,
            pivot_all_ms: all.to_vec(),
            keepalived_all_ms: vec![25.0],
        };
        let rows = vec![row(Loss::Killed, &[10.0, 45.0, 200.0]), row(Loss::CleanStop, &[5.0, 15.0, 20.0])];
        let table = Report { rows }.table();
        assert!(table.contains("| 10 ms | killed | **45** | 10 to 200 | 45 | ok | 25 | 25 to 25 |"), "{table}");
        assert!(table.contains("| clean stop | **15** | 5 to 20 | 10 | over |"), "{table}");
    }
}
