//! IPv6 extension headers (RFC 8200 section 4): walked where they are no concern of a director.

use lb_common::path::verdict::Verdict;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{forwarded_to, passes, reset_acknowledging};
use crate::frames::rig::net::Net;
use crate::frames::rig::scene::up;
use crate::frames::rig::segment::{Segment, VLAN};

const ON: Net = Net::V6;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION: u8 = 60;

/// A director that has the usual client's flow already.
fn with_a_flow() -> Director {
    let mut pivot = director([ON.web().with(up("a")), ON.names().with(up("b"))]);
    pivot.receives(ON.syn(), forwarded_to("a").chosen());
    pivot.receives(ON.datagram(9), forwarded_to("b").chosen());
    pivot
}

/// A routing header of two units whose way has so many stops left.
fn routed(segment: Segment, left: u8) -> Segment {
    let mut bytes = [0; 15];
    (bytes[0], bytes[2]) = (1, left);
    segment.extension(ROUTING, &bytes)
}

#[test]
fn options_are_walked_whatever_their_length() {
    let mut pivot = with_a_flow();
    for units in [1, 2, 3, 16, 32] {
        pivot.receives(ON.ack().options6(HOP_BY_HOP, units), forwarded_to("a"));
        pivot.receives(ON.data(9).options6(DESTINATION, units), forwarded_to("a"));
        pivot.receives(ON.datagram(9).options6(DESTINATION, units), forwarded_to("b"));
        pivot.receives(ON.ack().options6(HOP_BY_HOP, units).tagged(VLAN, 5), forwarded_to("a"));
    }
}

#[test]
fn options_of_the_greatest_length_are_walked() {
    let bytes = [&[255][..], &vec![0; 2046]].concat();
    with_a_flow().receives(ON.ack().extension(DESTINATION, &bytes), forwarded_to("a"));
}

#[test]
fn a_way_that_ends_here_is_walked() {
    let mut pivot = with_a_flow();
    pivot.receives(routed(ON.ack(), 0), forwarded_to("a"));
    pivot.receives(routed(ON.datagram(9).options6(HOP_BY_HOP, 1), 0), forwarded_to("b"));
}

#[test]
fn a_way_that_goes_on_passes() {
    let mut pivot = with_a_flow();
    for left in [1, 2, 255] {
        pivot.receives(routed(ON.ack(), left), passes(Verdict::NotBalanced));
    }
}

#[test]
fn six_headers_are_walked_and_more_pass() {
    let mut pivot = with_a_flow();
    let with = |count: usize| (0..count).fold(ON.ack(), |segment, _| segment.options6(DESTINATION, 1));
    for count in 0..=6 {
        pivot.receives(with(count), forwarded_to("a"));
    }
    for count in 7..=9 {
        pivot.receives(with(count), passes(Verdict::Extensions));
    }
}

#[test]
fn a_header_that_is_not_known_passes() {
    let mut pivot = with_a_flow();
    // ESP, authentication, no next header, mobility, host identity, and nobody's.
    for kind in [50, 51, 59, 135, 139, 250] {
        pivot.receives(ON.ack().extension(kind, &[0; 7]), passes(Verdict::NotBalanced));
        pivot.receives(ON.ack().options6(HOP_BY_HOP, 1).extension(kind, &[0; 7]), passes(Verdict::NotBalanced));
    }
}

#[test]
fn a_frame_that_ends_in_its_extension_headers_passes() {
    let mut pivot = with_a_flow();
    let packet = || routed(ON.ack().options6(HOP_BY_HOP, 2), 0).options6(DESTINATION, 1);
    for len in 54..packet().l4() + 20 {
        pivot.receives(packet().frame_of(len), passes(Verdict::Runt));
    }
    pivot.receives(packet(), forwarded_to("a"));
}

#[test]
fn an_extension_header_that_ends_beyond_its_packet_is_never_forwarded() {
    use crate::frames::rig::expect::dropped;
    let mut pivot = with_a_flow();
    // The transport header lies in the frame, but not in the packet.
    for len in 0..28 {
        pivot.receives(ON.ack().options6(DESTINATION, 1).saying_ip_payload(len), dropped(Verdict::Malformed));
    }
    pivot.receives(ON.ack().options6(DESTINATION, 1).saying_ip_payload(28), forwarded_to("a"));
    // It says that it is as long as to end beyond the frame.
    pivot.receives(ON.ack().extension(DESTINATION, &[255, 0, 0, 0, 0, 0, 0]), passes(Verdict::Runt));
}

#[test]
fn a_flow_is_the_same_behind_any_headers() {
    let mut pivot = director(ON.web().with(up("a")));
    pivot.receives(ON.syn().options6(HOP_BY_HOP, 1), forwarded_to("a").chosen());
    pivot.receives(ON.ack(), forwarded_to("a"));
    pivot.receives(routed(ON.data(9), 0), forwarded_to("a"));
}

#[test]
fn a_reset_has_none_of_them() {
    let mut pivot = director(ON.web());
    pivot.receives(routed(ON.syn().options6(HOP_BY_HOP, 3), 0), reset_acknowledging(Verdict::ResetNoBackend, 1001));
}

#[test]
fn control_messages_behind_headers_are_read() {
    let mut pivot = with_a_flow();
    pivot.receives(ON.echo().options6(DESTINATION, 1), passes(Verdict::Echo));
    pivot.receives(ON.too_big(ON.ack()).options6(HOP_BY_HOP, 1), crate::frames::rig::expect::told("a"));
}
