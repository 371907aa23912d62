//! A child process in a lab: its output in files, its end certain.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fmt, io};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::patience::patient;

/// How long a process has to end after SIGTERM before it is killed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Lines of stderr that an error message quotes.
const TAIL_LINES: usize = 25;

/// A running child; asked to end (SIGTERM) and, if it does not within [`PATIENCE`], killed, when dropped.
#[derive(Debug)]
pub struct Process {
    label: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` with its output in `<label>.out` and `<label>.err` below `directory`, or `<label>-2.out` and so
    /// on if there was one of that label before.
    pub fn spawn(mut command: Command, label: &str, directory: &Path) -> Result<Self> {
        let (label, stdout, out) = first_free(label, directory)?;
        let stderr = stdout.with_extension("err");
        let err = File::create(&stderr).with_context(|| format!("making {}", stderr.display()))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().with_context(|| format!("starting {label}: {command:?}"))?;
        Ok(Self { label, child, stdout, stderr })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal; fails if it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{self} has ended already ({status}){}", self.tail());
        }
        // The child is not reaped yet, so the process id is still its own.
        kill_process(Pid::from_child(&self.child), signal).with_context(|| format!("signalling {self}"))
    }

    /// Asks it to end and waits; an error if it had ended before, or has to be killed after [`PATIENCE`].
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let ended = self.wait(PATIENCE);
        if ended.is_err() {
            self.kill()?;
        }
        ended
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("killing {self}"))?;
        self.child.wait().with_context(|| format!("waiting for {self}"))?;
        Ok(())
    }

    /// Waits until it ends by itself; an error after `deadline` (that of a usual machine), and then it runs on.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let deadline = patient(deadline);
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("{self} still runs after {deadline:?}{}", self.tail());
            }
            let handle = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())
                .with_context(|| format!("opening {self} by its process id"))?;
            let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => bail!("waiting for {self}: {error}"),
            }
        }
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("asking after {self}"))
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// The end of its stderr and stdout, for an error message: empty, or lines that follow a colon.
    pub fn tail(&self) -> String {
        let text = self.stderr() + &self.stdout();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        lines[from..].iter().fold(String::new(), |text, line| text + "\n    " + line)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.label, self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.stop().is_err() {
            let _ = self.kill();
        }
    }
}

/// The first of `label`, `label-2`, ... whose `.out` does not exist, and that file, made.
fn first_free(label: &str, directory: &Path) -> Result<(String, PathBuf, File)> {
    let mut candidate = label.to_owned();
    for number in 2.. {
        let path = directory.join(format!("{candidate}.out"));
        match File::create_new(&path) {
            Ok(file) => return Ok((candidate, path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => candidate = format!("{label}-{number}"),
            Err(error) => return Err(error).with_context(|| format!("making {}", path.display())),
        }
    }
    bail!("no free name for the output of {label}")
}
