//! ARP that comes in: a host that does not hold a VIP does not answer for it.

use std::net::Ipv4Addr;

use lb_common::path::verdict::Verdict;

use crate::frames::rig::arp::{CLIENT, OTHER_VIP, VIP, is_at, who_has};
use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{dropped, passes};
use crate::frames::rig::net::Net;
use crate::frames::rig::reading::{Frame, raw};
use crate::frames::rig::scene::{OWN_ADDRESS, Scene, nothing, up};
use crate::frames::rig::segment::{QINQ, VLAN};

/// Holds `VIP`, does not hold `OTHER_VIP`.
fn holding_one_of_two() -> Director {
    director(Scene::from(Net::V4.web().with(up("a"))).not_holding(OTHER_VIP.into()))
}

#[test]
fn a_request_for_a_vip_that_is_held_passes() {
    holding_one_of_two().receives(who_has(VIP), passes(Verdict::Arp));
}

#[test]
fn a_request_for_a_vip_that_is_not_held_is_dropped() {
    holding_one_of_two().receives(who_has(OTHER_VIP), dropped(Verdict::ArpSilenced));
}

#[test]
fn a_request_for_a_vip_is_dropped_in_a_unicast_frame_too() {
    // A neighbour that knew this host as the holder asks it directly (RFC 1122 section 2.3.2.1).
    let mac = crate::frames::rig::scene::OWN_MAC.0;
    holding_one_of_two().receives(who_has(OTHER_VIP).saying(0, &mac), dropped(Verdict::ArpSilenced));
}

#[test]
fn requests_for_other_addresses_pass() {
    let mut pivot = holding_one_of_two();
    for address in [OWN_ADDRESS, CLIENT, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 200, 5, 3)] {
        pivot.receives(who_has(address), passes(Verdict::Arp));
    }
}

#[test]
fn replies_pass_even_about_a_vip_that_is_not_held() {
    let mut pivot = holding_one_of_two();
    pivot.receives(is_at(OTHER_VIP, OWN_ADDRESS), passes(Verdict::Arp));
    pivot.receives(is_at(OTHER_VIP, OTHER_VIP), passes(Verdict::Arp));
    pivot.receives(is_at(VIP, VIP), passes(Verdict::Arp));
}

#[test]
fn the_holders_gratuitous_request_does_not_reach_the_stack_of_the_others() {
    let gratuitous = who_has(OTHER_VIP).saying(28, &OTHER_VIP.octets());
    holding_one_of_two().receives(gratuitous, dropped(Verdict::ArpSilenced));
}

#[test]
fn silence_begins_and_ends_with_the_vip() {
    let mut pivot = director(nothing().holding(VIP.into()));
    pivot.receives(who_has(VIP), passes(Verdict::Arp));
    pivot.configure(nothing().not_holding(VIP.into()));
    pivot.receives(who_has(VIP), dropped(Verdict::ArpSilenced));
    pivot.configure(nothing());
    pivot.receives(who_has(VIP), passes(Verdict::Arp));
}

#[test]
fn a_vip_whose_lease_ran_out_is_not_answered_for() {
    let mut pivot = holding_one_of_two();
    pivot.tampered(|memory| memory.vips.iter().for_each(|vip| vip.lease.set(1)));
    pivot.receives(who_has(VIP), dropped(Verdict::ArpSilenced));
}

#[test]
fn arp_of_other_kinds_of_network_passes() {
    let mut pivot = holding_one_of_two();
    // Hardware type, protocol type, lengths.
    pivot.receives(who_has(OTHER_VIP).saying(14, &[0, 6]), passes(Verdict::Arp));
    pivot.receives(who_has(OTHER_VIP).saying(16, &[0x86, 0xdd]), passes(Verdict::Arp));
    pivot.receives(who_has(OTHER_VIP).saying(18, &[8, 4]), passes(Verdict::Arp));
    pivot.receives(who_has(OTHER_VIP).saying(19, &[16]), passes(Verdict::Arp));
}

#[test]
fn arp_of_other_operations_passes() {
    let mut pivot = holding_one_of_two();
    for operation in [0_u16, 3, 8, 0x0100, 0xffff] {
        pivot.receives(who_has(OTHER_VIP).saying(20, &operation.to_be_bytes()), passes(Verdict::Arp));
    }
}

#[test]
fn an_arp_packet_that_is_cut_short_passes() {
    let mut pivot = holding_one_of_two();
    let whole = Frame::from(who_has(OTHER_VIP)).bytes;
    for len in 14..whole.len() {
        pivot.receives(raw(whole[..len].to_vec()), passes(Verdict::Runt));
    }
}

#[test]
fn padding_after_an_arp_packet_does_not_matter() {
    let mut padded = Frame::from(who_has(OTHER_VIP)).bytes;
    padded.resize(60, 0);
    holding_one_of_two().receives(raw(padded), dropped(Verdict::ArpSilenced));
}

#[test]
fn a_request_in_a_vlan_is_judged_as_any() {
    let mut pivot = holding_one_of_two();
    for tags in [&[(VLAN, 5)][..], &[(QINQ, 5), (VLAN, 6)]] {
        pivot.receives(who_has(OTHER_VIP).tagged(tags), dropped(Verdict::ArpSilenced));
        pivot.receives(who_has(VIP).tagged(tags), passes(Verdict::Arp));
        pivot.receives(who_has(OWN_ADDRESS).tagged(tags), passes(Verdict::Arp));
    }
    pivot.receives(who_has(OTHER_VIP).tagged(&[(QINQ, 5), (VLAN, 6), (VLAN, 7)]), passes(Verdict::NotIp));
}
