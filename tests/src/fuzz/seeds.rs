//! Inputs written by code: a scene, and plain frames that are met there.

use std::net::Ipv6Addr;

use lb_userspace::core::config::model::Protocol;

use super::scene::{CONTROLLER, HOLDER, INTERFACES};

/// Bytes of an input that choose the scene.
const SCENE: usize = 19;
/// Those that say who holds the IPv4 and the IPv6 VIPs.
const FOURS: usize = 1;
const SIXES: usize = 2;
/// The one that says what the third IPv4 backend is.
const THIRD_BACKEND: usize = 5;
/// What a client's frames come from.
const ROUTER: [u8; 6] = [2, 0, 0, 9, 0, 1];
/// The one of what stays as it is, and its bit for a VLAN device above the first interface.
const FIXED: usize = 0;
const BELOW_VLANS: u8 = 16;
/// Bytes that ask for a raw frame on the first interface.
const RAW: [u8; 2] = [11, 0];
/// Bytes that put the last frame there once more.
const AGAIN: u8 = 7;

/// Every seed of target `incoming`.
#[must_use]
pub fn incoming() -> Vec<Vec<u8>> {
    let frames = [tcp(0x02), tcp(0x10), tcp(0x11), tcp(0x04), udp()];
    // Backends that are up, drained, down, absent, on this host, unresolved, behind the other interface.
    let states = [0x00, 0x01, 0x02, 0x03, 0x04, 0x08, 0x10];
    // The table as it is dealt, that of a moment ago, none.
    let tables = [0, 1, 2];
    let mut seeds = Vec::new();
    for state in states {
        for table in tables {
            let mut seed = scene(state, table);
            for frame in &frames {
                put(&mut seed, RAW, frame);
                seed.push(AGAIN);
            }
            seeds.push(seed);
        }
    }
    // Of a VLAN and of none, below a VLAN device and not.
    for fixed in [0, BELOW_VLANS] {
        let mut seed = scene(0, 0);
        seed[FIXED] = fixed;
        for tag in [[0, 5], [0xe0, 0]] {
            put(&mut seed, RAW, &tagged(&tcp(0x02), tag));
        }
        seeds.push(seed);
    }
    // The first IPv4 VIP is another host's: behind either interface, or nobody knows where.
    for holder in [0b0101, 0b1001, 0b0001] {
        let mut seed = scene(0, 0);
        seed[FOURS] = holder;
        for (from, interface) in [(ROUTER, 0), (CONTROLLER, 0), (HOLDER, 0), (ROUTER, 3)] {
            for frame in [tcp(0x02), udp(), later(), icmp(8), icmp(3)] {
                let mut frame = frame;
                frame[..6].copy_from_slice(&INTERFACES[usize::from(interface == 3)].2);
                frame[6..12].copy_from_slice(&from);
                put(&mut seed, [RAW[0], interface], &frame);
            }
        }
        seeds.push(seed);
    }
    // SYNs that are handed back by each backend's host and by strangers, one after the other; the third backend may be on this host.
    for state in [0x00, 0x10, 0x04] {
        for table in [0, 1, 2] {
            let mut seed = scene(0, table);
            seed[THIRD_BACKEND] = state;
            for frame in [tcp(0x02), later(), tcp(0x10)] {
                for from in [[2, 0, 0, 1, 0, 0], [2, 0, 0, 1, 0, 1], [2, 0, 0, 1, 0, 2], CONTROLLER, ROUTER] {
                    put(&mut seed, RAW, &frame);
                    put(&mut seed, RAW, &returned(&frame, from));
                }
            }
            seeds.push(seed);
        }
    }
    // The first IPv6 VIP is asked for, held and not held.
    for held in [0, 1] {
        let mut seed = scene(0, 0);
        seed[SIXES] = held;
        put(&mut seed, RAW, &solicitation());
        seeds.push(seed);
    }
    seeds
}

/// Every seed of target `adverts`: to each router what its peer may say, in every way in which that may be otherwise, at
/// the start and once the router serves.
#[must_use]
pub fn adverts() -> Vec<Vec<u8>> {
    // What this host is fit for, one byte for each router.
    const FITNESS: [u8; 4] = [0; 4];
    let mut seeds = Vec::new();
    for (router, priority, otherwise) in (0..4)
        .flat_map(|router| [0, 50, 100, 200].map(|priority| (router, priority)))
        .flat_map(|(router, priority)| (0..8).map(move |otherwise| (router, priority, otherwise)))
    {
        // A time in sixteenths of an interval; source, destination and hops as they should be; built of fields.
        let says = |after: u8| [after, router, 0, 0, 0, 0, priority, 0, otherwise, 7];
        // From afar, so that it is ignored: time for a claim, and for what comes of it.
        let waits = |sixteenths: u8| [sixteenths, router, 0, 0, 4, 0, 0, 0, 9];
        seeds.push([&FITNESS[..], &says(1), &says(8)].concat());
        seeds.push([&FITNESS[..], &waits(64), &waits(1), &says(1), &says(8)].concat());
    }
    for hostile in [[3, 0, 0], [0, 3, 0], [0, 0, 3]] {
        seeds.push([&FITNESS[..], &[1, 1], &hostile, &[0, 200, 0, 9]].concat());
    }
    // Raw, with the right checksum: a message of version 3 over IPv6.
    let mut raw = [&FITNESS[..], &[1, 3, 0, 0, 0, 3, 0, 40, 0x31, 54, 200, 2, 0, 100, 0, 0]].concat();
    raw.extend([[0xfd; 16], [0xfe; 16]].concat());
    seeds.push(raw);
    seeds
}

/// A frame behind what asks for it.
fn put(seed: &mut Vec<u8>, how: [u8; 2], frame: &[u8]) {
    seed.extend(how);
    seed.extend((frame.len() as u16).to_be_bytes());
    seed.extend(frame);
}

/// Every seed of target `edges`.
#[must_use]
pub fn edges() -> Vec<Vec<u8>> {
    let seed = |state: u8| {
        let mut seed = scene(state, 0);
        put(&mut seed, [7, 0], &tcp(0x02));
        seed
    };
    [0x00, 0x04].map(seed).to_vec()
}

/// All VIPs held, all services there, all backends alike.
fn scene(state: u8, table: u8) -> Vec<u8> {
    let mut bytes = vec![0; 3];
    bytes.extend([state; 6]);
    bytes.extend([table; 10]);
    assert_eq!(bytes.len(), SCENE);
    bytes
}

fn tcp(flags: u8) -> Vec<u8> {
    let mut segment = vec![0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
    segment.extend(b"data");
    packet(Protocol::Tcp, 80, &segment)
}

fn udp() -> Vec<u8> {
    packet(Protocol::Udp, 53, &[0, 12, 0, 0, b'd', b'a', b't', b'a'])
}

/// A packet from port 40000 of a client to a port of the first VIP; `rest` is what follows the ports.
fn packet(protocol: Protocol, port: u16, rest: &[u8]) -> Vec<u8> {
    let ports = [40_000_u16.to_be_bytes(), port.to_be_bytes()].concat();
    ipv4(protocol.number(), [0x40, 0], &[&ports, rest].concat())
}

/// A fragment of a datagram that is not the first.
fn later() -> Vec<u8> {
    ipv4(17, [0, 2], &[0; 16])
}

/// An ICMP message to the first VIP that quotes next to nothing.
fn icmp(kind: u8) -> Vec<u8> {
    ipv4(1, [0x40, 0], &[kind, 0, 0, 0, 0, 0, 0, 0])
}

/// An IPv4 packet from a client to the first VIP, with these flags and offset of a fragment.
fn ipv4(protocol: u8, fragment: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let mut frame = INTERFACES[0].2.to_vec();
    frame.extend(ROUTER);
    frame.extend([0x08, 0x00, 0x45, 0, 0, 20 + payload.len() as u8, 0, 0]);
    frame.extend(fragment);
    frame.extend([64, protocol, 0, 0, 198, 51, 100, 1, 10, 200, 5, 1]);
    frame.extend(payload);
    frame
}

/// A frame as it is handed back.
fn returned(frame: &[u8], from: [u8; 6]) -> Vec<u8> {
    [&frame[..6], &from, &[0x88, 0xb5], &frame[14..]].concat()
}

/// The same with a tag.
fn tagged(frame: &[u8], tag: [u8; 2]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0], &tag, &frame[12..]].concat()
}

/// A neighbour solicitation for the first IPv6 VIP, to its solicited-node group (RFC 4861 section 4.3).
fn solicitation() -> Vec<u8> {
    let mut frame = vec![0x33, 0x33, 0xff, 0, 0, 1];
    frame.extend(ROUTER);
    frame.extend([0x86, 0xdd]);
    frame.extend([0x60, 0, 0, 0, 0, 24, 58, 255]);
    frame.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets());
    frame.extend(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1).octets());
    frame.extend([135, 0, 0, 0, 0, 0, 0, 0]);
    frame.extend(Ipv6Addr::new(0xfc00, 5, 0, 0, 0, 0, 0, 1).octets());
    frame
}
