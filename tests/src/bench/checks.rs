//! What health checks cost: thousands of backends, each checked once a second, by pivot and by HAProxy over the same wires.
//!
//! Every backend is a port of c2's address, so none shares a check with another. c1 checks them; nothing else happens. The processor
//! time counted is the checking process's own, and holds what the kernel does in its name: on the lab's wires that is both directions of the
//! network and the server's side of the handshake, too.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lb_userspace::core::view::ChecksView;
use serde::Serialize;
use serde_json::{Value, json};

use super::haproxy::Haproxy;
use super::machine;
use crate::lab::config::ConfigText;
use crate::lab::{Family, Lab, Node, Topology, wait_until};

/// Ports that the backends are bound to, from here on.
const PORTS: u16 = 20_000;
/// Backends of a service.
const EACH: u16 = 100;
/// Longest that either may take to have found every backend up.
const START: Duration = Duration::from_secs(60);

/// What is good: percent of one processor, megabytes, milliseconds.
const LIMITS: (f64, f64, u64) = (15.0, 100.0, 50);

/// What checking costs one of them.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// Who.
    pub name: &'static str,
    /// Percent of one processor.
    pub processor: f64,
    /// Of that, in the kernel.
    pub kernel: f64,
    /// Memory of its own that is resident, in megabytes (10^6).
    pub memory_mb: f64,
    /// What is resident of files: its program, and of pivot's the kernel's tables, whose size is configured and not a matter of
    /// checks.
    pub mapped_mb: f64,
}

/// Both, and how late pivot's checks began.
#[derive(Debug)]
pub struct Report {
    backends: u16,
    seconds: u64,
    pivot: Cost,
    haproxy: Cost,
    /// Checks that pivot made in that time.
    made: u64,
    /// Upper bound of how late the 99th of 100 checks began, in milliseconds; `None`: later than any bound.
    late_p99_ms: Option<u64>,
}

impl Report {
    /// Measures each over so many seconds.
    ///
    /// # Errors
    /// If the lab cannot be made, or a backend is not found to be up.
    pub fn measure(backends: u16, seconds: u64) -> Result<Self> {
        let lab = Lab::build(Topology::default())?;
        let _listeners = listen(lab.node("c2"), backends)?;
        let time = Duration::from_secs(seconds);

        let pivotd = lab.pivotd("c1", configuration(&lab, backends))?;
        wait_until(START, "pivot to find every backend up", || all_up(&pivotd))?;
        let checks = || -> Result<ChecksView> { Ok(pivotd.status()?.checks) };
        let before = checks()?;
        let pivot = Cost::of("pivot", pivotd.pid(), time)?;
        let after = checks()?;
        drop(pivotd);

        let address = lab.node("c2").address_in(Family::V4);
        let haproxy = Haproxy::start(&lab, lab.node("c1"), &sections(address, backends))?;
        await_passed(&haproxy, backends)?;
        let haproxy = Cost::of("haproxy", haproxy.process.pid(), time)?;

        let made = after.made - before.made;
        Ok(Self { backends, seconds, pivot, haproxy, made, late_p99_ms: after.since(&before).late(0.99) })
    }

    /// For people: a table in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let (processor, memory, late) = LIMITS;
        let mut table = format!(
            "{} backends, each checked once a second, for {} s\n\n\
             | | processor, % of one | of that kernel | memory, MB | mapped files and tables, MB | 99 % of checks begin within |\n\
             |---|---|---|---|---|---|\n",
            self.backends, self.seconds
        );
        for cost in [&self.pivot, &self.haproxy] {
            let late = match (cost.name, self.late_p99_ms) {
                ("pivot", Some(late)) => format!("{late} ms"),
                ("pivot", None) => "longer than is counted".to_owned(),
                _ => "-".to_owned(),
            };
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "| {} | {:.1} | {:.1} | {:.0} | {:.0} | {late} |",
                cost.name, cost.processor, cost.kernel, cost.memory_mb, cost.mapped_mb
            );
        }
        let _ = writeln!(table, "| limit | {processor:.0} | | {memory:.0} | | {late} ms: {} |", self.judgement());
        table
    }

    fn judgement(&self) -> &'static str {
        let (processor, memory, late) = LIMITS;
        let is_on_time = self.late_p99_ms.is_some_and(|p99| p99 <= late);
        let Cost { processor: used, memory_mb, .. } = self.pivot;
        if used <= processor && memory_mb <= memory && is_on_time { "ok" } else { "over" }
    }

    /// For programs: `{"backends":3000,"pivot":{"processor":x,...},"haproxy":{...},"late_p99_ms":x,...}`.
    #[must_use]
    pub fn json(&self) -> Value {
        let Self { backends, seconds, pivot, haproxy, made, late_p99_ms } = self;
        json!({
            "backends": backends, "seconds": seconds, "pivot": pivot, "haproxy": haproxy,
            "made": made, "late_p99_ms": late_p99_ms,
        })
    }

    /// Keeps everything that was measured, and where, in `folder/checks-DATE.json`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        machine::keep(folder, "checks", json!({ "measured": self.json() }))
    }
}

impl Cost {
    /// What a process uses in a time that begins now.
    fn of(name: &'static str, pid: u32, time: Duration) -> Result<Self> {
        let (began, (user, kernel)) = (Instant::now(), ticks(pid)?);
        sleep(time);
        let (took, (user_then, kernel_then)) = (began.elapsed(), ticks(pid)?);
        let percent =
            |ticks: u64| ticks as f64 * 100.0 / rustix::param::clock_ticks_per_second() as f64 / took.as_secs_f64();
        let (user, kernel) = (percent(user_then - user), percent(kernel_then - kernel));
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let megabytes = |key: &str| kilobytes(&status, key).map(|kilobytes| kilobytes as f64 * 1024.0 / 1e6);
        let mapped_mb = megabytes("RssFile")? + megabytes("RssShmem")?;
        Ok(Self { name, processor: user + kernel, kernel, memory_mb: megabytes("RssAnon")?, mapped_mb })
    }
}

/// HAProxy's sections to check the same backends; it serves nobody.
fn sections(address: IpAddr, backends: u16) -> String {
    let mut text = "defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1m\n  timeout server 1m\n  timeout check 500ms\n  \
                    default-server check inter 1s\n"
        .to_owned();
    for ports in ports(backends).chunks(usize::from(EACH)) {
        let _ = writeln!(text, "backend b{}", ports[0]);
        for port in ports {
            let _ = writeln!(text, "  server s{port} {address}:{port}");
        }
    }
    text
}

/// Waits until every server has passed a check: until it has failed, one is taken to be up.
fn await_passed(haproxy: &Haproxy, backends: u16) -> Result<()> {
    wait_until(START, "every server to pass a check of HAProxy's", || {
        let standings = haproxy.standings().map_err(|error| format!("{error:#}"))?;
        let passed = standings.iter().filter(|standing| standing.check == "L4OK").count();
        if passed == usize::from(backends) { Ok(()) } else { Err(format!("{passed} of {}", standings.len())) }
    })
}

fn ports(backends: u16) -> Vec<u16> {
    (PORTS..PORTS + backends).collect()
}

/// Listens at every backend's port; nothing is ever accepted, as a TCP check leaves nothing to accept.
fn listen(host: &Node, backends: u16) -> Result<Vec<TcpListener>> {
    let address = host.address_in(Family::V4);
    host.run(|| ports(backends).into_iter().map(|port| TcpListener::bind((address, port))).collect::<Result<_, _>>())?
        .context("listening at every backend's port")
}

/// Services of [`EACH`] backends, all of them on c2, checked once a second.
fn configuration(lab: &Lab, backends: u16) -> String {
    let address = lab.node("c2").address_in(Family::V4);
    let mut text = ConfigText::new(lab, "c1").table(&format!("backends = {}", backends + EACH)).to_string();
    for (i, ports) in ports(backends).chunks(usize::from(EACH)).enumerate() {
        let backends: Vec<String> = ports.iter().map(|port| backend(address, *port)).collect();
        let _ = write!(
            text,
            "\n[[service]]\nname = \"s{i}\"\nvip = \"internal\"\nport = {}\n\
             check = {{ interval = \"1s\", fast_interval = \"1s\", timeout = \"500ms\" }}\nbackends = [{}]\n",
            10_000 + i,
            backends.join(", ")
        );
    }
    text
}

fn backend(address: IpAddr, port: u16) -> String {
    format!("{{ host = \"c2\", name = \"p{port}\", address = \"{address}\", port = {port} }}")
}

fn all_up(pivotd: &crate::lab::Pivotd) -> Result<(), String> {
    pivotd.await_all_up().map_err(|error| format!("{error:#}"))
}

/// Clock ticks that a process has used, in user space and in the kernel (proc_pid_stat(5)).
fn ticks(pid: u32) -> Result<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
    let after_name = stat.rsplit_once(')').context("no name in stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let [user, kernel] = [11, 12].map(|field| fields.get(field).and_then(|ticks| ticks.parse().ok()));
    user.zip(kernel).context("no times in stat")
}

fn kilobytes(status: &str, key: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let Some(kilobytes) = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()) else {
        bail!("no {key} in the process's status");
    };
    Ok(kilobytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(processor: f64, memory_mb: f64, late_p99_ms: Option<u64>) -> Report {
        let cost = |name| Cost { name, processor, kernel: 1.0, memory_mb, mapped_mb: 90.0 };
        Report {
            backends: 3000,
            seconds: 20,
            pivot: cost("pivot"),
            haproxy: cost("haproxy"),
            made: 60_000,
            late_p99_ms,
        }
    }

    #[test]
    fn each_of_three_limits_counts() {
        assert_eq!(report(14.9, 20.0, Some(50)).judgement(), "ok");
        for over in [report(15.1, 20.0, Some(2)), report(9.0, 100.1, Some(2)), report(9.0, 20.0, Some(100))] {
            assert_eq!(over.judgement(), "over");
        }
        let unknown = report(9.0, 20.0, None);
        assert_eq!(unknown.judgement(), "over");
        assert!(unknown.table().contains("longer than is counted"), "{}", unknown.table());
    }

    #[test]
    fn the_kernels_figures_are_read_by_name() {
        let status = "VmRSS:\t  200 kB\nRssAnon:\t     100 kB\n";
        assert_eq!(kilobytes(status, "RssAnon").unwrap(), 100);
        assert!(kilobytes(status, "Rss").is_err());
        assert!(ticks(std::process::id()).is_ok());
    }
}
