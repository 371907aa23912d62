//! Who holds the VIPs when the hosts elect it: one of them, another one when that dies, and never two.

use std::fs;
use std::time::Duration;

use pivot_tests::lab::cluster::web_config;
use pivot_tests::lab::{Cluster, Family, Load, Topology, wait_until};

/// Ten adverts in a second.
const FAST: &str = "advert = \"100ms\"";

fn elected(family: Family) -> Cluster {
    let cluster = Cluster::build_in(family, Topology::default(), |config| config.elected(FAST)).unwrap();
    cluster.await_holder("c1").unwrap();
    cluster
}

fn assert_serves(cluster: &Cluster, backends: usize) {
    let report = cluster.client().load(Load::to(cluster.vip()).requests(300)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    assert_eq!(report.backends().len(), backends, "{}", report.summary());
}

#[test]
fn the_best_host_is_elected_and_serves() {
    assert_serves(&elected(Family::V4), 3);
}

#[test]
fn the_best_host_is_elected_over_ipv6_and_serves() {
    assert_serves(&elected(Family::V6), 3);
}

#[test]
fn another_host_takes_over_when_the_holders_pivotd_is_killed_and_it_comes_back() {
    killed(Family::V4);
}

#[test]
fn another_host_takes_over_over_ipv6_when_the_holders_pivotd_is_killed_and_it_comes_back() {
    killed(Family::V6);
}

fn killed(family: Family) {
    let mut cluster = elected(family);
    cluster.daemon_mut("c1").kill9().unwrap();
    cluster.await_holder("c2").unwrap();
    assert_serves(&cluster, 3);
    cluster.daemon_mut("c1").restart().unwrap();
    cluster.await_holder("c1").unwrap();
    assert_serves(&cluster, 3);
}

#[test]
fn a_clean_stop_hands_over_at_once() {
    // The agent of a host goes with its pivotd, so no backend is on the one that stops.
    let mut cluster = Cluster::build(Topology::default(), |mut config| {
        config.services[0].backends = vec!["c2".to_owned(), "c3".to_owned()];
        config.elected(FAST)
    })
    .unwrap();
    cluster.await_holder("c1").unwrap();
    cluster.daemon_mut("c1").stop().unwrap();
    cluster.await_holder("c2").unwrap();
    assert_serves(&cluster, 2);
}

#[test]
fn hosts_that_sign_their_messages_elect_and_take_over() {
    let signed = format!("{FAST}\nunicast = true\nsigned = true");
    let mut cluster = Cluster::build(Topology::default(), |config| config.elected(&signed)).unwrap();
    cluster.await_holder("c1").unwrap();
    cluster.daemon_mut("c1").kill9().unwrap();
    cluster.await_holder("c2").unwrap();
    cluster.daemon_mut("c1").restart().unwrap();
    cluster.await_holder("c1").unwrap();
}

#[test]
fn what_a_host_signs_is_believed_after_a_restart_though_its_clock_was_set_back() {
    let signed = format!("{FAST}\nunicast = true\nsigned = true");
    let mut cluster = Cluster::build(Topology::default(), |config| config.elected(&signed)).unwrap();
    cluster.await_holder("c1").unwrap();
    cluster.daemon_mut("c1").kill9().unwrap();
    cluster.await_holder("c2").unwrap();
    // As if the clock had been a day ahead when it was started the last time.
    let remembered = cluster.daemons["c1"].remembered("sequence");
    let number: u64 = fs::read_to_string(&remembered).unwrap().trim().parse().unwrap();
    fs::write(&remembered, format!("{}\n", number + 86_400_000_000_000)).unwrap();
    for _ in 0..2 {
        cluster.daemon_mut("c1").restart().unwrap();
        cluster.await_holder("c1").unwrap();
        cluster.daemon_mut("c1").kill9().unwrap();
        cluster.await_holder("c2").unwrap();
    }
}

#[test]
fn an_address_that_somebody_removes_comes_back() {
    let cluster = elected(Family::V4);
    let host = cluster.lab.node("c1");
    let vip = cluster.family.vip();
    let shown = || host.netns().output("ip", &["-o", "address", "show", "to", &vip.to_string()]).unwrap();
    assert!(shown().contains("eth0"), "{}", shown());
    host.netns().ip(&format!("address del {vip}/32 dev eth0")).unwrap();
    wait_until(Duration::from_secs(5), "the address to be back", || {
        if shown().contains("eth0") { Ok(()) } else { Err("it is not there".to_owned()) }
    })
    .unwrap();
    assert_serves(&cluster, 3);
}

#[test]
fn a_group_that_becomes_another_router_elects_anew() {
    let cluster = elected(Family::V4);
    let config = web_config(&cluster.lab).elected(&format!("{FAST}\npriority = {{ c2 = 254 }}"));
    let config = config.to_string().replace("id = 51", "id = 52");
    for daemon in cluster.daemons.values() {
        daemon.write_config(&config).unwrap();
        assert!(daemon.pivot(&["reload"]).unwrap().status.success());
    }
    cluster.await_holder("c2").unwrap();
    assert_serves(&cluster, 3);
}

#[test]
fn a_group_of_many_vips_is_announced_without_a_holder_being_late() {
    // Two adverts and a half are less than it took to close a socket for each VIP, and much more than announcing them takes.
    let slow = "advert = \"200ms\"";
    let mut cluster = Cluster::build(Topology::default(), |config| config.elected(slow)).unwrap();
    cluster.await_holder("c1").unwrap();
    let vip = |n: u32| {
        format!("\n[[vip]]\nname = \"v{n}\"\naddress = \"10.77.0.{n}\"\ninterface = \"eth0\"\ngroup = \"control\"\n")
    };
    let config = web_config(&cluster.lab).elected(slow).to_string() + &(130..190).map(vip).collect::<String>();
    for daemon in cluster.daemons.values() {
        daemon.write_config(&config).unwrap();
        let output = daemon.pivot(&["reload"]).unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let counters = |cluster: &Cluster| cluster.daemons["c2"].vips().unwrap().groups.remove(0).counters;
    let before = counters(&cluster);
    cluster.daemon_mut("c1").kill9().unwrap();
    cluster.await_holder("c2").unwrap();
    wait_until(Duration::from_secs(10), "adverts of c2", || {
        match counters(&cluster).adverts_sent - before.adverts_sent {
            20.. => Ok(()),
            few => Err(few),
        }
    })
    .unwrap();
    assert_eq!(counters(&cluster).takeovers, before.takeovers + 1, "it was late, and held them no more");
}
