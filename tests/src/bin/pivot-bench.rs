//! Loads the packet path with filled tables, pinned for `xdpbench` to measure, and says what came out.
//!
//! `cargo xtask bench path` builds both and runs this. Without `path` or `scale`, xdpbench is run with arguments of one's
//! own. `failover`, `loss` and `checks` are another matter: they measure outages, and what health checks cost, in the lab.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use pivot_tests::bench::bpffs::Bpffs;
use pivot_tests::bench::interrupt::Interruptible;
use pivot_tests::bench::loaded::{Fill, Loaded, print_programs};
use pivot_tests::bench::{checks, failover, loss, path, scale};
use pivot_tests::lab::interrupt;
use serde_json::Value;
use tokio::process::Command;

/// Runs xdpbench over pivot's XDP program, beside the reference.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Args {
    #[command(subcommand)]
    suite: Option<Suite>,
    /// The xdpbench binary.
    #[arg(long, required = true)]
    xdpbench: Option<PathBuf>,
    /// Services in the directory.
    #[arg(long, default_value_t = 1)]
    services: u16,
    /// Backends of the measured service.
    #[arg(long, default_value_t = 100)]
    backends: u16,
    /// Flows in the flow table.
    #[arg(long, default_value_t = 2_097_152)]
    flows: u32,
    /// Passed on to xdpbench.
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(Subcommand)]
enum Suite {
    /// The cases that have a limit.
    Path {
        #[command(flatten)]
        options: Options,
        /// Folder in which the raw figures are kept.
        #[arg(long)]
        keep: Option<PathBuf>,
    },
    /// The same flow in tables of several sizes, and the build of a Maglev table.
    Scale {
        #[command(flatten)]
        options: Options,
    },
    /// The outage that clients see when a VIP's holder is lost, beside keepalived's.
    Failover {
        /// Times that each loss happens, 10 or more.
        #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(10..=499))]
        runs: u32,
        /// Print one JSON object; the table goes to standard error.
        #[arg(long)]
        json: bool,
        /// Folder in which the raw figures are kept.
        #[arg(long)]
        keep: Option<PathBuf>,
    },
    /// What thousands of health checks cost pivotd, beside HAProxy.
    Checks {
        /// Backends, each of which is checked once a second.
        #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u16).range(1..=12_000))]
        backends: u16,
        /// Seconds that each is measured for.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=600))]
        seconds: u64,
        /// Print one JSON object; the table goes to standard error.
        #[arg(long)]
        json: bool,
        /// Folder in which the raw figures are kept.
        #[arg(long)]
        keep: Option<PathBuf>,
    },
    /// What clients notice when a backend is lost, beside HAProxy's.
    Loss {
        /// Print one JSON object; the table goes to standard error.
        #[arg(long)]
        json: bool,
        /// Folder in which the raw figures are kept.
        #[arg(long)]
        keep: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Options {
    /// The xdpbench binary.
    #[arg(long)]
    xdpbench: PathBuf,
    /// Timed runs of each case, 15 or more.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(15..=499))]
    runs: u32,
    /// Print one JSON object; the table goes to standard error.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pivot-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    match args.suite {
        Some(Suite::Path { options, keep }) => {
            let report = path::Report::measure(&options.xdpbench, &mut Interruptible::watch()?, options.runs)?;
            print(options.json, &report.table(), &report.json());
            keep.map_or(Ok(()), |folder| report.keep(&folder))
        }
        Some(Suite::Scale { options }) => {
            let report = scale::Report::measure(&options.xdpbench, &mut Interruptible::watch()?, options.runs)?;
            print(options.json, &report.table(), &report.json());
            Ok(())
        }
        Some(Suite::Failover { runs, json, keep }) => {
            let _interrupts = interrupt::remove_labs_on_interrupt().context("watching for Ctrl-C")?;
            let report = failover::Report::measure(runs)?;
            print(json, &report.table(), &report.json());
            keep.map_or(Ok(()), |folder| report.keep(&folder))
        }
        Some(Suite::Checks { backends, seconds, json, keep }) => {
            let _interrupts = interrupt::remove_labs_on_interrupt().context("watching for Ctrl-C")?;
            let report = checks::Report::measure(backends, seconds)?;
            print(json, &report.table(), &report.json());
            keep.map_or(Ok(()), |folder| report.keep(&folder))
        }
        Some(Suite::Loss { json, keep }) => {
            let _interrupts = interrupt::remove_labs_on_interrupt().context("watching for Ctrl-C")?;
            let report = loss::Report::measure()?;
            print(json, &report.table(), &report.json());
            keep.map_or(Ok(()), |folder| report.keep(&folder))
        }
        None => raw(&args, &mut Interruptible::watch()?),
    }
}

fn print(json: bool, table: &str, figures: &Value) {
    if json {
        eprint!("{table}");
        println!("{figures}");
    } else {
        print!("{table}");
    }
}

fn raw(args: &Args, interruptible: &mut Interruptible) -> anyhow::Result<()> {
    let Some(xdpbench) = &args.xdpbench else { bail!("--xdpbench is missing") };
    let bpffs = Bpffs::mounted()?;
    let fill = Fill { services: args.services, backends: args.backends, flows: args.flows };
    let pivot = Loaded::new(&bpffs, fill)?;
    print_programs();
    let mut command = Command::new(xdpbench);
    command.arg("-R").arg("-p").arg(format!("pivot={}", pivot.program().display())).args(&args.rest);
    let output = interruptible.run(&mut command)?;
    pivot.print_verdicts();
    if !output.status.success() {
        bail!("{}: {}", xdpbench.display(), output.status);
    }
    Ok(())
}
