//! Makes checks from a host of a lab, and waits for what they say.

use std::net::SocketAddr;
use std::time::Duration;

use lb_userspace::core::check::Attempt;
use lb_userspace::core::config::model::{CheckKind, Tls};
use lb_userspace::core::event::BackendKey;
use lb_userspace::io::check::{Checked, Prober};
use pivot_tests::lab::{Lab, Topology, wait_until};

/// More than a server needs for an answer on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Who runs the servers, and who checks them.
pub(crate) const SERVER: &str = "c1";
const CHECKER: &str = "c2";

/// A lab of two hosts.
pub(crate) fn lab() -> Lab {
    Lab::build(Topology { hosts: 2, ..Topology::default() }).unwrap()
}

/// Where a server listens.
pub(crate) fn at(lab: &Lab, port: u16) -> SocketAddr {
    (lab.node(SERVER).address, port).into()
}

/// One check, from the other host.
pub(crate) fn check(lab: &Lab, port: u16, kind: &CheckKind, tls: Option<&Tls>, timeout: Duration) -> Checked {
    let mut all = checks(lab, port, kind, tls, timeout, 1);
    all.pop().unwrap()
}

/// As many checks, one after the other, from the other host.
pub(crate) fn checks(
    lab: &Lab,
    port: u16,
    kind: &CheckKind,
    tls: Option<&Tls>,
    timeout: Duration,
    count: usize,
) -> Vec<Checked> {
    let attempt = Attempt { target: at(lab, port), kind: kind.clone(), tls: tls.cloned(), timeout };
    let backend = BackendKey { service: "service".to_owned(), backend: SERVER.to_owned() };
    let work = async {
        let prober = Prober::new(CHECKER.to_owned());
        let mut checked = Vec::new();
        for _ in 0..count {
            checked.push(prober.run(&attempt, &backend).await);
        }
        checked
    };
    lab.run_in(CHECKER, || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work))
        .unwrap()
}

/// What one check says.
pub(crate) fn says(lab: &Lab, port: u16, kind: &CheckKind) -> Result<String, String> {
    check(lab, port, kind, None, TIMEOUT).outcome.verdict
}

/// Waits until checks say this.
pub(crate) fn await_verdict(lab: &Lab, port: u16, kind: &CheckKind, expected: Result<&str, &str>) {
    let expected = expected.map(str::to_owned).map_err(str::to_owned);
    wait_until(Duration::from_secs(30), &format!("a check to say {expected:?}"), || match says(lab, port, kind) {
        seen if seen == expected => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .unwrap();
}
