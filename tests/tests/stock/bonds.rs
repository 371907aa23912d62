//! VIPs on bonds of two legs, of which one goes down.

use std::time::Duration;

use pivot_tests::lab::device::Device;
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::talk::Talks;
use pivot_tests::lab::{Family, Lab, Load, Topology, kernel, wait_until};

use crate::served::{Served, streams, web};

/// Longest that a bond takes to see that a leg is down, and its neighbours to learn where it is now; a connection that
/// begins meanwhile may be late, or fail.
const FAILOVER: Duration = Duration::from_secs(1);

/// Connections that are open all the time.
const TALKS: u64 = 24;

#[test]
fn a_vip_on_a_bond_with_a_spare_leg_is_served() {
    serves(Device::ActiveBackup);
}

#[test]
fn a_vip_on_an_lacp_bond_is_served() {
    serves(Device::Lacp);
}

fn serves(device: Device) {
    let mut served = start(device);
    served.assert_serves();
    // Before, the kernel runs no XDP in the legs of a bond.
    match kernel::is_at_least(5, 15) {
        true => assert_eq!(served.interfaces(), [("bond0".to_owned(), "native".to_owned())].into()),
        false => served.assert_warned_of_generic("bond0"),
    }
    assert!(served.count("tx-forwarded") > 100, "{}", served.verdicts());
}

#[test]
fn connections_outlive_a_leg_of_a_bond_with_a_spare() {
    outlive_a_leg(Device::ActiveBackup);
}

#[test]
fn connections_outlive_a_leg_of_an_lacp_bond() {
    outlive_a_leg(Device::Lacp);
}

/// First the director loses a leg, then a backend, then the director loses the other one instead.
fn outlive_a_leg(device: Device) {
    let served = start(device);
    let client = served.cluster.client();
    let talks = Family::ALL.map(|family| client.talk(streams(family), TALKS).unwrap());
    let loads = Family::ALL.map(|family| client.start_load(Load::gently_to(web(family))).unwrap());
    let mut changes = Vec::new();
    for (port, up) in [("c1-a", false), ("c2-a", false), ("c1-a", true), ("c1-b", false)] {
        changes.push(std::time::Instant::now());
        served.cluster.lab.switch().ip(&format!("link set {port} {}", if up { "up" } else { "down" })).unwrap();
        if up {
            await_leg(&served.cluster.lab, "c1");
        }
        let before: Vec<u64> = talks.iter().map(Talks::exchanged).collect();
        for (load, (talks, before)) in loads.iter().zip(talks.iter().zip(before)) {
            load.await_more(40).unwrap();
            wait_until(Duration::from_secs(20), "every open connection to talk on", || {
                match talks.exchanged() - before {
                    enough if enough >= 4 * TALKS => Ok(()),
                    few => Err(format!("{few} bytes, {} broken", talks.broken())),
                }
            })
            .unwrap();
        }
    }
    for talks in talks {
        let broken: Vec<_> = talks.stop().unwrap().into_iter().filter(|talk| talk.broken.is_some()).collect();
        assert!(broken.is_empty(), "{broken:?}{}", served.verdicts());
    }
    let in_failover = |at| changes.iter().any(|&change| at >= change && at < change + patient(FAILOVER));
    for load in loads {
        let report = load.stop().unwrap();
        let outside = report.failures().filter(|outcome| !in_failover(outcome.at)).count();
        assert_eq!(outside, 0, "{}{}", report.summary(), served.verdicts());
        assert_eq!(report.backends().len(), 3, "{}", report.summary());
        println!("{device:?}: {}", report.summary());
    }
}

fn start(device: Device) -> Served {
    Served::start(Lab::build(Topology { device, ..Topology::default() }).unwrap(), |config| config)
}

/// Waits until a host's bond uses both its legs again.
fn await_leg(lab: &Lab, host: &str) {
    wait_until(Duration::from_secs(20), "both legs of the bond to be up", || {
        let bond =
            lab.run_in(host, || std::fs::read_to_string("/proc/thread-self/net/bonding/bond0")).unwrap().unwrap();
        match bond.matches("MII Status: up").count() {
            3 => Ok(()),
            _ => Err(bond),
        }
    })
    .unwrap();
}
