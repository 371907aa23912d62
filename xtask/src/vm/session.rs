//! The tests on one kernel, from its start to its report.

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::accelerator::Accelerator;
use super::doctor;
use super::events::{Outcome, Verdict};
use super::interrupt::{Guard, Undo};
use super::kernels::{self, Kernel};
use super::programs::{Program, quoted};
use super::report::Report;
use super::segment::Segment;
use super::share::Share;
use super::virtme::{Machine, Purpose};
use super::watch::{self, End, Limits};
use crate::test::BIN_DIR;

/// The factor by which tests wait longer and move less (`tests/src/lab/patience.rs`).
const PATIENCE: &str = "PIVOT_PATIENCE";

/// The longest of the tests is over sooner, also if it is emulated.
const LIMITS: Limits = Limits { silence: Duration::from_mins(10), total: Duration::from_hours(3) };

/// Where a kernel's tests run.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In a virtual machine.
    Guest {
        /// The kernel to boot.
        kernel: Kernel,
        /// Who runs its instructions.
        accelerator: Accelerator,
        /// Folder of virtme-ng's programs.
        virtme: PathBuf,
    },
    /// Directly on this machine, for this reason.
    Here(String),
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Session<'a> {
    /// The kernel's name, as typed.
    pub(super) name: &'static str,
    /// Where it runs.
    pub(super) place: Place,
    /// How many times slower than usual programs are taken to be; `None`: as the place has it.
    pub(super) patience: Option<u32>,
    /// Folder of pivotd and the others.
    pub(super) shipped: &'a Path,
    /// How many virtual machines share the tests; `None`: as the place has it.
    pub(super) machines: Option<usize>,
    /// Where its report goes.
    pub(super) folder: PathBuf,
    /// The commit that is tested.
    pub(super) commit: &'a str,
}

impl Session<'_> {
    /// Runs test programs to their end, and reports.
    pub(super) fn run(&self, programs: &[Program], mut remarks: Vec<String>) -> Result<Report> {
        let shares = self.shares(programs)?;
        let explained = match shares.len() {
            1 => self.explained(),
            machines => format!("{}; {machines} machines", self.explained()),
        };
        let explained = format!("{explained}; patience {}", self.patience());
        eprintln!("xtask: kernel {}: {explained}", self.name);
        remarks.insert(0, explained);

        let start = Instant::now();
        let ends: Vec<End> = thread::scope(|scope| {
            let machines: Vec<_> = shares.iter().map(|share| scope.spawn(|| self.run_share(share))).collect();
            let joined =
                machines.into_iter().map(|machine| machine.join().unwrap_or_else(|panic| resume_unwind(panic)));
            joined.collect::<Result<_>>()
        })?;
        let took = start.elapsed();

        let mut outcomes: Vec<Outcome> = shares.iter().flat_map(Share::outcomes).collect();
        outcomes.extend(shares.iter().zip(ends).flat_map(|(share, end)| self.of_kernel(share, end)));
        let first = &shares[0];
        let release = first.left("release");
        let release = if release.is_empty() { self.release() } else { release.trim().to_owned() };
        let doctor = doctor::read(&first.left("doctor.json"));
        let run_by = self.run_by();
        let (kernel, commit) = (self.name.to_owned(), self.commit.to_owned());
        let report = Report { kernel, release, commit, run_by, remarks, took, outcomes, doctor };
        report.write(&self.folder)?;
        Ok(report)
    }

    /// A person at the console of a guest in which the tests would run.
    pub(super) fn shell(&self) -> Result<()> {
        let Place::Guest { kernel, accelerator, virtme } = &self.place else {
            bail!("kernel {} runs on this machine itself: you have a shell", self.name);
        };
        let shares = self.shares(&[])?;
        let raw = &shares[0].raw;
        let segment = Segment::create(0)?;
        eprintln!("xtask: kernel {}: {}", self.name, self.explained());
        let purpose = Purpose::Shell(raw.join("shell.sh"));
        let machine = Machine { kernel, accelerator, segment: Some(&segment), shared: raw, purpose };
        let mut command = machine.command(virtme)?;
        let (mut child, guard) = Guard::make(|| {
            let child = command.spawn().context("starting the virtual machine")?;
            let process = rustix::process::Pid::from_child(&child);
            Ok((child, Undo::Process(process)))
        })?;
        child.wait().context("waiting for the virtual machine")?;
        guard.forget();
        Ok(())
    }

    /// The tests as they are dealt out to machines, ready to be run, in a fresh folder.
    fn shares(&self, programs: &[Program]) -> Result<Vec<Share>> {
        let _ = fs::remove_dir_all(&self.folder);
        let shares = Share::deal(programs, self.machines(), &self.folder)?;
        shares.iter().try_for_each(|share| share.prepare(self.environment()))?;
        Ok(shares)
    }

    /// One machine, to its end.
    fn run_share(&self, share: &Share) -> Result<End> {
        let segment = match self.place {
            Place::Guest { .. } => Some(Segment::create(share.number)?),
            Place::Here(_) => None,
        };
        let command = self.command(&share.raw, segment.as_ref())?;
        let mut progress = share.progress();
        watch::run(command, &share.console, LIMITS, || progress.look())
    }

    /// What tests find in their environment.
    fn environment(&self) -> String {
        let shipped = quoted(&self.shipped.display().to_string());
        // libtest's JSON is not stable; this admits to knowing it.
        format!("export {BIN_DIR}={shipped} {PATIENCE}={} RUSTC_BOOTSTRAP=1\n", self.patience())
    }

    fn command(&self, raw: &Path, segment: Option<&Segment>) -> Result<Command> {
        let folder = quoted(&raw.display().to_string());
        match &self.place {
            Place::Guest { kernel, accelerator, virtme } => {
                let script = format!("exec sh {folder}/guest.sh {folder} sh {folder}/programs.sh {folder}");
                let purpose = Purpose::Script(script);
                Machine { kernel, accelerator, segment, shared: raw, purpose }.command(virtme)
            }
            Place::Here(_) => {
                let mut command = Command::new("sh");
                command.arg(raw.join("programs.sh")).arg(raw);
                Ok(command)
            }
        }
    }

    /// What is to be said of the kernel itself, in one machine.
    fn of_kernel(&self, share: &Share, end: End) -> Vec<Outcome> {
        let which = if share.of == 1 { String::new() } else { format!(" (machine {} of {})", share.number, share.of) };
        let outcome = |name: &str, failure: Option<String>| Outcome {
            program: "kernel".to_owned(),
            name: format!("{name}{which}"),
            took: None,
            verdict: failure.map_or(Verdict::Passed, Verdict::Failed),
        };
        let in_guest = matches!(self.place, Place::Guest { .. });
        let powered_off = share.raw.join("kernel.log").is_file();
        let broken = match end {
            End::Ended(_) if powered_off || !in_guest => None,
            End::Ended(status) => Some(format!("it ended before the tests had ({status})")),
            End::Silent => Some(format!("it was silent for {} s, and was ended", LIMITS.silence.as_secs())),
            End::TooLong => Some(format!("it took more than {} s, and was ended", LIMITS.total.as_secs())),
        };
        let broken = broken.map(|how| format!("{how}; the console's last lines:\n{}", share.last_words()));
        let mut outcomes = vec![outcome("goes through all tests", broken)];
        if in_guest {
            outcomes.push(outcome("has nothing to complain of", share.complaints()));
        }
        outcomes
    }

    fn release(&self) -> String {
        match &self.place {
            Place::Guest { kernel, .. } => kernel.release.clone(),
            Place::Here(_) => kernels::running_release(),
        }
    }

    fn run_by(&self) -> String {
        match &self.place {
            Place::Guest { accelerator, .. } => accelerator.name().to_owned(),
            Place::Here(_) => "this machine, not a VM".to_owned(),
        }
    }

    fn explained(&self) -> String {
        match &self.place {
            Place::Guest { accelerator, .. } => accelerator.explained(),
            Place::Here(why) => format!("on this machine, not in a VM: {why}"),
        }
    }

    fn patience(&self) -> u32 {
        let usual = match &self.place {
            Place::Guest { accelerator, .. } => accelerator.slowness(),
            Place::Here(_) => 1,
        };
        self.patience.unwrap_or(usual)
    }

    /// How many machines share the tests.
    fn machines(&self) -> usize {
        match &self.place {
            Place::Guest { accelerator, .. } => self.machines.unwrap_or_else(|| accelerator.machines()),
            // Programs on one machine would be in each other's way.
            Place::Here(_) => 1,
        }
    }
}
