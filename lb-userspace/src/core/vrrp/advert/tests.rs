//! Bytes of other implementations, messages there and back, and every way of being wrong.

use super::*;

const MASTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 11));
const GROUP: IpAddr = IpAddr::V4(GROUP4);

fn v6(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn advert(version: Version) -> Advert {
    let addresses = vec![[10, 0, 0, 100].into(), [10, 0, 0, 101].into()];
    Advert { version, vrid: 51, priority: 150, interval: Duration::from_secs(1), addresses }
}

/// One of version 3 over IPv6.
fn advert6() -> Advert {
    Advert { addresses: vec![v6("fe80::100"), v6("fd00::100")], ..advert(Version::V3) }
}

/// Messages that keepalived 2.2.7 sent, as tcpdump saw them: (from, to, bytes).
#[rustfmt::skip]
const KEEPALIVED: [(&str, &str, &[u8]); 3] = [
    ("10.9.0.1", "224.0.0.18", &[
        0x21, 0x33, 0x65, 0x01, 0x01, 0x01, 0x32, 0x6c, 0x0a, 0x09, 0x00, 0x09,
        0x73, 0x65, 0x63, 0x72, 0x65, 0x74, 0x00, 0x00,
    ]),
    ("10.9.0.1", "224.0.0.18", &[
        0x31, 0x34, 0x66, 0x02, 0x00, 0x32, 0x69, 0xd3, 0x0a, 0x09, 0x00, 0x0a, 0x0a, 0x09, 0x00, 0x0b,
    ]),
    ("fe80::3064:afff:fe4e:4297", "ff02::12", &[
        0x31, 0x35, 0x67, 0x02, 0x00, 0x0a, 0x4a, 0xc4,
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00,
        0xfd, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00,
    ]),
];

#[test]
fn messages_of_keepalived_are_read_and_written_byte_by_byte() {
    let advert = |version, vrid, priority, millis, addresses: &[&str]| Advert {
        version,
        vrid,
        priority,
        interval: Duration::from_millis(millis),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    };
    let expected = [
        advert(Version::V2, 51, 101, 1000, &["10.9.0.9"]),
        advert(Version::V3, 52, 102, 500, &["10.9.0.10", "10.9.0.11"]),
        advert(Version::V3, 53, 103, 100, &["fe80::100", "fd00::100"]),
    ];
    for ((from, to, bytes), expected) in KEEPALIVED.into_iter().zip(expected) {
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        let (advert, password) = decode(bytes, from, to).unwrap();
        assert_eq!(advert, expected);
        assert_eq!(password, (advert.version == Version::V2).then_some(Password(*b"secret\0\0")));
        assert_eq!(encode(&advert, Shape { password, pseudo_header: true }, from, to), bytes);
    }
}

#[test]
fn what_is_written_reads_back() {
    let password = Some(Password(*b"12345678"));
    let shapes =
        [Shape::default(), Shape { pseudo_header: true, ..Shape::default() }, Shape { password, pseudo_header: true }];
    for shape in shapes {
        let v2 = advert(Version::V2);
        assert_eq!(decode(&encode(&v2, shape, MASTER, GROUP), MASTER, GROUP), Ok((v2, shape.password)));
        for centis in [1, 100, 4095] {
            let v3 = Advert { interval: Duration::from_millis(10 * centis), ..advert(Version::V3) };
            assert_eq!(decode(&encode(&v3, shape, MASTER, GROUP), MASTER, GROUP), Ok((v3, None)));
        }
        let (source, group) = (v6("fe80::1"), IpAddr::V6(GROUP6));
        assert_eq!(decode(&encode(&advert6(), shape, source, group), source, group), Ok((advert6(), None)));
    }
}

#[test]
fn a_checksum_over_ipv4_may_cover_the_pseudo_header_or_not_but_over_ipv6_it_must() {
    let with = encode(&advert(Version::V3), Shape { pseudo_header: true, password: None }, MASTER, GROUP);
    let without = encode(&advert(Version::V3), Shape::default(), MASTER, GROUP);
    assert_ne!(with, without);
    assert_eq!(decode(&with, MASTER, GROUP), decode(&without, MASTER, GROUP));
    let elsewhere = [10, 0, 0, 12].into();
    assert_eq!(decode(&with, elsewhere, GROUP), Err(Malformed::Checksum), "from another host");

    let source = v6("fe80::1");
    let payload = encode(&advert6(), Shape::default(), source, GROUP6.into());
    assert_eq!(decode(&payload, v6("fe80::2"), GROUP6.into()), Err(Malformed::Checksum));
}

/// A message with other bytes at a place, and its checksum right again.
fn with(version: Version, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut payload = encode(&advert(version), Shape::default(), MASTER, GROUP);
    payload[at..at + bytes.len()].copy_from_slice(bytes);
    payload[6..8].fill(0);
    let checksum = add(Sum::default(), &payload).checksum().get();
    payload[6..8].copy_from_slice(&checksum.to_be_bytes());
    payload
}

#[test]
fn every_way_of_being_wrong_has_its_name() {
    use Version::{V2, V3};
    let read = |payload: &[u8]| decode(payload, MASTER, GROUP).unwrap_err();
    assert_eq!(read(&with(V3, 0, &[0x41])), Malformed::Version(4));
    assert_eq!(read(&with(V3, 0, &[0x32])), Malformed::Type(2));
    assert_eq!(read(&with(V3, 1, &[0])), Malformed::Vrid);
    assert_eq!(read(&with(V3, 4, &[0xf0, 0])), Malformed::Interval);
    assert_eq!(read(&with(V2, 5, &[0])), Malformed::Interval);
    assert_eq!(read(&with(V2, 4, &[2])), Malformed::Authentication(2));
    assert_eq!(read(&with(V3, 3, &[3])), Malformed::Truncated);
    assert_eq!(read(&with(V3, 3, &[1])), Malformed::TooLong);
    assert_eq!(read(&with(V3, 3, &[0])), Malformed::TooLong);
    let without = Advert { addresses: Vec::new(), ..advert(V3) };
    assert_eq!(read(&encode(&without, Shape::default(), MASTER, GROUP)), Malformed::NoAddresses);
    let source = v6("fe80::1");
    assert_eq!(decode(&with(V2, 0, &[0x21]), source, GROUP6.into()), Err(Malformed::Version(2)), "2 over IPv6");
}

#[test]
fn no_message_that_is_cut_short_or_changed_by_a_bit_is_read() {
    for version in [Version::V2, Version::V3] {
        let payload = encode(&advert(version), Shape::default(), MASTER, GROUP);
        for length in 0..payload.len() {
            assert!(decode(&payload[..length], MASTER, GROUP).is_err(), "{length} bytes");
        }
        for bit in 0..payload.len() * 8 {
            let mut changed = payload.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&changed, MASTER, GROUP).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn a_password_is_in_no_log() {
    assert_eq!(format!("{:?}", Password(*b"secret\0\0")), "Password(..)");
}
