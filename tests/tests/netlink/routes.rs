//! `local` routes, and the kernel's choice of a way.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use lb_userspace::io::netlink::Route;

use crate::segment::{HOST_MAC, Lab, PEER, PEER6, VIP, VIP6, expect_local_routes, json, netlink, on_a_segment, run};

/// The `proto`s of the local routes for a VIP, with ours, with its address on `eth0`. Ours comes with an address on `lo` for
/// IPv6, for which the kernel makes one, too.
fn routes(vip: IpAddr, ours: bool, address: bool) -> Vec<&'static str> {
    let kernels = usize::from(address) + usize::from(ours && vip.is_ipv6());
    std::iter::repeat_n("kernel", kernels).chain(ours.then_some("112")).collect()
}

#[test]
fn our_local_route_lives_beside_the_kernels() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        for (vip, prefix) in [(VIP, 32), (VIP6, 128)] {
            // The address comes while the route is there, and goes before it.
            for _ in 0..2 {
                netlink.add_local_route(vip).await.unwrap();
            }
            expect_local_routes(vip, &routes(vip, true, false)).await;
            netlink.add_address(index, vip, prefix).await.unwrap();
            expect_local_routes(vip, &routes(vip, true, true)).await;
            netlink.remove_address(index, vip, prefix).await.unwrap();
            expect_local_routes(vip, &routes(vip, true, false)).await;

            // The route comes while the address is there, and goes before it.
            netlink.remove_local_route(vip).await.unwrap();
            netlink.add_address(index, vip, prefix).await.unwrap();
            expect_local_routes(vip, &routes(vip, false, true)).await;
            netlink.add_local_route(vip).await.unwrap();
            expect_local_routes(vip, &routes(vip, true, true)).await;
            for _ in 0..2 {
                netlink.remove_local_route(vip).await.unwrap();
            }
            expect_local_routes(vip, &routes(vip, false, true)).await;
        }
    });
}

#[test]
fn packets_for_a_vip_are_delivered_with_the_route_or_the_address() {
    on_a_segment(|lab| async move {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        // For both families: Linux 6.1 has the port in use for a while after one for the other.
        let _listener = TcpListener::bind("[::]:80").unwrap();
        for (vip, prefix) in [(VIP, 32), (VIP6, 128)] {
            run(&format!("ip -n {} neigh add {vip} lladdr {HOST_MAC} dev eth0 nud permanent", lab.peer));
            let delivered = || connects(&lab, vip);

            assert!(!delivered(), "{vip}: with neither");
            netlink.add_local_route(vip).await.unwrap();
            assert!(delivered(), "{vip}: with the route alone");
            netlink.add_address(index, vip, prefix).await.unwrap();
            expect_local_routes(vip, &routes(vip, true, true)).await;
            assert!(delivered(), "{vip}: with both");
            netlink.remove_address(index, vip, prefix).await.unwrap();
            assert!(delivered(), "{vip}: after the address has gone");
            netlink.add_address(index, vip, prefix).await.unwrap();
            expect_local_routes(vip, &routes(vip, true, true)).await;
            netlink.remove_local_route(vip).await.unwrap();
            assert!(delivered(), "{vip}: after the route has gone");
            netlink.remove_address(index, vip, prefix).await.unwrap();
            assert!(!delivered(), "{vip}: after both have gone");
        }
    });
}

/// Why ARP for VIPs needs the programs' help, and neighbour discovery does not.
#[test]
fn the_route_alone_makes_the_kernel_answer_arp_but_not_neighbour_solicitations() {
    on_a_segment(|lab| async move {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        let is_found = |vip: IpAddr| {
            connects(&lab, vip);
            json(&format!("ip -n {} -j neigh show {vip}", lab.peer))[0]["lladdr"] == HOST_MAC.to_string()
        };
        for vip in [VIP, VIP6] {
            netlink.add_local_route(vip).await.unwrap();
            assert_eq!(is_found(vip), vip.is_ipv4(), "{vip}");
        }
        netlink.add_address(index, VIP6, 128).await.unwrap();
        expect_local_routes(VIP6, &routes(VIP6, true, true)).await;
        // The peer has begun to ask, and asks again only after a second.
        run(&format!("ip -n {} neigh flush dev eth0", lab.peer));
        assert!(is_found(VIP6), "not even with the address");
    });
}

/// Whether the peer gets a connection to a VIP's port 80.
fn connects(lab: &Lab, vip: IpAddr) -> bool {
    lab.at_the_peer(|| TcpStream::connect_timeout(&SocketAddr::new(vip, 80), Duration::from_millis(500)).is_ok())
}

#[test]
fn the_way_to_a_destination_is_the_kernels() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        for route in [
            "192.0.2.0/24 via 10.0.0.2",
            "192.0.2.128/25 via inet6 fe80::2 dev eth0",
            "2001:db8::/32 via fd00::2",
            "2001:db8:1::/48 via fe80::2 dev eth0",
        ] {
            run(&format!("ip route add {route}"));
        }
        for (destination, gateway) in [
            ("10.0.0.2", None),
            ("fd00::2", None),
            ("fe80::2", None),
            ("192.0.2.1", Some(PEER)),
            ("192.0.2.129", Some("fe80::2".parse().unwrap())),
            ("2001:db8::1", Some(PEER6)),
            ("2001:db8:1::1", Some("fe80::2".parse().unwrap())),
        ] {
            let found = netlink.route_to(destination.parse().unwrap()).await.unwrap();
            assert_eq!(found, Some(Route { index, gateway }), "{destination}");
        }
        run("ip route replace 192.0.2.0/24 via 10.0.0.3");
        let found = netlink.route_to("192.0.2.1".parse().unwrap()).await.unwrap();
        assert_eq!(found.and_then(|route| route.gateway), Some("10.0.0.3".parse().unwrap()));
    });
}

#[test]
fn there_is_no_way_to_nowhere_to_oneself_or_to_everybody() {
    on_a_segment(|_| async {
        let netlink = netlink();
        for kind in ["unreachable", "prohibit", "blackhole", "throw"] {
            for prefix in ["198.51.100.1", "2001:db8::1"] {
                run(&format!("ip route add {kind} {prefix}"));
                assert_eq!(netlink.route_to(prefix.parse().unwrap()).await.unwrap(), None, "{kind} {prefix}");
                run(&format!("ip route del {kind} {prefix}"));
            }
        }
        netlink.add_local_route(VIP).await.unwrap();
        netlink.add_local_route(VIP6).await.unwrap();
        // With a default route, so that all else has a way.
        run("ip route add default via 10.0.0.2");
        run("ip route add default via fd00::2");
        assert!(netlink.route_to("203.0.113.1".parse().unwrap()).await.unwrap().is_some());
        assert!(netlink.route_to("2001:db8::1".parse().unwrap()).await.unwrap().is_some());
        for destination in [
            "10.0.0.1",
            "127.0.0.1",
            "0.0.0.0",
            "10.0.0.255",
            "255.255.255.255",
            "224.0.0.18",
            "10.0.0.100",
            "fd00::1",
            "::1",
            "::",
            "ff02::12",
            "fd00::100",
        ] {
            assert_eq!(netlink.route_to(destination.parse().unwrap()).await.unwrap(), None, "{destination}");
        }
    });
}
