//! The tests on one kernel, from its start to its report.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::accelerator::Accelerator;
use super::console;
use super::doctor;
use super::events::{self, Outcome, Output, Verdict};
use super::interrupt::{Guard, Undo};
use super::kernels::{self, Kernel};
use super::programs::{Program, quoted};
use super::report::Report;
use super::segment::Segment;
use super::virtme::{Machine, Purpose};
use super::watch::{self, End, Limits};
use crate::test::BIN_DIR;

/// Runs programs, in the guest or here.
const PROGRAMS: &str = include_str!("programs.sh");

/// Prepares a guest.
const GUEST: &str = include_str!("guest.sh");

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
    /// Where its report goes.
    pub(super) folder: PathBuf,
    /// The commit that is tested.
    pub(super) commit: &'a str,
}

impl Session<'_> {
    /// Runs test programs to their end, and reports.
    pub(super) fn run(&self, programs: &[Program], mut remarks: Vec<String>) -> Result<Report> {
        self.prepare(programs)?;
        let raw = self.raw();
        let segment = self.segment()?;
        let (patience, explained) = (self.patience(), self.explained());
        eprintln!("xtask: kernel {}: {explained}; patience {patience}", self.name);
        remarks.insert(0, format!("{explained}; patience {patience}"));

        let (start, mut progress) = (Instant::now(), Progress::of(programs, &raw));
        let command = self.command(&raw, segment.as_ref())?;
        let console = self.folder.join("console.log");
        let end = watch::run(command, &console, LIMITS, || progress.look())?;
        let took = start.elapsed();
        drop(segment);

        let mut outcomes: Vec<Outcome> =
            programs.iter().flat_map(|program| events::outcomes(&program.name, &left_by(program, &raw))).collect();
        let console = read(&console);
        let powered_off = raw.join("kernel.log").is_file();
        outcomes.extend(self.of_kernel(end, powered_off, &console));
        let release = read(&raw.join("release"));
        let release = if release.is_empty() { self.release() } else { release.trim().to_owned() };
        let doctor = doctor::read(&read(&raw.join("doctor.json")));
        let run_by = self.run_by();
        let (kernel, commit) = (self.name.to_owned(), self.commit.to_owned());
        let report = Report { kernel, release, commit, run_by, remarks, took, outcomes, doctor };
        report.write(&self.folder)?;
        Ok(report)
    }

    /// A person at the console of a guest in which the tests would run.
    pub(super) fn shell(&self, programs: &[Program]) -> Result<()> {
        self.prepare(programs)?;
        let raw = self.raw();
        let Place::Guest { kernel, accelerator, virtme } = &self.place else {
            bail!("kernel {} runs on this machine itself: you have a shell", self.name);
        };
        let segment = self.segment()?;
        eprintln!("xtask: kernel {}: {}", self.name, self.explained());
        let purpose = Purpose::Shell(raw.join("shell.sh"));
        let machine = Machine { kernel, accelerator, segment: segment.as_ref(), shared: &raw, purpose };
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

    /// A fresh folder for the report, with all that is run in `raw`.
    fn prepare(&self, programs: &[Program]) -> Result<()> {
        let raw = self.raw();
        let _ = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(&raw).with_context(|| format!("making {}", raw.display()))?;
        let quoted_raw = quoted(&raw.display().to_string());
        let shell = format!("#!/bin/sh\n. {quoted_raw}/environment\nexec sh {quoted_raw}/guest.sh {quoted_raw} bash\n");
        let programs: String = programs.iter().map(Program::line).collect();
        let doctor =
            format!("\"${BIN_DIR}/pivot\" doctor --json >\"$out/doctor.json\" 2>\"$out/doctor.err\" </dev/null\n");
        let files = [
            ("environment", self.environment()),
            ("programs", format!(". \"$out/environment\"\n{doctor}{programs}")),
            ("programs.sh", PROGRAMS.to_owned()),
            ("guest.sh", GUEST.to_owned()),
            ("shell.sh", shell),
        ];
        for (name, text) in files {
            fs::write(raw.join(name), text).with_context(|| format!("writing {name} in {}", raw.display()))?;
        }
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(raw.join("shell.sh"), executable).context("making shell.sh executable")
    }

    /// What the machine is given and what it leaves.
    fn raw(&self) -> PathBuf {
        self.folder.join("raw")
    }

    /// What tests find in their environment.
    fn environment(&self) -> String {
        let shipped = quoted(&self.shipped.display().to_string());
        // libtest's JSON is not stable; this admits to knowing it.
        format!("export {BIN_DIR}={shipped} {PATIENCE}={} RUSTC_BOOTSTRAP=1\n", self.patience())
    }

    fn segment(&self) -> Result<Option<Segment>> {
        match self.place {
            Place::Guest { .. } => Segment::create().map(Some),
            Place::Here(_) => Ok(None),
        }
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

    /// What is to be said of the kernel itself.
    fn of_kernel(&self, end: End, powered_off: bool, console: &str) -> Vec<Outcome> {
        let outcome = |name: &str, failure: Option<String>| Outcome {
            program: "kernel".to_owned(),
            name: name.to_owned(),
            took: None,
            verdict: failure.map_or(Verdict::Passed, Verdict::Failed),
        };
        let in_guest = matches!(self.place, Place::Guest { .. });
        let broken = match end {
            End::Ended(_) if powered_off || !in_guest => None,
            End::Ended(status) => Some(format!("it ended before the tests had ({status})")),
            End::Silent => Some(format!("it was silent for {} s, and was ended", LIMITS.silence.as_secs())),
            End::TooLong => Some(format!("it took more than {} s, and was ended", LIMITS.total.as_secs())),
        };
        let broken = broken.map(|how| format!("{how}; the console's last lines:\n{}", console::last_lines(console)));
        let mut outcomes = vec![outcome("goes through all tests", broken)];
        if in_guest {
            outcomes.push(outcome("has nothing to complain of", console::complaints(console)));
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
}

/// The tests as they end, told on standard output.
struct Progress<'a> {
    programs: Vec<(&'a str, PathBuf, usize)>,
}

impl<'a> Progress<'a> {
    fn of(programs: &'a [Program], raw: &Path) -> Self {
        let events = |program: &'a Program| (program.name.as_str(), events_of(program, raw), 0);
        Self { programs: programs.iter().map(events).collect() }
    }

    /// Tells what is new; returns how much was ever said.
    fn look(&mut self) -> Result<u64> {
        let mut stdout = std::io::stdout().lock();
        let mut seen = 0;
        for (name, path, told) in &mut self.programs {
            let text = read(path);
            let new = text.get(*told..).unwrap_or_default();
            let whole = new.rfind('\n').map_or(0, |at| at + 1);
            for (test, passed) in new[..whole].lines().filter_map(events::ending) {
                writeln!(stdout, "{name} {test} ... {}", if passed { "ok" } else { "FAILED" })?;
            }
            *told += whole;
            seen += text.len() as u64;
        }
        Ok(seen)
    }
}

fn events_of(program: &Program, raw: &Path) -> PathBuf {
    raw.join(&program.name).with_added_extension("json")
}

/// What a program left in the folder.
fn left_by(program: &Program, raw: &Path) -> Output {
    let file = |ending: &str| read(&raw.join(&program.name).with_added_extension(ending));
    Output { events: file("json"), errors: file("err"), code: file("exit").trim().parse().ok() }
}

/// A file's text; none if it is not there.
fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
