//! VIPs that another host holds: clients' packets go on to it, a director's are delivered, and without a known holder clients get
//! nothing.

use lb_common::path::verdict::Verdict;
use lb_common::wire::vip::{Belief, NOBODY, Vip, speaker};

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{dropped, forwarded_to, passed_on, passed_on_beyond, passes};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::{BEYOND, DIRECTOR_MAC, HERE, HOLDER_MAC, Scene, up};
use crate::frames::rig::segment::{QINQ, Segment, VLAN};

in_both_families! {
    a_clients_packets_go_on_to_the_holder,
    a_directors_packets_are_delivered,
    what_the_holder_sends_is_delivered_though_it_is_no_controller,
    without_a_holder_clients_get_nothing,
    an_elected_holder_is_sent_to_while_it_is_heard_and_no_longer,
    a_holder_behind_the_other_interface_is_sent_to_out_of_it,
    an_echo_request_goes_on_and_is_never_answered_here,
    errors_and_fragments_go_on_without_a_flow,
    what_is_wrong_with_a_packet_is_the_holders_to_judge,
    a_lease_that_ran_out_makes_a_holder_one_of_the_others,
    other_traffic_of_the_vip_and_of_the_host_stays,
    before_anything_is_known_of_a_vip_its_packets_are_delivered,
    only_what_comes_in_by_the_vips_interface_goes_on,
}

/// Jiffies that no kernel has reached.
const FOR_LONG: u64 = (1 << 39) - 1;

fn scene(on: Net) -> Scene {
    Scene::from([on.web().with(up("a")), on.names().with(up("b"))])
}

/// Another host holds the VIP.
fn passing_on(on: Net) -> Director {
    director(scene(on).passing_on(on.vip(), HERE))
}

/// Nobody knows who holds it.
fn lost(on: Net) -> Director {
    director(scene(on).not_holding(on.vip()))
}

/// Packets of services, of every kind.
fn packets(on: Net) -> [Segment; 8] {
    let tagged = on.data(700).tagged(QINQ, 7).tagged(VLAN, 5);
    [on.syn(), on.ack(), on.data(1400), on.fin(), on.rst(), on.datagram(30), tagged, on.datagram(0).tagged(VLAN, 5)]
}

/// A fragment of a datagram that is none of its first.
fn later(on: Net) -> Segment {
    on.bare(17, 64).fragment(7, 16, false)
}

fn a_clients_packets_go_on_to_the_holder(on: Net) {
    let mut pivot = passing_on(on);
    for packet in packets(on) {
        pivot.receives(packet.clone(), passed_on());
        // As often as it likes: nothing is remembered of it.
        pivot.receives(packet.by(9), passed_on());
    }
    pivot.remembers(on.syn(), None);
}

fn a_directors_packets_are_delivered(on: Net) {
    for mut pivot in [passing_on(on), lost(on)] {
        for packet in packets(on) {
            pivot.receives(packet.directed(), passes(Verdict::NotHeld));
        }
        pivot.receives(later(on).directed(), passes(Verdict::NotHeld));
        pivot.receives(on.too_big(on.data(1400)).directed(), passes(Verdict::NotHeld));
    }
}

fn what_the_holder_sends_is_delivered_though_it_is_no_controller(on: Net) {
    passing_on(on).receives(on.syn().by_mac(HOLDER_MAC.0), passes(Verdict::NotHeld));
    lost(on).receives(on.syn().by_mac(HOLDER_MAC.0), dropped(Verdict::HolderUnknown));
}

fn without_a_holder_clients_get_nothing(on: Net) {
    let mut pivot = lost(on);
    for packet in packets(on) {
        pivot.receives(packet, dropped(Verdict::HolderUnknown));
    }
    pivot.receives(later(on), dropped(Verdict::HolderUnknown));
    pivot.receives(on.too_big(on.data(1400)), dropped(Verdict::HolderUnknown));
    // A MAC of zeros is that of no controller, though the table is full of them.
    pivot.receives(on.syn().by_mac([0; 6]), dropped(Verdict::HolderUnknown));
}

fn an_elected_holder_is_sent_to_while_it_is_heard_and_no_longer(on: Net) {
    let mut pivot = passing_on(on);
    let [holder, other] = [on.node(12), on.node(13)].map(|host| speaker(host.into()));
    let hears = |pivot: &mut Director, from, until| {
        pivot.tampered(|memory| {
            memory.vips.iter().for_each(|vip| vip.belief.set(Belief { speaker: from, until }.pack()));
        });
    };
    let goes_by = |pivot: &mut Director, from| {
        pivot.tampered(|memory| memory.vips.iter().for_each(|vip| vip.speaker.set(from)));
    };
    let is_lost = |pivot: &mut Director| {
        for packet in packets(on) {
            pivot.receives(packet.clone(), dropped(Verdict::HolderUnknown));
            pivot.receives(packet.directed(), passes(Verdict::NotHeld));
        }
        pivot.receives(later(on), dropped(Verdict::HolderUnknown));
        pivot.receives(on.too_big(on.data(1400)), dropped(Verdict::HolderUnknown));
        pivot.receives(on.echo(), dropped(Verdict::EchoNotHeld));
        pivot.receives(on.syn().by_mac(HOLDER_MAC.0), passes(Verdict::NotHeld));
    };
    goes_by(&mut pivot, holder);
    is_lost(&mut pivot);
    hears(&mut pivot, holder, FOR_LONG);
    pivot.receives(on.syn(), passed_on());
    pivot.receives(later(on), passed_on());
    pivot.receives(on.echo(), passed_on());
    hears(&mut pivot, holder, 1);
    is_lost(&mut pivot);
    // The next one was heard, and the way still leads to this one; or it leads nowhere just now.
    hears(&mut pivot, other, FOR_LONG);
    is_lost(&mut pivot);
    goes_by(&mut pivot, NOBODY);
    is_lost(&mut pivot);
    goes_by(&mut pivot, other);
    pivot.receives(on.syn(), passed_on());
}

fn a_holder_behind_the_other_interface_is_sent_to_out_of_it(on: Net) {
    let mut pivot = director(scene(on).passing_on(on.vip(), BEYOND));
    for packet in packets(on) {
        pivot.receives(packet.clone(), passed_on_beyond());
        pivot.receives(packet.directed(), passes(Verdict::NotHeld));
    }
    pivot.receives(later(on), passed_on_beyond());
    pivot.receives(on.echo(), passed_on_beyond());
}

fn an_echo_request_goes_on_and_is_never_answered_here(on: Net) {
    let mut pivot = passing_on(on);
    pivot.receives(on.echo(), passed_on());
    pivot.receives(on.echo().payload(1400).tagged(VLAN, 5), passed_on());
    pivot.receives(on.echo().directed(), dropped(Verdict::EchoNotHeld));
    pivot.receives(on.echo().by_mac(HOLDER_MAC.0), dropped(Verdict::EchoNotHeld));
    lost(on).receives(on.echo(), dropped(Verdict::EchoNotHeld));
}

fn errors_and_fragments_go_on_without_a_flow(on: Net) {
    let mut pivot = passing_on(on);
    pivot.receives(on.too_big(on.data(1400)), passed_on());
    pivot.receives(on.datagram(64).fragment(7, 0, true), passed_on());
    pivot.receives(later(on), passed_on());
    pivot.receives(later(on).tagged(VLAN, 5), passed_on());
    assert!(pivot.beside_flows().is_empty());
}

fn what_is_wrong_with_a_packet_is_the_holders_to_judge(on: Net) {
    let mut pivot = passing_on(on);
    pivot.receives(on.syn().saying_ip_payload(10), passed_on());
    pivot.receives(on.syn().saying_data_offset(4), passed_on());
    pivot.receives(on.datagram(30).saying_udp_checksum(0), passed_on());
    pivot.receives(on.datagram(30).saying_udp_length(3), passed_on());
}

fn a_lease_that_ran_out_makes_a_holder_one_of_the_others(on: Net) {
    let mut pivot = passing_on(on);
    let lease = |pivot: &mut Director, until| {
        pivot.tampered(|memory| memory.vips.iter().for_each(|vip| vip.lease.set(until)));
    };
    lease(&mut pivot, Vip::HELD);
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.echo(), passes(Verdict::Echo));
    lease(&mut pivot, 1);
    pivot.receives(on.ack(), passed_on());
    pivot.receives(on.echo(), passed_on());
    pivot.configure(scene(on).not_holding(on.vip()));
    lease(&mut pivot, 1);
    pivot.receives(on.ack(), dropped(Verdict::HolderUnknown));
}

fn other_traffic_of_the_vip_and_of_the_host_stays(on: Net) {
    let mut pivot = passing_on(on);
    pivot.receives(on.syn().for_port(81), passes(Verdict::NotService));
    pivot.receives(on.syn().to((on.node(100), 80)), passes(Verdict::NotService));
    pivot.receives(on.echo().to((on.node(100), 0)), passes(Verdict::NotService));
    pivot.receives(on.bare(47, 40), passes(Verdict::NotBalanced));
    pivot.receives(on.syn().for_mac(DIRECTOR_MAC.0), passes(Verdict::OtherHost));
}

fn before_anything_is_known_of_a_vip_its_packets_are_delivered(on: Net) {
    let mut pivot = lost(on);
    pivot.tampered(|memory| memory.vips.iter().for_each(|vip| vip.elsewhere.set(0)));
    pivot.receives(on.syn(), passes(Verdict::NotHeld));
    pivot.receives(on.too_big(on.data(1400)), passes(Verdict::NotHeld));
    pivot.receives(on.echo(), dropped(Verdict::EchoNotHeld));
}

fn only_what_comes_in_by_the_vips_interface_goes_on(on: Net) {
    let mut pivot = passing_on(on);
    let carried_elsewhere = 1 << 56;
    pivot.tampered(|memory| {
        memory.vips.iter().for_each(|vip| vip.elsewhere.set(vip.elsewhere.get() ^ carried_elsewhere));
    });
    pivot.receives(on.syn(), passes(Verdict::NotHeld));
    pivot.receives(on.echo(), dropped(Verdict::EchoNotHeld));
}
