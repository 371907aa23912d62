//! xdpbench: its command line, and the figures that it prints as JSON.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use super::interrupt::Interruptible;

/// Quiet runs from which on xdpbench lets only these count, and below which its figures are not to be relied on.
pub const ENOUGH: u32 = 15;
/// What it calls its reference.
const REFERENCE: &str = "reference";
/// Packets in a run: many, as random flows that do not fit into a cache want it.
const PACKETS: &str = "1M";
/// Seconds that a test may go on to replace runs during which the core was shared.
const PATIENCE: &str = "30";

/// Figures, and all that xdpbench said.
#[derive(Debug)]
pub struct Figures {
    tests: Vec<Test>,
    /// As it was printed.
    pub raw: Value,
}

#[derive(Debug, Deserialize)]
struct Report {
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
struct Test {
    test: String,
    runs: u32,
    quiet_runs: u32,
    programs: Vec<Program>,
}

#[derive(Debug, Deserialize)]
struct Program {
    name: String,
    net_ns: Range,
}

#[derive(Debug, Deserialize)]
struct Range {
    median: f64,
}

/// What a program cost in a test: medians of the net time of a packet, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// The program's.
    pub ns: f64,
    /// The reference's.
    pub reference_ns: f64,
    /// Runs that count.
    pub runs: u32,
    /// Of these, how many had the core to themselves.
    pub quiet: u32,
}

impl Cost {
    /// Median by median: that of two figures which are shown. (xdpbench's own ratio is the median of the rounds' ratios.)
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.ns / self.reference_ns
    }
}

impl Figures {
    /// Measures pinned programs by name, and the reference, in these tests, in turns.
    ///
    /// # Errors
    /// If xdpbench cannot be run, fails, or is interrupted.
    pub fn measure(
        xdpbench: &Path,
        interruptible: &mut Interruptible,
        programs: &[(String, PathBuf)],
        tests: &[&str],
        runs: u32,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(xdpbench);
        command.arg("-R").args(["-t", &tests.join(","), "-r", &runs.to_string(), "-n", PACKETS, "-w", PATIENCE]);
        for (name, path) in programs {
            command.arg("-p").arg(format!("{name}={}", path.display()));
        }
        // Its table goes to standard error then, test by test.
        let output = interruptible.run(command.args(["-j", "-"]).stdout(Stdio::piped()))?;
        if !output.status.success() {
            bail!("{}: {}", xdpbench.display(), output.status);
        }
        Self::read(&output.stdout)
    }

    /// Reads what it printed.
    ///
    /// # Errors
    /// If that is not what is expected.
    pub fn read(json: &[u8]) -> anyhow::Result<Self> {
        let raw: Value = serde_json::from_slice(json).context("xdpbench printed no JSON")?;
        let report: Report = serde_json::from_value(raw.clone()).context("xdpbench printed other JSON")?;
        Ok(Self { tests: report.tests, raw })
    }

    /// What a program cost in a test.
    ///
    /// # Errors
    /// If it was not measured.
    pub fn cost(&self, test: &str, program: &str) -> anyhow::Result<Cost> {
        let found = self.tests.iter().find(|it| it.test == test).with_context(|| format!("no test {test}"))?;
        let median = |name: &str| {
            let program = found.programs.iter().find(|it| it.name == name);
            program.map(|it| it.net_ns.median).with_context(|| format!("no program {name} in test {test}"))
        };
        Ok(Cost { ns: median(program)?, reference_ns: median(REFERENCE)?, runs: found.runs, quiet: found.quiet_runs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = r#"{"kernel": "6.1", "cpu": 1, "runs": 25, "flow_table": 2000000, "tests": [
        {"test": "tcp4", "flows": 1, "repeat": 1000000, "runs": 25, "quiet_runs": 17, "programs": [
            {"name": "reference", "net_ns": {"min": 60.0, "median": 80.0, "max": 90.0}, "times_reference": 1.0},
            {"name": "pivot", "net_ns": {"min": 15.0, "median": 20.0, "max": 30.0}, "times_reference": 0.249}]}]}"#;

    #[test]
    fn a_cost_is_the_median_beside_the_references() {
        let cost = Figures::read(PRINTED.as_bytes()).unwrap().cost("tcp4", "pivot").unwrap();
        assert_eq!(cost, Cost { ns: 20.0, reference_ns: 80.0, runs: 25, quiet: 17 });
        assert!((cost.ratio() - 0.25).abs() < 1e-9);
    }

    #[test]
    fn what_was_not_measured_is_named() {
        let figures = Figures::read(PRINTED.as_bytes()).unwrap();
        assert_eq!(figures.cost("tcp6", "pivot").unwrap_err().to_string(), "no test tcp6");
        assert_eq!(figures.cost("tcp4", "other").unwrap_err().to_string(), "no program other in test tcp4");
        assert!(Figures::read(b"table").is_err());
    }
}
