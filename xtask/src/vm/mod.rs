//! `cargo xtask vm`: pivot's tests on other kernels, in a virtual machine.
//!
//! In: a kernel (Debian's, or the one that runs here), areas or parts of the names of tests. Out: each test on standard
//! output as it ends, a report for each kernel below `target/vm/reports`, and last, alone on its line,
//! `N passed, N failed`. What is fetched is fetched once.
//!
//! - [`kernels`], [`apt`]: the kernels, out of Debian's archive.
//! - [`virtme`], [`accelerator`], [`segment`]: a machine that boots one; with KVM or without; its network cards' wire.
//! - [`programs`], [`share`], [`session`], [`watch`]: the tests, dealt out to machines, run there and watched from here.
//! - [`events`], [`console`], [`doctor`]: what came of them. [`report`], [`table`]: told.
//! - [`interrupt`]: nothing is left behind.

mod accelerator;
mod apt;
mod console;
mod doctor;
mod events;
mod interrupt;
mod kernels;
mod programs;
mod report;
mod segment;
mod session;
mod share;
mod table;
mod virtme;
mod watch;

use std::fs;
use std::io::Write as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;

use crate::cargo;
use crate::setup::{self, Group};
use crate::test::areas::{AREAS, Place as AreaPlace};
use crate::test::tally::Tally;
use accelerator::Accelerator;
use kernels::{Kernel, SERIES};
use programs::{Program, Selection};
use report::Report;
use session::{Place, Session};

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The kernel: a version of Debian's, or the one that runs here.
    #[arg(long, value_parser = PossibleValuesParser::new(kernels::names()), required_unless_present_any = ["all", "table"])]
    kernel: Option<String>,
    /// All kernels one after the other, and their results in docs/kernels.md.
    #[arg(long, conflicts_with_all = ["kernel", "tests", "shell"])]
    all: bool,
    /// No tests: the results of each kernel's last run of all tests, in docs/kernels.md.
    #[arg(long, conflicts_with_all = ["kernel", "all", "tests", "shell", "patience", "machines"])]
    table: bool,
    /// A shell in the machine instead of the tests.
    #[arg(long)]
    shell: bool,
    /// How many times slower than usual programs are taken to run [default: 10 if they are emulated, else 1].
    #[arg(long, value_name = "FACTOR")]
    patience: Option<NonZeroU32>,
    /// How many machines share a kernel's tests [default: one per processor if they are emulated, at most 4; else 1].
    #[arg(long, value_name = "NUMBER")]
    machines: Option<NonZeroUsize>,
    /// Areas (frames, lab, health, elections, stock), or parts of the names of tests; everything if none is named.
    #[arg(value_name = "TEST")]
    tests: Vec<String>,
}

/// Runs the tests on each kernel, also after a failure; the exit code says whether any failed.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let target = cargo::target_directory()?.join("vm");
    let reports = target.join("reports");
    if options.table {
        let known = |name| {
            Report::read(&reports.join(name)).with_context(|| {
                format!("the tests of kernel {name} were not all run yet: `cargo xtask vm --kernel {name}`, or --all")
            })
        };
        let reports: Vec<Report> = kernels::names().map(known).collect::<Result<_>>()?;
        table::write(&reports, cargo::workspace())?;
        return conclude(&reports);
    }
    setup::require_root("it makes a network for the virtual machine and loads BPF programs")?;
    let names: Vec<&'static str> =
        kernels::names().filter(|name| options.all || options.kernel.as_deref() == Some(name)).collect();
    setup::ensure(&[Group::Bpf, Group::Lab])?;
    interrupt::watch()?;
    fs::create_dir_all(&target).with_context(|| format!("making {}", target.display()))?;
    let shipped = cargo::build_programs()?;
    let selection = Selection::of(&options.tests);
    let commit = cargo::commit();
    // What is not the whole is kept apart from what the table is made of.
    let part = if options.tests.is_empty() && !options.shell { "" } else { "-part" };
    let session = |name| -> Result<Session<'_>> {
        let (patience, machines) = (options.patience.map(NonZeroU32::get), options.machines.map(NonZeroUsize::get));
        let (place, folder) = (place_of(name, &target)?, reports.join(format!("{name}{part}")));
        Ok(Session { name, place, patience, machines, shipped: &shipped, folder, commit: &commit })
    };
    if let ([name], true) = (&names[..], options.shell) {
        session(name)?.shell()?;
        return Ok(ExitCode::SUCCESS);
    }
    let programs = Program::build(&selection)?;
    let mut done = Vec::new();
    for name in names {
        let session = session(name)?;
        let report = on(&session, &programs)?;
        eprintln!("\n{}\nxtask: report in {}", report.summary(), session.folder.display());
        done.push(report);
    }
    if options.all {
        table::write(&done, cargo::workspace())?;
        eprintln!("xtask: results of all kernels in {}", table::DOCUMENT);
    }
    conclude(&done)
}

/// The tests that mean something where the kernel runs.
fn on(session: &Session<'_>, programs: &[Program]) -> Result<Report> {
    let is_guest = matches!(session.place, Place::Guest { .. });
    let only_guest = |program: &Program| AREAS.iter().any(|a| a.name == program.area && a.place == AreaPlace::Guest);
    let (left, run): (Vec<Program>, Vec<Program>) =
        programs.iter().cloned().partition(|program| !is_guest && only_guest(program));
    let remark = |program: Program| format!("area {}: not run, as this is no virtual machine", program.area);
    session.run(&run, left.into_iter().map(remark).collect())
}

/// Where a kernel runs: in a machine of its own, if it can be booted.
fn place_of(name: &str, target: &Path) -> Result<Place> {
    let kernel = match SERIES.iter().find(|series| series.name == name) {
        Some(series) => {
            setup::ensure(&[Group::Vm])?;
            kernels::of_series(series, target)?
        }
        None => match kernels::of_host() {
            Some(kernel) => kernel,
            None => {
                let release = kernels::running_release();
                return Ok(Place::Here(format!("no image or no modules of {release} in /boot and /lib/modules")));
            }
        },
    };
    guest(kernel, target)
}

fn guest(kernel: Kernel, target: &Path) -> Result<Place> {
    setup::ensure(&[Group::Vm])?;
    let virtme: PathBuf = virtme::installed(target)?;
    let accelerator = Accelerator::choose(&kernel, &virtme, target)?;
    Ok(Place::Guest { kernel, accelerator, virtme })
}

/// A line for each kernel, and the totals.
fn conclude(reports: &[Report]) -> Result<ExitCode> {
    let total: Tally = reports.iter().map(Report::tally).sum();
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout)?;
    for report in reports {
        writeln!(stdout, "{} ({}, {}): {}", report.kernel, report.release, report.run_by, report.tally())?;
    }
    writeln!(stdout, "{} passed, {} failed", total.passed, total.failed)?;
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
