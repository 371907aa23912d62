//! What one controller tells another of a flow.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::core::config::model::Protocol;

/// What identifies a service on the wire.
pub type Endpoint = (IpAddr, u16, Protocol);

/// A flow, or a client that keeps its backend, that goes elsewhere than the tables alone would lead it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The service.
    pub service: Endpoint,
    /// Whose it is.
    pub subject: Subject,
    /// The backend that it has, by where that is bound.
    pub backend: SocketAddr,
    /// Whether the client has said that it ends.
    pub closing: bool,
    /// How long it is remembered unless it is seen again.
    pub left: Duration,
}

/// Whose a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// That of a flow from this address and port.
    Flow(SocketAddr),
    /// That of all new flows of a client, by its address, or the first one of its network.
    Client(IpAddr),
}

impl Subject {
    /// The client's address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match self {
            Self::Flow(source) => source.ip(),
            Self::Client(address) => *address,
        }
    }
}
