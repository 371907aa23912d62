//! Frames, and what a reader who believes in what was meant says of them.

use std::net::SocketAddr;

use lb_userspace::core::config::model::Protocol;

use super::net::Net;
use super::scene::service_name;

/// A frame, and what a reader would say of it.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// What it carries, if it is an IP packet.
    pub(crate) reading: Option<Reading>,
}

/// A packet to a service, to a reader who believes in what was meant.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) client: SocketAddr,
    pub(crate) service: SocketAddr,
    /// `None`: neither TCP nor UDP.
    pub(crate) protocol: Option<Protocol>,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    /// Which part of a packet it is, if not the whole.
    pub(crate) piece: Option<Piece>,
    /// Where the IP header begins.
    pub(crate) l3: usize,
    /// Where the transport header begins.
    pub(crate) l4: usize,
}

/// A fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) eighths: u16,
    pub(crate) more: bool,
    pub(crate) id: u32,
}

/// A frame that is no IP packet, or is not to be taken for one.
pub(crate) fn raw(bytes: Vec<u8>) -> Frame {
    Frame { bytes, reading: None }
}

impl Reading {
    /// What its service is called, if it is one.
    pub(crate) fn service_name(&self) -> String {
        self.protocol.map_or_else(|| "none".to_owned(), |protocol| service_name(self.service, protocol))
    }

    /// Where the IP packet ends by its own length field: what counters count.
    pub(crate) fn end(&self, frame: &[u8]) -> u64 {
        let field = |at: usize| u64::from(u16::from_be_bytes([frame[self.l3 + at], frame[self.l3 + at + 1]]));
        let length = match Net::of(self.service.ip()) {
            Net::V4 => field(2),
            Net::V6 => 40 + field(4),
        };
        self.l3 as u64 + length
    }
}
