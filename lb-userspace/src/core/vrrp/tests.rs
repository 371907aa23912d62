//! Sealed messages between two hosts.

use std::time::Duration;

use super::advert::{Shape, Version};
use super::*;
use crate::core::election::Fitness;

const START: Now = Now(Duration::from_secs(9));

fn address(host: u8) -> IpAddr {
    [10, 0, 0, host].into()
}

/// A host that seals by a key, behind a sequence.
fn host(own: u8, other: u8, key: Option<&[u8]>, sequence: u64) -> Vrrp {
    let rules = Rules {
        version: Version::V3,
        priority: 100 + own,
        interval: Duration::from_secs(1),
        preempt: true,
        preempt_delay: Duration::ZERO,
        catches_up: false,
        lease: Duration::from_millis(2500),
        own: address(own),
        announce_again: Duration::from_secs(5),
        announce_every: Duration::ZERO,
        duplicate_check: Duration::ZERO,
        rivals: Vec::new(),
    };
    let instance = Instance {
        group: "control".into(),
        interface: "eth0".to_owned(),
        vrid: 51,
        rules,
        shape: Shape::default(),
        addresses: vec![address(100)],
        peers: vec![address(other)],
        key: key.map(Key::new),
    };
    let mut vrrp = Vrrp::behind(sequence);
    let _ = vrrp.configure(vec![(instance, None)], START);
    let _ = vrrp.handle(Event::Fitness { group: "control", fitness: Fitness::Weighted(0) }, START);
    vrrp
}

/// What a host says first once nobody else was heard.
fn claim(host: &mut Vrrp) -> Vec<u8> {
    let due = host.deadline().unwrap();
    let actions = host.handle(Event::Tick, due);
    let sent = actions.into_iter().find_map(|action| match action {
        Action::Send { payload, .. } => Some(payload),
        _ => None,
    });
    sent.unwrap()
}

/// Why a host ignores a message of host 2, if it does.
fn ignored(host: &mut Vrrp, payload: &[u8]) -> Option<&'static str> {
    let datagram =
        Datagram { interface: "eth0", source: address(2), destination: address(1), at: START, hops: 64, payload };
    let actions = host.handle(Event::Message(datagram), START);
    actions.into_iter().find_map(|action| match action {
        Action::Ignored { kind, .. } => Some(kind),
        _ => None,
    })
}

#[test]
fn a_sealed_message_counts_once() {
    let key = Some(&b"of all controllers"[..]);
    let mut listener = host(1, 2, key, 0);
    let first = claim(&mut host(2, 1, key, 1000));
    assert_eq!(ignored(&mut listener, &first), None);
    assert_eq!(ignored(&mut listener, &first), Some("replayed"));
    // Another run, whose time of day is earlier, and one whose is later.
    assert_eq!(ignored(&mut listener, &claim(&mut host(2, 1, key, 500))), Some("replayed"));
    assert_eq!(ignored(&mut listener, &claim(&mut host(2, 1, key, 2000))), None);
}

#[test]
fn whoever_seals_believes_only_who_does_so_by_the_same_key() {
    let mut listener = host(1, 2, Some(b"of all controllers"), 0);
    assert_eq!(ignored(&mut listener, &claim(&mut host(2, 1, None, 0))), Some("signature"));
    assert_eq!(ignored(&mut listener, &claim(&mut host(2, 1, Some(b"of another cluster"), 0))), Some("signature"));
    let mut open = host(1, 2, None, 0);
    assert_eq!(ignored(&mut open, &claim(&mut host(2, 1, Some(b"of all controllers"), 0))), Some("malformed"));
}
