//! Established connections go on when the VIP moves.
//!
//! The holder has no backend of its own here: what dies with a host is not what is asked.

use std::net::UdpSocket;
use std::time::Duration;

use lb_userspace::core::view::{BackendState, SyncView};
use pivot_tests::lab::cluster::{BACKEND_PORT, SERVICE_PORT};
use pivot_tests::lab::config::ConfigText;
use pivot_tests::lab::talk::{Talk, Talks};
use pivot_tests::lab::trial::story;
use pivot_tests::lab::{Cluster, Family, Lab, Pivotd, Topology, wait_until};

const CONNECTIONS: u64 = 200;
/// Ten adverts in a second: a holder is missed after 360 ms at most.
const FAST: &str = "advert = \"100ms\"";
/// What a byte may take that was sent into the outage: TCP sends it again after 200, 600 and 1,400 ms, and the first of these
/// that falls behind the outage arrives.
const LONGEST: Duration = Duration::from_millis(700);
/// Not the one that `[cluster]` has unless told otherwise.
const OTHER_PORT: u16 = 7999;

/// Four controllers, of which the first holds the VIP, and a service on the others.
struct Scene {
    cluster: Cluster,
    family: Family,
}

/// How the holder dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    Process,
    Link,
    Both,
}

impl Scene {
    fn build(family: Family) -> Self {
        let lab = Lab::build(Topology { hosts: 4, ..Topology::default() }).unwrap();
        let config = config(&lab, family, &["c2", "c3"]);
        let cluster = Cluster::start(lab, config, |host| host.serve_stream(BACKEND_PORT)).unwrap();
        cluster.await_holder("c1").unwrap();
        cluster.daemons.values().for_each(|daemon| daemon.await_all_up().unwrap());
        Self { cluster, family }
    }

    fn talk(&self) -> Talks {
        self.cluster.client().talk(self.cluster.vip(), CONNECTIONS).unwrap()
    }

    /// Changes the backends, on every host whose pivotd runs at once.
    fn reload(&mut self, backends: &[&str]) {
        let config = config(&self.cluster.lab, self.family, backends);
        for daemon in self.cluster.daemons.values_mut() {
            daemon.write_config(&config).unwrap();
            if daemon.process().ended().unwrap().is_some() {
                continue;
            }
            let output = daemon.pivot(&["reload"]).unwrap();
            assert!(output.status.success(), "{output:?}");
            daemon.await_all_up().unwrap();
        }
    }

    /// Rounds through the flow table that the holder has finished.
    fn rounds(&self) -> u64 {
        self.sync("c1").rounds
    }

    /// Waits until the holder has told of all flows, to all hosts, in a round that begins from now on.
    fn await_rounds(&self) {
        let before = self.rounds();
        wait_until(Duration::from_secs(20), "two rounds through the flow table", || match self.rounds() {
            rounds if rounds >= before + 2 => Ok(()),
            rounds => Err(format!("{} of 2", rounds - before)),
        })
        .unwrap();
    }

    /// Waits until the holder has told of all exceptions in a round that began after it had finished this many, and the others
    /// have heard.
    fn await_told(&self, rounds: u64) {
        wait_until(Duration::from_secs(20), "flows to be told", || {
            // One may have been under way, and ended since.
            let (told, heard) = (self.sync("c1"), ["c2", "c3", "c4"].map(|host| self.sync(host).flows_heard));
            let all = told.flows_told > 0 && heard.iter().all(|heard| *heard >= told.flows_told);
            if told.rounds >= rounds + 2 && all { Ok(()) } else { Err(format!("{told:?}, heard {heard:?}")) }
        })
        .unwrap();
    }

    fn sync(&self, host: &str) -> SyncView {
        self.cluster.daemons[host].status().unwrap().sync.unwrap()
    }

    fn backends(&self, host: &str) -> Vec<String> {
        let status = self.cluster.daemons[host].status().unwrap();
        status.services.iter().flat_map(|service| &service.backends).map(|backend| backend.id.clone()).collect()
    }

    fn kill(&mut self, death: Death) {
        if !matches!(death, Death::Link) {
            self.cluster.daemon_mut("c1").kill9().unwrap();
        }
        if !matches!(death, Death::Process) {
            self.cluster.lab.set_link("c1", false).unwrap();
        }
    }
}

/// Every backend is down, as this host sees it.
fn all_down(daemon: &Pivotd) -> Result<(), String> {
    let states: Vec<BackendState> = daemon
        .status()
        .map_err(|error| error.to_string())?
        .services
        .iter()
        .flat_map(|it| &it.backends)
        .map(|it| it.state)
        .collect();
    if states.iter().all(|state| *state == BackendState::Down) { Ok(()) } else { Err(format!("{states:?}")) }
}

fn config(lab: &Lab, family: Family, backends: &[&str]) -> ConfigText {
    ConfigText::new(lab, "c1").elected(FAST).of(family).service("talk", SERVICE_PORT, BACKEND_PORT, backends)
}

/// None broke, none waited for long, and all that went on before did so after.
fn assert_all_went_on(cluster: &Cluster, talks: Talks) {
    talks.await_each(10).unwrap();
    let talks = talks.stop().unwrap();
    let broken: Vec<&Talk> = talks.iter().filter(|talk| talk.broken.is_some()).collect();
    assert!(broken.is_empty(), "{} of {} broke: {:?}{}", broken.len(), talks.len(), broken.first(), story(cluster));
    let longest = talks.iter().map(|talk| talk.longest).max().unwrap();
    eprintln!("{} connections went on, the longest silence was {} ms", talks.len(), longest.as_millis());
    assert!(longest < LONGEST, "a byte took {longest:?}{}", story(cluster));
}

fn they_survive(death: Death, family: Family) {
    let mut scene = Scene::build(family);
    let talks = scene.talk();
    scene.kill(death);
    assert_all_went_on(&scene.cluster, talks);
    assert!(!scene.cluster.holders().is_empty());
}

#[test]
fn connections_survive_the_death_of_the_holders_process() {
    they_survive(Death::Process, Family::V4);
}

#[test]
fn connections_survive_the_death_of_the_holders_link() {
    they_survive(Death::Link, Family::V4);
}

#[test]
fn connections_over_ipv6_survive_the_death_of_the_holders_process_and_link() {
    they_survive(Death::Both, Family::V6);
}

/// Flows whose backend is not what today's table says.
fn they_survive_after_a_change(family: Family) {
    let mut scene = Scene::build(family);
    let talks = scene.talk();
    scene.reload(&["c4", "c3", "c2"]);
    scene.await_told(scene.rounds());
    scene.kill(Death::Both);
    assert_all_went_on(&scene.cluster, talks);
}

#[test]
fn connections_survive_though_the_table_changed_before() {
    they_survive_after_a_change(Family::V4);
}

#[test]
fn connections_over_ipv6_survive_though_the_table_changed_before() {
    they_survive_after_a_change(Family::V6);
}

/// The file also has other backends: nothing of it is to be taken in.
#[test]
fn a_reload_to_a_port_that_is_taken_is_refused_and_the_synchronisation_goes_on() {
    let mut scene = Scene::build(Family::V4);
    let (backends, traces) = (scene.backends("c2"), scene.cluster.lab.traces("c2").unwrap());
    let talks = scene.talk();
    let node = scene.cluster.lab.node("c2").address;
    let bind = || UdpSocket::bind((node, OTHER_PORT)).unwrap();
    let _taken = scene.cluster.lab.run_in("c2", bind).unwrap();
    let daemon = &scene.cluster.daemons["c2"];
    daemon.write_config(on_other_port(config(&scene.cluster.lab, Family::V4, &["c4"]))).unwrap();
    let output = daemon.pivot(&["reload"]).unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{output:?}");
    for expected in [format!("{node}:{OTHER_PORT}"), "ss -lunp".to_owned(), "another `port`".to_owned()] {
        assert!(error.contains(&expected), "{error}");
    }
    assert_eq!((scene.backends("c2"), scene.cluster.lab.traces("c2").unwrap()), (backends, traces));

    scene.reload(&["c4", "c3", "c2"]);
    scene.await_told(scene.rounds());
    scene.kill(Death::Both);
    assert_all_went_on(&scene.cluster, talks);
}

#[test]
fn another_port_and_another_key_are_taken_over_by_a_reload() {
    let scene = Scene::build(Family::V4);
    let _talks = scene.talk();
    let changed = on_other_port(config(&scene.cluster.lab, Family::V4, &["c4", "c3", "c2"]));
    let key = changed.lines().find(|line| line.starts_with("key")).unwrap();
    for config in [changed.clone(), changed.replace(key, "key = \"another one of the same length\"")] {
        for daemon in scene.cluster.daemons.values() {
            daemon.write_config(&config).unwrap();
            let output = daemon.pivot(&["reload"]).unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        // A new session has heard of nothing.
        wait_until(Duration::from_secs(20), "all to hear each other, and of flows", || {
            let syncs = ["c1", "c2", "c3", "c4"].map(|host| scene.sync(host));
            let there = syncs.iter().all(|sync| sync.peers.iter().all(|peer| peer.there));
            let heard = syncs[1..].iter().all(|sync| sync.flows_heard > 0);
            if there && heard { Ok(()) } else { Err(format!("{syncs:?}")) }
        })
        .unwrap();
        let page = scene.cluster.daemons["c1"].pivot(&["status"]).unwrap();
        let page = String::from_utf8_lossy(&page.stdout).into_owned();
        assert!(page.contains("FLOW SYNCHRONISATION") && page.contains("10.77.0.12  there"), "{page}");
    }
}

fn on_other_port(config: ConfigText) -> String {
    config.to_string().replace("[cluster]\n", &format!("[cluster]\nport = {OTHER_PORT}\n"))
}

/// Whoever comes back has missed a change, and flows that began meanwhile.
#[test]
fn connections_survive_the_return_of_the_best_host() {
    let mut scene = Scene::build(Family::V4);
    let early = scene.talk();
    scene.cluster.daemon_mut("c1").kill9().unwrap();
    scene.cluster.await_holder("c2").unwrap();
    let late = scene.talk();
    // A flow that c2 has not seen when its tables change goes where the new ones lead.
    early.await_each(1).unwrap();
    scene.reload(&["c4", "c3", "c2"]);
    scene.cluster.daemon_mut("c1").restart().unwrap();
    scene.cluster.await_holder("c1").unwrap();
    assert_all_went_on(&scene.cluster, early);
    assert_all_went_on(&scene.cluster, late);
}

/// Whoever was cut off has seen every backend fail.
#[test]
fn connections_survive_the_return_of_the_best_hosts_link() {
    let scene = Scene::build(Family::V4);
    let talks = scene.talk();
    // A host that has not been told of them yet may be the next holder, but not at once.
    scene.await_rounds();
    scene.cluster.lab.set_link("c1", false).unwrap();
    scene.cluster.await_holder("c2").unwrap();
    wait_until(Duration::from_secs(30), "backends that c1 takes for dead", || all_down(&scene.cluster.daemons["c1"]))
        .unwrap();
    scene.cluster.lab.set_link("c1", true).unwrap();
    scene.cluster.await_holder("c1").unwrap();
    assert_all_went_on(&scene.cluster, talks);
}
