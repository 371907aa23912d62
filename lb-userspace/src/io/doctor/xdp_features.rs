//! What drivers say of their XDP: generic netlink, family `netdev`, which kernels from 6.3 have. Open to every user.

use std::io;

use rtnetlink::packet_core::{
    DecodeError, NLA_HEADER_SIZE, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable, NlasIterator, parse_u16, parse_u64,
};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};

use crate::core::doctor::interface::DriverXdp;

/// The family that names the others, its question and what is read of the answer (include/uapi/linux/genetlink.h).
const CONTROLLER: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// The family `netdev` (include/uapi/linux/netdev.h).
const DEV_GET: u8 = 1;
const IFINDEX: u16 = 1;
const XDP_FEATURES: u16 = 3;

/// Asks after the interfaces of the network namespace in which it was opened.
pub(super) struct XdpFeatures {
    socket: Socket,
    family: u16,
}

impl XdpFeatures {
    /// Opens the socket and finds the family.
    ///
    /// # Errors
    /// `ENOENT` from kernels without it.
    pub(super) fn open() -> io::Result<Self> {
        let socket = Socket::new(NETLINK_GENERIC)?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let name = attribute(FAMILY_NAME, b"netdev\0");
        let answer =
            ask(&socket, CONTROLLER, Generic { family: CONTROLLER, command: GET_FAMILY, version: 1, body: name })?;
        let family = answer.find(FAMILY_ID, |value| parse_u16(value).ok()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { socket, family })
    }

    /// What the driver of an interface has; none if it does not say.
    pub(super) fn of(&self, index: u32) -> Option<DriverXdp> {
        let body = attribute(IFINDEX, &index.to_ne_bytes());
        let question = Generic { family: self.family, command: DEV_GET, version: 1, body };
        let answer = ask(&self.socket, self.family, question).ok()?;
        answer.find(XDP_FEATURES, |value| parse_u64(value).ok()).map(DriverXdp::of)
    }
}

fn ask(socket: &Socket, family: u16, question: Generic) -> io::Result<Generic> {
    let mut message = NetlinkMessage::from(question);
    message.header.flags = NLM_F_REQUEST;
    message.header.message_type = family;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let (bytes, _) = socket.recv_from_full()?;
    match NetlinkMessage::<Generic>::deserialize(&bytes).map_err(io::Error::other)?.payload {
        NetlinkPayload::InnerMessage(answer) => Ok(answer),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A message of generic netlink: its header and, as they are, its attributes.
#[derive(Debug)]
struct Generic {
    family: u16,
    command: u8,
    version: u8,
    body: Vec<u8>,
}

/// Command, version and two bytes that are nothing (`struct genlmsghdr`).
const HEADER: usize = 4;

impl Generic {
    /// The first attribute of a kind, read.
    fn find<T>(&self, kind: u16, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let attributes = NlasIterator::new(self.body.as_slice());
        attributes.filter_map(Result::ok).find(|one| one.kind() == kind).and_then(|one| read(one.value()))
    }
}

impl NetlinkSerializable for Generic {
    fn message_type(&self) -> u16 {
        self.family
    }

    fn buffer_len(&self) -> usize {
        HEADER + self.body.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer[..HEADER].copy_from_slice(&[self.command, self.version, 0, 0]);
        buffer[HEADER..].copy_from_slice(&self.body);
    }
}

impl NetlinkDeserializable for Generic {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        match payload {
            [command, version, _, _, body @ ..] => {
                Ok(Self { family: header.message_type, command: *command, version: *version, body: body.to_vec() })
            }
            _ => Err(DecodeError::from("a message of generic netlink without its header")),
        }
    }
}

impl From<Generic> for NetlinkPayload<Generic> {
    fn from(message: Generic) -> Self {
        Self::InnerMessage(message)
    }
}

/// One attribute: its length, its kind, its value, zeros up to the next four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (NLA_HEADER_SIZE + value.len()) as u16;
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_the_kernel_lays_out() {
        let body = attribute(FAMILY_NAME, b"netdev\0");
        assert_eq!(body.len(), 12);
        let mut message = NetlinkMessage::from(Generic { family: CONTROLLER, command: 3, version: 1, body });
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        assert_eq!(bytes.len(), 16 + 4 + 12);
        let NetlinkPayload::InnerMessage(read) = NetlinkMessage::<Generic>::deserialize(&bytes).unwrap().payload else {
            panic!("{bytes:?}");
        };
        let name = read.find(FAMILY_NAME, |value| Some(value.to_vec()));
        assert_eq!((read.command, name), (3, Some(b"netdev\0".to_vec())));
        assert_eq!(read.find(FAMILY_ID, |value| parse_u16(value).ok()), None);
    }
}
