//! A Galera cluster of three behind pivot: members in every state in which they take connections and no work, each taken out
//! in the configured time, for the reason that it has; and hours of checks that no server holds against anybody.

use std::net::TcpStream;
use std::time::Duration;

use lb_userspace::core::config::model::{CheckKind, MysqlCheck};
use lb_userspace::core::view::{BackendState, BackendView};
use pivot_tests::lab::{ConfigText, Lab, Pivotd, Topology, wait_until};
use rustix::process::Signal;

use crate::cluster::{Cluster, VIEW};
use crate::databases::logged_in;
use crate::mariadb::{PASSWORD, PORT, USER};
use crate::rig::{TIMEOUT, checks};

/// A check every 2 s for two hours.
const HOURS: usize = 3600;

/// `interval`, the checks' own time, `fast_interval` and again that, with jitter of a tenth: two failures take a backend out.
const OUT: Duration = Duration::from_millis(550 + 400 + 220 + 400);
/// What it takes to ask pivotd.
const ASKING: Duration = Duration::from_millis(300);

/// Checks that find a member out of service within [`OUT`].
fn check() -> String {
    let [interval, fast, timeout] =
        [500, 200, 400].map(|ms| pivot_tests::lab::patience::patient(Duration::from_millis(ms)));
    format!(
        "{{ type = \"mysql\", user = \"{USER}\", password = \"{PASSWORD}\", wsrep = true, interval = \"{}ms\", \
         fast_interval = \"{}ms\", down_interval = \"{}ms\", timeout = \"{}ms\", rise = 2, fall = 2 }}",
        interval.as_millis(),
        fast.as_millis(),
        interval.as_millis(),
        timeout.as_millis()
    )
}

/// Waits, no longer than configured, until a backend is down for this reason.
fn await_out(pivotd: &Pivotd, host: &str, reason: &str) {
    let backend = await_backend(pivotd, host, OUT + ASKING, BackendState::Down);
    assert!(backend.last_check.starts_with(reason), "{host}: {}, expected {reason}", backend.last_check);
}

/// Waits until a backend is up, as soon as its server is fit again.
fn await_back(pivotd: &Pivotd, host: &str) {
    await_backend(pivotd, host, OUT + ASKING, BackendState::Up);
}

fn await_backend(pivotd: &Pivotd, host: &str, deadline: Duration, state: BackendState) -> BackendView {
    wait_until(deadline, &format!("mysql/{host} to be {state:?}"), || {
        let backends: Vec<BackendView> = pivotd.pivot_json(&["backends"]).map_err(|error| format!("{error:#}"))?;
        let backend = backends.into_iter().find(|backend| backend.name == host).ok_or("no such backend")?;
        if backend.state == state { Ok(backend) } else { Err(format!("{:?}: {}", backend.state, backend.last_check)) }
    })
    .unwrap()
}

#[test]
fn members_are_judged_by_what_they_are_fit_for() {
    let lab = Lab::build(Topology::default()).unwrap();
    let mut cluster = Cluster::start(&lab, "");
    let mut config = ConfigText::new(&lab, "c1").service("mysql", PORT, PORT, &["c1", "c2", "c3"]);
    config.services[0].check = check();
    let pivotd = lab.pivotd("c1", &config).unwrap();
    pivotd.await_all_up().unwrap();
    let checker = lab.node("c1");
    let counted = |cluster: &Cluster, host: &str| {
        (cluster.on(host).against(checker), cluster.on(host).status("Aborted_connects"))
    };
    let before = ["c1", "c2", "c3"].map(|host| counted(&cluster, host));

    cluster.on("c2").sql("SET GLOBAL wsrep_desync = ON");
    await_out(&pivotd, "c2", "wsrep_local_state is 2 (Donor/Desynced)");
    cluster.on("c2").sql("SET GLOBAL wsrep_desync = OFF");
    await_back(&pivotd, "c2");

    cluster.on("c2").sql("SET GLOBAL read_only = ON");
    await_out(&pivotd, "c2", "read_only is ON");
    cluster.on("c2").sql("SET GLOBAL read_only = OFF");
    await_back(&pivotd, "c2");

    cluster.on("c2").sql("SET GLOBAL wsrep_on = OFF");
    await_out(&pivotd, "c2", "wsrep_on is OFF: this is no member of a Galera cluster");
    cluster.on("c2").sql("SET GLOBAL wsrep_on = ON");
    await_back(&pivotd, "c2");

    for host in ["c1", "c2"] {
        assert_eq!(counted(&cluster, host), before[usize::from(host == "c2")], "{host} counts none of that");
    }

    // Of this member alone.
    let password = |word: &str| format!("SET SESSION wsrep_on = OFF; ALTER USER '{USER}'@'%' IDENTIFIED BY '{word}'");
    cluster.on("c2").sql(&password("another"));
    await_out(&pivotd, "c2", "the server refuses: error 1045: Access denied for user 'check'@'c1'");
    cluster.on("c2").sql(&password(PASSWORD));
    await_back(&pivotd, "c2");

    let target = (lab.node("c2").address, PORT);
    let full: Vec<TcpStream> =
        lab.run_in("c2", || (0..11).map(|_| TcpStream::connect(target).unwrap()).collect()).unwrap();
    await_out(&pivotd, "c2", "too many connections (error 1040: Too many connections)");
    drop(full);
    await_back(&pivotd, "c2");
    assert_eq!(cluster.on("c2").against(checker), before[1].0, "refusals are not held against the host");

    cluster.on_mut("c3").process.signal(Signal::STOP).unwrap();
    await_out(&pivotd, "c3", "timed out after");
    cluster.on_mut("c3").process.signal(Signal::CONT).unwrap();
    cluster.await_member("c3");
    await_backend(&pivotd, "c3", VIEW, BackendState::Up);
    assert_eq!(cluster.on("c3").against(checker), before[2].0, "nor are checks that it could not answer");

    // Two of three: what is left is no majority, and says so as soon as it has noticed.
    cluster.on_mut("c2").process.kill().unwrap();
    cluster.on_mut("c3").process.kill().unwrap();
    for host in ["c2", "c3"] {
        await_out(&pivotd, host, "connection refused");
    }
    cluster.await_state("c1", "wsrep_cluster_status", "non-Primary");
    await_out(&pivotd, "c1", "wsrep_cluster_status is non-Primary, expected Primary");
    assert_eq!(counted(&cluster, "c1"), before[0], "nobody has done anything wrong to c1");
}

#[test]
fn hours_of_checks_are_held_against_nobody() {
    let lab = Lab::build(Topology::default()).unwrap();
    let cluster = Cluster::start(&lab, "");
    let server = cluster.on("c1");
    let kind = CheckKind::Mysql(MysqlCheck { wsrep: Some(true), ..logged_in(PASSWORD) });
    let all = |expected: Result<&str, &str>, count: usize| {
        for checked in checks(&lab, PORT, &kind, None, TIMEOUT, count) {
            let said = checked.outcome.verdict.as_deref().map_err(String::as_str);
            assert_eq!(said, expected, "{checked:?}");
        }
        server.await_idle();
    };
    server.sql("FLUSH HOSTS");
    let before = server.complaints();
    all(Ok("Synced, takes writes"), HOURS);
    server.sql("SET GLOBAL wsrep_desync = ON");
    all(Err("wsrep_local_state is 2 (Donor/Desynced)"), HOURS / 10);
    server.sql("SET GLOBAL wsrep_desync = OFF; SET GLOBAL read_only = ON");
    cluster.await_member("c1");
    all(Err("read_only is ON"), HOURS / 10);
    assert_eq!(server.complaints(), before);
}
