//! Debian's keepalived on a host of the lab: what pivot shares a virtual router with.
//!
//! keepalived is two processes: one that only watches, and its child that speaks VRRP. Files of both are in the lab's
//! directory. Its VIPs are plain addresses of the interface: the host's kernel answers for them.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lb_userspace::core::vrrp::advert::Version;
use rustix::process::{Pid, Signal, kill_process};

use super::family::Family;
use super::node::Node;
use super::process::Process;
use super::wait::wait_until;

/// How long it has to begin.
const START: Duration = Duration::from_secs(10);

/// A virtual router as keepalived is told of it; its `Display` is the `keepalived.conf`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of the protocol.
    pub version: Version,
    /// Number of the virtual router.
    pub vrid: u8,
    /// Interface by which it speaks, and which carries the VIPs.
    pub interface: String,
    /// Time between its messages: whole seconds for version 2, whole centiseconds for version 3.
    pub advert: Duration,
    /// Its priority.
    pub priority: u8,
    /// Whether it takes over from a worse one.
    pub preempt: bool,
    /// Its own address and the others', if they are told one by one.
    pub unicast: Option<(IpAddr, Vec<IpAddr>)>,
    /// The password of version 2.
    pub password: Option<String>,
    /// The addresses, of one family.
    pub vips: Vec<IpAddr>,
}

/// A keepalived under a lab's control; stopped when dropped.
#[derive(Debug)]
pub struct Keepalived {
    host: Node,
    settings: Settings,
    directory: PathBuf,
    process: Process,
    /// The child that speaks VRRP.
    speaker: Pid,
}

impl Node {
    /// Starts keepalived on this host, and returns once it takes part.
    pub fn keepalived(&self, settings: Settings) -> Result<Keepalived> {
        let directory = self.directory.join(format!("keepalived-{}", self.name));
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        let path = configuration(&directory);
        fs::write(&path, settings.to_string()).with_context(|| format!("writing {}", path.display()))?;
        let (process, speaker) = start(self, &directory)?;
        Ok(Keepalived { host: self.clone(), settings, directory, process, speaker })
    }
}

impl Keepalived {
    /// Host that it runs on.
    pub fn host(&self) -> &Node {
        &self.host
    }

    /// Has it end (SIGTERM): it resigns and takes its VIPs away.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.process.stop()?;
        if !status.success() {
            bail!("{} stopped with {status}{}", self.process, self.process.tail());
        }
        Ok(())
    }

    /// Kills both its processes (SIGKILL). Its VIPs stay where they are: the host goes on to answer for them.
    pub fn kill9(&mut self) -> Result<()> {
        // The one that watches would start another child, or, dead before it, have its child stop cleanly.
        self.process.signal(Signal::STOP)?;
        // Its parent does not reap it, so the process id is still its own.
        kill_process(self.speaker, Signal::KILL)
            .with_context(|| format!("killing the child of {}{}", self.process, self.process.tail()))?;
        self.process.kill()
    }

    /// Takes away the VIPs that a killed one left behind, as a boot of its host does.
    pub fn remove_vips(&self) -> Result<()> {
        for vip in &self.settings.vips {
            let bits = Family::of(*vip).bits();
            self.host.netns().ip(&format!("address del {vip}/{bits} dev {}", self.settings.interface))?;
        }
        Ok(())
    }

    /// Starts it again after an end of whatever kind.
    pub fn restart(&mut self) -> Result<()> {
        if self.process.ended()?.is_none() {
            bail!("{} still runs: end it before starting it again", self.process);
        }
        (self.process, self.speaker) = start(&self.host, &self.directory)?;
        Ok(())
    }

    /// The end of its log, for an error message.
    pub fn log(&self) -> String {
        self.process.tail()
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, vrid, interface, advert, priority, preempt, unicast, password, vips } = self;
        writeln!(f, "vrrp_instance control {{\n    state BACKUP\n    version {}", version.number())?;
        writeln!(f, "    interface {interface}\n    virtual_router_id {vrid}\n    priority {priority}")?;
        writeln!(f, "    advert_int {}", advert.as_secs_f64())?;
        if !preempt {
            writeln!(f, "    nopreempt")?;
        }
        if let Some((own, peers)) = unicast {
            writeln!(f, "    unicast_src_ip {own}")?;
            block(f, "unicast_peer", peers.iter().map(ToString::to_string))?;
        }
        if let Some(password) = password {
            block(f, "authentication", ["auth_type PASS".to_owned(), format!("auth_pass {password}")])?;
        }
        let carried = vips.iter().map(|vip| format!("{vip}/{} dev {interface}", Family::of(*vip).bits()));
        block(f, "virtual_ipaddress", carried)?;
        writeln!(f, "}}")
    }
}

fn block(f: &mut fmt::Formatter<'_>, title: &str, lines: impl IntoIterator<Item = String>) -> fmt::Result {
    writeln!(f, "    {title} {{")?;
    lines.into_iter().try_for_each(|line| writeln!(f, "        {line}"))?;
    writeln!(f, "    }}")
}

fn configuration(directory: &Path) -> PathBuf {
    directory.join("keepalived.conf")
}

/// Starts both processes; returns the one that watches, and the id of the one that speaks.
fn start(host: &Node, directory: &Path) -> Result<(Process, Pid)> {
    let pid_file = directory.join("speaker.pid");
    match fs::remove_file(&pid_file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", pid_file.display()));
        }
        _ => {}
    }
    let mut command = Command::new("keepalived");
    command.args(["--dont-fork", "--vrrp", "--log-console", "--log-detail", "--no-syslog"]);
    command.arg("--use-file").arg(configuration(directory));
    command.arg("--pid").arg(directory.join("watcher.pid")).arg("--vrrp_pid").arg(&pid_file);
    let mut process = host.spawn(&format!("keepalived-{}", host.name), command)?;
    let label = process.to_string();
    let speaker = wait_until(START, &format!("{label} to take part"), || match process.ended() {
        // No use in waiting any longer.
        Ok(Some(status)) => Ok(Err(format!("{label} ended at its start: {status}"))),
        Ok(None) if !has_begun(&process) => Err("it has not begun".to_owned()),
        Ok(None) => read_pid(&pid_file).map(Ok),
        Err(error) => Err(format!("{error:#}")),
    });
    match speaker.with_context(|| format!("keepalived's log:{}", process.tail()))? {
        Ok(speaker) => Ok((process, speaker)),
        Err(ended) => bail!("{ended}{}", process.tail()),
    }
}

/// Whether it has said that it entered its first state.
fn has_begun(process: &Process) -> bool {
    let log = process.stderr() + &process.stdout();
    log.contains("Entering BACKUP STATE")
}

fn read_pid(path: &Path) -> Result<Pid, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| format!("{}: {text:?}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_keepalived_reads_them() {
        let settings = Settings {
            version: Version::V3,
            vrid: 51,
            interface: "eth0".to_owned(),
            advert: Duration::from_millis(100),
            priority: 150,
            preempt: false,
            unicast: Some(([10, 77, 0, 12].into(), vec![[10, 77, 0, 11].into()])),
            password: None,
            vips: vec![[10, 77, 0, 100].into()],
        };
        let expected = "vrrp_instance control {
    state BACKUP
    version 3
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.1
    nopreempt
    unicast_src_ip 10.77.0.12
    unicast_peer {
        10.77.0.11
    }
    virtual_ipaddress {
        10.77.0.100/32 dev eth0
    }
}
";
        assert_eq!(settings.to_string(), expected);
    }
}
