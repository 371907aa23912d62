//! Neighbour discovery (RFC 4861): a host that does not hold a VIP neither answers for it nor speaks of it.

use lb_common::path::verdict::Verdict;

use crate::frames::rig::control::{advertises, probes, solicits};
use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{dropped, passes, passes_unseen};
use crate::frames::rig::net::Net;
use crate::frames::rig::reading::Frame;
use crate::frames::rig::scene::{OWN_MAC, Scene, nothing, up};
use crate::frames::rig::segment::{QINQ, VLAN};

const ON: Net = Net::V6;

/// Holds the VIP, does not hold the other one.
fn holding_one_of_two() -> Director {
    director(Scene::from(ON.web().with(up("a"))).not_holding(ON.other_vip()))
}

#[test]
fn a_solicitation_for_a_vip_that_is_held_passes() {
    let mut pivot = holding_one_of_two();
    pivot.receives(solicits(ON.vip()), passes(Verdict::Solicitation));
    pivot.receives(probes(ON.vip()), passes(Verdict::Solicitation));
}

#[test]
fn a_solicitation_for_a_vip_that_is_not_held_is_dropped() {
    holding_one_of_two().receives(solicits(ON.other_vip()), dropped(Verdict::SolicitationSilenced));
}

#[test]
fn a_solicitation_to_this_host_alone_for_a_vip_that_is_not_held_is_dropped() {
    // A neighbour that knew this host as the holder asks it directly (RFC 4861 section 7.3.3).
    let mut pivot = holding_one_of_two();
    pivot.receives(probes(ON.other_vip()), dropped(Verdict::SolicitationSilenced));
    // In a unicast frame to the group, and to another address of this host.
    pivot.receives(solicits(ON.other_vip()).for_mac(OWN_MAC.0), dropped(Verdict::SolicitationSilenced));
    pivot.receives(probes(ON.other_vip()).to((ON.node(100), 0)), dropped(Verdict::SolicitationSilenced));
}

#[test]
fn solicitations_for_other_addresses_pass() {
    let mut pivot = holding_one_of_two();
    for address in [ON.node(100), ON.client(), ON.host(1)] {
        pivot.receives(solicits(address), passes(Verdict::Solicitation));
        pivot.receives(probes(address), passes(Verdict::Solicitation));
    }
}

#[test]
fn a_solicitation_in_a_vlan_is_judged_as_any() {
    let mut pivot = holding_one_of_two();
    pivot.receives(solicits(ON.other_vip()).tagged(VLAN, 5), dropped(Verdict::SolicitationSilenced));
    pivot.receives(probes(ON.other_vip()).tagged(QINQ, 5).tagged(VLAN, 6), dropped(Verdict::SolicitationSilenced));
    pivot.receives(solicits(ON.vip()).tagged(VLAN, 5), passes(Verdict::Solicitation));
}

#[test]
fn silence_begins_and_ends_with_the_vip() {
    let mut pivot = director(nothing().holding(ON.vip()));
    pivot.receives(solicits(ON.vip()), passes(Verdict::Solicitation));
    pivot.configure(nothing().not_holding(ON.vip()));
    pivot.receives(solicits(ON.vip()), dropped(Verdict::SolicitationSilenced));
    pivot.configure(nothing());
    pivot.receives(solicits(ON.vip()), passes(Verdict::Solicitation));
}

#[test]
fn a_vip_whose_lease_ran_out_is_not_answered_for() {
    let mut pivot = holding_one_of_two();
    pivot.tampered(|memory| memory.vips.iter().for_each(|vip| vip.lease.set(1)));
    pivot.receives(solicits(ON.vip()), dropped(Verdict::SolicitationSilenced));
    pivot.sends(advertises(ON.vip()), dropped(Verdict::AdvertisementStopped));
}

#[test]
fn advertisements_of_others_pass() {
    let mut pivot = holding_one_of_two();
    let told = |vip| advertises(vip).by_mac([2, 0, 0, 9, 0, 1]);
    pivot.receives(told(ON.other_vip()), passes(Verdict::OtherHost));
    pivot.receives(told(ON.other_vip()).for_mac(OWN_MAC.0), passes(Verdict::NotService));
    pivot.receives(told(ON.vip()).for_mac(OWN_MAC.0).to((ON.vip(), 0)), passes(Verdict::NotBalanced));
}

#[test]
fn a_solicitation_that_is_cut_short_passes() {
    let mut pivot = holding_one_of_two();
    let solicitation = || solicits(ON.other_vip());
    for len in solicitation().l4()..solicitation().l4() + 24 {
        pivot.receives(solicitation().frame_of(len), passes(Verdict::OtherHost));
    }
}

#[test]
fn a_solicitation_behind_an_extension_header_is_judged_as_any() {
    holding_one_of_two().receives(solicits(ON.other_vip()).options6(0, 1), dropped(Verdict::SolicitationSilenced));
}

#[test]
fn what_is_no_solicitation_in_a_multicast_frame_passes() {
    let mut pivot = holding_one_of_two();
    let everyone = [0x33, 0x33, 0, 0, 0, 1];
    pivot.receives(ON.echo().for_mac(everyone), passes(Verdict::OtherHost));
    pivot.receives(ON.syn().for_mac(everyone), passes(Verdict::OtherHost));
    pivot.receives(solicits(ON.other_vip()).fragment(7, 0, true), passes(Verdict::OtherHost));
}

#[test]
fn an_advertisement_for_a_vip_that_is_not_held_is_stopped() {
    let mut pivot = holding_one_of_two();
    pivot.sends(advertises(ON.other_vip()), dropped(Verdict::AdvertisementStopped));
    pivot.sends(advertises(ON.other_vip()).to((ON.client(), 0)), dropped(Verdict::AdvertisementStopped));
    pivot.sends(advertises(ON.other_vip()).tagged(VLAN, 5), dropped(Verdict::AdvertisementStopped));
    pivot.sends(advertises(ON.other_vip()).from((ON.node(100), 0)), dropped(Verdict::AdvertisementStopped));
}

#[test]
fn the_holder_advertises_its_vip() {
    let mut pivot = holding_one_of_two();
    pivot.sends(advertises(ON.vip()), passes_unseen());
    pivot.sends(advertises(ON.vip()).tagged(QINQ, 5).tagged(VLAN, 6), passes_unseen());
}

#[test]
fn advertisements_for_other_addresses_leave() {
    let mut pivot = holding_one_of_two();
    pivot.sends(advertises(ON.node(100)), passes_unseen());
    pivot.sends(advertises(ON.client()), passes_unseen());
}

#[test]
fn other_packets_leave_unseen() {
    let mut pivot = holding_one_of_two();
    pivot.sends(solicits(ON.other_vip()), passes_unseen());
    pivot.sends(ON.echo(), passes_unseen());
    pivot.sends(ON.syn().answered(), passes_unseen());
    let advertisement = Frame::from(advertises(ON.other_vip())).bytes.len();
    pivot.sends(advertises(ON.other_vip()).frame_of(advertisement - 9), passes_unseen());
}
