//! The network adapters against a real kernel: two hosts on one segment, each a network namespace.
//!
//! Needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and `ip`; fails without them. Nothing outside the namespaces is touched.

mod segment;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use lb_userspace::core::config::model::CheckKind;
use lb_userspace::core::event::{Mac, ProbeOutcome};
use lb_userspace::io::announce::announce;
use lb_userspace::io::netlink::NetlinkError;
use lb_userspace::io::probe;

use segment::{
    Watch, addresses_of, expect_local_routes, frames_for, json, netlink, on_a_segment, run, run_with_input,
    set_neighbour,
};

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
const HOST_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);

#[test]
fn a_link_is_found_by_name() {
    on_a_segment(|_| async {
        let link = netlink().link("eth0").await.unwrap();
        assert_eq!((link.name.as_str(), link.mac, link.mtu, link.up), ("eth0", HOST_MAC, 1500, true));
        assert_eq!(link.kind.as_deref(), Some("veth"));
        assert_eq!(json("ip -j link show eth0")[0]["ifindex"], link.index);
    });
}

#[test]
fn an_unknown_interface_is_answered_with_those_there_are() {
    on_a_segment(|_| async {
        for name in ["eht0", "", "a-name-that-is-too-long-for-any-interface"] {
            match netlink().link(name).await {
                Err(NetlinkError::NoSuchInterface { present, .. }) => {
                    assert!(present.contains(&"eth0".to_owned()) && present.contains(&"lo".to_owned()), "{present:?}");
                }
                other => panic!("{name:?}: {other:?}"),
            }
        }
    });
}

#[test]
fn an_interface_without_macs_is_refused() {
    on_a_segment(|_| async {
        let error = netlink().link("lo").await.unwrap_err();
        assert!(matches!(error, NetlinkError::NotEthernet { .. }), "{error}");
    });
}

#[test]
fn a_vip_is_added_and_removed_any_number_of_times() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        for (address, prefix) in [("10.0.0.100", 32), ("10.0.0.101", 24), ("fd00::100", 128)] {
            let vip: IpAddr = address.parse().unwrap();
            for _ in 0..2 {
                netlink.add_address(index, vip, prefix).await.unwrap();
            }
            let shown = addresses_of("eth0").into_iter().find(|shown| shown["local"] == address).unwrap();
            assert_eq!(shown["prefixlen"], prefix, "{shown}");
            assert_eq!(shown["scope"], "global", "{shown}");
            assert_eq!(shown["noprefixroute"], true, "{shown}");
            for _ in 0..2 {
                netlink.remove_address(index, vip, prefix).await.unwrap();
            }
            assert!(addresses_of("eth0").iter().all(|shown| shown["local"] != address));
        }
        assert!(addresses_of("eth0").iter().any(|shown| shown["local"] == "10.0.0.1"), "the node address went, too");
    });
}

#[test]
fn a_vip_does_not_become_the_source_of_traffic_to_its_segment() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        netlink.add_address(index, VIP, 24).await.unwrap();
        assert_eq!(json("ip -j route get 10.0.0.2")[0]["prefsrc"], "10.0.0.1");
    });
}

#[test]
fn removing_from_a_vanished_interface_is_no_error() {
    on_a_segment(|_| async {
        netlink().remove_address(4711, VIP, 32).await.unwrap();
    });
}

#[test]
fn our_local_route_lives_beside_the_kernels() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        for (vip, prefix) in [(VIP, 32), ("fd00::100".parse().unwrap(), 128)] {
            // The address comes while the route is there, and goes before it.
            for _ in 0..2 {
                netlink.add_local_route(vip).await.unwrap();
            }
            expect_local_routes(vip, &["112"]).await;
            netlink.add_address(index, vip, prefix).await.unwrap();
            expect_local_routes(vip, &["kernel", "112"]).await;
            netlink.remove_address(index, vip, prefix).await.unwrap();
            expect_local_routes(vip, &["112"]).await;

            // The route comes while the address is there, and goes before it.
            netlink.remove_local_route(vip).await.unwrap();
            netlink.add_address(index, vip, prefix).await.unwrap();
            expect_local_routes(vip, &["kernel"]).await;
            netlink.add_local_route(vip).await.unwrap();
            expect_local_routes(vip, &["kernel", "112"]).await;
            for _ in 0..2 {
                netlink.remove_local_route(vip).await.unwrap();
            }
            expect_local_routes(vip, &["kernel"]).await;
        }
    });
}

#[test]
fn an_address_is_on_link_if_a_prefix_of_the_interface_holds_it() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        netlink.add_address(index, "192.0.2.1".parse().unwrap(), 32).await.unwrap();
        for (address, expected) in [("10.0.0.77", true), ("10.0.1.77", false), ("192.0.2.2", false), ("fd00::7", true)]
        {
            assert_eq!(netlink.on_link(index, address.parse().unwrap()).await.unwrap(), expected, "{address}");
        }
        assert!(!netlink.on_link(1, PEER).await.unwrap(), "lo reaches no other host");
    });
}

#[test]
fn a_neighbour_is_resolved_without_traffic() {
    on_a_segment(|_| async {
        let mut watch = Watch::start().await;
        for address in [PEER, "fd00::2".parse().unwrap()] {
            watch.resolver.resolve(watch.index, address);
            assert_eq!(watch.next().await, watch.neighbour(address, Some(PEER_MAC)));
        }
    });
}

#[test]
fn a_neighbour_that_is_lost_is_reported_and_resolved_again() {
    on_a_segment(|_| async {
        let mut watch = Watch::start().await;
        watch.resolver.resolve(watch.index, PEER);
        assert_eq!(watch.next().await, watch.neighbour(PEER, Some(PEER_MAC)));
        run("ip neigh del 10.0.0.2 dev eth0");
        assert_eq!(watch.next().await, watch.neighbour(PEER, None));
        assert_eq!(watch.next().await, watch.neighbour(PEER, Some(PEER_MAC)), "not resolved again");
    });
}

#[test]
fn a_dead_neighbour_is_reported_and_found_when_it_is_back() {
    on_a_segment(|lab| async move {
        set_neighbour("ucast_solicit", 1);
        set_neighbour("mcast_solicit", 1);
        set_neighbour("retrans_time_ms", 100);
        let mut watch = Watch::start().await;
        watch.resolver.resolve(watch.index, PEER);
        assert_eq!(watch.next().await, watch.neighbour(PEER, Some(PEER_MAC)));
        // The far end neither answers nor loses our carrier.
        run(&format!("ip -n {} link set eth0 arp off", lab.peer));
        run("ip neigh change 10.0.0.2 dev eth0 nud probe");
        assert_eq!(watch.next().await, watch.neighbour(PEER, None));
        run(&format!("ip -n {} link set eth0 arp on", lab.peer));
        assert_eq!(watch.next().await, watch.neighbour(PEER, Some(PEER_MAC)));
    });
}

#[test]
fn a_static_neighbour_stays_static() {
    on_a_segment(|_| async {
        let mut watch = Watch::start().await;
        run("ip neigh add 10.0.0.50 lladdr 02:00:00:00:00:50 dev eth0 nud permanent");
        let address = "10.0.0.50".parse().unwrap();
        watch.resolver.resolve(watch.index, address);
        assert_eq!(watch.next().await, watch.neighbour(address, Some(Mac([2, 0, 0, 0, 0, 0x50]))));
        // What was asked for first was handled first: after this answer the static entry has had its turn.
        watch.resolver.resolve(watch.index, PEER);
        assert_eq!(watch.next().await, watch.neighbour(PEER, Some(PEER_MAC)));
        assert_eq!(json("ip -j neigh show 10.0.0.50")[0]["state"][0], "PERMANENT");
    });
}

#[test]
fn a_forgotten_neighbour_is_reported_no_more() {
    on_a_segment(|_| async {
        let mut watch = Watch::start().await;
        watch.resolver.resolve(watch.index, PEER);
        assert_eq!(watch.next().await, watch.neighbour(PEER, Some(PEER_MAC)));
        watch.resolver.forget(watch.index, PEER);
        let other = "fd00::2".parse().unwrap();
        watch.resolver.resolve(watch.index, other);
        assert_eq!(watch.next().await, watch.neighbour(other, Some(PEER_MAC)));
        run("ip neigh del 10.0.0.2 dev eth0");
        run("ip neigh del fd00::2 dev eth0");
        assert_eq!(watch.next().await, watch.neighbour(other, None), "the forgotten one came first");
    });
}

#[test]
fn a_change_is_not_missed_when_the_kernel_drops_events() {
    on_a_segment(|_| async {
        let mut watch = Watch::start().await;
        watch.resolver.resolve(watch.index, PEER);
        assert_eq!(watch.next().await, watch.neighbour(PEER, Some(PEER_MAC)));

        // The runtime has this one thread: while it waits for `ip`, nobody reads the socket, and it overflows long
        // before the change that counts, which is the last.
        let mut batch = String::new();
        for n in 0..4000 {
            let mac = n % 250;
            batch += &format!("neigh replace 10.0.0.60 lladdr 02:00:00:00:06:{mac:02x} dev eth0 nud permanent\n");
        }
        batch += "neigh replace 10.0.0.2 lladdr 02:00:00:00:00:ff dev eth0 nud permanent\n";
        run_with_input("ip -batch -", &batch);
        let dropped = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
        let dropped = dropped.lines().skip(1).any(|line| line.split_whitespace().nth(8) != Some("0"));
        assert!(dropped, "the kernel dropped nothing: this test shows nothing");

        assert_eq!(watch.next().await, watch.neighbour(PEER, Some(Mac([2, 0, 0, 0, 0, 0xff]))));
    });
}

#[test]
fn an_announcement_moves_the_vip_in_a_neighbours_cache() {
    on_a_segment(|lab| async move {
        let link = netlink().link("eth0").await.unwrap();
        let ears = lab.listen_at_the_peer();
        // The neighbour learned the VIP from another holder just now.
        run(&format!("ip -n {} neigh add {VIP} lladdr 02:00:00:00:00:99 dev eth0 nud reachable", lab.peer));

        let IpAddr::V4(vip) = VIP else { unreachable!("the VIP is IPv4") };
        announce(&link, vip, 5).unwrap();

        let cache = json(&format!("ip -n {} -j neigh show {VIP}", lab.peer));
        assert_eq!(cache[0]["lladdr"], "02:00:00:00:00:01", "{cache}");
        let heard = frames_for(&ears, vip);
        assert_eq!(heard.len(), 5);
        for frame in heard {
            assert_eq!(&frame[..14], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6]);
            assert_eq!(&frame[20..42], [0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 100, 0, 0, 0, 0, 0, 0, 10, 0, 0, 100]);
        }
    });
}

#[test]
fn an_unreachable_backend_is_told_from_a_silent_one() {
    on_a_segment(|lab| async move {
        set_neighbour("mcast_solicit", 1);
        set_neighbour("retrans_time_ms", 100);
        let probe = |target: &str, timeout_ms| {
            let target: SocketAddr = target.parse().unwrap();
            async move { probe::run(&CheckKind::Tcp, target, Duration::from_millis(timeout_ms)).await }
        };
        let failed = |words: &str| ProbeOutcome::Failed(words.to_owned());
        assert_eq!(probe("10.0.0.77:80", 15_000).await, failed("no route to host"));
        assert_eq!(probe("203.0.113.1:80", 15_000).await, failed("network is unreachable"));
        assert_eq!(probe("10.0.0.2:80", 15_000).await, failed("connection refused"));
        // It is there, but its answers are lost.
        run(&format!("ip -n {} route add blackhole 10.0.0.1/32", lab.peer));
        assert_eq!(probe("10.0.0.2:80", 300).await, failed("no answer within 300ms"));
    });
}
