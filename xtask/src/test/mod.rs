//! `cargo xtask test [AREA...]`: runs the tests by area and counts them.
//!
//! In: the areas. Out: cargo's own output as it comes, a line for each area, and last, alone on its line,
//! `N passed, N failed`, which CI reads. Nothing is skipped: an area that lacks something it needs fails.

pub(crate) mod areas;
pub(crate) mod tally;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;

use crate::cargo;
use crate::setup;
use areas::{AREAS, Area, Place};
use tally::Tally;

/// Names the folder of the programs to the tests that start them.
pub(crate) const BIN_DIR: &str = "PIVOT_BIN_DIR";

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to test; everything if none is named.
    #[arg(value_parser = PossibleValuesParser::new(here().map(|area| area.name)), value_name = "AREA")]
    areas: Vec<String>,
}

/// Runs them all, also after a failure; the exit code says whether any failed.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let named = |area: &&Area| options.areas.is_empty() || options.areas.iter().any(|name| name == area.name);
    let areas: Vec<_> = here().filter(named).collect();
    for area in &areas {
        if let Some(why) = area.root {
            setup::require_root(&format!("the tests of area `{}` {why}", area.name))?;
        }
    }
    let needs: Vec<_> = areas.iter().flat_map(|area| area.needs).copied().collect();
    setup::ensure(&needs)?;
    let programs = if areas.iter().any(|area| area.programs) { Some(cargo::build_programs()?) } else { None };

    let mut tallies = Vec::new();
    for area in areas {
        tallies.push((area.name, run_area(area, programs.as_deref())?));
    }
    let total: Tally = tallies.iter().map(|(_, tally)| *tally).sum();
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout)?;
    for (name, tally) in tallies {
        writeln!(stdout, "{name}: {tally}")?;
    }
    writeln!(stdout, "{} passed, {} failed", total.passed, total.failed)?;
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The areas that are run on this machine.
fn here() -> impl Iterator<Item = &'static Area> {
    AREAS.iter().filter(|area| area.place != Place::Guest)
}

fn run_area(area: &Area, programs: Option<&Path>) -> Result<Tally> {
    let mut tally = Tally::default();
    for run in area.runs {
        eprintln!("xtask: area {}: cargo test {}", area.name, run.join(" "));
        let mut command = cargo::command();
        // One selection of packages for all areas: with another, cargo would build the dependencies once more. A failed
        // test program does not keep the others from running.
        command.args(["test", "--workspace", "--exclude=lb-ebpf", "--no-fail-fast"]).args(*run);
        command.envs(programs.map(|folder| (BIN_DIR, folder)));
        tally += count(&mut command)?;
    }
    Ok(tally)
}

/// Runs cargo, passes its output through and counts the tests in it.
fn count(cargo: &mut Command) -> Result<Tally> {
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("running cargo")?;
    let stdout = child.stdout.take().context("cargo's standard output was not captured")?;
    let mut tally = Tally::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("reading cargo's output")?;
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&line)?;
        stdout.write_all(b"\n")?;
        tally.read(&String::from_utf8_lossy(&line));
    }
    let status = child.wait().context("waiting for cargo")?;
    Ok(tally.finish(status.success()))
}
