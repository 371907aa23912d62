//! Any tables and any frames: valid ones, ones that were tampered with, and noise.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use lb_userspace::core::config::model::Protocol;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select, subsequence};
use proptest::test_runner::{Config, RngSeed};

use crate::frames::rig::arp::{self, Arp, is_at, who_has};
use crate::frames::rig::control::{advertises, probes, solicits};
use crate::frames::rig::net::{BOTH, Net};
use crate::frames::rig::reading::Frame;
use crate::frames::rig::scene::{
    BEYOND, Backend, DIRECTOR_MAC, HERE, HOLDER_MAC, OWN_ADDRESS, OWN_MAC, Scene, Service, down, drained, service, up,
};
use crate::frames::rig::segment::{QINQ, ROUTER_MAC, Segment, VLAN};

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
fn endpoints() -> Vec<(SocketAddr, Protocol)> {
    let of = |on: Net| {
        let tcp = [on.at(80), on.at(53), on.at_other(80)].map(|at| (at, Protocol::Tcp));
        tcp.into_iter().chain([on.at(53), on.at_other(80)].map(|at| (at, Protocol::Udp)))
    };
    BOTH.into_iter().flat_map(of).collect()
}

/// Some services with some backends, on VIPs that this host may hold.
pub(crate) fn scene() -> impl Strategy<Value = Scene> {
    scene_of(prop_oneof![1 => subsequence(endpoints(), 0..=10), 4 => Just(endpoints())])
}

/// The same with a service at each of [`endpoints`]: nothing has an index that something else had before, of which the
/// writer says only that it is a free one.
pub(crate) fn full_scene() -> impl Strategy<Value = Scene> {
    scene_of(Just(endpoints()))
}

fn scene_of(some: impl Strategy<Value = Vec<(SocketAddr, Protocol)>>) -> impl Strategy<Value = Scene> {
    let services = some.prop_flat_map(|at| at.into_iter().map(service_at).collect::<Vec<_>>());
    (services, any::<[u8; 4]>()).prop_map(|(services, who)| {
        let vips = BOTH.into_iter().flat_map(|on| [on.vip(), on.other_vip()]);
        // Most are held.
        vips.zip(who).fold(Scene::from(services), |scene, (vip, who)| match who % 8 {
            0 => scene.not_holding(vip),
            1 => scene.passing_on(vip, HERE),
            2 => scene.passing_on(vip, BEYOND),
            3 | 4 => scene.holding(vip),
            _ => scene,
        })
    })
}

fn service_at((at, protocol): (SocketAddr, Protocol)) -> impl Strategy<Value = Service> {
    let backends =
        subsequence(BACKENDS.to_vec(), 0..=4).prop_flat_map(|names| names.into_iter().map(backend).collect::<Vec<_>>());
    let affinity = option::weighted(0.3, 1..=32_u8);
    (backends, vec(any::<Index>(), 0..4), affinity).prop_map(move |(backends, takers, affinity)| {
        let takers: Vec<&str> =
            takers.iter().filter(|_| !backends.is_empty()).map(|i| i.get(&backends).name()).collect();
        let service = backends.into_iter().fold(service(at), Service::with);
        let service = if protocol == Protocol::Udp { service.udp() } else { service };
        let service = match affinity {
            Some(prefix) => service.affine(prefix, Duration::from_secs(600)),
            None => service,
        };
        // None: the healthy ones.
        if takers.is_empty() { service } else { service.new_flows_to(takers) }
    })
}

fn backend(name: &'static str) -> impl Strategy<Value = Backend> {
    prop_oneof![
        4 => Just(up(name)),
        2 => Just(up(name).here()),
        2 => Just(up(name).beyond()),
        1 => Just(up(name).unresolved()),
        2 => Just(drained(name)),
        2 => Just(down(name)),
    ]
}

/// A frame, often one that a service would take.
///
/// In a box, as all that is made of many others: what a strategy makes is as large as all of its alternatives together, and an
/// unoptimised build has it on the stack several times.
pub(crate) fn frame() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        8 => whole(),
        6 => (whole(), vec(mutation(), 1..4)).prop_map(|(frame, mutations)| mutations.into_iter().fold(frame, mutated)),
        1 => noise(),
    ]
    .boxed()
}

/// A frame that this host sends: mostly ARP and advertisements, which are all that is looked at.
pub(crate) fn sent() -> BoxedStrategy<Vec<u8>> {
    let whole = || {
        prop_oneof![
            arp().prop_map(|arp| Frame::from(arp).bytes),
            discovery().prop_map(|segment| Frame::from(segment).bytes),
        ]
    };
    prop_oneof![
        3 => whole(),
        1 => (whole(), mutation()).prop_map(|(frame, mutation)| mutated(frame, mutation)),
        1 => frame(),
    ]
    .boxed()
}

/// A valid packet of any kind.
fn whole() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        12 => (sent_by(message()), shape()).prop_map(|(segment, shape)| Frame::from(shaped(segment, &shape)).bytes),
        2 => (sent_by(error()), shape()).prop_map(|(segment, shape)| Frame::from(shaped(segment, &shape)).bytes),
        2 => (returned(), shape()).prop_map(|(segment, shape)| Frame::from(shaped(segment, &shape)).bytes),
        2 => discovery().prop_map(|segment| Frame::from(segment).bytes),
        1 => arp().prop_map(|arp| Frame::from(arp).bytes),
    ]
    .boxed()
}

/// A packet that the host of a backend hands back, mostly a SYN.
fn returned() -> impl Strategy<Value = Segment> {
    (message(), select(BACKENDS.to_vec()), prop_oneof![9 => Just(true), 1 => Just(false)]).prop_map(
        |(segment, backend, syn)| {
            let at = segment.service();
            let segment = if syn { Net::of(at.ip()).syn().from(segment.client()).to(at) } else { segment };
            segment.returned_by(backend)
        },
    )
}

/// A packet from a client's router, or from another controller.
fn sent_by(segment: impl Strategy<Value = Segment>) -> impl Strategy<Value = Segment> {
    let macs = prop_oneof![6 => Just(ROUTER_MAC), 1 => Just(DIRECTOR_MAC), 1 => Just(HOLDER_MAC)];
    (segment, macs).prop_map(|(segment, mac)| segment.by_mac(mac.0))
}

/// A segment or datagram of one of a few clients, so that flows are met again.
fn message() -> impl Strategy<Value = Segment> {
    let client = (0..3_u8, 40_000..40_003_u16);
    let payload = prop_oneof![2 => Just(0), 1 => 1..40_usize, 1 => 1300..1400_usize];
    let flags = prop_oneof![
        3 => Just([true, false, false, false]),
        4 => Just([false, true, false, false]),
        3 => any::<[bool; 4]>(),
    ];
    let options = prop_oneof![3 => Just(0), 1 => 0..=10_usize];
    (client, select(endpoints()), flags, any::<[u32; 2]>(), payload, options).prop_map(
        |((host, port), (at, protocol), [syn, ack, fin, rst], [sequence, acknowledgment], payload, options)| {
            let on = Net::of(at.ip());
            let segment = match protocol {
                Protocol::Udp => on.datagram(payload),
                Protocol::Tcp => on
                    .segment(|tcp| (tcp.syn, tcp.ack, tcp.fin, tcp.rst) = (syn, ack, fin, rst))
                    .tcp(|tcp| (tcp.sequence_number, tcp.acknowledgment_number) = (sequence, acknowledgment))
                    .payload(payload)
                    .tcp_options(options),
            };
            segment.from((on.host(host), port)).to(at)
        },
    )
}

/// An error about one, or an echo.
fn error() -> impl Strategy<Value = Segment> {
    (message(), any::<Index>(), any::<Index>(), any::<bool>()).prop_map(|(of, error, len, echo)| {
        let on = of.net();
        let quote = of.answered().packet();
        let kinds = on.errors();
        let quoting = on.quoting(*error.get(&kinds), quote[..quote.len().min(20 + len.index(80))].to_vec());
        if echo { on.echo() } else { quoting }
    })
}

fn discovery() -> impl Strategy<Value = Segment> {
    let address = select(vec![Net::V6.vip(), Net::V6.other_vip(), Net::V6.node(100)]);
    (address, 0..3_u8).prop_map(|(target, kind)| match kind {
        0 => solicits(target),
        1 => probes(target),
        _ => advertises(target),
    })
}

/// What may be around and before a packet.
#[derive(Debug, Clone)]
struct Shape {
    tags: Vec<u16>,
    options: u8,
    extensions: Vec<(u8, u8)>,
    fragment: Option<(u32, u16, bool)>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let tags = prop_oneof![4 => Just(Vec::new()), 2 => vec(select(vec![VLAN, QINQ]), 1..=3)];
    let options = prop_oneof![3 => Just(0), 1 => 0..=10_u8];
    let extensions = prop_oneof![4 => Just(Vec::new()), 1 => vec((select(vec![0, 60, 60, 43, 50]), 1..4_u8), 1..=7)];
    let fragment = option::weighted(0.2, (0..3_u32, prop_oneof![Just(0), Just(0), 1..200_u16], any::<bool>()));
    (tags, options, extensions, fragment).prop_map(|(tags, options, extensions, fragment)| Shape {
        tags,
        options,
        extensions,
        fragment,
    })
}

fn shaped(segment: Segment, shape: &Shape) -> Segment {
    let on = segment.net();
    let segment = shape.tags.iter().fold(segment, |segment, identifier| segment.tagged(*identifier, 5));
    let segment = match on {
        Net::V4 => segment.ip_options(shape.options.into()),
        Net::V6 => shape.extensions.iter().fold(segment, |segment, (kind, units)| segment.options6(*kind, *units)),
    };
    match shape.fragment {
        Some((id, eighths, more)) => segment.fragment(id, eighths, more),
        None => segment,
    }
}

fn arp() -> impl Strategy<Value = Arp> {
    let address = || select(vec![arp::VIP, arp::OTHER_VIP, OWN_ADDRESS, arp::CLIENT]);
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
    // Most of the headers lie within 100 bytes.
    prop_oneof![
        4 => (12..100_usize, 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        1 => (0..12_usize, 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        3 => (14..80_usize, any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
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
