//! Any tables and any frames: valid ones, ones that were tampered with, and noise.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select, subsequence};
use proptest::test_runner::{Config, RngSeed};

use crate::frames::rig::arp::{Arp, is_at, who_has};
use crate::frames::rig::scene::{
    Backend, OTHER_VIP, OWN_ADDRESS, OWN_MAC, Scene, Service, VIP, down, drained, service, up,
};
use crate::frames::rig::segment::{CLIENT, Frame, Segment, segment};

const BACKENDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Names the seed of all that is random: the same seed means the same frames.
const SEED: &str = "PIVOT_FRAMES_SEED";

/// So many cases, from a seed that is printed.
pub(crate) fn seeded(cases: u32) -> Config {
    let seed = std::env::var(SEED).map_or_else(|_| RandomState::new().hash_one(SEED), |seed| seed.parse().expect(SEED));
    println!("again with {SEED}={seed}");
    Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() }
}

/// Where services may be: there are clients for all of these, whether there is a service or not.
fn endpoints() -> Vec<SocketAddr> {
    vec![(VIP, 80).into(), (VIP, 3306).into(), (OTHER_VIP, 80).into()]
}

/// Some services with some backends, on VIPs that this host may hold.
pub(crate) fn scene() -> impl Strategy<Value = Scene> {
    let some = prop_oneof![1 => subsequence(endpoints(), 0..=3), 4 => Just(endpoints())];
    let services = some.prop_flat_map(|at| at.into_iter().map(service_at).collect::<Vec<_>>());
    (services, any::<[Option<bool>; 2]>()).prop_map(|(services, held)| {
        [VIP, OTHER_VIP].into_iter().zip(held).fold(Scene::from(services), |scene, (vip, held)| match held {
            Some(false) => scene.not_holding(vip),
            Some(true) => scene.holding(vip),
            None => scene,
        })
    })
}

fn service_at(at: SocketAddr) -> impl Strategy<Value = Service> {
    let backends =
        subsequence(BACKENDS.to_vec(), 0..=4).prop_flat_map(|names| names.into_iter().map(backend).collect::<Vec<_>>());
    (backends, vec(any::<Index>(), 0..4)).prop_map(move |(backends, takers)| {
        let takers: Vec<&str> =
            takers.iter().filter(|_| !backends.is_empty()).map(|i| i.get(&backends).name()).collect();
        let service = backends.into_iter().fold(service(at), Service::with);
        // None: the healthy ones.
        if takers.is_empty() { service } else { service.new_flows_to(takers) }
    })
}

fn backend(name: &'static str) -> impl Strategy<Value = Backend> {
    prop_oneof![
        4 => Just(up(name)),
        2 => Just(up(name).here()),
        1 => Just(up(name).unresolved()),
        2 => Just(drained(name)),
        2 => Just(down(name)),
    ]
}

/// A frame, often one that a service would take.
pub(crate) fn frame() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => whole(),
        6 => (whole(), vec(mutation(), 1..4)).prop_map(|(frame, mutations)| mutations.into_iter().fold(frame, mutated)),
        1 => noise(),
    ]
}

/// A frame that this host sends: mostly ARP, which is all that is looked at.
pub(crate) fn sent() -> impl Strategy<Value = Vec<u8>> {
    let whole = || arp().prop_map(|arp| Frame::from(arp).bytes);
    prop_oneof![
        3 => whole(),
        1 => (whole(), mutation()).prop_map(|(frame, mutation)| mutated(frame, mutation)),
        1 => frame(),
    ]
}

/// A valid segment or ARP packet.
fn whole() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        7 => tcp().prop_map(|segment| Frame::from(segment).bytes),
        1 => arp().prop_map(|arp| Frame::from(arp).bytes),
    ]
}

/// A segment of one of a few clients, so that flows are met again.
fn tcp() -> impl Strategy<Value = Segment> {
    let client = (0..3_u8, 40_000..40_003_u16).prop_map(|(host, port)| ([198, 51, 100, host], port));
    let payload = prop_oneof![2 => Just(0), 1 => 1..40_usize, 1 => 1400..1460_usize];
    let flags = prop_oneof![
        3 => Just([true, false, false, false]),
        4 => Just([false, true, false, false]),
        3 => any::<[bool; 4]>(),
    ];
    let options = || prop_oneof![3 => Just(0), 1 => 0..=10_usize];
    let service = select(endpoints());
    (client, service, flags, any::<[u32; 2]>(), payload, options(), options()).prop_map(
        |(client, service, [syn, ack, fin, rst], [sequence, acknowledgment], payload, ip_options, tcp_options)| {
            segment(|tcp| (tcp.syn, tcp.ack, tcp.fin, tcp.rst) = (syn, ack, fin, rst))
                .tcp(|tcp| (tcp.sequence_number, tcp.acknowledgment_number) = (sequence, acknowledgment))
                .from(client)
                .to(service)
                .payload(payload)
                .ip_options(ip_options)
                .tcp_options(tcp_options)
        },
    )
}

fn arp() -> impl Strategy<Value = Arp> {
    let address = || select(vec![VIP, OTHER_VIP, OWN_ADDRESS, CLIENT]);
    (address(), address(), any::<bool>(), any::<bool>()).prop_map(|(target, sender, reply, ours)| {
        let arp = if reply { is_at(sender, target) } else { who_has(target) };
        if ours { arp.sent_for(sender) } else { arp }
    })
}

/// Bytes without a meaning behind a header that this host reads.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let ethertype = select(vec![[0x08, 0x00], [0x08, 0x06], [0x86, 0xdd]]);
    (ethertype, vec(any::<u8>(), 0..120))
        .prop_map(|(ethertype, bytes)| [&OWN_MAC.0[..], &[2, 0, 0, 9, 0, 1], &ethertype, &bytes].concat())
}

/// Something that befalls a frame.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(usize, u8),
    Byte(usize, u8),
    Cut(Index),
    Pad(usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // Most of the headers lie within 80 bytes.
    prop_oneof![
        4 => (12..80_usize, 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        1 => (0..12_usize, 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        3 => (14..60_usize, any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        2 => any::<Index>().prop_map(Mutation::Cut),
        1 => (1..64_usize).prop_map(Mutation::Pad),
    ]
}

fn mutated(mut frame: Vec<u8>, mutation: Mutation) -> Vec<u8> {
    match mutation {
        Mutation::Flip(at, bit) => frame.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit),
        Mutation::Byte(at, with) => frame.get_mut(at).into_iter().for_each(|byte| *byte = with),
        Mutation::Cut(at) => frame.truncate(at.index(frame.len() + 1)),
        Mutation::Pad(more) => frame.resize(frame.len() + more, 0),
    }
    frame
}
