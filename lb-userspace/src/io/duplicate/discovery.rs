//! Neighbour solicitations as of duplicate address detection (RFC 4862 section 5.4.2): who has this IPv6 address? And
//! who says that it has one.

use std::net::Ipv6Addr;

use crate::core::event::Mac;
use crate::io::announce::advertisement::checksum;

const ETHERNET_LENGTH: usize = 14;
const IPV6_LENGTH: usize = 40;
/// A message without options: type, code, checksum, flags, target.
const ICMPV6_LENGTH: usize = 24;
pub(super) const FRAME_LENGTH: usize = ETHERNET_LENGTH + IPV6_LENGTH + ICMPV6_LENGTH;

const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// Next header: ICMPv6.
pub(super) const ICMPV6: u8 = 58;
/// What has less came through a router (RFC 4861 section 7.1).
const HOP_LIMIT: u8 = 255;
const SOLICITATION: u8 = 135;
/// Type of an advertisement.
pub(super) const ADVERTISEMENT: u8 = 136;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

/// A solicitation from nobody as a whole Ethernet frame. Whoever has the address answers to all nodes.
///
/// ```text
///  destination 33:33:ff and the VIP's last three bytes | source MAC | 86dd
///  version 6 | length 24 | next header 58 | hop limit 255 | source :: | destination ff02::1:ff and the VIP's last three bytes
///  type 135 | code 0 | checksum | 0 | target VIP
/// ```
pub(super) fn solicitation(mac: Mac, vip: Ipv6Addr) -> [u8; FRAME_LENGTH] {
    let target = vip.octets();
    // RFC 4291 section 2.7.1.
    let mut group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0];
    group[13..].copy_from_slice(&target[13..]);

    let mut frame = [0; FRAME_LENGTH];
    let (ethernet, packet) = frame.split_at_mut(ETHERNET_LENGTH);
    // RFC 2464 section 7.
    ethernet[0..2].fill(0x33);
    ethernet[2..6].copy_from_slice(&group[12..]);
    ethernet[6..12].copy_from_slice(&mac.0);
    ethernet[12..14].copy_from_slice(&ETHERTYPE_IPV6);

    let (ipv6, icmpv6) = packet.split_at_mut(IPV6_LENGTH);
    ipv6[0] = 6 << 4;
    ipv6[4..6].copy_from_slice(&(ICMPV6_LENGTH as u16).to_be_bytes());
    ipv6[6] = ICMPV6;
    ipv6[7] = HOP_LIMIT;
    ipv6[24..40].copy_from_slice(&group);

    icmpv6[0] = SOLICITATION;
    icmpv6[8..24].copy_from_slice(&target);
    let checksum = checksum(&ipv6[8..40], icmpv6);
    icmpv6[2..4].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// Who says that it has which address: the target of an advertisement that is valid by RFC 4861 section 7.1.2, and the MAC that
/// it names, or else comes from.
pub(super) fn owner(frame: &[u8]) -> Option<(Ipv6Addr, Mac)> {
    let (ethernet, packet) = frame.split_first_chunk::<ETHERNET_LENGTH>()?;
    let (ipv6, rest) = packet.split_first_chunk::<IPV6_LENGTH>()?;
    let length = usize::from(u16::from_be_bytes([ipv6[4], ipv6[5]]));
    let icmpv6 = rest.get(..length).filter(|message| message.len() % 8 == 0)?;
    let (message, options) = icmpv6.split_first_chunk::<ICMPV6_LENGTH>()?;
    let is_advertisement = ethernet[12..14] == ETHERTYPE_IPV6
        && ipv6[0] >> 4 == 6
        && (ipv6[6], ipv6[7]) == (ICMPV6, HOP_LIMIT)
        && (message[0], message[1]) == (ADVERTISEMENT, 0);
    if !is_advertisement || checksum(&ipv6[8..40], icmpv6) != 0 {
        return None;
    }
    let target: [u8; 16] = *message[8..].first_chunk()?;
    let source: [u8; 6] = *ethernet[6..].first_chunk()?;
    Some((target.into(), Mac(named(options)?.unwrap_or(source))))
}

/// The MAC in the options; `None` if they are malformed.
fn named(mut options: &[u8]) -> Option<Option<[u8; 6]>> {
    let mut named = None;
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at_checked(usize::from(units) * 8)?;
        if (kind, units) == (TARGET_LINK_LAYER_ADDRESS, 1) {
            named = option.get(2..).and_then(<[u8]>::first_chunk).copied();
        }
        if units == 0 {
            return None;
        }
        options = rest;
    }
    Some(named)
}

#[cfg(test)]
mod tests {
    use etherparse::icmpv6::NeighborAdvertisementHeader;
    use etherparse::{Icmpv6Type, PacketBuilder};

    use super::*;

    const OWN: Mac = Mac([0x02, 0, 0, 0, 0x0a, 0x01]);
    const OTHER: Mac = Mac([0x02, 0, 0, 0, 0x0a, 0x09]);

    fn vip() -> Ipv6Addr {
        "fd00::1:2345".parse().unwrap()
    }

    #[test]
    fn a_solicitation_is_byte_by_byte_what_another_implementation_builds() {
        for vip in [vip(), "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap(), "fe80::1".parse().unwrap()] {
            let [.., x, y, z] = vip.octets();
            let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(x), u16::from_be_bytes([y, z]));
            let mut expected = Vec::new();
            PacketBuilder::ethernet2(OWN.0, [0x33, 0x33, 0xff, x, y, z])
                .ipv6([0; 16], group.octets(), 255)
                .icmpv6(Icmpv6Type::NeighborSolicitation)
                .write(&mut expected, &vip.octets())
                .unwrap();
            assert_eq!(solicitation(OWN, vip)[..], expected, "{vip}");
        }
    }

    #[test]
    fn a_solicitation_goes_from_nobody_to_those_whose_addresses_end_alike() {
        let frame = solicitation(OWN, vip());
        #[rustfmt::skip]
        let expected = [
            0x33, 0x33, 0xff, 0x01, 0x23, 0x45, 0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 0x86, 0xdd,
            0x60, 0x00, 0x00, 0x00, 0x00, 0x18, 0x3a, 0xff,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0x01, 0x23, 0x45,
            0x87, 0x00,
        ];
        assert_eq!(frame[..56], expected);
        assert_eq!(frame[58..62], [0; 4]);
        assert_eq!(owner(&frame), None, "a question names no owner");
    }

    /// An advertisement with these options, to all nodes.
    fn advertisement(hops: u8, options: &[u8]) -> Vec<u8> {
        let header = NeighborAdvertisementHeader { router: false, solicited: false, r#override: true };
        let body = [&vip().octets()[..], options].concat();
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(OTHER.0, [0x33, 0x33, 0, 0, 0, 1])
            .ipv6(vip().octets(), "ff02::1".parse::<Ipv6Addr>().unwrap().octets(), hops)
            .icmpv6(Icmpv6Type::NeighborAdvertisement(header))
            .write(&mut frame, &body)
            .unwrap();
        frame
    }

    #[test]
    fn an_advertisement_names_the_owner() {
        assert_eq!(owner(&advertisement(255, &[2, 1, 2, 0, 0, 0, 0, 7])), Some((vip(), Mac([2, 0, 0, 0, 0, 7]))));
        assert_eq!(owner(&advertisement(255, &[])), Some((vip(), OTHER)));
        let behind_another = [&[14, 1, 0, 0, 0, 0, 0, 0][..], &[2, 1, 2, 0, 0, 0, 0, 7]].concat();
        assert_eq!(owner(&advertisement(255, &behind_another)), Some((vip(), Mac([2, 0, 0, 0, 0, 7]))));
    }

    #[test]
    fn what_is_not_valid_names_nobody() {
        assert_eq!(owner(&advertisement(254, &[])), None, "through a router");
        for options in [&[2, 0, 2, 0, 0, 0, 0, 7][..], &[2, 2, 2, 0, 0, 0, 0, 7], &[2, 1, 2, 0]] {
            assert_eq!(owner(&advertisement(255, options)), None, "{options:?}");
        }
        let valid = advertisement(255, &[2, 1, 2, 0, 0, 0, 0, 7]);
        for byte in [12, 14, 20, 54, 55, 56, 60, 70, 85] {
            let mut other = valid.clone();
            other[byte] ^= 0x11;
            assert_eq!(owner(&other), None, "byte {byte}");
        }
        assert!((0..valid.len()).all(|length| owner(&valid[..length]).is_none()));
    }
}
