//! Whether sockets can be destroyed (CONFIG_INET_DIAG_DESTROY).

use std::io;

use netlink_sys::{Socket, SocketAddr};

/// `NETLINK_SOCK_DIAG` (include/uapi/linux/netlink.h).
const SOCK_DIAG: isize = 4;
/// Message type (include/uapi/linux/sock_diag.h).
const SOCK_DESTROY: u16 = 21;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const FLAGS: u16 = 5;
const NLMSG_ERROR: u16 = 2;

/// Asks for a TCP socket that is not there to be destroyed: ENOENT says that it would be. `None` if the kernel cannot be asked.
pub(super) fn can_destroy() -> Option<bool> {
    destroy_nothing().ok().map(|errno| errno == libc::ENOENT)
}

fn destroy_nothing() -> io::Result<i32> {
    let mut socket = Socket::new(SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&request(), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let word = |at: usize| answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (answer.get(4..6).map(|kind| u16::from_ne_bytes([kind[0], kind[1]])), word(16)) {
        (Some(NLMSG_ERROR), Some(error)) => Ok(-error),
        _ => Err(io::Error::other("no answer to SOCK_DESTROY")),
    }
}

/// A `nlmsghdr` and an `inet_diag_req_v2` for 0.0.0.1:1, which nobody has.
fn request() -> Vec<u8> {
    let mut body = vec![0_u8; 56];
    body[0] = libc::AF_INET as u8;
    body[1] = libc::IPPROTO_TCP as u8;
    // States: all.
    body[4..8].fill(0xff);
    // Ports, then addresses of sixteen bytes each.
    body[9] = 1;
    body[11] = 1;
    body[15] = 1;
    body[31] = 1;
    // Cookie: any (INET_DIAG_NOCOOKIE).
    body[48..56].fill(0xff);
    let mut message = Vec::new();
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend(SOCK_DESTROY.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    message
}
