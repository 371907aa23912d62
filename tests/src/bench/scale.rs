//! What more services and more backends cost: a warm flow must not notice them. And how long a Maglev table takes.

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use lb_userspace::core::maglev::{self, Entry};
use serde_json::{Value, json};

use super::bpffs::Bpffs;
use super::interrupt::Interruptible;
use super::loaded::{Fill, Loaded};
use super::xdpbench::Figures;

const SERVICES: [u16; 3] = [1, 100, 10_000];
const BACKENDS: [u16; 2] = [3, 1_000];
/// Flows that each flow table has room for: there is one flow.
const FLOWS: u32 = 65_536;
/// How much more than the least a warm flow may cost in the largest tables.
const LIMIT: f64 = 1.15;
/// xdpbench's name for a warm flow.
const TEST: &str = "tcp4";

/// Backends, slots and times of the Maglev tables that are built.
const MAGLEV: (u16, u32, usize) = (1_000, 65_537, 25);
/// Longest that may take.
const MAGLEV_LIMIT: Duration = Duration::from_millis(10);

/// Everything, measured.
#[derive(Debug)]
pub struct Report {
    /// Services, backends, nanoseconds of a warm packet; the first is what the others are compared with.
    rows: Vec<(u16, u16, f64)>,
    maglev: Build,
}

/// How long a Maglev table took to build.
#[derive(Debug, Clone, Copy)]
struct Build {
    median: Duration,
    longest: Duration,
}

impl Report {
    /// Measures all sizes in turns, in one run of xdpbench.
    ///
    /// # Errors
    /// If the programs cannot be loaded or measured.
    pub fn measure(xdpbench: &Path, interruptible: &mut Interruptible, runs: u32) -> anyhow::Result<Self> {
        let maglev = build_maglev();
        let sizes: Vec<(u16, u16)> =
            SERVICES.into_iter().flat_map(|services| BACKENDS.map(|backends| (services, backends))).collect();
        let name = |(services, backends): (u16, u16)| format!("s{services}-b{backends}");
        let bpffs = Bpffs::mounted()?;
        let mut loaded = Vec::new();
        for (services, backends) in &sizes {
            eprintln!("pivot-bench: loading {services} services, {backends} backends");
            loaded.push(Loaded::new(&bpffs, Fill { services: *services, backends: *backends, flows: FLOWS })?);
        }
        let programs: Vec<_> = sizes.iter().zip(&loaded).map(|(size, it)| (name(*size), it.program())).collect();
        let figures = Figures::measure(xdpbench, interruptible, &programs, &[TEST], runs)?;
        let row = |(services, backends)| Ok((services, backends, figures.cost(TEST, &name((services, backends)))?.ns));
        Ok(Self { rows: sizes.into_iter().map(row).collect::<anyhow::Result<_>>()?, maglev })
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = format!("{:>8} {:>8} {:>8} {:>8} {:>6}\n", "services", "backends", "ns", "times", "limit");
        for (services, backends, ns) in &self.rows {
            let times = self.times(*ns);
            let judgement = if times <= LIMIT { "ok" } else { "over" };
            // Writing to a string does not fail.
            let _ = writeln!(table, "{services:>8} {backends:>8} {ns:>8.1} {times:>8.2} {LIMIT:>6.2} {judgement}");
        }
        let (backends, slots, builds) = MAGLEV;
        let Build { median, longest } = self.maglev;
        let judgement = if median <= MAGLEV_LIMIT { "ok" } else { "over" };
        let _ = writeln!(
            table,
            "Maglev table of {backends} backends x {slots} slots: median of {builds} {median:.2?}, longest {longest:.2?}, \
             limit {MAGLEV_LIMIT:?} {judgement}"
        );
        table
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let row = |(services, backends, ns): &(u16, u16, f64)| json!({ "services": services, "backends": backends, "ns": ns, "times": self.times(*ns) });
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let maglev =
            json!({ "median_ms": milliseconds(self.maglev.median), "longest_ms": milliseconds(self.maglev.longest) });
        json!({ "rows": rows, "maglev": maglev })
    }

    fn times(&self, ns: f64) -> f64 {
        self.rows.first().map_or(f64::NAN, |(.., least)| ns / least)
    }
}

fn build_maglev() -> Build {
    let (backends, slots, builds) = MAGLEV;
    let entry = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let identity = SocketAddr::from((Ipv4Addr::new(10, 201, high, low), 80));
        Entry { identity, weight: 100, present: true }
    };
    let entries: Vec<Entry> = (0..backends).map(entry).collect();
    let build = || {
        let start = Instant::now();
        black_box(maglev::build(black_box(&entries), slots));
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..builds).map(|_| build()).collect();
    times.sort_unstable();
    Build { median: times[builds / 2], longest: times[builds - 1] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_compared_with_the_smallest() {
        let maglev = Build { median: Duration::from_millis(2), longest: Duration::from_millis(11) };
        let table = Report { rows: vec![(1, 3, 20.0), (100, 3, 23.0), (10_000, 3, 23.2)], maglev }.table();
        let judgements: Vec<_> = table.lines().skip(1).map(|line| line.split(' ').next_back().unwrap()).collect();
        assert_eq!(judgements, ["ok", "ok", "over", "ok"], "{table}");
    }
}
