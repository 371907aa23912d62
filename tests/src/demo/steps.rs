//! What is done to a cluster, and what it came to. A step leaves the cluster as whole as it found it.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Result, bail};
use lb_userspace::core::view::BackendState;
use serde::Serialize;

use crate::lab::cluster::HOLDER;
use crate::lab::request::OpenConnection;
use crate::lab::{Cluster, Load, Report};

/// Requests to wait for before and after a change under load.
const SOME_REQUESTS: usize = 300;

/// Requests over all backends, with nothing in their way.
#[derive(Debug, Clone, Serialize)]
pub struct Spread {
    /// Requests sent.
    pub requests: usize,
    /// Requests without an answer.
    pub failed: usize,
    /// Answers by backend.
    pub backends: BTreeMap<String, usize>,
    /// Whether every service saw the client's own address and port.
    pub client_address_seen: bool,
    /// Half the requests took no longer, connecting included; microseconds.
    pub median_us: u128,
}

/// Sends `requests` requests to the VIP, each over a connection of its own.
pub fn spread(cluster: &Cluster, requests: usize) -> Result<Spread> {
    let report = cluster.client().load(Load::to(cluster.vip()).requests(requests))?;
    let summary = report.summary();
    Ok(Spread {
        requests: summary.requests,
        failed: summary.failed,
        client_address_seen: report.client_seen_as(cluster.client().address),
        median_us: summary.latency_us.p50,
        backends: summary.backends,
    })
}

/// Which way the answers took, by the interface counters.
#[derive(Debug, Clone, Serialize)]
pub struct DirectReturn {
    /// Payload of the answers of backends on other hosts than the director's.
    pub answered_bytes: u64,
    /// What the director's interface received meanwhile: requests and acknowledgements, if answers pass it by.
    pub director_received_bytes: u64,
    /// Requests without an answer.
    pub failed: usize,
    /// Whether the director received less than a fifth of the answers' bytes.
    pub proved: bool,
}

/// Asks for long answers and looks whether they passed the director.
pub fn direct_return(cluster: &Cluster) -> Result<DirectReturn> {
    const REQUESTS: usize = 150;
    const ANSWER: usize = 64 * 1024;
    let director = cluster.lab.node(HOLDER);
    let before = director.counters()?;
    let report = cluster.client().load(Load::to(cluster.vip()).requests(REQUESTS).padded(ANSWER))?;
    let director_received_bytes = (director.counters()? - before).rx_bytes;
    let from_others = report.answers().filter(|answer| answer.name != HOLDER).count();
    let answered_bytes = (from_others * ANSWER) as u64;
    Ok(DirectReturn {
        answered_bytes,
        director_received_bytes,
        failed: report.failed(),
        proved: director_received_bytes < answered_bytes / 5,
    })
}

/// A service killed under load.
#[derive(Debug, Clone, Serialize)]
pub struct AfterKill {
    /// Requests without an answer, in all.
    pub failed: usize,
    /// From the kill until the holder showed the backend down, in milliseconds.
    pub detect_ms: u128,
    /// Failed requests that began after that.
    pub failed_after_detection: usize,
    /// Failed requests that had been sent to another backend, by the holder's flow table.
    pub failed_elsewhere: usize,
    /// Requests sent meanwhile.
    pub requests: usize,
}

/// Kills the service on a host while requests go on; starts it again in the end.
pub fn kill_service(cluster: &mut Cluster, host: &str) -> Result<AfterKill> {
    let load = cluster.client().start_load(cluster.gentle_load())?;
    load.await_more(SOME_REQUESTS)?;
    let killed = Instant::now();
    cluster.kill_server(host)?;
    cluster.holder().await_state(host, BackendState::Down)?;
    let detected = Instant::now();
    load.await_more(SOME_REQUESTS)?;
    let report = load.stop()?;
    let failed_elsewhere = failed_elsewhere(cluster, &report, host)?;
    cluster.restart_server(host)?;
    Ok(AfterKill {
        failed: report.failed(),
        detect_ms: (detected - killed).as_millis(),
        failed_after_detection: report.failed_since(detected),
        failed_elsewhere,
        requests: report.requests(),
    })
}

/// Failed requests whose flow, by the holder's table, was not the killed backend's.
fn failed_elsewhere(cluster: &Cluster, report: &Report, killed: &str) -> Result<usize> {
    let flows = cluster.holder().flows()?;
    let backends: BTreeMap<u16, &str> = flows.iter().map(|flow| (flow.client_port, flow.backend.as_str())).collect();
    let killed = format!("web/{killed}");
    let ports = report.failures().filter_map(|failure| failure.port);
    Ok(ports.filter(|port| backends.get(port).is_some_and(|&backend| backend != killed)).count())
}

/// A backend drained while it had an open connection.
#[derive(Debug, Clone, Serialize)]
pub struct AfterDrain {
    /// Requests without an answer.
    pub failed: usize,
    /// Whether the connection that was open worked on, with the same backend.
    pub open_connection_kept: bool,
    /// New connections that the drained backend got.
    pub new_to_drained: usize,
    /// Requests sent meanwhile.
    pub requests: usize,
}

/// Drains a backend under load with a connection open to it; undrains it in the end.
pub fn drain(cluster: &mut Cluster, host: &str) -> Result<AfterDrain> {
    let mut open = cluster.client().open_to_backend(cluster.vip(), host)?;
    let load = cluster.client().start_load(cluster.gentle_load())?;
    order(cluster, &["drain", &format!("web/{host}")])?;
    cluster.holder().await_state(host, BackendState::Drain)?;
    let drained = Instant::now();
    load.await_more(SOME_REQUESTS)?;
    let open_connection_kept = open.ask().is_ok_and(|answer| answer.name == host);
    let report = load.stop()?;
    order(cluster, &["undrain", &format!("web/{host}")])?;
    cluster.holder().await_state(host, BackendState::Up)?;
    Ok(AfterDrain {
        failed: report.failed(),
        open_connection_kept,
        new_to_drained: report.backends_since(drained).get(host).copied().unwrap_or_default(),
        requests: report.requests(),
    })
}

fn order(cluster: &Cluster, arguments: &[&str]) -> Result<()> {
    let output = cluster.holder().pivot(arguments)?;
    if !output.status.success() {
        bail!("pivot {arguments:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The time without a daemon.
#[derive(Debug, Clone, Serialize)]
pub struct DaemonKilled {
    /// Requests without an answer.
    pub failed: usize,
    /// Requests sent meanwhile.
    pub requests: usize,
}

/// The time from the daemon's restart on.
#[derive(Debug, Clone, Serialize)]
pub struct Restarted {
    /// Requests without an answer.
    pub failed: usize,
    /// Whether the new daemon says that it took over the old one's maps and links.
    pub adopted: bool,
    /// Whether connections opened before the kill, one to each backend, work on with the same one.
    pub open_connections_kept: bool,
    /// Requests sent meanwhile.
    pub requests: usize,
}

/// Kills the daemon of a host (SIGKILL) under load, and starts it again after a while.
pub fn kill_daemon(cluster: &mut Cluster, host: &str) -> Result<(DaemonKilled, Restarted)> {
    let open_to = |backend| Ok((backend, cluster.client().open_to_backend(cluster.vip(), backend)?));
    let open: Vec<(&str, OpenConnection)> = ["c1", "c2", "c3"].into_iter().map(open_to).collect::<Result<_>>()?;
    let load = cluster.client().start_load(cluster.gentle_load())?;
    cluster.daemon_mut(host).kill9()?;
    load.await_more(SOME_REQUESTS)?;
    let restart = Instant::now();
    cluster.daemon_mut(host).restart()?;
    load.await_more(SOME_REQUESTS)?;
    let report = load.stop()?;
    let failed = report.failed_since(restart);
    let requests = report.outcomes().iter().filter(|outcome| outcome.at >= restart).count();
    let mut open = open.into_iter();
    let open_connections_kept =
        open.all(|(backend, mut connection)| connection.ask().is_ok_and(|answer| answer.name == backend));
    let adopted = cluster.daemons[host].status()?.adopted;
    Ok((
        DaemonKilled { failed: report.failed() - failed, requests: report.requests() - requests },
        Restarted { failed, adopted, open_connections_kept, requests },
    ))
}
