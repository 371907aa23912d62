//! Echo requests: ping, of either family (RFC 792, RFC 4443).

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::net::{AddressFamily, SocketType, ipproto};

use super::node::Node;
use super::patience::patient;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

impl Node {
    /// Sends this many echo requests from this host, one after the other, and returns how many were answered.
    pub fn ping(&self, target: impl Into<IpAddr>, requests: u8) -> Result<u8> {
        let target = target.into();
        self.run(|| ping(target, requests)).flatten().with_context(|| format!("asking {target} for an echo"))
    }
}

fn ping(target: IpAddr, requests: u8) -> Result<u8> {
    // icmp(7): the kernel sets identifier and checksum, and hands over the answers to this socket's requests alone.
    let (family, protocol, request, reply) = match target {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP, 8, 0),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6, 128, 129),
    };
    let socket = UdpSocket::from(rustix::net::socket(family, SocketType::DGRAM, Some(protocol))?);
    socket.set_read_timeout(Some(patient(PATIENCE)))?;
    socket.connect((target, 0))?;
    let mut answered = 0;
    for sequence in 0..requests {
        let message = [request, 0, 0, 0, 0, 0, 0, sequence, b'p', b'i', b'v', b'o', b't'];
        socket.send(&message)?;
        let mut answer = [0; 64];
        match socket.recv(&mut answer) {
            Ok(length) if answer[0] == reply && answer[7..length] == message[7..] => answered += 1,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answered)
}
