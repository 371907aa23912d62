//! Announcements of VIPs, as another host hears and believes them.

use std::net::IpAddr;

use lb_userspace::io::announce::Announcer;

use crate::segment::{VIP, VIP6, frames, json, netlink, on_a_segment, run};

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// Announces a VIP that the peer has learned from another holder, and returns what the peer heard of it.
fn announced(vip: IpAddr, ethertype: u16, wanted: fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let (heard, all) = std::sync::mpsc::channel();
    on_a_segment(|lab| async move {
        let link = netlink().link("eth0").await.unwrap();
        let ears = lab.listen_at_the_peer(ethertype);
        run(&format!("ip -n {} neigh add {vip} lladdr 02:00:00:00:00:99 dev eth0 nud reachable", lab.peer));

        Announcer::default().announce(&link, vip, 5).unwrap();

        let cache = json(&format!("ip -n {} -j neigh show {vip}", lab.peer));
        assert_eq!(cache[0]["lladdr"], "02:00:00:00:00:01", "{cache}");
        for frame in frames(&ears).into_iter().filter(|frame| wanted(frame)) {
            heard.send(frame).unwrap();
        }
    });
    all.into_iter().collect()
}

#[test]
fn an_announcement_moves_an_ipv4_vip_in_a_neighbours_cache() {
    let heard = announced(VIP, ETHERTYPE_ARP, |frame| frame.get(38..42) == Some(&[10, 0, 0, 100]));
    assert_eq!(heard.len(), 5);
    for frame in heard {
        assert_eq!(&frame[..14], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6]);
        assert_eq!(&frame[20..42], [0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 100, 0, 0, 0, 0, 0, 0, 10, 0, 0, 100]);
    }
}

#[test]
fn an_announcement_moves_an_ipv6_vip_in_a_neighbours_cache() {
    let heard = announced(VIP6, ETHERTYPE_IPV6, |frame| frame.get(54) == Some(&136));
    assert_eq!(heard.len(), 5);
    for frame in heard {
        assert_eq!(&frame[..14], [0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd]);
        let IpAddr::V6(vip) = VIP6 else { unreachable!("it is IPv6") };
        assert_eq!((&frame[22..38], &frame[62..78]), (&vip.octets()[..], &vip.octets()[..]), "source and target");
    }
}
