//! Frames, field by field: every choice is the plain one if the byte for it is 0.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::input::Input;
use super::scene::{CONTROLLER, INTERFACES, VIPS};

const ROUTER: [u8; 6] = [2, 0, 0, 9, 0, 1];
const CLIENTS4: [Ipv4Addr; 7] = [
    Ipv4Addr::new(198, 51, 100, 1),
    Ipv4Addr::new(198, 51, 100, 2),
    Ipv4Addr::new(203, 0, 113, 7),
    Ipv4Addr::UNSPECIFIED,
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::new(224, 0, 0, 1),
    Ipv4Addr::BROADCAST,
];
const CLIENTS6: [Ipv6Addr; 6] = [
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1),
    Ipv6Addr::UNSPECIFIED,
    Ipv6Addr::LOCALHOST,
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
];
const CLIENT_PORTS: [u16; 4] = [40_000, 40_001, 40_002, 0];
const SERVICE_PORTS: [u16; 5] = [80, 53, 443, 0, 8080];

/// A frame of any kind.
pub fn frame(input: &mut Input<'_>) -> Vec<u8> {
    let mut frame = destination(input).to_vec();
    frame.extend(input.pick(&[ROUTER, CONTROLLER, INTERFACES[0].2, [0xff; 6], [0x33, 0x33, 0, 0, 0, 1]]));
    for _ in 0..input.pick(&[0, 0, 0, 1, 2, 3]) {
        frame.extend(input.pick(&[0x8100_u16, 0x88a8]).to_be_bytes());
        frame.extend(input.pair());
    }
    match input.pick(&[4, 4, 4, 6, 6, 6, 0, 1]) {
        4 => {
            frame.extend([0x08, 0x00]);
            frame.extend(ipv4(input, Direction::ToVip));
        }
        6 => {
            frame.extend([0x86, 0xdd]);
            frame.extend(ipv6(input, Direction::ToVip));
        }
        0 => {
            frame.extend([0x08, 0x06]);
            frame.extend(arp(input));
        }
        _ => frame.extend(input.take(64)),
    }
    tampered(frame, input)
}

fn destination(input: &mut Input<'_>) -> [u8; 6] {
    let [(.., own), (.., other)] = INTERFACES;
    input.pick(&[own, own, own, other, [0xff; 6], [0x33, 0x33, 0xff, 0, 0, 1], [0; 6], [2, 0, 0, 9, 9, 9]])
}

/// What befell it on the way.
fn tampered(mut frame: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    for _ in 0..input.pick(&[0, 0, 0, 1, 2]) {
        let (at, with) = (usize::from(input.byte()), input.byte());
        frame.get_mut(at).into_iter().for_each(|byte| *byte ^= with);
    }
    match input.pick(&[0, 0, 0, 1, 2]) {
        1 => frame.truncate(usize::from(input.byte())),
        2 => frame.resize(frame.len() + usize::from(input.byte()), 0),
        _ => {}
    }
    frame
}

/// Who speaks: a client, or, in what an ICMP error quotes, a VIP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToVip,
    FromVip,
}

impl Direction {
    /// Source and destination, of what is the client's and what is the VIP's.
    fn order<T>(self, client: T, vip: T) -> (T, T) {
        if self == Self::ToVip { (client, vip) } else { (vip, client) }
    }
}

fn ipv4(input: &mut Input<'_>, direction: Direction) -> Vec<u8> {
    let protocol = match input.pick(&[6, 6, 17, 17, 1, 0]) {
        0 => input.byte(),
        known => known,
    };
    let client = input.pick(&CLIENTS4);
    let vip = vip(input, false);
    let options = input.pick(&[0, 0, 0, 1, 3, 10]);
    let fragment = match input.pick(&[0x4000_u16, 0, 0x4000, 0x2000, 0x2003, 0x0006, 1]) {
        1 => u16::from_be_bytes(input.pair()),
        usual => usual,
    };
    let id = u16::from(input.byte() & 3);
    let payload = payload(input, protocol, direction, false);
    let (source, destination) = direction.order(IpAddr::V4(client), vip);
    let length = length(input, 20 + 4 * options + payload.len());
    let version = match input.pick(&[0, 0, 0, 0, 1]) {
        0 => 0x45 + options as u8,
        _ => input.byte(),
    };
    let mut packet = vec![version, 0];
    packet.extend(length.to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(octets(source));
    packet.extend(octets(destination));
    packet.resize(20 + 4 * options, 1);
    packet.extend(payload);
    packet
}

fn ipv6(input: &mut Input<'_>, direction: Direction) -> Vec<u8> {
    let protocol = match input.pick(&[6, 6, 17, 17, 58, 0]) {
        0 => input.byte(),
        known => known,
    };
    let client = input.pick(&CLIENTS6);
    let vip = vip(input, true);
    let extensions: Vec<u8> =
        (0..input.pick(&[0, 0, 0, 1, 1, 2, 3, 6, 7])).map(|_| input.pick(&[44, 60, 0, 43, 44, 51])).collect();
    let mut body = Vec::new();
    for (i, kind) in extensions.iter().enumerate() {
        body.extend(extension(input, *kind, extensions.get(i + 1).copied().unwrap_or(protocol)));
    }
    body.extend(payload(input, protocol, direction, true));
    let (source, destination) = direction.order(IpAddr::V6(client), vip);
    let length = length(input, body.len());
    let version = input.pick(&[0x60, 0x60, 0x6f, 0x40]);
    let mut packet = vec![version, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([extensions.first().copied().unwrap_or(protocol), 64]);
    packet.extend(octets(source));
    packet.extend(octets(destination));
    packet.extend(body);
    packet
}

fn extension(input: &mut Input<'_>, kind: u8, next: u8) -> Vec<u8> {
    if kind == 44 {
        // Offset and flags: the first, an only one, two later ones.
        let offset = input.pick(&[0x0001_u16, 0x0000, 0x0009, 0x0010]);
        let [high, low] = offset.to_be_bytes();
        return vec![next, 0, high, low, 0, 0, 0, input.byte() & 3];
    }
    let units = input.pick(&[0_u8, 0, 1, 3, 255]);
    let left = input.pick(&[0_u8, 0, 1]);
    let mut extension = vec![next, units, 0, left];
    extension.resize(8 * (usize::from(units) + 1), 0);
    extension
}

/// A length field: right, or whatever.
fn length(input: &mut Input<'_>, right: usize) -> u16 {
    match input.pick(&[0, 0, 0, 0, 1, 2]) {
        1 => (right as u16).wrapping_add_signed(i16::from(input.byte() as i8)),
        2 => u16::from_be_bytes(input.pair()),
        _ => right as u16,
    }
}

fn vip(input: &mut Input<'_>, v6: bool) -> IpAddr {
    let [a, b, c, d] = VIPS;
    let other: IpAddr = if v6 { Ipv6Addr::new(0xfc00, 5, 0, 0, 0, 0, 0, 9).into() } else { [10, 200, 5, 9].into() };
    input.pick(&if v6 { [c, c, d, other] } else { [a, a, b, other] })
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn payload(input: &mut Input<'_>, protocol: u8, direction: Direction, v6: bool) -> Vec<u8> {
    match (protocol, v6) {
        (6, _) => tcp(input, direction),
        (17, _) => udp(input, direction),
        (1, false) | (58, true) => icmp(input, direction, v6),
        _ => input.take(24).to_vec(),
    }
}

fn ports(input: &mut Input<'_>, direction: Direction) -> [u8; 4] {
    let (source, destination) = direction.order(input.pick(&CLIENT_PORTS), input.pick(&SERVICE_PORTS));
    let ([a, b], [c, d]) = (source.to_be_bytes(), destination.to_be_bytes());
    [a, b, c, d]
}

fn data(input: &mut Input<'_>) -> Vec<u8> {
    vec![0x5a; input.pick(&[0, 0, 1, 20, 100])]
}

fn tcp(input: &mut Input<'_>, direction: Direction) -> Vec<u8> {
    let mut segment = ports(input, direction).to_vec();
    let flags = match input.pick(&[0x10, 0x02, 0x10, 0x12, 0x11, 0x04, 0x14, 0x01, 0xff]) {
        0xff => input.byte(),
        usual => usual,
    };
    segment.extend(input.quad());
    segment.extend(input.quad());
    let words = input.pick(&[5_u8, 5, 5, 6, 15, 4, 0]);
    segment.extend([words << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.resize(usize::from(words.max(5)) * 4, 1);
    segment.extend(data(input));
    segment
}

fn udp(input: &mut Input<'_>, direction: Direction) -> Vec<u8> {
    let mut datagram = ports(input, direction).to_vec();
    let data = data(input);
    datagram.extend(length(input, 8 + data.len()).to_be_bytes());
    datagram.extend(input.pick(&[[0xbe, 0xef], [0xbe, 0xef], [0, 0]]));
    datagram.extend(data);
    datagram
}

fn icmp(input: &mut Input<'_>, direction: Direction, v6: bool) -> Vec<u8> {
    let kind = match (v6, input.pick(&[0_u8, 1, 2, 3, 4, 5])) {
        (false, 0) => 3,
        (false, 1) => 8,
        (false, 2) => 11,
        (true, 0) => 2,
        (true, 1) => 128,
        (true, 2) => 135,
        (true, 3) => 136,
        (true, 4) => 1,
        _ => input.byte(),
    };
    let mut message = vec![kind, input.byte() & 7, 0, 0, 0, 0, 5, 0xdc];
    let is_error = if v6 { kind < 128 } else { matches!(kind, 3 | 11 | 12) };
    if v6 && matches!(kind, 135 | 136) {
        message.extend(octets(vip(input, true)));
        message.extend([1, 1, 2, 0, 0, 9, 0, 1]);
    } else if is_error && direction == Direction::ToVip {
        let quoted = if v6 { ipv6(input, Direction::FromVip) } else { ipv4(input, Direction::FromVip) };
        let cut = input.pick(&[usize::MAX, 28, 48, 60, 21]);
        message.extend(&quoted[..cut.min(quoted.len())]);
    } else {
        message.extend(input.take(16));
    }
    message
}

fn arp(input: &mut Input<'_>) -> Vec<u8> {
    let operation = input.pick(&[1_u8, 1, 2, 3]);
    let kind = input.pick(&[[0, 1, 8, 0, 6, 4], [0, 1, 8, 0, 6, 4], [0, 6, 8, 0, 6, 4], [0, 1, 0x86, 0xdd, 6, 4]]);
    let [sender, target] = std::array::from_fn(|_| match input.pick(&[0, 0, 1, 2]) {
        0 => octets(vip(input, false)),
        1 => octets(IpAddr::V4(CLIENTS4[0])),
        _ => octets(IpAddr::V4(super::scene::OWN_ADDRESS)),
    });
    let mut packet = kind.to_vec();
    packet.extend([0, operation]);
    packet.extend(ROUTER);
    packet.extend(sender);
    packet.extend([0; 6]);
    packet.extend(target);
    packet
}
