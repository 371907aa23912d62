//! Judges what the path did with a frame, by what another parser sees in it and by what the scene says.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use etherparse::{Icmpv4Slice, Icmpv6Slice, IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice, TcpHeaderSlice};
use lb_common::path::run::Exit;
use lb_common::path::verdict::{Action, Verdict};
use lb_userspace::core::config::model::Protocol;
use lb_userspace::core::view::BackendState;
use lb_userspace::tables::writer::Endpoint;

use super::scene::{Backend, HOLDER, Hop, INTERFACES, Scene, is_controller};
use super::seen::{self, Carries, Fragment, Message, Seen};

/// What identifies the fragments of a packet.
type Packet = (IpAddr, IpAddr, Fragment);

/// What must be remembered from frame to frame.
#[derive(Debug, Default)]
pub struct Oracle {
    /// Whether the scene was changed: then flows may go where they were given before.
    changed: bool,
    /// Whether a flow's entry was tampered with: then an index may lead nowhere.
    tampered: bool,
    /// Where each service's backends ever were.
    known: HashMap<Endpoint, HashSet<Hop>>,
    /// Where first fragments went.
    leads: HashMap<Packet, Hop>,
}

/// A frame that came in, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    /// Index of the interface that it came in by.
    pub interface: u32,
    /// As it came.
    pub came: &'a [u8],
    /// What the path decided.
    pub exit: Exit,
    /// As it left.
    pub left: &'a [u8],
}

impl Oracle {
    /// For a first scene.
    #[must_use]
    pub fn new(scene: &Scene) -> Self {
        let mut oracle = Self::default();
        oracle.configured(scene);
        oracle.changed = false;
        oracle
    }

    /// The scene is another now.
    pub fn configured(&mut self, scene: &Scene) {
        self.changed = true;
        for (endpoint, backends) in scene.services() {
            self.known.entry(endpoint).or_default().extend(backends.iter().filter_map(|backend| backend.hop));
        }
    }

    /// The flow table is not to be trusted any more.
    pub fn tampered(&mut self) {
        self.tampered = true;
    }

    pub(super) fn is_tampered(&self) -> bool {
        self.tampered
    }

    /// Judges. A violation is a panic.
    pub fn judge(&mut self, scene: &Scene, passage: &Passage<'_>) {
        let Passage { came, exit, left, .. } = *passage;
        if let Some(restored) = seen::restored(came) {
            return self.judge_returned(scene, passage, &restored);
        }
        let seen = seen::look(came);
        if let Some(seen) = &seen {
            self.must_be_balanced(scene, passage, seen);
            must_go_elsewhere(scene, passage, seen);
        }
        match exit.verdict.action() {
            Action::Pass => assert_eq!(left, came, "{:?} changes the frame", exit.verdict),
            // An answer for which there is no room.
            Action::Drop if exit.verdict == Verdict::Malformed => {}
            Action::Drop => assert_eq!(left, came, "{:?} changes the frame", exit.verdict),
            Action::Abort => assert!(self.tampered, "{:?} without a torn table", exit.verdict),
            Action::Transmit | Action::Redirect => {
                let seen = seen.expect("a frame that leaves is an IP packet");
                self.may_leave(scene, passage, &seen);
            }
        }
    }

    /// What is plainly a packet of a service is not taken for anything else.
    fn must_be_balanced(&self, scene: &Scene, passage: &Passage<'_>, seen: &Seen) {
        let Carries::Message(message) = seen.carries else { return };
        let own = own_mac(passage.interface);
        let ours = own.is_some_and(|own| seen.macs[0] == own) && seen.extensions <= 6;
        let served = scene.service(&(seen.destination, message.destination, message.protocol)).is_some();
        if !ours || !served {
            return;
        }
        let verdict = passage.exit.verdict;
        // A segment cut within its first twenty bytes is none yet.
        let cut = message.protocol == Protocol::Tcp && passage.came.len() < seen.l4 + 20;
        let right = match scene.vip(seen.destination) {
            _ if leaves_vlan(scene, passage) => verdict == Verdict::VlanDevice,
            _ if cut => verdict == Verdict::Runt,
            None => false,
            Some(false) => verdict == elsewhere(scene, passage, seen),
            Some(true) if !message.whole => verdict == Verdict::Malformed,
            Some(true) if !message.checksum && seen.source.is_ipv6() => verdict == Verdict::NoChecksum,
            Some(true) => {
                let answered = match message.protocol {
                    Protocol::Tcp => {
                        matches!(verdict, Verdict::ResetNoBackend | Verdict::ResetBackendDown | Verdict::ResetUnheard)
                    }
                    Protocol::Udp => matches!(
                        verdict,
                        Verdict::UnreachableNoBackend
                            | Verdict::UnreachableLimited
                            | Verdict::UnreachableUnheard
                            | Verdict::Malformed
                    ),
                };
                let given =
                    matches!(verdict, Verdict::Forwarded | Verdict::Redirected | Verdict::Local | Verdict::Unresolved);
                given || answered || self.tampered && verdict == Verdict::TableTorn
            }
        };
        assert!(right, "{verdict:?} for {seen:?}");
    }

    fn may_leave(&mut self, scene: &Scene, passage: &Passage<'_>, seen: &Seen) {
        let verdict = passage.exit.verdict;
        assert_eq!(Some(seen.macs[0]), own_mac(passage.interface), "a frame for another host leaves by {verdict:?}");
        if matches!(verdict, Verdict::PassedOn | Verdict::PassedOnBeyond) {
            return passed_on(scene, passage, seen);
        }
        assert_eq!(scene.vip(seen.destination), Some(true), "{} is no VIP held here", seen.destination);
        assert!(!leaves_vlan(scene, passage), "{verdict:?} of what a VLAN device is to get");
        assert!(seen.end <= passage.came.len(), "{verdict:?} of a packet that is longer than its frame");
        match verdict {
            Verdict::Forwarded | Verdict::Redirected | Verdict::ErrorForwarded => {
                self.forwarded(scene, passage, seen);
            }
            Verdict::ResetNoBackend | Verdict::ResetBackendDown => {
                let message = whole(scene, seen, Protocol::Tcp);
                reset(passage, seen, &message);
            }
            Verdict::UnreachableNoBackend => {
                whole(scene, seen, Protocol::Udp);
                unreachable(passage, seen);
            }
            other => panic!("{other:?} does not send"),
        }
    }

    pub(super) fn forwarded(&mut self, scene: &Scene, passage: &Passage<'_>, seen: &Seen) {
        let Passage { interface, came, exit, left } = *passage;
        assert_eq!(left.len(), came.len());
        assert_eq!(left[12..], came[12..], "more than the MACs is another");
        let own = INTERFACES.iter().position(|(index, ..)| *index == interface).expect("it has a MAC");
        let port = if exit.verdict == Verdict::Redirected || exit.port != 0 { exit.port as usize } else { own };
        assert!(exit.verdict != Verdict::Redirected || port != own, "redirected to where it came from");
        assert_eq!(left[6..12], INTERFACES[port].2, "sent in another's name");
        let hop = Hop { mac: std::array::from_fn(|i| left[i]), port };
        match &seen.carries {
            Carries::Message(message) => {
                whole(scene, seen, message.protocol);
                let endpoint = (seen.destination, message.destination, message.protocol);
                self.takes(scene, &endpoint, hop);
                if let Some(fragment) = seen.fragment {
                    self.leads.insert((seen.source, seen.destination, Fragment { first: false, ..fragment }), hop);
                }
            }
            Carries::Piece => {
                let fragment = seen.fragment.expect("nothing else without ports leaves");
                let lead = self.leads.get(&(seen.source, seen.destination, fragment));
                let lead = lead.expect("its first fragment came before");
                assert!(*lead == hop || self.changed || self.tampered, "{hop:?}, but the first went to {lead:?}");
            }
            Carries::Error(Some(quoted)) => {
                assert_ne!(exit.verdict, Verdict::Forwarded, "an error is counted as such");
                assert_eq!(quoted.source, seen.destination, "what is quoted is the VIP's");
                let Carries::Message(message) = quoted.carries else { panic!("a quote without ports: {quoted:?}") };
                self.takes(scene, &(quoted.source, message.source, message.protocol), hop);
            }
            other => panic!("{other:?} is forwarded"),
        }
    }

    /// Whether a service's packets may go there.
    fn takes(&self, scene: &Scene, endpoint: &Endpoint, hop: Hop) {
        let takes =
            |backend: &Backend| backend.hop == Some(hop) && (backend.keeps || backend.state != BackendState::Down);
        let now = scene.service(endpoint).is_some_and(|backends| backends.iter().any(takes));
        let before =
            (self.changed || self.tampered) && self.known.get(endpoint).is_some_and(|known| known.contains(&hop));
        assert!(now || before, "{hop:?} is no backend of {endpoint:?}");
    }
}

/// What becomes of a packet to a VIP that another host holds, which that one would serve or answer.
fn elsewhere(scene: &Scene, passage: &Passage<'_>, seen: &Seen) -> Verdict {
    let way = scene.way_to_holder(seen.destination);
    let directed = is_controller(&seen.macs[1]) || way.is_some() && seen.macs[1] == HOLDER;
    match way {
        _ if directed || passage.interface != INTERFACES[0].0 => Verdict::NotHeld,
        Some(0) => Verdict::PassedOn,
        Some(_) => Verdict::PassedOnBeyond,
        None => Verdict::HolderUnknown,
    }
}

/// Echo requests, errors and fragments to such a VIP, that are plainly there.
fn must_go_elsewhere(scene: &Scene, passage: &Passage<'_>, seen: &Seen) {
    let ours = own_mac(passage.interface) == Some(seen.macs[0]) && seen.extensions <= 6;
    if !ours || scene.vip(seen.destination) != Some(false) || leaves_vlan(scene, passage) {
        return;
    }
    let echo = if seen.source.is_ipv4() { 8 } else { 128 };
    let icmp = seen.fragment.is_none() && passage.came.len() >= seen.l4 + 8;
    let right = match (&seen.carries, elsewhere(scene, passage, seen)) {
        (Carries::Icmp(kind), Verdict::NotHeld | Verdict::HolderUnknown) if *kind == echo && icmp => {
            Verdict::EchoNotHeld
        }
        (Carries::Icmp(kind), right) if *kind == echo && icmp => right,
        (Carries::Error(_), right) if icmp => right,
        (Carries::Piece, right) if seen.fragment.is_some_and(|it| !it.first && matches!(it.protocol, 6 | 17)) => right,
        _ => return,
    };
    assert_eq!(passage.exit.verdict, right, "{seen:?} (right)");
}

/// A frame that goes on to the host that holds the VIP, with nothing changed but the MACs.
fn passed_on(scene: &Scene, passage: &Passage<'_>, seen: &Seen) {
    let Passage { came, exit, left, .. } = *passage;
    assert_eq!(scene.vip(seen.destination), Some(false), "{} is no VIP of another host", seen.destination);
    assert_eq!(exit.verdict, elsewhere(scene, passage, seen), "{seen:?} (right)");
    let port = scene.way_to_holder(seen.destination).expect("a way to the holder");
    assert_eq!(exit.port as usize, port);
    assert_eq!((&left[..6], &left[6..12]), (&HOLDER[..], &INTERFACES[port].2[..]));
    assert_eq!(left[12..], came[12..], "more than the MACs is another");
    match seen.carries {
        Carries::Message(message) => {
            let endpoint = (seen.destination, message.destination, message.protocol);
            assert!(scene.service(&endpoint).is_some(), "{endpoint:?} is no service");
        }
        Carries::Piece => assert!(seen.fragment.is_some_and(|fragment| !fragment.first), "{seen:?}"),
        Carries::Error(_) => {}
        Carries::Icmp(kind) => assert_eq!(kind, if seen.source.is_ipv4() { 8 } else { 128 }, "{seen:?}"),
    }
}

/// Whether a frame is a VLAN device's to get, above the interface that it came in by.
pub(super) fn leaves_vlan(scene: &Scene, passage: &Passage<'_>) -> bool {
    scene.below_vlans() == Some(passage.interface) && seen::vlan(passage.came).is_some()
}

pub(super) fn own_mac(interface: u32) -> Option<[u8; 6]> {
    INTERFACES.iter().find(|(index, ..)| *index == interface).map(|(.., mac)| *mac)
}

/// The message that a packet carries, which is one of a service.
fn whole(scene: &Scene, seen: &Seen, protocol: Protocol) -> Message {
    let Carries::Message(message) = seen.carries else { panic!("no message: {seen:?}") };
    let endpoint = (seen.destination, message.destination, protocol);
    assert!(scene.service(&endpoint).is_some(), "{endpoint:?} is no service");
    assert!(message.whole && message.protocol == protocol, "{message:?}");
    message
}

/// A frame that goes back where it came from, with everything up to the IP header as it was but for the MACs.
fn turned_round(passage: &Passage<'_>, seen: &Seen) {
    let Passage { came, left, .. } = *passage;
    assert_eq!((&left[..6], &left[6..12]), (&came[6..12], &came[..6]));
    assert_eq!(left[12..seen.l3], came[12..seen.l3]);
    assert_eq!(came[6] & 1, 0, "many are answered");
    let one = match seen.source {
        IpAddr::V4(it) => !(it.is_multicast() || it.is_loopback() || it.is_broadcast() || it.octets()[0] == 0),
        IpAddr::V6(it) => !(it.is_multicast() || it.is_loopback() || it.is_unspecified()),
    };
    assert!(one, "{} is answered", seen.source);
}

/// The IP header of an answer: where its payload begins, which is all that follows and of this protocol.
fn answered(passage: &Passage<'_>, seen: &Seen, protocol: IpNumber) -> usize {
    turned_round(passage, seen);
    let left = passage.left;
    let (source, destination, next, header, end) = if seen.source.is_ipv4() {
        let ip = Ipv4HeaderSlice::from_slice(&left[seen.l3..]).expect("an IPv4 header");
        assert_eq!(ip.header_checksum(), ip.to_header().calc_header_checksum());
        assert!(!ip.is_fragmenting_payload());
        let header = ip.slice().len();
        (IpAddr::from(ip.source_addr()), IpAddr::from(ip.destination_addr()), ip.protocol(), header, ip.total_len())
    } else {
        let ip = Ipv6HeaderSlice::from_slice(&left[seen.l3..]).expect("an IPv6 header");
        let end = 40 + ip.payload_length();
        (IpAddr::from(ip.source_addr()), IpAddr::from(ip.destination_addr()), ip.next_header(), 40, end)
    };
    assert_eq!((source, destination, next), (seen.destination, seen.source, protocol));
    assert_eq!(seen.l3 + usize::from(end), left.len(), "the answer's length");
    seen.l3 + header
}

/// RFC 9293 section 3.10.7.1.
fn reset(passage: &Passage<'_>, seen: &Seen, message: &Message) {
    let l4 = answered(passage, seen, IpNumber::TCP);
    let left = passage.left;
    assert_eq!(left.len(), l4 + 20, "a reset has neither options nor payload");
    let tcp = TcpHeaderSlice::from_slice(&left[l4..]).expect("a TCP header");
    let of = &message.tcp;
    assert!(tcp.rst() && !tcp.syn() && !tcp.fin() && !of.rst, "a reset, and not for a reset");
    assert_eq!((tcp.source_port(), tcp.destination_port()), (message.destination, message.source));
    let next = of.sequence.wrapping_add(of.payload).wrapping_add(u32::from(of.syn)).wrapping_add(u32::from(of.fin));
    let numbers = if of.ack { (of.acknowledgment, 0, false) } else { (0, next, true) };
    assert_eq!((tcp.sequence_number(), tcp.acknowledgment_number(), tcp.ack()), numbers);
    let checksum = match (seen.destination, seen.source) {
        (IpAddr::V4(from), IpAddr::V4(to)) => tcp.calc_checksum_ipv4_raw(from.octets(), to.octets(), &[]),
        (IpAddr::V6(from), IpAddr::V6(to)) => tcp.calc_checksum_ipv6_raw(from.octets(), to.octets(), &[]),
        _ => unreachable!("both are of one family"),
    };
    assert_eq!(Ok(tcp.checksum()), checksum);
}

/// RFC 792 and RFC 4443 section 3.1.
fn unreachable(passage: &Passage<'_>, seen: &Seen) {
    let quoted = &passage.came[seen.l3..seen.l4 + 8];
    let (payload, fault) = if let (IpAddr::V6(from), IpAddr::V6(to)) = (seen.destination, seen.source) {
        let l4 = answered(passage, seen, IpNumber::IPV6_ICMP);
        let icmp = Icmpv6Slice::from_slice(&passage.left[l4..]).expect("an ICMPv6 message");
        assert!(icmp.is_checksum_valid(from.octets(), to.octets()));
        (icmp.payload(), (icmp.type_u8(), icmp.code_u8()) == (1, 4))
    } else {
        let l4 = answered(passage, seen, IpNumber::ICMP);
        let icmp = Icmpv4Slice::from_slice(&passage.left[l4..]).expect("an ICMP message");
        assert_eq!(icmp.checksum(), icmp.icmp_type().calc_checksum(icmp.payload()));
        (icmp.payload(), (icmp.type_u8(), icmp.code_u8()) == (3, 3))
    };
    assert!(fault, "port unreachable");
    assert_eq!(payload, quoted, "what is quoted");
}
