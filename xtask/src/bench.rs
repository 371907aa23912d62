//! `cargo xtask bench path | failover | loss | checks`: builds pivot for release, and xdpbench if it is needed, then becomes the benchmark.
//!
//! Becoming it (exec) leaves its standard output, its signals and its exit code untouched: it removes what it made, also at
//! Ctrl-C.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;

use crate::cargo;
use crate::setup::{self, Group};

/// Where xdpbench's sources are, from the workspace.
const SOURCES: &str = "../shared/tools/xdpbench";

/// Where raw figures are kept, from the workspace.
const KEPT: &str = "docs/benchmarks";

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// The packet path's cost of a packet, beside a reference in the same run.
    Path(PathOptions),
    /// The outage that clients see when a VIP's holder is lost, beside keepalived's.
    Failover(FailoverOptions),
    /// What 3,000 health checks a second cost, beside HAProxy's.
    Checks(LabOptions),
    /// What clients notice when a backend is lost, beside HAProxy's.
    Loss(LabOptions),
}

#[derive(clap::Args)]
struct PathOptions {
    /// Print one JSON object on standard output; everything else goes to standard error.
    #[arg(long)]
    json: bool,
    /// Timed runs of each case, 15 or more.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(15..=499))]
    runs: u32,
    /// Folder of xdpbench's sources, from the workspace if relative.
    #[arg(long, value_name = "DIR", default_value = SOURCES)]
    xdpbench: PathBuf,
    /// Measure a warm flow in tables of several sizes instead, and the build of a Maglev table.
    #[arg(long)]
    scale: bool,
}

#[derive(clap::Args)]
struct FailoverOptions {
    /// Print one JSON object on standard output; everything else goes to standard error.
    #[arg(long)]
    json: bool,
    /// Times that each loss happens, 10 or more.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(10..=499))]
    runs: u32,
}

#[derive(clap::Args)]
struct LabOptions {
    /// Print one JSON object on standard output; everything else goes to standard error.
    #[arg(long)]
    json: bool,
}

/// Returns only if the benchmark could not be started.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::require_root("the benchmark loads BPF programs")?;
    match &options.benchmark {
        Benchmark::Path(options) => path(options),
        Benchmark::Failover(options) => {
            setup::ensure(&[Group::Bpf, Group::Lab, Group::Failover])?;
            let mut arguments =
                ["failover", "--keep", KEPT, "--runs", &options.runs.to_string()].map(str::to_owned).to_vec();
            arguments.extend(options.json.then(|| "--json".to_owned()));
            become_benchmark(&arguments)
        }
        Benchmark::Checks(options) => in_lab("checks", options),
        Benchmark::Loss(options) => in_lab("loss", options),
    }
}

/// A benchmark in the lab, beside HAProxy.
fn in_lab(name: &str, options: &LabOptions) -> Result<ExitCode> {
    setup::ensure(&[Group::Bpf, Group::Lab, Group::Real])?;
    let mut arguments = [name, "--keep", KEPT].map(str::to_owned).to_vec();
    arguments.extend(options.json.then(|| "--json".to_owned()));
    become_benchmark(&arguments)
}

fn path(options: &PathOptions) -> Result<ExitCode> {
    let sources = cargo::workspace().join(&options.xdpbench);
    let script = sources.join("build.sh");
    if !script.is_file() {
        bail!("{} is not there: name the folder of xdpbench's sources with --xdpbench DIR", script.display());
    }
    setup::ensure(&[Group::Bpf, Group::Bench])?;
    let xdpbench = build(&script)?;
    become_benchmark(&arguments(options, &xdpbench))
}

fn become_benchmark(arguments: &[String]) -> Result<ExitCode> {
    let bench = cargo::build_programs()?.join("pivot-bench");
    let error = Command::new(&bench).args(arguments).current_dir(cargo::workspace()).exec();
    Err(error).with_context(|| format!("starting {}", bench.display()))
}

/// Builds xdpbench; its path.
fn build(script: &Path) -> Result<PathBuf> {
    eprintln!("xtask: building xdpbench");
    let folder = cargo::target_directory()?.join("xdpbench");
    let output = Command::new("sh").arg(script).arg(&folder).output().context("starting sh")?;
    if !output.status.success() {
        bail!("{} failed:\n{}", script.display(), String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(folder.join("xdpbench"))
}

/// The benchmark's own arguments.
fn arguments(options: &PathOptions, xdpbench: &Path) -> Vec<String> {
    let mut arguments = vec![if options.scale { "scale" } else { "path" }.to_owned()];
    arguments.extend(["--xdpbench".to_owned(), xdpbench.display().to_string()]);
    arguments.extend(["--runs".to_owned(), options.runs.to_string()]);
    if options.json {
        arguments.push("--json".to_owned());
    }
    if !options.scale {
        arguments.extend(["--keep", KEPT].map(str::to_owned));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cases_with_a_limit_are_kept() {
        let options = |scale| PathOptions { json: true, runs: 15, xdpbench: SOURCES.into(), scale };
        let arguments = |scale| arguments(&options(scale), Path::new("/x")).join(" ");
        assert_eq!(arguments(false), "path --xdpbench /x --runs 15 --json --keep docs/benchmarks");
        assert_eq!(arguments(true), "scale --xdpbench /x --runs 15 --json");
    }
}
