//! A pivot on `c1` and a keepalived on `c2` that share a virtual router.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pivot_tests::lab::{Keepalived, Lab, Pivotd, Topology, wait_until};

use super::dialect::{Dialect, Rank};

/// Host of pivot.
pub(crate) const PIVOT: &str = "c1";
/// Host of keepalived.
pub(crate) const KEEPALIVED: &str = "c2";

/// Longest wait for a holder: several times what version 2 takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The two. They end in this order, then their network.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) pivot: Pivotd,
    pub(crate) keepalived: Keepalived,
    pub(crate) lab: Lab,
    pub(crate) dialect: Dialect,
}

impl Pair {
    /// pivot holds the VIP, then keepalived begins.
    pub(crate) fn pivot_first(dialect: Dialect, pivot: Rank, keepalived: Rank) -> Self {
        let lab = lab();
        let daemon = lab.pivotd(PIVOT, dialect.pivot(&lab, &[pivot, keepalived])).unwrap();
        await_answers(&lab, dialect, &[PIVOT]);
        let host = lab.node(KEEPALIVED);
        let keepalived = host.keepalived(dialect.keepalived(&lab, host, keepalived)).unwrap();
        Self { pivot: daemon, keepalived, lab, dialect }
    }

    /// keepalived holds the VIP, then pivot begins.
    pub(crate) fn keepalived_first(dialect: Dialect, pivot: Rank, keepalived: Rank) -> Self {
        let lab = lab();
        let host = lab.node(KEEPALIVED);
        let router = host.keepalived(dialect.keepalived(&lab, host, keepalived)).unwrap();
        await_answers(&lab, dialect, &[KEEPALIVED]);
        let daemon = lab.pivotd(PIVOT, dialect.pivot(&lab, &[pivot, keepalived])).unwrap();
        Self { pivot: daemon, keepalived: router, lab, dialect }
    }

    /// Waits until these hosts and no others answer for the VIP; how long that took.
    pub(crate) fn await_answers(&self, hosts: &[&str]) -> Duration {
        await_answers(&self.lab, self.dialect, hosts)
    }

    /// Waits until the one that holds the VIP, and nobody else, answers for it, and pivot knows that.
    pub(crate) fn await_holder(&self, host: &str) -> Duration {
        let took = self.await_answers(&[host]);
        self.await_known_holder(host);
        took
    }

    /// Waits until pivot knows who holds the VIP.
    pub(crate) fn await_known_holder(&self, host: &str) {
        wait_until(PATIENCE, &format!("pivot to know that {host} holds the VIP"), || {
            let status = self.pivot.status().map_err(|error| format!("{error:#}"))?;
            let vip = status.vips.first().ok_or("no VIP")?;
            // Over IPv6, multicast, others speak from addresses that no configuration knows.
            let known = vip.holder.as_deref().is_some_and(|holder| holder == host || holder.starts_with("fe80::"));
            if known && vip.held == (host == PIVOT) { Ok(()) } else { Err(format!("{vip:?}")) }
        })
        .unwrap();
    }
}

fn lab() -> Lab {
    Lab::build(Topology { hosts: 2, ..Topology::default() }).unwrap()
}

fn await_answers(lab: &Lab, dialect: Dialect, hosts: &[&str]) -> Duration {
    let start = Instant::now();
    let wanted: BTreeSet<_> = hosts.iter().map(|host| lab.node(host).mac).collect();
    let vip = dialect.family.vip();
    wait_until(PATIENCE, &format!("{hosts:?} to answer for {vip}"), || {
        let answers = lab.node("client").who_answers(vip).map_err(|error| format!("{error:#}"))?;
        if answers == wanted { Ok(()) } else { Err(format!("{answers:?}")) }
    })
    .unwrap();
    start.elapsed()
}
