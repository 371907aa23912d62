//! One named network namespace: made, entered by threads and by child processes, removed.
//!
//! Children enter with setns(2) and not by `ip netns exec`, which mounts a private /sys: pins in a bpffs below it
//! would vanish with the child.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{io, panic, thread};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where ip-netns(8) keeps named namespaces.
pub(super) const DIRECTORY: &str = "/run/netns";

/// A network namespace of our own; removed, with every process still in it, when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace. Fails without root, or if the name is taken.
    pub fn create(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        output(Command::new("ip").args(["netns", "add", &name]), None)
            .with_context(|| format!("making network namespace {name} (needs root)"))?;
        Ok(Self { name })
    }

    /// Its name, as `ip netns` lists it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a closure in a thread of its own that has entered the namespace; sockets it makes belong to the namespace.
    ///
    /// `/proc/net` shows the calling process's namespace there: read `/proc/thread-self/net`. A panic of the closure
    /// goes on in the caller.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let namespace = self.open()?;
        let result = thread::scope(|scope| {
            let worker = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).map(|()| work())
            });
            worker.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
        });
        result.with_context(|| format!("entering network namespace {}", self.name))
    }

    /// A command that will run in the namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        let mut command = Command::new(program);
        self.enter(&mut command)?;
        Ok(command)
    }

    /// Makes a command run in the namespace.
    pub fn enter(&self, command: &mut Command) -> Result<()> {
        let namespace = self.open()?;
        let enter = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).map_err(io::Error::from)
        };
        // SAFETY: between fork and exec the closure makes one system call on a descriptor that it owns; it neither
        // allocates nor takes a lock.
        unsafe { command.pre_exec(enter) };
        Ok(())
    }

    /// Carries out lines of `ip` commands in the namespace, in order, up to the first that fails.
    pub fn ip(&self, lines: &str) -> Result<()> {
        output(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), Some(lines))
            .with_context(|| format!("in namespace {}:\n{lines}", self.name))?;
        Ok(())
    }

    /// Runs a program in the namespace to its end and returns what it printed; fails unless it exits with 0.
    pub fn output(&self, program: &str, arguments: &[&str]) -> Result<String> {
        output(self.command(program)?.args(arguments), None).with_context(|| format!("in namespace {}", self.name))
    }

    /// Sets sysctls below `/proc/sys/net`, given as `(path, value)`.
    pub fn sysctl(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.run(|| {
            settings.iter().try_for_each(|(path, value)| {
                let path = Path::new("/proc/sys/net").join(path);
                fs::write(&path, value).with_context(|| format!("writing {value} to {}", path.display()))
            })
        })?
    }

    fn open(&self) -> Result<OwnedFd> {
        let path = Path::new(DIRECTORY).join(&self.name);
        let file = File::open(&path).with_context(|| format!("opening network namespace {}", path.display()))?;
        Ok(file.into())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// The same as [`Namespace::ip`] in the namespace of this process.
pub(super) fn ip_outside(lines: &str) -> Result<()> {
    output(Command::new("ip").args(["-batch", "-"]), Some(lines)).with_context(|| format!("carrying out:\n{lines}"))?;
    Ok(())
}

/// Kills what still runs in a namespace and removes it. Quiet: the other end of a race may have done it already.
pub(super) fn remove(name: &str) {
    let path = Path::new(DIRECTORY).join(name);
    if let Ok(inode) = fs::metadata(&path).map(|meta| meta.ino()) {
        for pid in processes_in(inode) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
    let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
}

/// Processes whose network namespace is this one (threads of ours that entered it are not meant).
fn processes_in(namespace: u64) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|meta| meta.ino() == namespace))
        .filter_map(Pid::from_raw)
        .collect()
}

/// Runs a command to its end, with `input` on its stdin, and returns its stdout; fails unless it exits with 0.
fn output(command: &mut Command, input: Option<&str>) -> Result<String> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {command:?}"))?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A command that fails early closes its stdin; its own words, below, say more than EPIPE.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("waiting for {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
