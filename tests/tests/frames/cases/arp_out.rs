//! What this host is about to send: it does not speak of a VIP that it does not hold.

use std::net::Ipv4Addr;

use lb_common::path::verdict::Verdict;

use crate::frames::rig::arp::{CLIENT, NEIGHBOUR, OTHER_VIP, VIP, is_at, who_has};
use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{dropped, passes, passes_as, passes_unseen};
use crate::frames::rig::net::Net;
use crate::frames::rig::reading::{Frame, raw};
use crate::frames::rig::scene::{OWN_ADDRESS, Scene, up};
use crate::frames::rig::segment::{QINQ, VLAN};

/// Holds `VIP`, does not hold `OTHER_VIP`.
fn holding_one_of_two() -> Director {
    director(Scene::from(Net::V4.web().with(up("a"))).not_holding(OTHER_VIP.into()))
}

#[test]
fn a_request_from_a_vip_that_is_not_held_gets_the_hosts_own_address() {
    let masked = Frame::from(who_has(NEIGHBOUR).sent_for(OWN_ADDRESS)).bytes;
    let request = who_has(NEIGHBOUR).sent_for(OTHER_VIP);
    holding_one_of_two().sends(request, passes_as(Verdict::ArpSenderMasked, masked));
}

#[test]
fn a_request_from_a_vip_that_is_held_goes_out_as_it_is() {
    holding_one_of_two().sends(who_has(NEIGHBOUR).sent_for(VIP), passes(Verdict::Arp));
}

#[test]
fn a_request_from_the_hosts_own_address_goes_out_as_it_is() {
    let mut pivot = holding_one_of_two();
    pivot.sends(who_has(NEIGHBOUR).sent_for(OWN_ADDRESS), passes(Verdict::Arp));
    pivot.sends(who_has(OTHER_VIP).sent_for(OWN_ADDRESS), passes(Verdict::Arp));
    pivot.sends(who_has(NEIGHBOUR).sent_for(Ipv4Addr::UNSPECIFIED), passes(Verdict::Arp));
}

#[test]
fn the_holder_announces_its_vip() {
    let mut pivot = holding_one_of_two();
    pivot.sends(who_has(VIP).sent_for(VIP), passes(Verdict::Arp));
    pivot.sends(is_at(VIP, VIP).sent_for(VIP), passes(Verdict::Arp));
}

#[test]
fn a_gratuitous_request_for_a_vip_that_is_not_held_is_stopped() {
    holding_one_of_two().sends(who_has(OTHER_VIP).sent_for(OTHER_VIP), dropped(Verdict::ArpAnnounceStopped));
}

#[test]
fn a_reply_for_a_vip_that_is_not_held_is_stopped() {
    let mut pivot = holding_one_of_two();
    pivot.sends(is_at(OTHER_VIP, CLIENT).sent_for(OTHER_VIP), dropped(Verdict::ArpAnnounceStopped));
    pivot.sends(is_at(OTHER_VIP, OTHER_VIP).sent_for(OTHER_VIP), dropped(Verdict::ArpAnnounceStopped));
}

#[test]
fn a_request_is_stopped_where_the_link_has_no_address_to_mask_with() {
    let mut pivot = holding_one_of_two();
    pivot.tampered(|memory| memory.links.iter().for_each(|link| link.address.set(0)));
    pivot.sends(who_has(NEIGHBOUR).sent_for(OTHER_VIP), dropped(Verdict::ArpAnnounceStopped));
}

#[test]
fn what_is_no_arp_goes_out_unseen() {
    let mut pivot = holding_one_of_two();
    pivot.sends(Net::V4.syn(), passes_unseen());
    pivot.sends(Net::V4.data(1460).from((OTHER_VIP, 80)).to((CLIENT, 40_000)), passes_unseen());
    pivot.sends(Net::V4.syn().saying(12, &[0x88, 0xcc]), passes_unseen());
}

#[test]
fn arp_of_other_kinds_of_network_goes_out_as_it_is() {
    let mut pivot = holding_one_of_two();
    pivot.sends(who_has(NEIGHBOUR).sent_for(OTHER_VIP).saying(14, &[0, 6]), passes(Verdict::Arp));
    pivot.sends(who_has(NEIGHBOUR).sent_for(OTHER_VIP).saying(18, &[6, 16]), passes(Verdict::Arp));
}

#[test]
fn an_arp_packet_that_is_cut_short_goes_out_as_it_is() {
    let mut pivot = holding_one_of_two();
    let whole = Frame::from(who_has(NEIGHBOUR).sent_for(OTHER_VIP)).bytes;
    for len in 14..whole.len() {
        pivot.sends(raw(whole[..len].to_vec()), passes(Verdict::Runt));
    }
}

#[test]
fn padding_after_a_masked_request_stays() {
    let padded = |arp: crate::frames::rig::arp::Arp| {
        let mut bytes = Frame::from(arp).bytes;
        bytes.resize(60, 0);
        bytes
    };
    let masked = padded(who_has(NEIGHBOUR).sent_for(OWN_ADDRESS));
    let request = raw(padded(who_has(NEIGHBOUR).sent_for(OTHER_VIP)));
    holding_one_of_two().sends(request, passes_as(Verdict::ArpSenderMasked, masked));
}

#[test]
fn arp_in_a_vlan_is_masked_and_stopped_as_any() {
    let mut pivot = holding_one_of_two();
    for tags in [&[(VLAN, 5)][..], &[(QINQ, 5), (VLAN, 6)]] {
        let masked = Frame::from(who_has(NEIGHBOUR).sent_for(OWN_ADDRESS).tagged(tags)).bytes;
        let request = who_has(NEIGHBOUR).sent_for(OTHER_VIP).tagged(tags);
        pivot.sends(request, passes_as(Verdict::ArpSenderMasked, masked));
        let gratuitous = who_has(OTHER_VIP).sent_for(OTHER_VIP).tagged(tags);
        pivot.sends(gratuitous, dropped(Verdict::ArpAnnounceStopped));
        pivot.sends(who_has(VIP).sent_for(VIP).tagged(tags), passes(Verdict::Arp));
    }
}
