//! VIPs beside the node's addresses.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pivot_tests::lab::kernel;

use crate::segment::{PEER, PEER6, VIP, VIP6, addresses_of, json, netlink, on_a_segment, run};

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
            if vip.is_ipv6() {
                assert!(shown.get("nodad").is_some() && shown.get("tentative").is_none(), "{shown}");
            }
            for _ in 0..2 {
                netlink.remove_address(index, vip, prefix).await.unwrap();
            }
            assert!(addresses_of("eth0").iter().all(|shown| shown["local"] != address));
        }
        assert!(addresses_of("eth0").iter().any(|shown| shown["local"] == "10.0.0.1"), "the node address went, too");
    });
}

#[test]
fn a_vip_is_labelled_and_labelled_otherwise_without_being_gone() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        let shown = || addresses_of("eth0").into_iter().filter(|it| it["local"] == VIP.to_string()).collect::<Vec<_>>();
        for prefix in [32, 24] {
            netlink.add_labelled(index, VIP, prefix, "eth0:vip").await.unwrap();
            let stop = Arc::<AtomicBool>::default();
            // Binding to an address says whether it is there.
            let watch = std::thread::spawn({
                let stop = Arc::clone(&stop);
                move || {
                    let mut binds = 0_u32;
                    while !stop.load(Ordering::Relaxed) {
                        UdpSocket::bind((VIP, 0))
                            .map_err(|error| format!("it was gone after {binds} looks: {error}"))?;
                        binds += 1;
                    }
                    Ok::<_, String>(binds)
                }
            });
            for _ in 0..100 {
                netlink.add_labelled(index, VIP, prefix, "eth0:other").await.unwrap();
                netlink.add_labelled(index, VIP, prefix, "eth0:vip").await.unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            assert!(watch.join().unwrap().unwrap() > 0, "nobody looked");
            let [one] = &shown()[..] else { panic!("{:?}", shown()) };
            assert_eq!((&one["label"], &one["prefixlen"]), (&"eth0:vip".into(), &prefix.into()), "{one}");
            netlink.remove_address(index, VIP, prefix).await.unwrap();
        }
        netlink.add_labelled(index, VIP6, 128, "eth0:vip").await.unwrap();
        assert!(addresses_of("eth0").iter().any(|it| it["local"] == VIP6.to_string() && it.get("label").is_none()));
    });
}

#[test]
fn an_ipv6_vip_is_usable_at_once() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        netlink.add_address(index, VIP6, 128).await.unwrap();
        std::net::TcpListener::bind((VIP6, 80)).unwrap();
    });
}

#[test]
fn a_vip_does_not_become_the_source_of_traffic_to_its_segment() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        for (vip, prefix, peer, own) in
            [(VIP, 24, PEER, "10.0.0.1"), (VIP6, 64, PEER6, "fd00::1"), (VIP6, 128, PEER6, "fd00::1")]
        {
            netlink.add_address(index, vip, prefix).await.unwrap();
            assert_eq!(json(&format!("ip -j route get {peer}"))[0]["prefsrc"], own, "{vip}/{prefix}");
            netlink.remove_address(index, vip, prefix).await.unwrap();
        }
    });
}

#[test]
fn a_vip_is_not_one_of_the_own_addresses() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        netlink.add_address(index, VIP, 24).await.unwrap();
        netlink.add_address(index, VIP6, 64).await.unwrap();
        let expected = ["10.0.0.1", "fd00::1", "fe80::1"].map(|own| own.parse::<IpAddr>().unwrap());
        assert_eq!(netlink.own_addresses(index, &[VIP, VIP6]).await.unwrap(), expected);
        // Nor are those that nobody knows any more, if the kernel keeps who added them.
        let unknown = netlink.own_addresses(index, &[]).await.unwrap();
        assert_eq!(unknown == expected, kernel::is_at_least(5, 18), "{unknown:?}");
    });
}

#[test]
fn an_ipv6_vip_goes_with_its_interface_and_can_be_added_again() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        let is_there = || addresses_of("eth0").iter().any(|shown| shown["local"] == VIP6.to_string());
        netlink.add_address(index, VIP6, 128).await.unwrap();
        assert!(is_there());
        run("ip link set eth0 down");
        assert!(!is_there(), "this kernel keeps it: so much the better");
        netlink.remove_address(index, VIP6, 128).await.unwrap();
        run("ip link set eth0 up");
        netlink.add_address(index, VIP6, 128).await.unwrap();
        assert!(is_there());
    });
}

#[test]
fn a_vip_is_removed_wherever_it_is() {
    on_a_segment(|_| async {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        run("ip link add eth1 type veth peer name eth2");
        let other = netlink.link("eth1").await.unwrap().index;
        for (vip, prefixes) in [(VIP, [32, 24]), (VIP6, [128, 64])] {
            netlink.add_address(index, vip, prefixes[0]).await.unwrap();
            netlink.add_address(other, vip, prefixes[1]).await.unwrap();
            for _ in 0..2 {
                netlink.remove_address_anywhere(vip).await.unwrap();
            }
            for interface in ["eth0", "eth1"] {
                let left = addresses_of(interface).into_iter().find(|shown| shown["local"] == vip.to_string());
                assert_eq!(left, None, "{interface}");
            }
        }
    });
}

#[test]
fn removing_from_a_vanished_interface_is_no_error() {
    on_a_segment(|_| async {
        netlink().remove_address(4711, VIP, 32).await.unwrap();
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
