//! Gratuitous ARP: a MAC and an IPv4 VIP in, a broadcast frame out.
//!
//! The *request* form is sent, sender and target address both the VIP: what RFC 5227 section 3 asks of an ARP
//! announcement and what keepalived sends. The reply form is not sent as well: RFC 826 has every receiver update its
//! entry from the sender's fields before it looks at the operation, Linux treats a broadcast of either form alike,
//! and RFC 5227 warns of implementations that take broadcast replies badly. As RFC 5227 (and unlike keepalived, which
//! writes ff:ff:ff:ff:ff:ff) the target hardware address is zero; receivers ignore it.

use std::net::Ipv4Addr;

use crate::core::event::Mac;

/// Ethernet header and ARP packet, without the padding that the network card adds.
const FRAME_LENGTH: usize = 42;

const ETHERTYPE_ARP: u16 = 0x0806;

/// An ARP announcement (RFC 5227 section 2.3) as a whole Ethernet frame.
///
/// ```text
///  destination ff:ff:ff:ff:ff:ff | source MAC | 0806
///  hardware 1 | protocol 0800 | lengths 6, 4 | operation 1 (request)
///  sender MAC | sender VIP | target 0 | target VIP
/// ```
pub(super) fn announcement(mac: Mac, vip: Ipv4Addr) -> [u8; FRAME_LENGTH] {
    let mut frame = [0; FRAME_LENGTH];
    frame[0..6].fill(0xff);
    frame[6..12].copy_from_slice(&mac.0);
    frame[12..14].copy_from_slice(&ETHERTYPE_ARP.to_be_bytes());
    frame[14..22].copy_from_slice(&[0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame[22..28].copy_from_slice(&mac.0);
    frame[28..32].copy_from_slice(&vip.octets());
    frame[38..42].copy_from_slice(&vip.octets());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte by byte what keepalived sends (`send_gratuitous_arp_immediate`), but for the target hardware address.
    #[test]
    fn an_announcement_is_a_broadcast_request_for_the_own_address() {
        let frame = announcement(Mac([0x02, 0, 0, 0, 0x0a, 0x01]), Ipv4Addr::new(192, 0, 2, 10));
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 0x08, 0x06,
            0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
            0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 192, 0, 2, 10,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 192, 0, 2, 10,
        ];
        assert_eq!(frame, expected);
    }
}
