//! The qdisc that filters hang on: removed with the last of them, whoever made it.

use std::ffi::CString;
use std::io;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{TcHandle, TcMessage};

/// Its two hooks.
const HOOKS: [u16; 2] = [TcHandle::MIN_INGRESS, TcHandle::MIN_EGRESS];

/// Removes it from an interface if no filter hangs on it.
///
/// # Errors
/// The kernel's; also if there is no such qdisc.
pub(super) fn remove_if_empty(interface: &str) -> io::Result<()> {
    let name = CString::new(interface)?;
    // SAFETY: a string that ends with 0.
    let interface = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if interface == 0 {
        return Ok(());
    }
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    for minor in HOOKS {
        if has_filters(&socket, interface, TcHandle { major: u16::MAX, minor })? {
            return Ok(());
        }
    }
    let mut qdisc = about(interface, TcHandle::CLSACT);
    qdisc.header.handle = TcHandle { major: u16::MAX, minor: 0 };
    send(&socket, RouteNetlinkMessage::DelQueueDiscipline(qdisc), NLM_F_ACK)?;
    let (bytes, _) = socket.recv_from_full()?;
    match parsed(&bytes)?.payload {
        NetlinkPayload::Error(answer) => {
            answer.code.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(-code.get())))
        }
        other => Err(io::Error::other(format!("an answer without sense: {other:?}"))),
    }
}

fn about(interface: u32, parent: TcHandle) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = interface.cast_signed();
    message.header.parent = parent;
    message
}

fn send(socket: &Socket, request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut message = NetlinkMessage::from(request);
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0).map(drop)
}

fn has_filters(socket: &Socket, interface: u32, hook: TcHandle) -> io::Result<bool> {
    send(socket, RouteNetlinkMessage::GetTrafficFilter(about(interface, hook)), NLM_F_DUMP)?;
    let mut found = false;
    // To the end, or the next request would be answered by the rest.
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let message = parsed(rest)?;
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewTrafficFilter(_)) => found = true,
                _ => {}
            }
            let len = (message.header.length as usize).next_multiple_of(4).max(16);
            rest = rest.get(len..).unwrap_or_default();
        }
    }
}

fn parsed(bytes: &[u8]) -> io::Result<NetlinkMessage<RouteNetlinkMessage>> {
    NetlinkMessage::deserialize(bytes).map_err(io::Error::other)
}
