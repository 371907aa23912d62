//! What others say by VRRP: messages of any bytes to four virtual routers, at any times.
//!
//! A message is either built of chosen fields, and then it is known whether it may be believed, or it is raw. Judged is
//! that what may not be believed changes nothing, that what is read can be written again, and that no message makes a
//! router serve for longer than its lease, or speak without end.

use std::net::IpAddr;
use std::time::Duration;

use lb_userspace::core::election::{Action, Datagram, Election as _, Event, Fitness};
use lb_userspace::core::event::Now;
use lb_userspace::core::vrrp::advert::{self, Advert, HOPS, Password, Shape, Version};
use lb_userspace::core::vrrp::rules::{Rival, Rules};
use lb_userspace::core::vrrp::{Instance, Vrrp};

use super::input::Input;

/// Messages of one input at most.
const MESSAGES: usize = 24;
/// Longest raw message.
const LONGEST: usize = 64;
/// Most messages that one event may lead to.
const ANSWERS: usize = 2;
const INTERFACE: &str = "eth0";
const SECRET: Password = Password(*b"secret\0\0");
const INTERVAL: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_millis(2500);

const OWN4: [u8; 4] = [10, 0, 0, 11];
const PEER4: [u8; 4] = [10, 0, 0, 12];
const OWN6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11];
const PEER6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12];

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    /// It was ignored.
    Ignored,
    /// It was believed, and nothing is to be done.
    Noted,
    /// It was answered, or this host made way.
    Answered,
}

/// Does what an input says and judges all of it; what became of the messages, in order.
///
/// # Panics
/// At a violation.
pub fn run(input: &[u8]) -> Vec<Heard> {
    let mut input = Input::new(input);
    let instances = instances();
    let mut vrrp = Vrrp::new(instances.iter().map(|instance| (instance.clone(), None)).collect());
    let mut now = Now::default();
    for instance in &instances {
        let fitness = Fitness::Weighted(i32::from(input.byte() as i8));
        judge(&vrrp.handle(Event::Fitness { group: &instance.group, fitness }, now), now);
    }
    let mut heard = Vec::new();
    for _ in 0..MESSAGES {
        if input.is_empty() {
            break;
        }
        now = Now(now.0 + INTERVAL * u32::from(input.byte()) / 16);
        heard.push(message(&mut input, &instances, &mut vrrp, now));
        judge(&vrrp.handle(Event::Tick, now), now);
        assert!(vrrp.deadline().is_none_or(|deadline| deadline > now), "what was due is still due");
    }
    heard
}

fn message(input: &mut Input<'_>, instances: &[Instance], vrrp: &mut Vrrp, now: Now) -> Heard {
    let instance = &instances[usize::from(input.byte()) % instances.len()];
    let own = instance.rules.own;
    let peer: IpAddr = if own.is_ipv4() { PEER4.into() } else { PEER6.into() };
    let meant = if instance.peers.is_empty() { instance.group() } else { own };
    let source = input.pick(&[peer, peer, peer, own, if own.is_ipv4() { [10, 0, 0, 99].into() } else { peer }]);
    let destination = input.pick(&[meant, meant, meant, own, instance.group()]);
    let hops = input.pick(&[HOPS, HOPS, HOPS, 254, 1]);
    let (payload, may_be_believed) = if input.byte() % 4 == 3 {
        (raw(input, source, destination), None)
    } else {
        let (advert, shape) = built(input, instance);
        // Nothing but a password keeps a stranger on the segment from speaking to all at once.
        let strangers_are_heard = instance.peers.is_empty() && instance.shape.password.is_none();
        let believable = (source == peer || source != own && strangers_are_heard)
            && destination == meant
            && (hops == HOPS || !instance.peers.is_empty())
            && advert == Advert { priority: advert.priority, interval: advert.interval, ..as_configured(instance) }
            && !advert.interval.is_zero()
            && (advert.version == Version::V3
                || (advert.interval, shape.password) == (instance.rules.interval, instance.shape.password));
        (advert::encode(&advert, shape, source, destination), Some(believable))
    };
    rewritten(&payload, source, destination);

    let before: Vec<_> = vrrp.members().iter().map(|member| member.router.state().clone()).collect();
    // What is due comes first, and is none of the message's doing.
    let due = vrrp.deadline().is_some_and(|deadline| deadline <= now);
    let datagram = Datagram { interface: INTERFACE, source, destination, at: now, hops, payload: &payload };
    let actions = vrrp.handle(Event::Message(datagram), now);
    judge(&actions, now);
    let ignored = actions.iter().any(|action| matches!(action, Action::Ignored { .. }));
    if let Some(may_be_believed) = may_be_believed {
        assert_eq!(ignored, !may_be_believed, "{payload:?} from {source} to {destination}, hops {hops}: {actions:?}");
    }
    if ignored {
        let after: Vec<_> = vrrp.members().iter().map(|member| member.router.state().clone()).collect();
        assert!(before == after, "a message that is ignored changes {before:?} to {after:?}");
        return Heard::Ignored;
    }
    if actions.is_empty() || due { Heard::Noted } else { Heard::Answered }
}

/// A message as the router's peer would send it, with some fields otherwise.
fn built(input: &mut Input<'_>, instance: &Instance) -> (Advert, Shape) {
    let mut advert = Advert { priority: input.byte(), ..as_configured(instance) };
    let mut shape = Shape { pseudo_header: input.byte().is_multiple_of(2), ..instance.shape };
    match input.byte() % 16 {
        0 => advert.vrid = input.byte(),
        1 if advert.addresses[0].is_ipv4() => {
            advert.version = if advert.version == Version::V2 { Version::V3 } else { Version::V2 };
        }
        2 if advert.version == Version::V3 => advert.interval = Duration::from_millis(10 * u64::from(input.byte())),
        2 => advert.interval = Duration::from_secs(input.byte().into()),
        3 => advert.addresses.extend(instance.addresses.iter().map(|address| match address {
            IpAddr::V4(_) => IpAddr::from(input.quad()),
            IpAddr::V6(_) => IpAddr::from([input.byte(); 16]),
        })),
        4 => shape.password = input.pick(&[None, Some(Password(*b"Secret\0\0"))]),
        5 => advert.addresses.reverse(),
        _ => {}
    }
    // Only an address more may make another set of the same.
    let mut sorted = advert.addresses.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted == instance.addresses {
        advert.addresses.clone_from(&instance.addresses);
    }
    (advert, shape)
}

fn as_configured(instance: &Instance) -> Advert {
    let Rules { version, interval, .. } = instance.rules;
    Advert { version, vrid: instance.vrid, priority: 0, interval, addresses: instance.addresses.clone() }
}

/// Any bytes, with the checksum that they should have or not.
fn raw(input: &mut Input<'_>, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let (mends, len) = (input.byte().is_multiple_of(2), usize::from(input.byte()) % LONGEST);
    let mut payload = input.take(len).to_vec();
    if mends && payload.len() >= 8 {
        payload[6..8].fill(0);
        let mut covered = payload.clone();
        if let (IpAddr::V6(source), IpAddr::V6(destination)) = (source, destination) {
            covered.resize(len.next_multiple_of(2), 0);
            covered.extend(source.octets().into_iter().chain(destination.octets()));
            covered.extend([0, payload.len() as u8, 0, advert::PROTOCOL]);
        }
        payload[6..8].copy_from_slice(&checksum(&covered).to_be_bytes());
    }
    payload
}

/// RFC 1071, word by word.
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
    let sum = bytes.chunks(2).map(word).fold(0, |sum: u16, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    });
    !sum
}

/// What is read says the same when it is written and read again.
fn rewritten(payload: &[u8], source: IpAddr, destination: IpAddr) {
    let Ok((advert, password)) = advert::decode(payload, source, destination) else { return };
    for pseudo_header in [false, true] {
        let again = advert::encode(&advert, Shape { password, pseudo_header }, source, destination);
        assert_eq!(again.len(), payload.len());
        assert_eq!(advert::decode(&again, source, destination), Ok((advert.clone(), password)));
    }
}

/// No lease beyond what a message is good for, and no more messages than one event is worth.
fn judge(actions: &[Action], now: Now) {
    let mut sent = std::collections::BTreeMap::new();
    for action in actions {
        match action {
            Action::Lease { until, .. } => assert!(until.0 <= now.0 + LEASE, "{actions:?} at {now:?}"),
            Action::Send { group, destination, .. } => {
                *sent.entry((group.clone(), *destination)).or_insert(0) += 1;
            }
            _ => {}
        }
    }
    assert!(sent.values().all(|count| *count <= ANSWERS), "{actions:?}");
}

fn instances() -> Vec<Instance> {
    let v4 = |last| vec![IpAddr::from([10, 0, 0, last]), IpAddr::from([10, 0, 0, last + 1])];
    let v6 = vec![IpAddr::from([0xfd; 16]), IpAddr::from([0xfe; 16])];
    let instance = |vrid: u8, version, own, addresses| Instance {
        group: vrid.to_string().into(),
        interface: INTERFACE.to_owned(),
        vrid,
        rules: Rules {
            version,
            priority: 100,
            interval: INTERVAL,
            preempt: vrid.is_multiple_of(2),
            preempt_delay: Duration::ZERO,
            catches_up: false,
            lease: LEASE,
            own,
            announce_again: Duration::from_secs(5),
            announce_every: Duration::ZERO,
            duplicate_check: Duration::ZERO,
            rivals: Vec::new(),
        },
        shape: Shape::default(),
        addresses,
        peers: Vec::new(),
        key: None,
    };
    let mut v2 = instance(51, Version::V2, IpAddr::from(OWN4), v4(100));
    v2.shape.password = Some(SECRET);
    v2.rules.rivals = vec![Rival { addresses: vec![PEER4.into()], priority: 150 }];
    let mut unicast = instance(53, Version::V3, IpAddr::from(OWN4), v4(104));
    unicast.peers = vec![PEER4.into()];
    vec![
        v2,
        instance(52, Version::V3, IpAddr::from(OWN4), v4(102)),
        unicast,
        instance(54, Version::V3, IpAddr::from(OWN6), v6),
    ]
}
