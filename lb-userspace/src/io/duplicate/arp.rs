//! ARP probes (RFC 5227 section 2.1.1): who has this IPv4 address? And who says that it has one.

use std::net::Ipv4Addr;

use crate::core::event::Mac;

/// Ethernet header and ARP packet.
pub(super) const FRAME_LENGTH: usize = 42;

const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
/// IPv4 over Ethernet, and how long addresses are.
const KIND: [u8; 6] = [0, 1, 0x08, 0, 6, 4];
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// A probe as a whole Ethernet frame. It names no sender's address, so it changes nobody's neighbour entries.
///
/// ```text
///  destination ff:ff:ff:ff:ff:ff | source MAC | 0806
///  hardware 1 | protocol 0800 | lengths 6, 4 | operation 1 (request)
///  sender MAC | sender 0.0.0.0 | target 0 | target VIP
/// ```
pub(super) fn probe(mac: Mac, vip: Ipv4Addr) -> [u8; FRAME_LENGTH] {
    let mut frame = [0; FRAME_LENGTH];
    frame[0..6].fill(0xff);
    frame[6..12].copy_from_slice(&mac.0);
    frame[12..14].copy_from_slice(&ETHERTYPE_ARP);
    frame[14..20].copy_from_slice(&KIND);
    frame[21] = REQUEST;
    frame[22..28].copy_from_slice(&mac.0);
    frame[38..42].copy_from_slice(&vip.octets());
    frame
}

/// Who says, in a request or in a reply, that it has which address: the sender. That of another host's probe is 0.0.0.0,
/// which is no VIP.
pub(super) fn owner(frame: &[u8]) -> Option<(Ipv4Addr, Mac)> {
    let frame = frame.first_chunk::<FRAME_LENGTH>()?;
    let is_arp = frame[12..14] == ETHERTYPE_ARP && frame[14..20] == KIND;
    if !is_arp || frame[20] != 0 || !matches!(frame[21], REQUEST | REPLY) {
        return None;
    }
    let address = Ipv4Addr::new(frame[28], frame[29], frame[30], frame[31]);
    Some((address, Mac(*frame[22..].first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
    const OWN: Mac = Mac([0x02, 0, 0, 0, 0x0a, 0x01]);

    #[test]
    fn a_probe_is_a_broadcast_request_from_nobody() {
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 0x08, 0x06,
            0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
            0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 0, 0, 0, 0,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 192, 0, 2, 10,
        ];
        assert_eq!(probe(OWN, VIP), expected);
    }

    /// As Linux 6.18 answers a probe, padded as a network card pads it.
    #[rustfmt::skip]
    const ANSWER: [u8; 60] = [
        0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 0x02, 0x00, 0x0a, 0x4d, 0x00, 0xc8, 0x08, 0x06,
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x02,
        0x02, 0x00, 0x0a, 0x4d, 0x00, 0xc8, 192, 0, 2, 10,
        0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn replies_and_announcements_name_the_owner() {
        let owned = Some((VIP, Mac([0x02, 0x00, 0x0a, 0x4d, 0x00, 0xc8])));
        assert_eq!(owner(&ANSWER), owned);
        let mut announcement = ANSWER;
        announcement[21] = 1;
        assert_eq!(owner(&announcement), owned);
    }

    #[test]
    fn a_probe_of_another_host_names_no_vip() {
        assert_eq!(owner(&probe(OWN, VIP)), Some((Ipv4Addr::UNSPECIFIED, OWN)));
    }

    #[test]
    fn anything_else_names_nobody() {
        for (byte, value) in [(12, 0x86), (15, 6), (16, 9), (18, 8), (19, 16), (20, 1), (21, 3)] {
            let mut other = ANSWER;
            other[byte] = value;
            assert_eq!(owner(&other), None, "byte {byte}");
        }
        assert_eq!((owner(&ANSWER[..41]), owner(&[])), (None, None));
        assert!(owner(&ANSWER[..42]).is_some());
    }
}
