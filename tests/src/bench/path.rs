//! The cases that have a limit: pivot's cost as a share of the reference's.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::bpffs::Bpffs;
use super::interrupt::Interruptible;
use super::loaded::{Fill, Loaded};
use super::machine;
use super::xdpbench::{Cost, ENOUGH, Figures};

/// One service, 100 backends as the reference has, and room for every flow of every test.
const FILL: Fill = Fill { services: 1, backends: 100, flows: 2_097_152 };

/// A case: its name, xdpbench's name for it, and the largest ratio that is good.
struct Case {
    name: &'static str,
    test: &'static str,
    limit: f64,
}

const CASES: [Case; 8] = [
    Case { name: "tcp4 warm", test: "tcp4", limit: 0.45 },
    Case { name: "tcp6 warm", test: "tcp6", limit: 0.5 },
    Case { name: "udp4 warm", test: "udp4", limit: 0.5 },
    Case { name: "tcp4 10k", test: "tcp4-10k", limit: 0.5 },
    Case { name: "tcp4 100k", test: "tcp4-100k", limit: 0.35 },
    Case { name: "tcp4 1M", test: "tcp4-1M", limit: 0.35 },
    Case { name: "syn4", test: "syn4-new", limit: 0.8 },
    Case { name: "novip4", test: "novip4", limit: 1.0 },
];

/// A case that was measured.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The case.
    pub case: &'static str,
    /// Median net time of a packet, in nanoseconds.
    pub ns: f64,
    /// The reference's.
    pub reference_ns: f64,
    /// The first by the second.
    pub ratio: f64,
    #[serde(skip)]
    limit: f64,
    #[serde(skip)]
    cost: Cost,
}

/// All cases, measured.
#[derive(Debug)]
pub struct Report {
    rows: Vec<Row>,
    raw: Value,
}

impl Report {
    /// Measures all cases, in one run of xdpbench.
    ///
    /// # Errors
    /// If the programs cannot be loaded or measured.
    pub fn measure(xdpbench: &Path, interruptible: &mut Interruptible, runs: u32) -> anyhow::Result<Self> {
        let bpffs = Bpffs::mounted()?;
        let pivot = Loaded::new(&bpffs, FILL)?;
        let programs = [("pivot".to_owned(), pivot.program())];
        let tests = CASES.map(|case| case.test);
        Self::of(&Figures::measure(xdpbench, interruptible, &programs, &tests, runs)?)
    }

    fn of(figures: &Figures) -> anyhow::Result<Self> {
        let row = |case: &Case| {
            let cost = figures.cost(case.test, "pivot")?;
            let round = |number: f64, unit: f64| (number * unit).round() / unit;
            let (ns, reference_ns) = (round(cost.ns, 100.0), round(cost.reference_ns, 100.0));
            let ratio = round(cost.ratio(), 1000.0);
            Ok(Row { case: case.name, ns, reference_ns, ratio, limit: case.limit, cost })
        };
        let rows = CASES.iter().map(row).collect::<anyhow::Result<_>>()?;
        Ok(Self { rows, raw: figures.raw.clone() })
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<10} {:>8} {:>12} {:>6} {:>6}      quiet runs\n",
            "case", "ns", "reference ns", "ratio", "limit"
        );
        for Row { case, ns, reference_ns, ratio, limit, cost } in &self.rows {
            let judgement = if ratio <= limit { "ok" } else { "over" };
            let doubt = if cost.quiet < ENOUGH { " (too few: the machine is busy)" } else { "" };
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "{case:<10} {ns:>8.1} {reference_ns:>12.1} {ratio:>6.2} {limit:>6.2} {judgement:<4} {}/{}{doubt}",
                cost.quiet, cost.runs
            );
        }
        table
    }

    /// For programs: `{"rows":[{"case":"tcp4 warm","ns":x,"reference_ns":y,"ratio":z},...]}`.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "rows": self.rows })
    }

    /// Keeps everything that was measured, and where, in `folder/path-DATE.json`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, folder: &Path) -> anyhow::Result<()> {
        machine::keep(folder, "path", json!({ "rows": self.rows, "xdpbench": self.raw }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ns: f64, quiet: u32) -> Report {
        let test = |case: &Case| {
            let program = |name: &str, ns: f64| json!({ "name": name, "net_ns": { "median": ns } });
            let programs = [program("reference", 100.0), program("pivot", ns)];
            json!({ "test": case.test, "runs": 25, "quiet_runs": quiet, "programs": programs })
        };
        let tests: Vec<Value> = CASES.iter().map(test).collect();
        let printed = serde_json::to_vec(&json!({ "tests": tests })).unwrap();
        Report::of(&Figures::read(&printed).unwrap()).unwrap()
    }

    #[test]
    fn a_ratio_at_its_limit_is_good_and_one_beyond_is_not() {
        let table = report(45.0, 25).table();
        let line = |case: &str| table.lines().find(|line| line.starts_with(case)).unwrap().to_owned();
        assert!(line("tcp4 warm").contains("0.45 ok"), "{table}");
        assert!(line("tcp4 1M").contains("0.35 over"), "{table}");
        assert!(!table.contains("busy"), "{table}");
        assert!(report(45.0, 14).table().contains("busy"));
    }

    #[test]
    fn a_row_has_four_fields() {
        let json = report(25.0, 25).json();
        assert_eq!(json["rows"][0], json!({ "case": "tcp4 warm", "ns": 25.0, "reference_ns": 100.0, "ratio": 0.25 }));
        assert_eq!(json["rows"].as_array().unwrap().len(), CASES.len());
    }
}
