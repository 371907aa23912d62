//! VIPs that this host took over: an interface and a VIP in, frames that move the neighbours' cache entries out.
//!
//! - [`arp`]: gratuitous ARP, for IPv4.
//! - [`advertisement`]: unsolicited neighbour advertisements, for IPv6.

pub(super) mod advertisement;
mod arp;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::OnceLock;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::netlink::Link;

/// Why a VIP could not be announced.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// No packet socket.
    #[error("cannot open a packet socket to announce {vip}: {cause}; run pivotd as root or give it CAP_NET_RAW")]
    Socket {
        /// The VIP.
        vip: IpAddr,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// A frame was not taken.
    #[error("cannot announce {vip} on {interface}: {cause}; clients keep their old neighbour entry until it expires")]
    Send {
        /// The VIP.
        vip: IpAddr,
        /// Name of the interface.
        interface: String,
        /// The kernel's answer.
        cause: io::Error,
    },
}

/// Announces VIPs, by a socket that it opens once: closing a packet socket waits until all CPUs have passed by (RCU), 10 to 20
/// ms here, which is longer than an advert may be late.
#[derive(Debug, Default)]
pub struct Announcer(OnceLock<OwnedFd>);

impl Announcer {
    /// Tells every host on the segment that `vip` is at this interface's MAC from now on: `count` frames, back to back.
    /// It does not wait for the network: a full transmit queue is an error.
    ///
    /// # Errors
    /// [`AnnounceError`]
    pub fn announce(&self, interface: &Link, vip: IpAddr, count: u32) -> Result<(), AnnounceError> {
        let socket = self.socket().map_err(|cause| AnnounceError::Socket { vip, cause })?;
        let sent = match vip {
            IpAddr::V4(vip) => send(socket, interface.index, &arp::announcement(interface.mac, vip), count),
            IpAddr::V6(vip) => send(socket, interface.index, &advertisement::unsolicited(interface.mac, vip), count),
        };
        sent.map_err(|cause| AnnounceError::Send { vip, interface: interface.name.clone(), cause })
    }

    fn socket(&self) -> io::Result<&OwnedFd> {
        if let Some(socket) = self.0.get() {
            return Ok(socket);
        }
        // Protocol 0: the socket receives nothing.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        Ok(self.0.get_or_init(|| socket))
    }
}

/// Sends a whole Ethernet frame, `count` times.
fn send(socket: &OwnedFd, index: u32, frame: &[u8], count: u32) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid sockaddr_ll.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = libc::AF_PACKET as u16;
    to.sll_protocol = frame.get(12..14).map_or(0, |ethertype| u16::from_ne_bytes([ethertype[0], ethertype[1]]));
    to.sll_ifindex = index as i32;
    for _ in 0..count {
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
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
