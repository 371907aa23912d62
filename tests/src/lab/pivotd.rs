//! One pivotd on a host of the lab: started, asked, reloaded, stopped, killed.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lb_userspace::core::view::vips::VipsView;
use lb_userspace::core::view::{BackendState, FlowView, Status};
use rustix::process::Signal;
use serde::de::DeserializeOwned;

use super::binaries;
use super::node::Node;
use super::process::Process;
use super::topology::Lab;
use super::wait::wait_until;

/// How long pivotd has to answer after its start: loading and verifying its programs takes the most of it.
const START: Duration = Duration::from_secs(20);

/// A pivotd under a lab's control; stopped when dropped. Its instance is named after its host.
#[derive(Debug)]
pub struct Pivotd {
    host: Node,
    run_root: PathBuf,
    bpffs: PathBuf,
    state_root: PathBuf,
    config: PathBuf,
    process: Process,
}

impl Lab {
    /// Starts pivotd on a controller and returns once it answers `pivot status`.
    pub fn pivotd(&self, host: &str, config: impl ToString) -> Result<Pivotd> {
        let pivotd = self.start_pivotd(host, config)?;
        pivotd.ready()
    }

    /// Starts pivotd on every controller, with the same configuration, and waits until all answer.
    pub fn pivotd_everywhere(&self, config: impl ToString) -> Result<Vec<Pivotd>> {
        let config = config.to_string();
        let started = self.hosts().map(|host| self.start_pivotd(&host.name, &config));
        let started: Vec<Pivotd> = started.collect::<Result<_>>()?;
        started.into_iter().map(Pivotd::ready).collect()
    }

    /// Starts pivotd without waiting for anything: for those that are to fail.
    pub fn start_pivotd(&self, host: &str, config: impl ToString) -> Result<Pivotd> {
        self.start_pivotd_under(&[], host, config)
    }

    /// The same as the last argument of another command (`setpriv ...`), which must exec it.
    pub fn start_pivotd_under(&self, wrapper: &[&str], host: &str, config: impl ToString) -> Result<Pivotd> {
        let host = self.node(host).clone();
        let config_path = self.directory().join(format!("{}.toml", host.name));
        write(&config_path, &config.to_string())?;
        let (run_root, bpffs, state_root) = (self.run_root(), self.bpffs(), self.directory().join("state"));
        let process = spawn(wrapper, &host, [&run_root, &bpffs, &state_root], &config_path)?;
        Ok(Pivotd { host, run_root, bpffs, state_root, config: config_path, process })
    }

    /// What all pivotds of a host have logged so far, those that have ended included.
    pub fn pivotd_log(&self, host: &str) -> Result<String> {
        let begin = format!("pivotd-{host}");
        let mut logs = String::new();
        for entry in fs::read_dir(self.directory()).context("reading the lab's directory")? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Followed by a number if it is not the first.
            if name
                .strip_prefix(&begin)
                .is_some_and(|rest| rest.ends_with(".err") && !rest.starts_with(char::is_alphanumeric))
            {
                logs += &fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            }
        }
        Ok(logs)
    }
}

impl Pivotd {
    /// Host it runs on.
    pub fn host(&self) -> &Node {
        &self.host
    }

    /// Its process, to be waited for or signalled.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Stops it cleanly (SIGTERM); an error unless it exits with 0 in time.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.process.stop()?;
        if !status.success() {
            bail!("{} stopped with {status}{}", self.process, self.process.tail());
        }
        Ok(())
    }

    /// Kills it (SIGKILL): what it pinned stays.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again after an end of whatever kind, and waits until it answers.
    pub fn restart(&mut self) -> Result<()> {
        self.start_again()?;
        self.await_answer()
    }

    /// The same without waiting.
    pub fn start_again(&mut self) -> Result<()> {
        if self.process.ended()?.is_none() {
            bail!("{} still runs: end it before starting it again", self.process);
        }
        let roots = [&*self.run_root, &*self.bpffs, &*self.state_root];
        self.process = spawn(&[], &self.host, roots, &self.config)?;
        Ok(())
    }

    /// Writes a new configuration, without telling it.
    pub fn write_config(&self, config: impl ToString) -> Result<()> {
        write(&self.config, &config.to_string())
    }

    /// Has it read its configuration again: SIGHUP, answered in its log only.
    pub fn reload(&mut self) -> Result<()> {
        self.process.signal(Signal::HUP)
    }

    /// `pivot status`.
    pub fn status(&self) -> Result<Status> {
        self.pivot_json(&["status"])
    }

    /// `pivot vips`.
    pub fn vips(&self) -> Result<VipsView> {
        self.pivot_json(&["vips"])
    }

    /// `pivot flows`: up to 100,000 of them.
    pub fn flows(&self) -> Result<Vec<FlowView>> {
        self.pivot_json(&["flows", "--limit", "100000"])
    }

    /// State of a backend of the first service that has one of this name.
    pub fn state_of(&self, backend: &str) -> Result<BackendState> {
        let status = self.status()?;
        let mut backends = status.services.iter().flat_map(|service| &service.backends);
        let found = backends.find(|view| view.name == backend || view.id == backend);
        Ok(found.with_context(|| format!("no backend {backend} in the status of {}", self.process))?.state)
    }

    /// Waits until it shows a backend in this state.
    pub fn await_state(&self, backend: &str, state: BackendState) -> Result<()> {
        wait_until(Duration::from_secs(10), &format!("{} to show {backend} {state:?}", self.process), || {
            match self.state_of(backend).map_err(|error| format!("{error:#}"))? {
                reached if reached == state => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
    }

    /// Waits until every backend of every service is up, or stands by, and can be reached.
    pub fn await_all_up(&self) -> Result<()> {
        wait_until(Duration::from_secs(10), &format!("{} to show all backends up", self.process), || {
            let status = self.status().map_err(|error| format!("{error:#}"))?;
            let backends = || status.services.iter().flat_map(|service| &service.backends);
            let well = [BackendState::Up, BackendState::Standby];
            match backends().find(|view| !well.contains(&view.state) || (view.mac.is_none() && !view.local)) {
                None if backends().next().is_some() => Ok(()),
                None => Err("no backend at all".to_owned()),
                Some(view) => Err(format!("{} {:?}, mac {:?}, {}", view.id, view.state, view.mac, view.last_check)),
            }
        })
        .with_context(|| format!("the end of its log:{}", self.log()))
    }

    /// The end of its log, for an error message.
    pub fn log(&self) -> String {
        self.process.tail()
    }

    /// All that it has logged since it was started last.
    pub fn whole_log(&self) -> String {
        self.process.stderr()
    }

    /// Runs `pivot` against it, to its end.
    pub fn pivot(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(binaries::find("pivot")?);
        command.arg("--socket").arg(self.socket()).args(arguments);
        command.output().with_context(|| format!("running {command:?}"))
    }

    /// Runs `pivot --json` and reads its answer; an error unless it exits with 0.
    pub fn pivot_json<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let output = self.pivot(&[&["--json"], arguments].concat())?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("pivot {arguments:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_str(&stdout).with_context(|| format!("reading the answer to pivot {arguments:?}: {stdout}"))
    }

    /// A file of what it remembers when it is not running.
    pub fn remembered(&self, file: &str) -> PathBuf {
        self.state_root.join(&self.host.name).join(file)
    }

    /// Path of its socket, for `pivot --socket`.
    pub fn socket(&self) -> PathBuf {
        self.run_root.join(&self.host.name).join("api.sock")
    }

    /// Whether somebody is at its socket: it may hang, but has not ended.
    pub fn listens(&self) -> bool {
        UnixStream::connect(self.socket()).is_ok()
    }

    /// Waits until it answers `pivot status`.
    pub fn await_answer(&mut self) -> Result<()> {
        let label = self.process.to_string();
        let answer = wait_until(START, &format!("{label} to answer"), || match self.process.ended() {
            // No use in waiting any longer.
            Ok(Some(status)) => Ok(Err(format!("{label} ended at its start: {status}"))),
            Ok(None) => self.status().map(Ok).map_err(|error| format!("{error:#}")),
            Err(error) => Err(format!("{error:#}")),
        });
        match answer.with_context(|| format!("pivotd's log:{}", self.process.tail()))? {
            Ok(_status) => Ok(()),
            Err(ended) => bail!("{ended}{}", self.process.tail()),
        }
    }

    fn ready(self) -> Result<Self> {
        let mut pivotd = self;
        pivotd.await_answer()?;
        Ok(pivotd)
    }
}

/// Starts it; `roots` are those of run directories, of bpffs and of what is remembered.
fn spawn(wrapper: &[&str], host: &Node, roots: [&Path; 3], config: &Path) -> Result<Process> {
    let pivotd = binaries::find("pivotd")?;
    let mut command = match wrapper {
        [] => Command::new(pivotd),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(pivotd);
            command
        }
    };
    command.args(["--host", &host.name, "--instance", &host.name]);
    let [run_root, bpffs, state_root] = roots;
    command.arg("--config").arg(config).arg("--run-root").arg(run_root).arg("--bpffs").arg(bpffs);
    command.arg("--state-root").arg(state_root);
    host.spawn(&format!("pivotd-{}", host.name), command)
}

fn write(path: &Path, config: &str) -> Result<()> {
    fs::write(path, config).with_context(|| format!("writing {}", path.display()))
}
