//! The demo itself: the steps in order, each told in a line with its figures.

use std::io::Write;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::figures::Figures;
use super::steps;
use crate::lab::Cluster;
use crate::lab::cluster::{BACKEND_PORT, HOLDER};

/// Requests of the first run.
const REQUESTS: usize = 2000;

/// Requests of each run between the events.
const REQUESTS_BETWEEN: usize = 500;

/// Builds the cluster.
pub fn begin(story: &mut dyn Write) -> Result<Cluster> {
    let began = Instant::now();
    writeln!(story, "Building three controllers c1, c2, c3 and a client, joined by a switch, as network namespaces.")?;
    let cluster = Cluster::web()?;
    writeln!(
        story,
        "Up in {:.1} s: pivotd on each controller, an HTTP service on each node address at port {BACKEND_PORT}; \
         {HOLDER} holds the VIP {}.",
        began.elapsed().as_secs_f64(),
        cluster.vip()
    )?;
    Ok(cluster)
}

/// Takes a cluster through everything, telling it on the way.
pub fn tell(cluster: &mut Cluster, story: &mut dyn Write) -> Result<Figures> {
    let first = steps::spread(cluster, REQUESTS).context("sending requests")?;
    writeln!(
        story,
        "{} requests to the VIP: {} failed, answered by {:?}, half of them within {} us.",
        first.requests, first.failed, first.backends, first.median_us
    )?;
    let seen = if first.client_address_seen { "saw the client's own address" } else { "saw ANOTHER address" };
    writeln!(story, "Every service {seen}: {}.", cluster.client().address)?;

    let direct_return = steps::direct_return(cluster).context("watching the answers' way")?;
    writeln!(
        story,
        "Answers go straight to the client: c2 and c3 answered {} bytes, the director received {} (requests and \
         acknowledgements).",
        direct_return.answered_bytes, direct_return.director_received_bytes
    )?;
    show_status(cluster, story)?;

    let after_kill = steps::kill_service(cluster, "c2").context("killing the service on c2")?;
    writeln!(
        story,
        "Killed the service on c2 (SIGKILL) under load: down after {} ms; of {} requests {} failed until then, {} after \
         it; {} of them had gone to another backend. Started again, and up again.",
        after_kill.detect_ms,
        after_kill.requests,
        after_kill.failed,
        after_kill.failed_after_detection,
        after_kill.failed_elsewhere
    )?;
    let second = steps::spread(cluster, REQUESTS_BETWEEN).context("sending requests")?;
    writeln!(story, "{} requests: {} failed, {:?}.", second.requests, second.failed, second.backends)?;

    let after_drain = steps::drain(cluster, "c3").context("draining c3")?;
    let kept = if after_drain.open_connection_kept { "worked on" } else { "was LOST" };
    writeln!(
        story,
        "Drained c3 under load: {} of {} requests failed, c3 got {} new connections, and the one that was open to it \
         {kept}. Undrained.",
        after_drain.failed, after_drain.requests, after_drain.new_to_drained
    )?;

    let (daemon_killed, restarted) = steps::kill_daemon(cluster, HOLDER).context("killing pivotd on c1")?;
    let adopted = if restarted.adopted { "took over what the old one had pinned" } else { "began ANEW" };
    let kept = if restarted.open_connections_kept { "worked on" } else { "were LOST" };
    writeln!(
        story,
        "Killed pivotd on {HOLDER} (SIGKILL) under load: {} of {} requests failed without it. A new one {adopted}: {} of \
         {} failed, and connections open to each backend {kept}.",
        daemon_killed.failed, daemon_killed.requests, restarted.failed, restarted.requests
    )?;
    let last = steps::spread(cluster, REQUESTS_BETWEEN).context("sending requests")?;
    writeln!(story, "{} requests: {} failed, {:?}.", last.requests, last.failed, last.backends)?;
    show_status(cluster, story)?;

    let mut figures = Figures {
        requests: first.requests,
        failed: first.failed,
        backends: first.backends,
        client_address_seen: first.client_address_seen,
        direct_return,
        after_kill,
        after_drain,
        daemon_killed,
        restarted,
    };
    figures.add(&second);
    figures.add(&last);
    Ok(figures)
}

fn show_status(cluster: &Cluster, story: &mut dyn Write) -> Result<()> {
    let output = cluster.holder().pivot(&["status"])?;
    writeln!(story, "\n{HOLDER}$ pivot status")?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        writeln!(story, "    {line}")?;
    }
    writeln!(story)?;
    Ok(())
}
