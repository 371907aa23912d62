//! What hosts are judged by when they elect a holder: other interfaces, services, commands.

use std::fs;
use std::path::{Path, PathBuf};

use lb_userspace::core::view::BackendState;
use pivot_tests::lab::cluster::{BACKEND_PORT, web_config};
use pivot_tests::lab::{Cluster, ConfigText, Lab, Topology};

/// Ten adverts in a second.
const FAST: &str = "advert = \"100ms\"";

/// A cluster that elects c1, whose group tracks what `track` makes of the lab's directory.
fn tracking(topology: Topology, track: impl FnOnce(&Path) -> String) -> Cluster {
    let lab = Lab::build(topology).unwrap();
    let config = config(&lab, &track(lab.directory()));
    let cluster = Cluster::start(lab, config, |host| host.serve_http(BACKEND_PORT)).unwrap();
    cluster.await_holder("c1").unwrap();
    cluster
}

fn config(lab: &Lab, track: &str) -> ConfigText {
    web_config(lab).elected(&format!("{FAST}\ntrack = [{track}]"))
}

fn assert_says(cluster: &Cluster, words: &str) {
    let log = cluster.daemons["c1"].log();
    assert!(log.contains(words), "{log}");
}

#[test]
fn a_second_interface_without_carrier_weighs_and_moves_the_vip() {
    second_interface(", weight = -20", "adds -20 to this host's priority: eth1 has no carrier");
}

#[test]
fn a_host_without_carrier_on_a_second_interface_is_not_fit() {
    second_interface("", "role=\"fault\" why=\"eth1 has no carrier\"");
}

fn second_interface(weight: &str, says: &str) {
    let topology = Topology { second_segment: true, ..Topology::default() };
    let cluster = tracking(topology, |_| format!("{{ interface = \"eth1\"{weight} }}"));
    // The other end of the wire: what goes is the carrier.
    cluster.lab.switch().ip("link set c1-2 down").unwrap();
    cluster.await_holder("c2").unwrap();
    assert_says(&cluster, says);
    cluster.lab.switch().ip("link set c1-2 up").unwrap();
    cluster.await_holder("c1").unwrap();
}

#[test]
fn a_host_that_sees_too_few_healthy_backends_loses_the_vip() {
    let cluster = tracking(Topology::default(), |_| "{ service = \"web\", min_healthy = 2, weight = -30 }".to_owned());
    // Its own services and adverts are as they were; it alone cannot connect to the backends of the others.
    let rules = |verb: &str| {
        let rule = |host| {
            let address = cluster.lab.node(host).address;
            format!("rule {verb} to {address} ipproto tcp dport {BACKEND_PORT} unreachable")
        };
        cluster.lab.node("c1").netns().ip(&["c2", "c3"].map(rule).join("\n")).unwrap();
    };
    rules("add");
    cluster.await_holder("c2").unwrap();
    assert_says(&cluster, "web has 1 healthy backend of the 2 that it must have");
    assert_eq!(cluster.daemons["c2"].state_of("c3").unwrap(), BackendState::Up);
    rules("del");
    cluster.await_holder("c1").unwrap();
}

/// A command that fails on a host for which there is a file.
fn check(directory: &Path) -> String {
    let script = directory.join("check");
    let text =
        format!("[ ! -e '{}/sick-'$PIVOT_HOST ] || {{ echo feeling unwell >&2; exit 3; }}\n", directory.display());
    fs::write(&script, text).unwrap();
    format!("command = [\"/bin/sh\", {script:?}], interval = \"100ms\", timeout = \"5s\", rise = 2, fall = 2")
}

fn sick(cluster: &Cluster, host: &str) -> PathBuf {
    cluster.lab.directory().join(format!("sick-{host}"))
}

#[test]
fn a_command_that_fails_makes_a_host_unfit_until_it_passes_again() {
    let cluster = tracking(Topology::default(), |directory| format!("{{ {} }}", check(directory)));
    fs::write(sick(&cluster, "c1"), "").unwrap();
    cluster.await_holder("c2").unwrap();
    assert_says(&cluster, "failed: exit code 3 (feeling unwell)");
    fs::remove_file(sick(&cluster, "c1")).unwrap();
    cluster.await_holder("c1").unwrap();
}

#[test]
fn a_command_that_passes_adds_its_weight() {
    let cluster = tracking(Topology::default(), |directory| format!("{{ {}, weight = 12 }}", check(directory)));
    // 250 against 240 and 12; with 12, 254, which is the most there is.
    fs::write(sick(&cluster, "c1"), "").unwrap();
    cluster.await_holder("c2").unwrap();
    fs::remove_file(sick(&cluster, "c1")).unwrap();
    cluster.await_holder("c1").unwrap();
}

#[test]
fn a_reload_tracks_what_is_new_and_refuses_interfaces_that_are_not_there() {
    let mut cluster = tracking(Topology::default(), |_| String::new());
    let check = check(cluster.lab.directory());
    fs::write(sick(&cluster, "c1"), "").unwrap();

    let unknown = config(&cluster.lab, "{ interface = \"eht0\" }");
    cluster.daemons["c1"].write_config(unknown).unwrap();
    let refused = cluster.daemons["c1"].pivot(&["reload"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("a `track` of group control: no such interface: \"eht0\"; this host has lo, eth0"), "{said}");
    cluster.await_holder("c1").unwrap();

    cluster.daemons["c1"].write_config(config(&cluster.lab, &format!("{{ {check} }}"))).unwrap();
    cluster.daemon_mut("c1").reload().unwrap();
    cluster.await_holder("c2").unwrap();
    cluster.daemons["c1"].write_config(config(&cluster.lab, "")).unwrap();
    cluster.daemon_mut("c1").reload().unwrap();
    cluster.await_holder("c1").unwrap();
}
