//! What the path may never do, whatever comes in: judged by another parser of packets, on the host build alone.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use etherparse::{IpNumber, LaxSlicedPacket, LinkSlice, NetSlice, SlicedPacket, TransportSlice};
use lb_common::path::verdict::Action;
use proptest::collection::vec;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;

use super::any::{frame, scene, seeded, sent};
use crate::frames::rig::net::BOTH;
use crate::frames::rig::observed::Observed;
use crate::frames::rig::scene::{BEYOND_MAC, DIRECTOR_MAC, HERE, HOLDER_MAC, OWN_MAC, Scene};
use crate::frames::rig::side::{Hook, Host, Side, TABLES};

const NOW: u64 = 1 << 20;

proptest! {
    #![proptest_config(seeded(512))]

    #[test]
    fn only_a_vips_traffic_leaves_and_only_its_macs_change(scene in scene(), frames in vec(frame(), 1..60)) {
        let mut host = Host::new(&TABLES);
        host.writer_mut().apply(&scene.image()).expect("small enough");
        for frame in frames {
            let before = Observed::of(host.writer());
            let outcome = host.run(Hook::Incoming, &frame, NOW);
            prop_assert_eq!(counted(&before, &Observed::of(host.writer())), 1, "every frame has one verdict");
            // What is handed back leaves, or goes up, as what it was before.
            let restored = restored(&frame);
            let came = restored.as_ref().unwrap_or(&frame);
            match outcome.action {
                Action::Transmit => judge(&scene, came, &outcome.bytes)?,
                Action::Redirect => forwarded(&scene, came, &outcome.bytes, BEYOND_MAC.0)?,
                Action::Pass => prop_assert!(outcome.bytes == frame || outcome.bytes == *came),
                Action::Drop => prop_assert_eq!(&outcome.bytes, &frame),
                Action::Abort => prop_assert!(false, "a table is torn"),
            }
        }
    }

    #[test]
    fn what_this_host_sends_changes_in_an_arp_senders_address_only(scene in scene(), frames in vec(sent(), 1..60)) {
        let mut host = Host::new(&TABLES);
        host.writer_mut().apply(&scene.image()).expect("small enough");
        for frame in frames {
            let outcome = host.run(Hook::Outgoing, &frame, NOW);
            prop_assert_eq!(outcome.bytes.len(), frame.len());
            let differs = |i: &usize| outcome.bytes[*i] != frame[*i];
            let arp = 14 + 4 * tags(&frame);
            prop_assert!((0..frame.len()).filter(differs).all(|i| (arp + 14..arp + 18).contains(&i)));
        }
    }
}

/// Verdicts that were counted in between.
fn counted(before: &Observed, after: &Observed) -> u64 {
    let sum = |verdicts: &BTreeMap<&str, u64>| verdicts.values().sum::<u64>();
    sum(&after.verdicts) - sum(&before.verdicts)
}

/// VLAN tags that are read.
fn tags(frame: &[u8]) -> usize {
    let is_tag = |at: usize| matches!(frame.get(at..at + 2), Some([0x81, 0x00] | [0x88, 0xa8]));
    match (is_tag(12), is_tag(16)) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    }
}

/// What a frame was that says to be handed back.
fn restored(frame: &[u8]) -> Option<Vec<u8>> {
    let at = 12 + 4 * tags(frame);
    let on = BOTH.into_iter().find(|on| frame.get(at..at + 2) == Some(&on.returned().to_be_bytes()[..]))?;
    let mut restored = frame.to_vec();
    restored[at..at + 2].copy_from_slice(&on.ethertype().to_be_bytes());
    Some(restored)
}

/// A frame that left as it came, or as an answer.
fn judge(scene: &Scene, came: &[u8], left: &[u8]) -> Result<(), TestCaseError> {
    if left.len() == came.len() && left[12..] == came[12..] {
        return forwarded(scene, came, left, OWN_MAC.0);
    }
    let l3 = 14 + 4 * tags(came);
    prop_assert_eq!(&left[..6], &came[6..12]);
    prop_assert_eq!(&left[6..12], &came[..6]);
    prop_assert_eq!(&left[12..l3], &came[12..l3]);
    // A packet of bytes that are all there: checksums and lengths are right.
    let answer = SlicedPacket::from_ethernet(left).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let (from, to, protocol) = ends(&answer.net)?;
    match &answer.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            prop_assert!(tcp.rst());
            prop_assert!(scene.holds(from) && scene.serves(SocketAddr::new(from, tcp.source_port()), protocol.0));
            let right = match (from, to) {
                (IpAddr::V4(a), IpAddr::V4(b)) => tcp.calc_checksum_ipv4(a.octets(), b.octets()),
                (IpAddr::V6(a), IpAddr::V6(b)) => tcp.calc_checksum_ipv6(a.octets(), b.octets()),
                _ => return Err(TestCaseError::fail("of two families")),
            };
            prop_assert_eq!(Ok(tcp.checksum()), right);
            prop_assert_eq!(left.len(), l3 + if from.is_ipv4() { 40 } else { 60 });
        }
        Some(TransportSlice::Icmpv4(icmp)) => {
            prop_assert_eq!((icmp.type_u8(), icmp.code_u8()), (3, 3));
            prop_assert!(icmp.payload().len() <= 72 && scene.holds(from));
            prop_assert_eq!(icmp.icmp_type().calc_checksum(icmp.payload()), icmp.checksum());
        }
        Some(TransportSlice::Icmpv6(icmp)) => {
            prop_assert_eq!((icmp.type_u8(), icmp.code_u8()), (1, 4));
            prop_assert!(icmp.payload().len() <= 72 && scene.holds(from));
            let (IpAddr::V6(a), IpAddr::V6(b)) = (from, to) else { return Err(TestCaseError::fail("not IPv6")) };
            prop_assert!(icmp.is_checksum_valid(a.octets(), b.octets()));
        }
        other => return Err(TestCaseError::fail(format!("answered by {other:?}"))),
    }
    Ok(())
}

/// Whether a frame may have been sent on, and was sent as it must be.
fn forwarded(scene: &Scene, came: &[u8], left: &[u8], from: [u8; 6]) -> Result<(), TestCaseError> {
    prop_assert_eq!(&came[..6], &OWN_MAC.0);
    prop_assert_eq!(&left[6..12], &from, "came {:02x?} left {:02x?}", came, left);
    prop_assert_eq!(&left[12..], &came[12..]);
    let packet = LaxSlicedPacket::from_ethernet(came).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(matches!(packet.link, Some(LinkSlice::Ethernet2(_))));
    let l3 = 14 + 4 * tags(came);
    let destination: IpAddr = match came[l3] >> 4 {
        4 => <[u8; 4]>::try_from(&came[l3 + 16..l3 + 20]).expect("four").into(),
        _ => <[u8; 16]>::try_from(&came[l3 + 24..l3 + 40]).expect("sixteen").into(),
    };
    if !scene.holds(destination) {
        // Of another holder's VIP, what no controller sent goes on to it.
        let way = scene.way_to_holder(destination).map(|way| if way == HERE { OWN_MAC.0 } else { BEYOND_MAC.0 });
        prop_assert_eq!(way, Some(from), "{} is no VIP of another host there", destination);
        prop_assert_eq!(&left[..6], &HOLDER_MAC.0);
        prop_assert!(came[6..12] != HOLDER_MAC.0 && came[6..12] != DIRECTOR_MAC.0, "what was directed goes on");
    }
    let protocol = |number: IpNumber| number.0;
    // A fragment without ports, or an error, goes by what came before.
    match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let at = SocketAddr::new(destination, tcp.destination_port());
            prop_assert!(scene.serves(at, protocol(IpNumber::TCP)), "{at} is no TCP service");
        }
        Some(TransportSlice::Udp(udp)) => {
            let at = SocketAddr::new(destination, udp.destination_port());
            prop_assert!(scene.serves(at, protocol(IpNumber::UDP)), "{at} is no UDP service");
        }
        _ => {}
    }
    Ok(())
}

/// Sender, receiver and protocol.
fn ends(net: &Option<NetSlice<'_>>) -> Result<(IpAddr, IpAddr, IpNumber), TestCaseError> {
    match net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            prop_assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
            Ok((header.source_addr().into(), header.destination_addr().into(), header.protocol()))
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header();
            Ok((header.source_addr().into(), header.destination_addr().into(), header.next_header()))
        }
        _ => Err(TestCaseError::fail("no IP packet")),
    }
}
