//! What clients notice when a backend is lost: pivot's beside HAProxy's, on the same hosts.
//!
//! Clients open a connection for each of some 700 requests in a second. Services are on c2 and c3; c1 balances. Then c2's service is killed,
//! or c2's link is cut. What counts are the requests that began after that: those under way on the lost backend are lost whoever balances.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lb_userspace::core::view::BackendState;
use serde::Serialize;
use serde_json::{Value, json};

use super::haproxy::Haproxy;
use super::machine;
use crate::lab::cluster::{BACKEND_PORT, SERVICE_PORT};
use crate::lab::{Cluster, ConfigText, Family, Lab, Load, Node, Process, Report as LoadReport, wait_until};

/// Who balances.
const DIRECTOR: &str = "c1";
/// Who is lost.
const LOST: &str = "c2";
/// Who is not.
const LEFT: &str = "c3";
/// Longest that anybody may take to find it out.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests before the loss, and after it was found out.
const SOME: usize = 500;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The service is killed (SIGKILL); its host lives.
    Killed,
    /// The host's wire is taken away.
    LinkDown,
}

/// Who balances, and how attentively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// pivot as it comes.
    Pivot,
    /// HAProxy as it is usually set: `inter 2s`, `fall 5`, `option redispatch`.
    Haproxy,
    /// HAProxy that checks as often as it can be asked to: `inter 200ms`, `fall 2`.
    HaproxyTuned,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Who balanced.
    pub who: Who,
    /// What happened.
    pub loss: Loss,
    /// Requests that began after it.
    pub requests: usize,
    /// Of these, how many had no answer.
    pub failed: usize,
    /// Requests under way when it happened that had no answer.
    pub failed_under_way: usize,
    /// Of those that began after it: how many took longer than 100 ms.
    pub slow: usize,
    /// The longest of them, in milliseconds.
    pub longest_ms: u128,
    /// How long it took until the backend was known to be down, in milliseconds.
    pub found_out_ms: u128,
}

/// All of it.
#[derive(Debug)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Measures each once.
    ///
    /// # Errors
    /// If a lab cannot be made, or nobody finds out what happened.
    pub fn measure() -> Result<Self> {
        let mut rows = Vec::new();
        for loss in [Loss::Killed, Loss::LinkDown] {
            rows.push(pivot(loss).context("pivot")?);
            for who in [Who::Haproxy, Who::HaproxyTuned] {
                rows.push(haproxy(who, loss).context("HAProxy")?);
            }
        }
        Ok(Self { rows })
    }

    /// For people: a table in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = "| lost | balanced by | requests since | failed | slower than 100 ms | longest, ms | found out after, ms | failed under way |\n\
                         |---|---|---|---|---|---|---|---|\n"
            .to_owned();
        for row in &self.rows {
            let lost = match row.loss {
                Loss::Killed => "service killed",
                Loss::LinkDown => "host's link cut",
            };
            let who = match row.who {
                Who::Pivot => "pivot",
                Who::Haproxy => "HAProxy, inter 2s fall 5",
                Who::HaproxyTuned => "HAProxy, inter 200ms fall 2",
            };
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "| {lost} | {who} | {} | {} | {} | {} | {} | {} |",
                row.requests, row.failed, row.slow, row.longest_ms, row.found_out_ms, row.failed_under_way
            );
        }
        table
    }

    /// For programs: `{"rows":[{"who":"pivot","loss":"killed","failed":0,...},...]}`.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "rows": self.rows })
    }

    /// Keeps everything that was measured, and where, in `folder/loss-DATE.json`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        machine::keep(folder, "loss", self.json())
    }
}

fn vip() -> SocketAddr {
    (Family::V4.vip(), SERVICE_PORT).into()
}

fn pivot(loss: Loss) -> Result<Row> {
    let lab = Lab::new()?;
    let mut config = ConfigText::new(&lab, DIRECTOR).elected("advert = \"1s\"");
    config = config.service("web", SERVICE_PORT, BACKEND_PORT, &[LOST, LEFT]);
    config.services[0].check = "{ type = \"tcp\" }".to_owned();
    let mut cluster = Cluster::start(lab, config, |host| host.serve_http(BACKEND_PORT))?;
    cluster.await_holder(DIRECTOR)?;
    await_heard(&cluster)?;
    let load = cluster.client().start_load(load())?;
    load.await_more(SOME)?;
    let lost = lose(&cluster.lab, cluster.servers.get_mut(LOST), loss)?;
    wait_until(PATIENCE, "pivot to find it out", || match cluster.holder().state_of(LOST) {
        Ok(BackendState::Down) => Ok(()),
        other => Err(format!("{other:?}")),
    })?;
    let found_out = lost.elapsed();
    load.await_more(SOME)?;
    Ok(Row::of(Who::Pivot, loss, &load.stop()?, lost, found_out))
}

/// Waits until all hosts hear each other.
fn await_heard(cluster: &Cluster) -> Result<()> {
    wait_until(PATIENCE, "the hosts to hear each other", || {
        for daemon in cluster.daemons.values() {
            let sync = daemon.status().map_err(|error| format!("{error:#}"))?.sync.ok_or("no [cluster]")?;
            if let Some(peer) = sync.peers.iter().find(|peer| !peer.there) {
                return Err(format!("{} is not heard by {}", peer.host, daemon.host().name));
            }
        }
        Ok(())
    })
}

fn haproxy(who: Who, loss: Loss) -> Result<Row> {
    let lab = Lab::new()?;
    let mut servers: Vec<Process> =
        [LOST, LEFT].iter().map(|host| lab.node(host).serve_http(BACKEND_PORT)).collect::<Result<_>>()?;
    lab.node(DIRECTOR).add_address(Family::V4.vip())?;
    let haproxy = Haproxy::start(&lab, lab.node(DIRECTOR), &sections(who, [lab.node(LOST), lab.node(LEFT)]))?;
    wait_until(PATIENCE, "HAProxy to have checked both", || {
        let standings = haproxy.standings().map_err(|error| format!("{error:#}"))?;
        let checked = standings.len() == 2 && standings.iter().all(|standing| standing.check == "L4OK");
        if checked { Ok(()) } else { Err(format!("{standings:?}")) }
    })?;
    let load = lab.node("client").start_load(load())?;
    load.await_more(SOME)?;
    let lost = lose(&lab, servers.first_mut(), loss)?;
    wait_until(PATIENCE, "HAProxy to find it out", || {
        let standings = haproxy.standings().map_err(|error| format!("{error:#}"))?;
        let down = standings.iter().any(|standing| standing.server == LOST && standing.status.starts_with("DOWN"));
        if down { Ok(()) } else { Err(format!("{standings:?}")) }
    })?;
    let found_out = lost.elapsed();
    load.await_more(SOME)?;
    Ok(Row::of(who, loss, &load.stop()?, lost, found_out))
}

fn sections(who: Who, servers: [&Node; 2]) -> String {
    let checks = if who == Who::HaproxyTuned { "inter 200ms fall 2" } else { "inter 2s fall 5" };
    let mut text = format!(
        "defaults\n  mode tcp\n  option redispatch\n  timeout connect 10s\n  timeout client 1m\n  timeout server 1m\n\
         listen web\n  bind {}\n  balance roundrobin\n",
        vip()
    );
    for server in servers {
        let _ = writeln!(text, "  server {} {}:{BACKEND_PORT} check {checks}", server.name, server.address);
    }
    text
}

/// Has it happen; when it had.
fn lose(lab: &Lab, server: Option<&mut Process>, loss: Loss) -> Result<Instant> {
    match loss {
        Loss::Killed => server.context("no service to kill")?.kill()?,
        Loss::LinkDown => lab.set_link(LOST, false)?,
    }
    Ok(Instant::now())
}

/// Some 700 requests in a second, if each takes a millisecond.
fn load() -> Load {
    Load { concurrency: 32, pause: Duration::from_millis(40), ..Load::to(vip()) }
}

impl Row {
    fn of(who: Who, loss: Loss, report: &LoadReport, lost: Instant, found_out: Duration) -> Self {
        let since: Vec<_> = report.outcomes().iter().filter(|outcome| outcome.at >= lost).collect();
        let failed = since.iter().filter(|outcome| outcome.result.is_err()).count();
        Self {
            who,
            loss,
            requests: since.len(),
            failed,
            failed_under_way: report.failed() - failed,
            slow: since.iter().filter(|outcome| outcome.took > Duration::from_millis(100)).count(),
            longest_ms: since.iter().map(|outcome| outcome.took.as_millis()).max().unwrap_or(0),
            found_out_ms: found_out.as_millis(),
        }
    }
}
