//! What is written is read, and nothing else is.

use proptest::prelude::*;

use super::*;

fn key() -> Key {
    Key::new(b"a key that all controllers share")
}

fn address(v4: bool) -> impl Strategy<Value = IpAddr> {
    any::<u128>().prop_map(move |bits| match v4 {
        true => IpAddr::from((bits as u32).to_be_bytes()),
        false => IpAddr::from(bits.to_be_bytes()),
    })
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let record = (any::<bool>(), any::<[u16; 3]>(), any::<[bool; 3]>(), any::<u32>()).prop_flat_map(
        |(v4, [port, source, bound], [tcp, client, closing], left)| {
            // Few VIPs, so that records make groups.
            let vip = address(v4).prop_map(move |vip| match vip {
                IpAddr::V4(vip) => IpAddr::from([10, 0, 0, vip.octets()[3] & 1]),
                IpAddr::V6(vip) => IpAddr::from((u128::from(vip) & 1).to_be_bytes()),
            });
            (vip, address(v4), address(v4)).prop_map(move |(vip, from, backend)| Record {
                service: (vip, port & 1, if tcp { Protocol::Tcp } else { Protocol::Udp }),
                subject: if client { Subject::Client(from) } else { Subject::Flow((from, source).into()) },
                backend: (backend, bound).into(),
                closing,
                left: Duration::from_secs(left.into()),
            })
        },
    );
    proptest::collection::vec(record, 0..200)
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in records(), numbers in any::<[u64; 3]>()) {
        let mut rest = &records[..];
        while !rest.is_empty() {
            let (these, others) = rest.split_at(fitting(rest));
            let [sender, receiver, sequence] = numbers;
            let message = Message { sender, receiver, sequence, body: Body::Flows(these.to_vec()) };
            let bytes = encode(&message, &key());
            prop_assert!(!these.is_empty() && bytes.len() <= LONGEST, "{} records, {} bytes", these.len(), bytes.len());
            prop_assert_eq!(decode(&bytes, &key()), Ok(message));
            rest = others;
        }
    }

    #[test]
    fn whatever_comes_is_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes, &key()).is_err());
    }

    /// Whoever has the key may send anything.
    #[test]
    fn signed_nonsense_is_read_without_harm(body in proptest::collection::vec(any::<u8>(), 0..200), count in 0_u16..9) {
        let mut bytes = [&MAGIC[..], &[VERSION, FLOWS], &count.to_be_bytes(), &[0; 24], &body].concat();
        bytes.extend(key().sign(&bytes));
        match decode(&bytes, &key()) {
            Ok(Message { body: Body::Flows(records), .. }) => prop_assert_eq!(records.len(), usize::from(count)),
            other => prop_assert_eq!(other, Err(MessageError::Malformed)),
        }
    }
}

fn hello() -> Message {
    Message { sender: 1, receiver: 2, sequence: 3, body: Body::Hello { beat: 0 } }
}

#[test]
fn a_changed_bit_is_seen() {
    let bytes = encode(&hello(), &key());
    assert_eq!(decode(&bytes, &key()), Ok(hello()));
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0..4 => MessageError::Foreign,
            4 => MessageError::Version(changed[4]),
            _ => MessageError::Signature,
        };
        assert_eq!(decode(&changed, &key()), Err(expected), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length], &key()).is_err(), "{length} bytes");
    }
}

#[test]
fn another_key_signs_otherwise() {
    let bytes = encode(&hello(), &Key::new(b"another one"));
    assert_eq!(decode(&bytes, &key()), Err(MessageError::Signature));
}

#[test]
fn what_carries_no_records_is_read_as_it_was_written() {
    let bodies =
        [Body::Hello { beat: 0 }, Body::Hello { beat: u16::MAX }, Body::Bye, Body::Ask, Body::Done { since: u64::MAX }];
    for body in bodies {
        let message = Message { body, ..hello() };
        assert_eq!(decode(&encode(&message, &key()), &key()), Ok(message));
    }
}

/// RFC 4231 section 4.3.
#[test]
fn the_signature_is_hmac_sha_256() {
    let code = Key::new(b"Jefe").sign(b"what do ya want for nothing?");
    assert_eq!(code, [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7]);
}

#[test]
fn a_full_message_has_many_records_of_one_service() {
    let record = |port: u16| Record {
        service: ([10, 0, 0, 100].into(), 80, Protocol::Tcp),
        subject: Subject::Flow(([192, 0, 2, 7], port).into()),
        backend: ([10, 0, 0, 1], 8080).into(),
        closing: false,
        left: Duration::from_secs(86_400),
    };
    let records: Vec<Record> = (0..1000).map(record).collect();
    assert_eq!(fitting(&records), (ROOM - 9) / 17);
    assert_eq!(fitting(&[]), 0);
}
