//! The UDP socket by which controllers tell each other of flows.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with};
use tokio::net::UdpSocket;

/// Room for what arrives while the daemon is busy, in bytes: some thousand messages. The kernel's own limit may be lower.
const BUFFER: usize = 4 << 20;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[error("cannot speak with other controllers from {from}, UDP: {cause}{}", way_out(cause))]
pub struct SyncSocketError {
    from: SocketAddr,
    cause: io::Error,
}

/// Opens it at this host's node address, whether that is there yet or not: so what it sends never comes from a VIP.
///
/// # Errors
/// [`SyncSocketError`], such as that another program has the port.
pub fn open(address: IpAddr, port: u16) -> Result<UdpSocket, SyncSocketError> {
    let from = SocketAddr::new(address, port);
    try_open(from).map_err(|cause| SyncSocketError { from, cause })
}

fn try_open(from: SocketAddr) -> io::Result<UdpSocket> {
    let family = if from.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
    match from {
        SocketAddr::V4(_) => sockopt::set_ip_freebind(&socket, true)?,
        SocketAddr::V6(_) => sockopt::set_ipv6_freebind(&socket, true)?,
    }
    for set in [sockopt::set_socket_recv_buffer_size_force, sockopt::set_socket_recv_buffer_size] {
        if set(&socket, BUFFER).is_ok() {
            break;
        }
    }
    bind(&socket, &from)?;
    UdpSocket::from_std(socket.into())
}

fn way_out(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            "; end who has it (`ss -lunp` names it), or give [cluster] another `port`, the same on every host"
        }
        _ => "",
    }
}
