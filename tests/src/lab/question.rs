//! What asks a segment who has an address, as a whole Ethernet frame: an ARP request (RFC 826) or a neighbour solicitation (RFC
//! 4861 section 4.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_userspace::core::event::Mac;

use super::craft::{self, Packet};

/// ICMPv6 type of a solicitation, and the option that tells the asker's MAC (RFC 4861 sections 4.3 and 4.6.1).
const SOLICITATION: u8 = 135;
const SOURCE_MAC: [u8; 2] = [1, 1];
const ICMPV6: u8 = 58;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    /// The MAC that the frame is from.
    pub(super) from: Mac,
    /// The MAC that is to be answered.
    pub(super) mac: Mac,
    /// Whose it says that is.
    pub(super) address: IpAddr,
}

/// The question for an address, of the asker's family.
///
/// # Panics
/// If it is of the other one.
pub(super) fn question(asker: Asker, address: IpAddr) -> Vec<u8> {
    match (asker.address, address) {
        (IpAddr::V4(own), IpAddr::V4(address)) => arp(asker, own, address),
        (IpAddr::V6(own), IpAddr::V6(address)) => solicitation(asker, own, address),
        _ => panic!("{} asks for {address}", asker.address),
    }
}

fn arp(asker: Asker, own: Ipv4Addr, address: Ipv4Addr) -> Vec<u8> {
    let header = [&[0xff; 6][..], &asker.from.0, &[0x08, 0x06]].concat();
    let request = [0, 1, 0x08, 0, 6, 4, 0, 1];
    [&header[..], &request, &asker.mac.0, &own.octets(), &[0; 6], &address.octets()].concat()
}

fn solicitation(asker: Asker, own: Ipv6Addr, address: Ipv6Addr) -> Vec<u8> {
    // The group of all who have these last three bytes (RFC 4291 section 2.7.1).
    let [.., a, b, c] = address.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let mac = asker.mac.0;
    let mut message = [&[SOLICITATION, 0, 0, 0, 0, 0, 0, 0][..], &address.octets(), &SOURCE_MAC, &mac].concat();
    let (source, target) = (own.into(), group.into());
    let sum = craft::checksum(&[&craft::pseudo_header(source, target, ICMPV6, message.len()), &message[..]].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Packet { source, target, hops: 255, protocol: ICMPV6, payload: &message }
        .frame(asker.from, craft::multicast_mac(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::frame::{Frame, NeighbourKind};
    use crate::lab::{VIP, VIP6};

    const FROM: Mac = Mac([2, 0, 10, 77, 0, 200]);
    const ASKING: Mac = Mac([2, 0x77, 0, 0, 0, 9]);

    fn asked(own: &str, address: IpAddr) -> Vec<u8> {
        question(Asker { from: FROM, mac: ASKING, address: own.parse().unwrap() }, address)
    }

    #[test]
    fn a_question_of_either_family_names_who_asks_and_for_what() {
        for (own, vip) in [("10.77.0.250", IpAddr::from(VIP)), ("fd00:77::250", VIP6.into())] {
            let frame = asked(own, vip);
            assert_eq!(frame[6..12], FROM.0);
            assert!(frame.windows(6).any(|bytes| bytes == ASKING.0), "{frame:?}");
            let said = Frame(frame).neighbour().unwrap();
            assert_eq!((said.kind, said.target, said.sender.to_string().as_str()), (NeighbourKind::Question, vip, own));
        }
    }

    #[test]
    fn a_solicitations_checksum_is_right() {
        let frame = asked("fd00:77::250", VIP6.into());
        let pseudo = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, 58], &frame[54..]].concat();
        assert_eq!(craft::checksum(&pseudo), 0);
        assert_eq!(frame.len(), 86);
    }
}
