//! Messages that only who has the cluster's key can have made: between pivots, over unicast.
//!
//! ```text
//! +---------+--------------+---------+
//! | message | sequence u64 | MAC 16  |
//! +---------+--------------+---------+
//! ```
//! The MAC is HMAC-SHA-256, cut to 16 bytes, of both addresses of the packet, the message and the sequence, which is big-endian and grows with
//! every message of a sender: what was heard once, and all before it, is heard no more. VRRP has had nothing of the kind since version 3; to other
//! routers such a message is longer than what it holds.

use std::net::IpAddr;

use crate::core::sync::message::Key;

const SEQUENCE: usize = 8;
const MAC: usize = 16;

/// Puts a message under the key.
#[must_use]
pub fn seal(mut message: Vec<u8>, key: &Key, source: IpAddr, destination: IpAddr, sequence: u64) -> Vec<u8> {
    message.extend(sequence.to_be_bytes());
    let code = key.sign(&covered(&message, source, destination));
    message.extend(code);
    message
}

/// The message and its sequence, if whoever sealed it has the key.
#[must_use]
pub fn open<'p>(payload: &'p [u8], key: &Key, source: IpAddr, destination: IpAddr) -> Option<(&'p [u8], u64)> {
    let (signed, code) = payload.split_last_chunk::<MAC>()?;
    let (message, sequence) = signed.split_last_chunk::<SEQUENCE>()?;
    let is_true = key.verify(&covered(signed, source, destination), code);
    is_true.then(|| (message, u64::from_be_bytes(*sequence)))
}

/// What the MAC covers: nobody else's message, and nobody else's to read.
fn covered(signed: &[u8], source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 * 16 + signed.len());
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => bytes.extend(address.to_ipv6_mapped().octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    bytes.extend(signed);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new(b"of all controllers")
    }

    #[test]
    fn a_sealed_message_opens_for_its_receiver_with_the_key_alone() {
        let [a, b]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let sealed = seal(b"a message".to_vec(), &key(), a, b, 7);
        assert_eq!(open(&sealed, &key(), a, b), Some((&b"a message"[..], 7)));
        assert_eq!(open(&sealed, &key(), b, a), None);
        assert_eq!(open(&sealed, &Key::new(b"another one"), a, b), None);
        for byte in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[byte] ^= 1;
            assert_eq!(open(&changed, &key(), a, b), None, "byte {byte}");
            assert_eq!(open(&sealed[..byte], &key(), a, b), None, "{byte} bytes");
        }
    }
}
