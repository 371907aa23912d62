//! Gratuitous ARP for VIPs that this host took over: an interface and a VIP in, broadcast frames out.
//!
//! The *request* form is sent, sender and target address both the VIP: what RFC 5227 section 3 asks of an ARP
//! announcement and what keepalived sends. The reply form is not sent as well: RFC 826 has every receiver update its
//! entry from the sender's fields before it looks at the operation, Linux treats a broadcast of either form alike,
//! and RFC 5227 warns of implementations that take broadcast replies badly. As RFC 5227 (and unlike keepalived, which
//! writes ff:ff:ff:ff:ff:ff) the target hardware address is zero; receivers ignore it.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::netlink::Link;
use crate::core::event::Mac;

/// Ethernet header and ARP packet, without the padding that the network card adds.
const FRAME_LENGTH: usize = 42;

const ETHERTYPE_ARP: u16 = 0x0806;

/// Why a VIP could not be announced.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// No packet socket.
    #[error("cannot open a packet socket to announce {vip}: {cause}; run pivotd as root or give it CAP_NET_RAW")]
    Socket {
        /// The VIP.
        vip: Ipv4Addr,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// A frame was not taken.
    #[error("cannot announce {vip} on {interface}: {cause}; clients keep their old ARP entry until it expires")]
    Send {
        /// The VIP.
        vip: Ipv4Addr,
        /// Name of the interface.
        interface: String,
        /// The kernel's answer.
        cause: io::Error,
    },
}

/// Tells every host on the segment that `vip` is at this interface's MAC from now on: `count` frames, back to back.
/// It does not wait for the network: a full transmit queue is an error.
pub fn announce(interface: &Link, vip: Ipv4Addr, count: u32) -> Result<(), AnnounceError> {
    // Protocol 0: the socket receives nothing.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)
        .map_err(|errno| AnnounceError::Socket { vip, cause: errno.into() })?;
    let frame = gratuitous_arp(interface.mac, vip);
    for _ in 0..count {
        send(&socket, interface.index, &frame).map_err(|cause| {
            let interface = interface.name.clone();
            AnnounceError::Send { vip, interface, cause }
        })?;
    }
    Ok(())
}

/// An ARP announcement (RFC 5227 section 2.3) as a whole Ethernet frame.
///
/// ```text
///  destination ff:ff:ff:ff:ff:ff | source MAC | 0806
///  hardware 1 | protocol 0800 | lengths 6, 4 | operation 1 (request)
///  sender MAC | sender VIP | target 0 | target VIP
/// ```
fn gratuitous_arp(mac: Mac, vip: Ipv4Addr) -> [u8; FRAME_LENGTH] {
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

fn send(socket: &OwnedFd, index: u32, frame: &[u8]) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid sockaddr_ll.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = libc::AF_PACKET as u16;
    to.sll_protocol = ETHERTYPE_ARP.to_be();
    to.sll_ifindex = index as i32;
    // SAFETY: `frame` and `to` are readable for the lengths given, and live through the call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const to).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte by byte what keepalived sends (`send_gratuitous_arp_immediate`), but for the target hardware address.
    #[test]
    fn an_announcement_is_a_broadcast_request_for_the_own_address() {
        let frame = gratuitous_arp(Mac([0x02, 0, 0, 0, 0x0a, 0x01]), Ipv4Addr::new(192, 0, 2, 10));
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
