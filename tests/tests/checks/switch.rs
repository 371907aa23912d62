//! A database of three members with one writer behind pivot, and clients that write without a pause: the writer is drained, killed and
//! stopped. What was committed stays, no two members ever take new connections, and clients wait no longer than the cluster itself makes them.

use std::collections::BTreeSet;
use std::time::Duration;

use pivot_tests::lab::patience::patient;
use pivot_tests::lab::{ConfigText, Family, Lab, Pivotd, Topology, wait_until};
use pivot_tests::real::diary::{Entry, now};
use pivot_tests::real::writers::{Account, Writer};
use rustix::process::Signal;

use crate::cluster::Cluster;
use crate::mariadb::{PASSWORD, PORT, USER};

/// Clients of the VIP, each of some 25 rows a second.
const CLIENTS: usize = 12;
/// Rows that they write in a second, at least.
const RATE: usize = 200;
/// How often a member looks whether the others are heard: cannot be changed once it runs.
const LOOKS: &str = ";evs.inactive_check_period=PT0.2S";
/// One that is not heard for 0.8 s is suspected; all say something more often than that, also while they agree about who is left. Set once they
/// are members: one that begins is busy for longer.
const ATTENTIVE: [&str; 3] =
    ["evs.keepalive_period=PT0.2S", "evs.join_retrans_period=PT0.2S", "evs.suspect_timeout=PT0.8S"];
/// What becomes of a killed member: seen by no client for longer than that the cluster itself has gone on.
const AFTER_THE_CLUSTER: Duration = Duration::from_millis(300);
/// And no longer than this, with [`ATTENTIVE`].
const KILLED: Duration = Duration::from_millis(1500);
/// Longest that a client may be without a row when the writer is drained: a new connection and a login, on a machine with other work.
const DRAINED: Duration = Duration::from_secs(1);
/// What becomes of a member that is stopped.
const STOPPED: Duration = Duration::from_millis(400);
/// Longest that anything here may take that is not judged by its time.
const PATIENCE: Duration = Duration::from_secs(40);

const ALL: [&str; 3] = ["c1", "c2", "c3"];
/// Clients whose connection to c1 committed something after another client was connected to c2: once for each such row.
const LATE: &str =
    "SELECT client FROM lab.vip WHERE node = 'c1' AND since < (SELECT MIN(since) FROM lab.vip WHERE node = 'c2')
    AND at > (SELECT MIN(since) FROM lab.vip WHERE node = 'c2')";
/// Who may write.
const CLIENT: (&str, &str) = ("writer", "writes");

struct Scene {
    writers: Vec<Writer>,
    daemons: Vec<Pivotd>,
    cluster: Cluster,
    lab: Lab,
}

impl Scene {
    fn begin() -> Self {
        let lab = Lab::build(Topology::default()).unwrap();
        let cluster = Cluster::start(&lab, LOOKS);
        cluster.on("c1").sql(&schema());
        for host in ALL {
            cluster.on(host).sql("SET GLOBAL max_connections = 100");
            for option in ATTENTIVE {
                cluster.on(host).sql(&format!("SET GLOBAL wsrep_provider_options = '{option}'"));
            }
        }
        let config = ConfigText::new(&lab, "c1").elected("advert = \"1s\"").service("mysql", PORT, PORT, &ALL);
        let mut config = config.with("balance = \"single\"");
        config.services[0].check = check();
        let daemons = lab.pivotd_everywhere(config).unwrap();
        let mut scene = Self { writers: Vec::new(), daemons, cluster, lab };
        scene.await_writer("c1");
        for client in 0..CLIENTS {
            let writer = Writer::start(scene.lab.node("client"), Family::V4.vip(), account("lab.vip"), client).unwrap();
            scene.writers.push(writer);
        }
        scene
    }

    /// Waits until all hosts name this one as the writer.
    fn await_writer(&self, name: &str) {
        wait_until(PATIENCE, &format!("all to name {name} as the writer"), || {
            for daemon in &self.daemons {
                let status = daemon.status().map_err(|error| format!("{error:#}"))?;
                let writer = status.services[0].writer.clone().and_then(|writer| writer.backend);
                if writer.as_deref() != Some(name) {
                    return Err(format!("{}: {writer:?}", daemon.host().name));
                }
            }
            Ok(())
        })
        .unwrap();
    }

    /// Waits until each client has written since then to this member, and some rows more.
    fn await_rows(&self, since: Duration, member: &str) {
        wait_until(PATIENCE, &format!("each client to write to {member}"), || {
            for (client, writer) in self.writers.iter().enumerate() {
                let entries = writer.entries();
                if committed(&entries, since, member).count() < 10 {
                    let last: Vec<&Entry> = entries.iter().rev().take(4).collect();
                    let log = self.daemons[0].log();
                    return Err(format!("client {client}, at {:?}, newest first: {last:#?}\n{log}", now()));
                }
            }
            Ok(())
        })
        .unwrap();
    }

    /// The first row that any client had committed on this member since then.
    fn first(&self, since: Duration, member: &str) -> Duration {
        let times = self.writers.iter().filter_map(|writer| {
            let entries = writer.entries();
            committed(&entries, since, member).min()
        });
        times.min().unwrap()
    }

    /// What servers have refused since then.
    fn failed(&self, since: Duration) -> Vec<Entry> {
        self.writers.iter().flat_map(|writer| writer.failed_since(since)).collect()
    }

    /// Rows that all clients have had committed since then.
    fn rows(&self, since: Duration) -> usize {
        self.writers.iter().map(|writer| writer.committed_since(since).len()).sum()
    }

    /// Waits until clients have written for a while; how many rows in a second.
    fn rate(&self) -> usize {
        let (began, rows) = (now(), 3 * RATE);
        wait_until(PATIENCE, "rows to be written", || match self.rows(began) {
            some if some >= rows => Ok(()),
            some => Err(format!("{some} of {rows}")),
        })
        .unwrap();
        (self.rows(began) as f64 / (now() - began).as_secs_f64()) as usize
    }
}

/// When rows were committed on a member, since then.
fn committed<'a>(entries: &'a [Entry], since: Duration, member: &'a str) -> impl Iterator<Item = Duration> + 'a {
    let mut connected = "";
    entries.iter().filter_map(move |entry| {
        if entry.what == "connected" {
            connected = &entry.about;
        }
        (entry.what == "committed" && connected == member && entry.at >= since).then_some(entry.at)
    })
}

/// The longest time between two rows of a client from then on, and when it ended.
fn longest_pause(writer: &Writer, since: Duration) -> (Duration, Duration) {
    let times = writer.committed_since(since);
    let starts = std::iter::once(&since).chain(&times);
    starts.zip(&times).map(|(from, to)| (*to - *from, *to)).max().unwrap()
}

/// A server that stops goes on taking connections for a while, and does not greet: two timeouts, an interval, a short one and jitter of a tenth
/// are less than [`STOPPED`].
fn check() -> String {
    let [interval, fast, timeout] = [100, 20, 100].map(|ms| patient(Duration::from_millis(ms)).as_millis());
    format!(
        "{{ type = \"mysql\", user = \"{USER}\", password = \"{PASSWORD}\", wsrep = true, interval = \"{interval}ms\", \
         fast_interval = \"{fast}ms\", down_interval = \"{interval}ms\", timeout = \"{timeout}ms\", rise = 2, fall = 2 }}"
    )
}

fn account(table: &str) -> Account<'_> {
    Account { port: PORT, user: CLIENT.0, password: CLIENT.1, table }
}

/// A table for clients of the VIP, one for those that write to members themselves.
fn schema() -> String {
    let table = |name: &str| {
        format!(
            "CREATE TABLE lab.{name} (client INT, number INT, node VARCHAR(16), since DATETIME(6),
             at DATETIME(6), PRIMARY KEY (client, number));"
        )
    };
    let (user, password) = CLIENT;
    format!(
        "CREATE DATABASE lab; {} {} CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';
         GRANT SELECT, INSERT ON lab.* TO '{user}'@'%';",
        table("vip"),
        table("direct")
    )
}

#[test]
fn the_writer_changes_as_fast_as_the_cluster_does_and_no_committed_row_is_lost() {
    let mut scene = Scene::begin();
    let rate = scene.rate();
    eprintln!("{rate} rows a second");
    assert!(rate >= RATE / pivot_tests::lab::patience::factor() as usize, "{rate}");

    let drained = now();
    assert!(scene.daemons[0].pivot(&["drain", "mysql/c1"]).unwrap().status.success());
    scene.await_rows(drained, "c2");
    let first = scene.first(drained, "c2") - drained;
    let longest = scene.writers.iter().map(|writer| longest_pause(writer, drained).0).max().unwrap();
    eprintln!("drained: first row elsewhere after {first:?}, longest pause of a client {longest:?}");
    assert!(longest <= patient(DRAINED), "{longest:?}");
    assert_eq!(scene.failed(drained), [], "a drain fails nobody's transaction");
    assert!(scene.daemons[0].pivot(&["undrain", "mysql/c1"]).unwrap().status.success());
    scene.await_writer("c2");

    let direct: Vec<Writer> = ["c1", "c3"]
        .iter()
        .enumerate()
        .map(|(client, host)| {
            let target = scene.lab.node(host).address.into();
            Writer::start(scene.lab.node("client"), target, account("lab.direct"), client).unwrap()
        })
        .collect();
    let killed = now();
    scene.cluster.on_mut("c2").process.kill().unwrap();
    scene.await_rows(killed, "c1");
    let first = scene.first(killed, "c1") - killed;
    let floor = direct.iter().map(|writer| longest_pause(writer, killed).1 - killed).min().unwrap();
    eprintln!("killed: first row elsewhere after {first:?}, straight to those that live after {floor:?}");
    assert!(first <= patient(floor + AFTER_THE_CLUSTER), "{first:?}, by the cluster's own means {floor:?}");
    assert!(first <= patient(KILLED), "{first:?}");
    drop(direct);

    let stopped = now();
    scene.cluster.on_mut("c1").process.signal(Signal::TERM).unwrap();
    scene.await_rows(stopped, "c3");
    let first = scene.first(stopped, "c3") - stopped;
    eprintln!("stopped: first row elsewhere after {first:?}");
    assert!(first <= patient(STOPPED), "{first:?}");

    for writer in &mut scene.writers {
        writer.stop().unwrap();
    }
    let server = scene.cluster.on("c3");
    let turns = server.sql("SELECT node FROM lab.vip GROUP BY client, since, node ORDER BY since");
    let mut turns: Vec<&str> = turns.lines().collect();
    turns.dedup();
    assert_eq!(turns, ["c1", "c2", "c1", "c3"], "one member at a time takes connections, by the servers' own clock");
    let late = server.sql(LATE);
    let clients: BTreeSet<&str> = late.lines().collect();
    assert_eq!(clients.len(), late.lines().count(), "a connection that is cut has no more than one row under way");

    let there = server.sql("SELECT CONCAT(client, ' ', number) FROM lab.vip");
    let there: BTreeSet<&str> = there.lines().collect();
    let mut missing = Vec::new();
    for (client, writer) in scene.writers.iter().enumerate() {
        let safe = writer.entries().into_iter().filter(|entry| ["committed", "found"].contains(&&*entry.what));
        missing.extend(safe.map(|entry| format!("{client} {}", entry.about)).filter(|row| !there.contains(&**row)));
    }
    assert_eq!(missing, [""; 0], "of {} rows", there.len());
    eprintln!("{} rows, all that were committed are there", there.len());
}
