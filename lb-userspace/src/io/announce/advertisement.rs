//! Unsolicited neighbour advertisements: a MAC and an IPv6 VIP in, a frame to all nodes out.
//!
//! RFC 4861 section 7.2.6: the override flag is set, so that receivers replace the MAC that they have; the solicited
//! flag is clear, as it must be for a multicast destination, so that they verify the new one when they use it; the
//! router flag is clear, as VIPs are host addresses. A host without an entry for the VIP makes none.

use std::net::Ipv6Addr;

use lb_common::net::checksum::Sum;

use crate::core::event::Mac;

const ETHERNET_LENGTH: usize = 14;
const IPV6_LENGTH: usize = 40;
/// Advertisement and its one option.
const ICMPV6_LENGTH: usize = 24 + 8;
const FRAME_LENGTH: usize = ETHERNET_LENGTH + IPV6_LENGTH + ICMPV6_LENGTH;

const ETHERTYPE_IPV6: u16 = 0x86dd;
const NEXT_HEADER_ICMPV6: u8 = 58;
/// Receivers drop what has less: it came through a router (RFC 4861 section 7.1.2).
const HOP_LIMIT: u8 = 255;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// 33:33 and the last four bytes of the group (RFC 2464 section 7).
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const OVERRIDE: u8 = 0x20;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

/// An unsolicited advertisement as a whole Ethernet frame.
///
/// ```text
///  destination 33:33:00:00:00:01 | source MAC | 86dd
///  version 6 | length 32 | next header 58 | hop limit 255 | source VIP | destination ff02::1
///  type 136 | code 0 | checksum | override | target VIP | option 2, length 1: MAC
/// ```
pub(super) fn unsolicited(mac: Mac, vip: Ipv6Addr) -> [u8; FRAME_LENGTH] {
    let mut frame = [0; FRAME_LENGTH];
    let (ethernet, packet) = frame.split_at_mut(ETHERNET_LENGTH);
    ethernet[0..6].copy_from_slice(&ALL_NODES_MAC);
    ethernet[6..12].copy_from_slice(&mac.0);
    ethernet[12..14].copy_from_slice(&ETHERTYPE_IPV6.to_be_bytes());

    let (ipv6, icmpv6) = packet.split_at_mut(IPV6_LENGTH);
    ipv6[0] = 6 << 4;
    ipv6[4..6].copy_from_slice(&(ICMPV6_LENGTH as u16).to_be_bytes());
    ipv6[6] = NEXT_HEADER_ICMPV6;
    ipv6[7] = HOP_LIMIT;
    ipv6[8..24].copy_from_slice(&vip.octets());
    ipv6[24..40].copy_from_slice(&ALL_NODES.octets());

    icmpv6[0] = NEIGHBOUR_ADVERTISEMENT;
    icmpv6[4] = OVERRIDE;
    icmpv6[8..24].copy_from_slice(&vip.octets());
    icmpv6[24] = TARGET_LINK_LAYER_ADDRESS;
    icmpv6[25] = 1; // in units of 8 bytes
    icmpv6[26..32].copy_from_slice(&mac.0);
    let checksum = checksum(&ipv6[8..40], icmpv6);
    icmpv6[2..4].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// Over the pseudo-header (RFC 8200 section 8.1) and a message of an even length, whose checksum field is zero; over one whose
/// checksum is right, zero.
pub(in crate::io) fn checksum(addresses: &[u8], message: &[u8]) -> u16 {
    let pseudo = Sum::default().double((message.len() as u32).to_be()).double(u32::from(NEXT_HEADER_ICMPV6).to_be());
    let words = [addresses, message].into_iter().flat_map(|bytes| bytes.as_chunks::<2>().0);
    words.fold(pseudo, |sum, word| sum.word(u16::from_ne_bytes(*word))).checksum().get()
}

#[cfg(test)]
mod tests {
    use etherparse::icmpv6::NeighborAdvertisementHeader;
    use etherparse::{Icmpv6Type, PacketBuilder};

    use super::*;

    /// The same frame, built by etherparse, which computes the checksum its own way.
    fn expected(mac: Mac, vip: Ipv6Addr) -> Vec<u8> {
        let header = NeighborAdvertisementHeader { router: false, solicited: false, r#override: true };
        let mut body = vip.octets().to_vec();
        body.extend([2, 1]);
        body.extend(mac.0);
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(mac.0, [0x33, 0x33, 0, 0, 0, 1])
            .ipv6(vip.octets(), ALL_NODES.octets(), 255)
            .icmpv6(Icmpv6Type::NeighborAdvertisement(header))
            .write(&mut frame, &body)
            .unwrap();
        frame
    }

    #[test]
    fn an_advertisement_is_byte_by_byte_what_another_implementation_builds() {
        let macs = [Mac([0x02, 0, 0, 0, 0x0a, 0x01]), Mac([0xfe; 6]), Mac([0; 6])];
        let vips = ["fd00::100", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::1", "::"];
        for (mac, vip) in macs.into_iter().flat_map(|mac| vips.map(|vip| (mac, vip.parse().unwrap()))) {
            assert_eq!(unsolicited(mac, vip)[..], expected(mac, vip), "{mac} {vip}");
        }
    }

    #[test]
    fn an_advertisement_goes_to_all_nodes_and_overrides() {
        let frame = unsolicited(Mac([0x02, 0, 0, 0, 0x0a, 0x01]), "fd00::100".parse().unwrap());
        #[rustfmt::skip]
        let beginning = [
            0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 0x86, 0xdd,
            0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff,
        ];
        assert_eq!(frame[..22], beginning);
        assert_eq!(frame[54..56], [136, 0], "type and code");
        assert_eq!(frame[58..62], [0x20, 0, 0, 0], "override alone");
        assert_eq!(frame[78..], [2, 1, 0x02, 0, 0, 0, 0x0a, 0x01], "target link-layer address");
    }
}
