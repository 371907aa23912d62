//! A service's packets on their way to a backend.

use etherparse::{IpDscp, IpEcn, Ipv6FlowLabel};
use lb_common::path::verdict::Verdict;
use lb_common::wire::link::VLANS;

use crate::frames::rig::director::director;
use crate::frames::rig::expect::{dropped, forwarded_to, local_to, passes, redirected_to, stuck_before};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::{Scene, down, drained, up};
use crate::frames::rig::segment::{QINQ, Segment, VLAN};

in_both_families! {
    a_connection_goes_to_one_backend_from_syn_to_fin,
    a_known_flows_reset_goes_to_its_backend,
    segments_with_odd_flags_follow_their_flow,
    a_syn_that_offers_ecn_opens_a_connection,
    nothing_of_the_packet_but_its_macs_is_touched,
    flows_of_a_client_and_of_clients_on_one_port_are_told_apart,
    every_port_a_client_may_have_is_a_flow_of_its_own,
    the_table_decides_where_new_flows_go,
    an_unknown_segment_that_opens_nothing_goes_where_the_table_says_and_is_remembered,
    an_unknown_reset_goes_where_the_table_says_and_is_not_remembered,
    a_backend_on_this_host_gets_its_packets_by_the_stack,
    local_and_remote_backends_share_a_service,
    a_backend_whose_mac_is_unknown_is_not_guessed_at,
    a_flow_moves_on_once_its_backends_mac_is_known,
    what_a_director_sends_is_left_to_the_stack_of_a_host_that_does_not_hold_the_vip,
    a_vip_is_balanced_from_the_moment_it_is_held_until_it_is_not,
    a_vip_whose_lease_ran_out_is_as_one_that_is_not_held,
    a_backend_behind_another_interface_gets_its_packets_from_that_ones_mac,
    a_flow_goes_on_when_its_backend_moves_to_another_interface,
    a_datagrams_backend_behind_another_interface_gets_it_there,
    tags_stay_on_what_is_forwarded,
    a_flow_is_the_same_in_any_vlan,
    a_vlan_is_left_to_its_device_if_that_is_ours_too,
    three_tags_pass,
    a_frame_that_ends_in_its_tags_passes,
    a_tag_of_something_else_passes,
    a_jumbo_frame_is_forwarded_whole,
    datagrams_of_a_client_go_to_one_backend,
    a_datagram_may_be_empty,
    unhealthy_siblings_do_not_matter_to_a_new_flow,
}

fn a_connection_goes_to_one_backend_from_syn_to_fin(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.data(500), forwarded_to("a"));
    pivot.receives(on.fin(), forwarded_to("a"));
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn a_known_flows_reset_goes_to_its_backend(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.rst(), forwarded_to("a"));
}

fn segments_with_odd_flags_follow_their_flow(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.segment(|_| ()), forwarded_to("a"));
    pivot.receives(on.segment(|tcp| (tcp.syn, tcp.fin) = (true, true)), forwarded_to("a"));
    pivot.receives(on.segment(|tcp| (tcp.syn, tcp.ack) = (true, true)), forwarded_to("a"));
    pivot.receives(on.segment(|tcp| (tcp.fin, tcp.urg, tcp.psh) = (true, true, true)), forwarded_to("a"));
    pivot.receives(on.segment(|tcp| (tcp.ece, tcp.cwr, tcp.ns) = (true, true, true)), forwarded_to("a"));
}

fn a_syn_that_offers_ecn_opens_a_connection(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    let offering = on.syn().tcp(|tcp| (tcp.ece, tcp.cwr) = (true, true));
    pivot.receives(offering, forwarded_to("a").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn nothing_of_the_packet_but_its_macs_is_touched(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    let marked = on
        .syn()
        .v4(|ip| {
            ip.time_to_live = 1;
            ip.identification = 0xbeef;
            ip.dscp = IpDscp::try_new(46).unwrap();
            ip.ecn = IpEcn::ONE;
        })
        .v6(|ip| {
            ip.hop_limit = 1;
            ip.traffic_class = 0xb9;
            ip.flow_label = Ipv6FlowLabel::try_new(0xf_eedb).unwrap();
        });
    pivot.receives(marked, forwarded_to("a").chosen());
    pivot.receives(on.data(9).tcp(|tcp| (tcp.urg, tcp.urgent_pointer) = (true, 5)), forwarded_to("a"));
}

fn flows_of_a_client_and_of_clients_on_one_port_are_told_apart(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.syn().at_port(40_001), forwarded_to("a").chosen());
    pivot.receives(on.syn().by(8), forwarded_to("a").chosen());
    pivot.receives(on.syn().from((on.node(7), 40_000)), forwarded_to("a").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.receives(on.ack().at_port(40_001), forwarded_to("a"));
}

fn every_port_a_client_may_have_is_a_flow_of_its_own(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    for port in [0, 1, 80, 0x00ff, 0xff00, 0xfffe, 0xffff] {
        pivot.receives(on.syn().at_port(port), forwarded_to("a").chosen());
        pivot.receives(on.ack().at_port(port), forwarded_to("a"));
    }
}

fn the_table_decides_where_new_flows_go(on: Net) {
    let all = on.web().with(up("a")).with(up("b")).with(up("c"));
    let mut pivot = director(all.clone().new_flows_to(["b"]));
    pivot.receives(on.syn(), forwarded_to("b").chosen());
    pivot.configure(all.new_flows_to(["c"]));
    pivot.receives(on.syn().at_port(1), forwarded_to("c").chosen());
}

fn an_unknown_segment_that_opens_nothing_goes_where_the_table_says_and_is_remembered(on: Net) {
    let all = on.web().with(up("a")).with(up("b"));
    for first in [on.ack(), on.data(100), on.fin()] {
        let mut pivot = director(all.clone().new_flows_to(["a"]));
        pivot.receives(first, forwarded_to("a").chosen());
        pivot.configure(all.clone().new_flows_to(["b"]));
        pivot.receives(on.data(10), forwarded_to("a"));
    }
}

fn an_unknown_reset_goes_where_the_table_says_and_is_not_remembered(on: Net) {
    let all = on.web().with(up("a")).with(up("b"));
    let mut pivot = director(all.clone().new_flows_to(["a"]));
    pivot.receives(on.rst(), forwarded_to("a").chosen());
    pivot.remembers(on.rst(), None);
    pivot.configure(all.new_flows_to(["b"]));
    pivot.receives(on.rst(), forwarded_to("b").chosen());
}

fn a_backend_on_this_host_gets_its_packets_by_the_stack(on: Net) {
    let mut pivot = director(on.web().with(up("a").here()));
    pivot.receives(on.syn(), local_to("a").chosen());
    pivot.receives(on.ack(), local_to("a"));
    pivot.receives(on.data(1460), local_to("a"));
}

fn local_and_remote_backends_share_a_service(on: Net) {
    let both = on.web().with(up("a").here()).with(up("b"));
    let mut pivot = director(both.clone().new_flows_to(["a"]));
    pivot.receives(on.syn(), local_to("a").chosen());
    pivot.configure(both.new_flows_to(["b"]));
    pivot.receives(on.syn().at_port(1), forwarded_to("b").chosen());
    pivot.receives(on.ack(), local_to("a"));
}

fn a_backend_whose_mac_is_unknown_is_not_guessed_at(on: Net) {
    let mut pivot = director(on.web().with(up("a").unresolved()));
    pivot.receives(on.syn(), stuck_before("a").chosen());
    pivot.receives(on.ack(), stuck_before("a"));
}

fn a_flow_moves_on_once_its_backends_mac_is_known(on: Net) {
    let mut pivot = director(on.web().with(up("a").unresolved()));
    pivot.receives(on.syn(), stuck_before("a").chosen());
    pivot.configure(on.web().with(up("a")));
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn what_a_director_sends_is_left_to_the_stack_of_a_host_that_does_not_hold_the_vip(on: Net) {
    let mut pivot = director(Scene::from(on.web().with(up("a"))).not_holding(on.vip()));
    for segment in [on.syn(), on.ack(), on.data(10), on.rst()] {
        pivot.receives(segment.directed(), passes(Verdict::NotHeld));
    }
    pivot.remembers(on.syn(), None);
}

fn a_vip_is_balanced_from_the_moment_it_is_held_until_it_is_not(on: Net) {
    let scene = || Scene::from(on.web().with(up("a")));
    let mut pivot = director(scene().not_holding(on.vip()));
    pivot.receives(on.syn().directed(), passes(Verdict::NotHeld));
    pivot.configure(scene());
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(scene().not_holding(on.vip()));
    pivot.receives(on.ack().directed(), passes(Verdict::NotHeld));
    pivot.configure(scene());
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn a_vip_whose_lease_ran_out_is_as_one_that_is_not_held(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.tampered(|memory| memory.vips.iter().for_each(|vip| vip.lease.set(1)));
    pivot.receives(on.ack().directed(), passes(Verdict::NotHeld));
    pivot.receives(on.ack(), dropped(Verdict::HolderUnknown));
}

fn unhealthy_siblings_do_not_matter_to_a_new_flow(on: Net) {
    let mut pivot = director(on.web().with(down("a")).with(drained("b")).with(up("c")));
    for port in 1..20 {
        pivot.receives(on.syn().at_port(port), forwarded_to("c").chosen());
    }
}

fn a_backend_behind_another_interface_gets_its_packets_from_that_ones_mac(on: Net) {
    let mut pivot = director(on.web().with(up("a").beyond()));
    pivot.receives(on.syn(), redirected_to("a").chosen());
    pivot.receives(on.ack(), redirected_to("a"));
    pivot.receives(on.data(1400), redirected_to("a"));
    pivot.receives(on.fin().tagged(VLAN, 5), redirected_to("a"));
}

fn a_flow_goes_on_when_its_backend_moves_to_another_interface(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
    pivot.configure(on.web().with(up("a").beyond()));
    pivot.receives(on.ack(), redirected_to("a"));
    pivot.configure(on.web().with(up("a")));
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn a_datagrams_backend_behind_another_interface_gets_it_there(on: Net) {
    let mut pivot = director(on.names().with(up("a").beyond()));
    pivot.receives(on.datagram(20), redirected_to("a").chosen());
    pivot.receives(on.datagram(20), redirected_to("a"));
}

fn tags_stay_on_what_is_forwarded(on: Net) {
    for tags in [&[(VLAN, 5)][..], &[(QINQ, 5)], &[(QINQ, 0x3005), (VLAN, 0xefff)], &[(VLAN, 1), (VLAN, 2)]] {
        let tagged = |segment: Segment| tags.iter().fold(segment, |s, (identifier, vlan)| s.tagged(*identifier, *vlan));
        let mut pivot = director([on.web().with(up("a")), on.names().with(up("b"))]);
        pivot.receives(tagged(on.syn()), forwarded_to("a").chosen());
        pivot.receives(tagged(on.ack()), forwarded_to("a"));
        pivot.receives(tagged(on.data(1460)), forwarded_to("a"));
        pivot.receives(tagged(on.datagram(30)), forwarded_to("b").chosen());
    }
}

fn a_flow_is_the_same_in_any_vlan(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.ack().tagged(VLAN, 5), forwarded_to("a"));
    pivot.receives(on.data(5).tagged(QINQ, 5).tagged(VLAN, 6), forwarded_to("a"));
}

fn a_vlan_is_left_to_its_device_if_that_is_ours_too(on: Net) {
    let mut pivot = director([on.web().with(up("a")), on.names().with(up("b"))]);
    pivot.tampered(|memory| memory.links.iter().for_each(|link| link.port.set(link.port.get() | VLANS)));
    for tags in [&[(VLAN, 5)][..], &[(QINQ, 5)], &[(QINQ, 0xf005), (VLAN, 6)]] {
        let tagged = |segment: Segment| tags.iter().fold(segment, |s, (identifier, vlan)| s.tagged(*identifier, *vlan));
        for segment in [on.syn(), on.ack(), on.rst(), on.data(1460), on.datagram(30), on.datagram(30).at_port(1)] {
            pivot.receives(tagged(segment), passes(Verdict::VlanDevice));
        }
    }
    pivot.receives(on.syn().tagged(VLAN, 5).for_mac([2, 9, 9, 9, 9, 9]), passes(Verdict::OtherHost));
    // A priority and no VLAN: the interface's own.
    pivot.receives(on.syn().tagged(VLAN, 0xe000), forwarded_to("a").chosen());
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn three_tags_pass(on: Net) {
    let tagged = on.syn().tagged(QINQ, 1).tagged(VLAN, 2).tagged(VLAN, 3);
    director(on.web().with(up("a"))).receives(tagged, passes(Verdict::NotIp));
}

fn a_frame_that_ends_in_its_tags_passes(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    for len in 14..22 + on.header() + 20 {
        pivot.receives(on.syn().tagged(QINQ, 1).tagged(VLAN, 2).frame_of(len), passes(Verdict::Runt));
    }
}

fn a_tag_of_something_else_passes(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    for identifier in [0x9100, 0x0081, 0xa888, 0x88e5] {
        pivot.receives(on.syn().tagged(identifier, 1), passes(Verdict::NotIp));
    }
    pivot.receives(on.syn().tagged(VLAN, 1).saying(16, &[0x88, 0xcc]), passes(Verdict::NotIp));
}

fn a_jumbo_frame_is_forwarded_whole(on: Net) {
    let mut pivot = director([on.web().with(up("a")), on.names().with(up("b").beyond())]);
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    for len in [4000, 8900, 15_000] {
        pivot.receives(on.data(len), forwarded_to("a"));
    }
    pivot.receives(on.data(8900).tagged(VLAN, 5), forwarded_to("a"));
    pivot.receives(on.datagram(8900), redirected_to("b").chosen());
    pivot.receives(on.data(8900).frame_of(8000), dropped(Verdict::Malformed));
}

fn datagrams_of_a_client_go_to_one_backend(on: Net) {
    let both = on.names().with(up("a")).with(up("b"));
    let mut pivot = director(both.clone().new_flows_to(["a"]));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.configure(both.new_flows_to(["b"]));
    pivot.receives(on.datagram(30), forwarded_to("a"));
    pivot.receives(on.datagram(1400), forwarded_to("a"));
    pivot.receives(on.datagram(30).at_port(1), forwarded_to("b").chosen());
}

fn a_datagram_may_be_empty(on: Net) {
    let mut pivot = director(on.names().with(up("a")));
    pivot.receives(on.datagram(0), forwarded_to("a").chosen());
    pivot.receives(on.datagram(0).frame_of(64), forwarded_to("a"));
}
