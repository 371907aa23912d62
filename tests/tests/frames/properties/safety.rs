//! What the path may never do, whatever comes in: judged by another parser of packets, on the host build alone.

use std::net::SocketAddr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use lb_common::path::verdict::Action;
use proptest::collection::vec;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;

use super::any::{frame, scene, seeded, sent};
use crate::frames::rig::scene::{OWN_MAC, Scene};
use crate::frames::rig::side::{Hook, Host, Side, TABLES};

/// Length of a reset: Ethernet, IPv4 and TCP headers without options.
const RESET: usize = 54;

proptest! {
    #![proptest_config(seeded(512))]

    #[test]
    fn only_a_held_vips_services_are_forwarded_or_reset_and_nothing_grows(scene in scene(), frames in vec(frame(), 1..60)) {
        let mut host = Host::new(&TABLES);
        host.writer_mut().apply(&scene.image()).expect("small enough");
        for frame in frames {
            let outcome = host.run(Hook::Incoming, &frame);
            prop_assert!(outcome.bytes.len() <= frame.len());
            match outcome.action {
                Action::Transmit => judge(&scene, &frame, &outcome.bytes)?,
                Action::Pass | Action::Drop => prop_assert_eq!(&outcome.bytes, &frame),
                Action::Abort => prop_assert!(false, "a table is torn"),
            }
        }
    }

    #[test]
    fn what_this_host_sends_changes_in_an_arp_senders_address_only(scene in scene(), frames in vec(sent(), 1..60)) {
        let mut host = Host::new(&TABLES);
        host.writer_mut().apply(&scene.image()).expect("small enough");
        for frame in frames {
            let outcome = host.run(Hook::Outgoing, &frame);
            prop_assert_eq!(outcome.bytes.len(), frame.len());
            let differs = |i: &usize| outcome.bytes[*i] != frame[*i];
            prop_assert!((0..frame.len()).filter(differs).all(|i| (28..32).contains(&i)));
        }
    }
}

/// Whether a frame may have been sent out again, and whether it was sent as it must be.
fn judge(scene: &Scene, came: &[u8], left: &[u8]) -> Result<(), TestCaseError> {
    let packet = parse(came)?;
    prop_assert_eq!(&came[..6], &OWN_MAC.0);
    prop_assert!(!packet.fragment);
    prop_assert!(scene.serves(packet.destination), "{} is no service of a held VIP", packet.destination);
    prop_assert_eq!(&left[6..12], &OWN_MAC.0);
    if left[12..] == came[12..] {
        return Ok(());
    }
    let answer = parse(left)?;
    prop_assert_eq!(left.len(), RESET);
    prop_assert_eq!(&left[..6], &came[6..12]);
    prop_assert!(answer.resets && !packet.resets);
    prop_assert_eq!((answer.source, answer.destination), (packet.destination, packet.source));
    Ok(())
}

/// What etherparse says of a TCP segment in IPv4.
struct Parsed {
    source: SocketAddr,
    destination: SocketAddr,
    fragment: bool,
    resets: bool,
}

fn parse(frame: &[u8]) -> Result<Parsed, TestCaseError> {
    let fail = |what: &str| TestCaseError::fail(format!("{what}: {frame:02x?}"));
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| fail(&error.to_string()))?;
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { return Err(fail("not IPv4")) };
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return Err(fail("not TCP")) };
    Ok(Parsed {
        source: (ip.header().source_addr(), tcp.source_port()).into(),
        destination: (ip.header().destination_addr(), tcp.destination_port()).into(),
        fragment: ip.header().is_fragmenting_payload(),
        resets: tcp.rst(),
    })
}
