//! A service's packets on their way to a backend.

use etherparse::{IpDscp, IpEcn};
use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::director;
use crate::frames::rig::expect::{forwarded_to, local_to, passes, stuck_before};
use crate::frames::rig::scene::{Scene, VIP, down, drained, up, web};
use crate::frames::rig::segment::{CLIENT, ack, data, fin, rst, segment, syn};

#[test]
fn a_connection_goes_to_one_backend_from_syn_to_fin() {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.receives(ack(), forwarded_to("a"));
    pivot.receives(data(500), forwarded_to("a"));
    pivot.receives(fin(), forwarded_to("a"));
    pivot.receives(ack(), forwarded_to("a"));
}

#[test]
fn a_known_flows_reset_goes_to_its_backend() {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.receives(rst(), forwarded_to("a"));
}

#[test]
fn segments_with_odd_flags_follow_their_flow() {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.receives(segment(|_| ()), forwarded_to("a"));
    pivot.receives(segment(|tcp| (tcp.syn, tcp.fin) = (true, true)), forwarded_to("a"));
    pivot.receives(segment(|tcp| (tcp.syn, tcp.ack) = (true, true)), forwarded_to("a"));
    pivot.receives(segment(|tcp| (tcp.fin, tcp.urg, tcp.psh) = (true, true, true)), forwarded_to("a"));
    pivot.receives(segment(|tcp| (tcp.ece, tcp.cwr, tcp.ns) = (true, true, true)), forwarded_to("a"));
}

#[test]
fn a_syn_that_offers_ecn_opens_a_connection() {
    let mut pivot = director(web().with(up("a")));
    let offering = syn().tcp(|tcp| (tcp.ece, tcp.cwr) = (true, true));
    pivot.receives(offering, forwarded_to("a").chosen());
    pivot.receives(ack(), forwarded_to("a"));
}

#[test]
fn nothing_of_the_packet_but_its_macs_is_touched() {
    let mut pivot = director(web().with(up("a")));
    let marked = syn().ip(|ip| {
        ip.time_to_live = 1;
        ip.identification = 0xbeef;
        ip.dscp = IpDscp::try_new(46).unwrap();
        ip.ecn = IpEcn::ONE;
    });
    pivot.receives(marked, forwarded_to("a").chosen());
    pivot.receives(data(9).tcp(|tcp| (tcp.urg, tcp.urgent_pointer) = (true, 5)), forwarded_to("a"));
}

#[test]
fn flows_of_a_client_and_of_clients_on_one_port_are_told_apart() {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.receives(syn().at_port(40_001), forwarded_to("a").chosen());
    pivot.receives(syn().from(([198, 51, 100, 8], 40_000)), forwarded_to("a").chosen());
    pivot.receives(syn().from(([197, 51, 100, 7], 40_000)), forwarded_to("a").chosen());
    pivot.receives(ack(), forwarded_to("a"));
    pivot.receives(ack().at_port(40_001), forwarded_to("a"));
}

#[test]
fn every_port_a_client_may_have_is_a_flow_of_its_own() {
    let mut pivot = director(web().with(up("a")));
    for port in [0, 1, 80, 0x00ff, 0xff00, 0xfffe, 0xffff] {
        pivot.receives(syn().at_port(port), forwarded_to("a").chosen());
        pivot.receives(ack().at_port(port), forwarded_to("a"));
    }
}

#[test]
fn the_table_decides_where_new_flows_go() {
    let all = web().with(up("a")).with(up("b")).with(up("c"));
    let mut pivot = director(all.clone().new_flows_to(["b"]));
    pivot.receives(syn(), forwarded_to("b").chosen());
    pivot.configure(all.new_flows_to(["c"]));
    pivot.receives(syn().at_port(1), forwarded_to("c").chosen());
}

#[test]
fn an_unknown_segment_that_opens_nothing_goes_where_the_table_says_and_is_remembered() {
    let all = web().with(up("a")).with(up("b"));
    for first in [ack(), data(100), fin()] {
        let mut pivot = director(all.clone().new_flows_to(["a"]));
        pivot.receives(first, forwarded_to("a").chosen());
        pivot.configure(all.clone().new_flows_to(["b"]));
        pivot.receives(data(10), forwarded_to("a"));
    }
}

#[test]
fn an_unknown_reset_goes_where_the_table_says_and_is_not_remembered() {
    let all = web().with(up("a")).with(up("b"));
    let mut pivot = director(all.clone().new_flows_to(["a"]));
    pivot.receives(rst(), forwarded_to("a").chosen());
    pivot.remembers(rst(), None);
    pivot.configure(all.new_flows_to(["b"]));
    pivot.receives(rst(), forwarded_to("b").chosen());
}

#[test]
fn a_backend_on_this_host_gets_its_packets_by_the_stack() {
    let mut pivot = director(web().with(up("a").here()));
    pivot.receives(syn(), local_to("a").chosen());
    pivot.receives(ack(), local_to("a"));
    pivot.receives(data(1460), local_to("a"));
}

#[test]
fn local_and_remote_backends_share_a_service() {
    let both = web().with(up("a").here()).with(up("b"));
    let mut pivot = director(both.clone().new_flows_to(["a"]));
    pivot.receives(syn(), local_to("a").chosen());
    pivot.configure(both.new_flows_to(["b"]));
    pivot.receives(syn().at_port(1), forwarded_to("b").chosen());
    pivot.receives(ack(), local_to("a"));
}

#[test]
fn a_backend_whose_mac_is_unknown_is_not_guessed_at() {
    let mut pivot = director(web().with(up("a").unresolved()));
    pivot.receives(syn(), stuck_before("a").chosen());
    pivot.receives(ack(), stuck_before("a"));
}

#[test]
fn a_flow_moves_on_once_its_backends_mac_is_known() {
    let mut pivot = director(web().with(up("a").unresolved()));
    pivot.receives(syn(), stuck_before("a").chosen());
    pivot.configure(web().with(up("a")));
    pivot.receives(ack(), forwarded_to("a"));
}

#[test]
fn a_vip_that_is_not_held_is_left_to_the_stack() {
    let mut pivot = director(Scene::from(web().with(up("a"))).not_holding(VIP));
    for segment in [syn(), ack(), data(10), rst()] {
        pivot.receives(segment, passes(Verdict::NotHeld));
    }
    pivot.remembers(syn(), None);
}

#[test]
fn a_vip_is_balanced_from_the_moment_it_is_held_until_it_is_not() {
    let scene = || Scene::from(web().with(up("a")));
    let mut pivot = director(scene().not_holding(VIP));
    pivot.receives(syn(), passes(Verdict::NotHeld));
    pivot.configure(scene());
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.configure(scene().not_holding(VIP));
    pivot.receives(ack(), passes(Verdict::NotHeld));
    pivot.configure(scene());
    pivot.receives(ack(), forwarded_to("a"));
}

#[test]
fn a_vip_whose_lease_ran_out_is_left_to_the_stack() {
    let mut pivot = director(web().with(up("a")));
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.tampered(|memory| memory.vips.iter().for_each(|vip| vip.lease.set(1)));
    pivot.receives(ack(), passes(Verdict::NotHeld));
}

#[test]
fn unhealthy_siblings_do_not_matter_to_a_new_flow() {
    let mut pivot = director(web().with(down("a")).with(drained("b")).with(up("c")));
    for port in 1..20 {
        pivot.receives(syn().from((CLIENT, port)), forwarded_to("c").chosen());
    }
}
