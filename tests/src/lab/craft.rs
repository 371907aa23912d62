//! Packets made by hand, and sent from a host as they are: with any addresses, hop limit and payload.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lb_userspace::core::event::Mac;
use rustix::io::Errno;
use rustix::net::SendFlags;

use super::capture;
use super::node::Node;
use super::wait::wait_until;

/// An IP packet, without options.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Who it says sent it.
    pub source: IpAddr,
    /// To whom; of the same family.
    pub target: IpAddr,
    /// TTL or hop limit.
    pub hops: u8,
    /// Of the payload.
    pub protocol: u8,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl Packet<'_> {
    /// The frame that carries it from one MAC to another.
    ///
    /// # Panics
    /// If its addresses are of two families.
    pub fn frame(&self, from: Mac, to: Mac) -> Vec<u8> {
        let length = self.payload.len() as u16;
        let (ethertype, header) = match (self.source, self.target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => {
                let [high, low] = (20 + length).to_be_bytes();
                let fixed = [0x45, 0, high, low, 0, 0, 0, 0, self.hops, self.protocol, 0, 0];
                let mut header = [&fixed[..], &source.octets(), &target.octets()].concat();
                let sum = checksum(&header);
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                ([0x08, 0x00], header)
            }
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                let [high, low] = length.to_be_bytes();
                let fixed = [0x60, 0, 0, 0, high, low, self.protocol, self.hops];
                ([0x86, 0xdd], [&fixed[..], &source.octets(), &target.octets()].concat())
            }
            _ => panic!("a packet from {} to {}", self.source, self.target),
        };
        [&to.0[..], &from.0, &ethertype, &header, self.payload].concat()
    }
}

impl Node {
    /// Sends frames from this host's interface, as they are and in order; none is lost because the wire's queue is full.
    pub fn send_frames<'f>(&self, frames: impl IntoIterator<Item = &'f Vec<u8>>) -> Result<()> {
        let socket = self.run(|| capture::open(self.interface))?.context("opening a packet socket")?;
        for frame in frames {
            wait_until(Duration::from_secs(10), "a wire that takes a frame", || {
                match rustix::net::send(&socket, frame, SendFlags::empty()) {
                    Err(error @ Errno::NOBUFS) => Err(error),
                    sent => Ok(sent),
                }
            })?
            .context("sending a frame")?;
        }
        Ok(())
    }
}

/// The MAC of a group of hosts (RFC 1112 section 6.4, RFC 2464 section 7).
pub fn multicast_mac(group: IpAddr) -> Mac {
    match group {
        IpAddr::V4(group) => {
            let [_, a, b, c] = group.octets();
            Mac([0x01, 0x00, 0x5e, a & 0x7f, b, c])
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            Mac([0x33, 0x33, a, b, c, d])
        }
    }
}

/// What a checksum covers beside the payload (RFC 8200 section 8.1), for either family.
pub fn pseudo_header(source: IpAddr, target: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let octets = |address| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let [high, low] = (length as u16).to_be_bytes();
    [octets(source), octets(target), vec![0, protocol, high, low]].concat()
}

/// RFC 1071.
pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_by_another_parser() {
        for [source, target] in [["10.77.0.200", "224.0.0.18"], ["fd00:77::200", "ff02::12"]] {
            let [source, target]: [IpAddr; 2] = [source, target].map(|address| address.parse().unwrap());
            let packet = Packet { source, target, hops: 254, protocol: 112, payload: &[1, 2, 3] };
            let frame = packet.frame(Mac([2, 0, 0, 0, 0, 1]), multicast_mac(target));
            let read = etherparse::PacketHeaders::from_ethernet_slice(&frame).unwrap();
            assert_eq!(read.payload.slice(), [1, 2, 3]);
            match read.net.unwrap() {
                etherparse::NetHeaders::Ipv4(header, _) => {
                    assert_eq!(header.header_checksum, header.calc_header_checksum());
                    assert_eq!((header.time_to_live, header.destination), (254, [224, 0, 0, 18]));
                    assert_eq!(frame[..6], [1, 0, 0x5e, 0, 0, 18]);
                }
                etherparse::NetHeaders::Ipv6(header, _) => {
                    assert_eq!((header.hop_limit, header.next_header.0), (254, 112));
                    assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 0x12]);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
