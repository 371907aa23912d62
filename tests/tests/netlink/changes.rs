//! What is told of routes and interfaces while they change.

use std::time::Instant;

use lb_userspace::core::event::Mac;
use lb_userspace::io::netlink::{Change, Link};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::segment::{HOST_MAC, PATIENCE, dropped_messages, netlink, on_a_segment, run, run_with_input};

/// The changes from now on, after those that only tell what there is: `eth0`.
async fn changes() -> (UnboundedReceiver<Change>, Link) {
    let mut changes = netlink().changes().unwrap();
    let eth0 = next_link(&mut changes).await;
    assert_eq!((eth0.name.as_str(), eth0.mac, eth0.up), ("eth0", HOST_MAC, true));
    assert_eq!(next(&mut changes).await, Change::Routes);
    (changes, eth0)
}

async fn next(changes: &mut UnboundedReceiver<Change>) -> Change {
    let change = tokio::time::timeout(PATIENCE, changes.recv()).await;
    change.expect("no change was reported").expect("the watch ended")
}

/// The next one that is about an interface.
async fn next_link(changes: &mut UnboundedReceiver<Change>) -> Link {
    loop {
        match next(changes).await {
            Change::Link(link) => return link,
            Change::Routes => {}
            Change::LinkGone { index } => panic!("interface {index} is gone"),
        }
    }
}

/// The index of the next interface that goes.
async fn next_gone(changes: &mut UnboundedReceiver<Change>) -> u32 {
    loop {
        if let Change::LinkGone { index } = next(changes).await {
            return index;
        }
    }
}

#[test]
fn changes_of_routes_rules_and_addresses_are_told() {
    on_a_segment(|_| async {
        for change in [
            "ip route add 192.0.2.0/24 via 10.0.0.2",
            "ip route replace 192.0.2.0/24 via 10.0.0.3",
            "ip route del 192.0.2.0/24",
            "ip route add 2001:db8::/32 via fd00::2",
            "ip route del 2001:db8::/32",
            "ip rule add to 192.0.2.0/24 lookup 100",
            "ip -6 rule add to 2001:db8::/32 lookup 100",
            "ip address add 10.0.0.9/32 dev lo",
            "ip address del 10.0.0.9/32 dev lo",
        ] {
            let (mut changes, _) = changes().await;
            run(change);
            assert_eq!(next(&mut changes).await, Change::Routes, "{change}");
        }
    });
}

#[test]
fn facts_of_an_interface_are_told_as_they_change() {
    on_a_segment(|_| async {
        let (mut changes, eth0) = changes().await;
        run("ip link set eth0 address 02:00:00:00:00:33");
        let mac = Mac([2, 0, 0, 0, 0, 0x33]);
        assert_eq!(next_link(&mut changes).await, Link { mac, ..eth0.clone() });
        run("ip link set eth0 mtu 1400");
        assert_eq!(next_link(&mut changes).await, Link { mac, mtu: 1400, ..eth0.clone() });
        run("ip link set eth0 down");
        assert_eq!(next_link(&mut changes).await, Link { mac, mtu: 1400, up: false, ..eth0.clone() });
        run("ip link set eth0 name renamed");
        let renamed = Link { mac, mtu: 1400, up: false, name: "renamed".to_owned(), ..eth0 };
        assert_eq!(next_link(&mut changes).await, renamed);
    });
}

#[test]
fn a_lost_carrier_is_told() {
    on_a_segment(|lab| async move {
        let (mut changes, eth0) = changes().await;
        run(&format!("ip -n {} link set eth0 down", lab.peer));
        assert_eq!(next_link(&mut changes).await, Link { up: false, ..eth0.clone() });
        run(&format!("ip -n {} link set eth0 up", lab.peer));
        assert_eq!(next_link(&mut changes).await, eth0);
    });
}

#[test]
fn interfaces_that_come_and_go_are_told() {
    on_a_segment(|_| async {
        let (mut changes, _) = changes().await;
        run("ip link add br0 address 02:00:00:00:00:44 type bridge");
        let br0 = next_link(&mut changes).await;
        assert_eq!((br0.name.as_str(), br0.mac, br0.up), ("br0", Mac([2, 0, 0, 0, 0, 0x44]), false));
        assert_eq!(br0.kind.as_deref(), Some("bridge"));
        run("ip link add eth1 type veth peer name eth2");
        let eth1 = netlink().link("eth1").await.unwrap();
        let eth2 = netlink().link("eth2").await.unwrap().index;
        while next_link(&mut changes).await != eth1 {}
        // A port that leaves a bridge is a "deleted link" of the bridge's.
        run("ip link set eth1 master br0");
        run("ip link set eth1 nomaster");
        run("ip link del br0");
        assert_eq!(next_gone(&mut changes).await, br0.index, "eth1 is still there");
        run("ip link del eth1");
        let gone = [next_gone(&mut changes).await, next_gone(&mut changes).await];
        assert!(gone.contains(&eth1.index) && gone.contains(&eth2), "{gone:?}");
    });
}

#[test]
fn routes_that_go_with_their_interface_are_told() {
    on_a_segment(|_| async {
        let (mut changes, eth0) = changes().await;
        run("ip route add 192.0.2.0/24 via 10.0.0.2");
        // IPv4 routes of an interface that goes down vanish without a notification of their own.
        run("ip link set eth0 down");
        while next_link(&mut changes).await != (Link { up: false, ..eth0.clone() }) {}
        assert_eq!(next(&mut changes).await, Change::Routes);
        assert_eq!(netlink().route_to("192.0.2.1".parse().unwrap()).await.unwrap(), None);
    });
}

#[test]
fn a_storm_of_routes_is_told_ten_times_a_second_at_most() {
    on_a_segment(|_| async {
        let (mut changes, _) = changes().await;
        let began = Instant::now();
        let mut told = 0;
        for n in 0..40 {
            let batch: String = (0..50).map(|m| format!("route add 192.0.{n}.{m}/32 via 10.0.0.2\n")).collect();
            run_with_input("ip -batch -", &batch);
            tokio::task::yield_now().await;
            while changes.try_recv().is_ok() {
                told += 1;
            }
        }
        // The last thing that happens.
        run("ip link set eth0 mtu 1400");
        while !matches!(next(&mut changes).await, Change::Link(_)) {
            told += 1;
        }
        assert_eq!(next(&mut changes).await, Change::Routes, "routes may have gone with what happened to the link");
        told += 1;
        let most = began.elapsed().as_millis() / 100 + 1;
        assert!((1..=most).contains(&told), "{told} times in {:?}", began.elapsed());
    });
}

#[test]
fn a_change_is_not_missed_when_the_kernel_drops_events() {
    on_a_segment(|_| async {
        let (mut changes, eth0) = changes().await;
        // Nobody reads the socket meanwhile: see the test of the same name for neighbours.
        let mut batch = String::new();
        for n in 0..4000 {
            batch += &format!("link set eth0 mtu {}\n", 1300 + n % 100);
        }
        batch +=
            "link set eth0 mtu 1500\nlink set eth0 address 02:00:00:00:00:33\nroute add 192.0.2.0/24 via 10.0.0.2\n";
        run_with_input("ip -batch -", &batch);
        assert!(dropped_messages(), "the kernel dropped nothing: this test shows nothing");

        let last = Link { mac: Mac([2, 0, 0, 0, 0, 0x33]), ..eth0 };
        while next_link(&mut changes).await != last {}
        while next(&mut changes).await != Change::Routes {}
    });
}
