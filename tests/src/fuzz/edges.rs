//! What the host's own stack sends, and the sockets that it is handed connections for.

use std::net::{IpAddr, SocketAddr};

use etherparse::{ArpPacketSlice, EtherType};
use lb_common::path::verdict::{Action, Verdict};

use super::frame::frame;
use super::host::Host;
use super::incoming::raw;
use super::input::Input;
use super::scene::{INTERFACES, OWN_ADDRESS, Scene, UNKNOWN_INTERFACE};
use super::seen::{self, Carries};

/// Frames of one input at most.
const FRAMES: usize = 16;
/// Type of a neighbour advertisement.
const ADVERTISEMENT: u8 = 136;

/// Does what an input says and judges all of it; the verdicts in the order of the frames that have one.
///
/// # Panics
/// At a violation.
pub fn run(input: &[u8]) -> Vec<Verdict> {
    let mut input = Input::new(input);
    let scene = Scene::read(&mut input);
    let host = Host::new(&scene);
    let mut verdicts = Vec::new();
    for _ in 0..FRAMES {
        if input.is_empty() {
            break;
        }
        let raw_bytes = input.byte() % 8 == 7;
        let interface = input.pick(&[INTERFACES[0].0, INTERFACES[1].0, UNKNOWN_INTERFACE]);
        let frame = if raw_bytes { raw(&mut input).to_vec() } else { frame(&mut input) };
        let (verdict, left) = host.sends(&frame, interface);
        judge_sent(&scene, &frame, verdict, &left);
        judge_steered(&scene, &host, &frame);
        verdicts.extend(verdict);
    }
    verdicts
}

/// Nothing leaves that announces a VIP not held, and nothing else is touched.
fn judge_sent(scene: &Scene, frame: &[u8], verdict: Option<Verdict>, left: &[u8]) {
    let foreign = |address: IpAddr| scene.vip(address) == Some(false);
    let stopped = verdict.is_some_and(|verdict| verdict.action() == Action::Drop);
    let masked = verdict == Some(Verdict::ArpSenderMasked);
    assert_eq!(left.len(), frame.len());
    if !masked {
        assert_eq!(left, frame, "{verdict:?} changes the frame");
    }
    let announced = announced(frame);
    if let Some(announced) = &announced
        && foreign(announced.address)
        && verdict != Some(Verdict::TableTorn)
    {
        // Without the interface's own address a request is stopped, too.
        assert!(stopped || masked, "{verdict:?} lets {announced:?} out");
    }
    if stopped || masked {
        let announced = announced.expect("only what announces an address is stopped");
        assert!(foreign(announced.address), "{verdict:?} stops {announced:?}");
        if masked {
            let sender = announced.sender.expect("ARP");
            assert_eq!((&left[..sender], &left[sender + 4..]), (&frame[..sender], &frame[sender + 4..]));
            assert_eq!(left[sender..sender + 4], OWN_ADDRESS.octets());
        }
    }
}

/// An address that a frame says to be its sender's.
#[derive(Debug)]
struct Announced {
    address: IpAddr,
    /// Where ARP has it.
    sender: Option<usize>,
}

fn announced(frame: &[u8]) -> Option<Announced> {
    let (_, kind, l3) = seen::link(frame)?;
    if kind == EtherType::ARP {
        let arp = ArpPacketSlice::from_slice(&frame[l3..]).ok()?;
        let speaks_ipv4 = arp.hw_addr_type().0 == 1 && arp.proto_addr_type() == EtherType::IPV4;
        if !speaks_ipv4 || (arp.hw_addr_size(), arp.proto_addr_size()) != (6, 4) {
            return None;
        }
        let address = <[u8; 4]>::try_from(arp.sender_protocol_addr()).ok()?;
        return Some(Announced { address: address.into(), sender: Some(l3 + 14) });
    }
    let seen = seen::look(frame)?;
    if !matches!(seen.carries, Carries::Icmp(ADVERTISEMENT)) || seen.fragment.is_some() || seen.extensions > 6 {
        return None;
    }
    let target: [u8; 16] = *frame.get(seen.l4 + 8..)?.first_chunk()?;
    Some(Announced { address: target.into(), sender: None })
}

/// A segment that opens a connection goes to a backend of its service on this host, if there is one, and nothing else does.
fn judge_steered(scene: &Scene, host: &Host, frame: &[u8]) {
    let target = host.steers(frame);
    let seen = seen::look(frame).filter(|seen| seen.fragment.is_none() && seen.extensions <= 6);
    let message = seen.as_ref().and_then(|seen| match seen.carries {
        Carries::Message(message) => Some((seen.destination, message)),
        _ => None,
    });
    let local: Vec<SocketAddr> = message
        .and_then(|(vip, message)| scene.service(&(vip, message.destination, message.protocol)))
        .map(|backends| backends.iter().filter(|it| it.local).map(|it| it.bound).collect())
        .unwrap_or_default();
    match target {
        Some(target) => {
            let bound = SocketAddr::new(target.address.into(), u16::from_be(target.port));
            assert!(local.contains(&bound), "{bound} is no local backend of {seen:?}");
        }
        None => {
            let opens = message.is_some_and(|(_, message)| message.whole && message.tcp.opens());
            assert!(!opens || local.is_empty(), "nobody takes {seen:?}");
        }
    }
}
