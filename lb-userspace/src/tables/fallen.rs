//! Which flows in the table were cut because their backends take nothing any more.
//!
//! In: the backends that were cut. Out: who is at the client's end of each of their connections. A client that sends
//! something learns of it by itself; those that wait have to be told ([`crate::io::provoke`]).
//!
//! What must hold: nothing is said of a flow whose backend has come back, or whose record is another backend's by now.

use std::net::SocketAddr;

use lb_common::path::family::Family;
use lb_common::wire::flow::{Entry, Kind, Owner, Stage};

use super::walk::{self, Concern, Flow, Scene};

/// A backend that was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallen {
    /// Tells it from others that have its index later.
    pub generation: u8,
    /// Index of its service.
    pub service: u16,
    /// Address and port of the service.
    pub vip: SocketAddr,
    /// Hash of the service's key, which flows' hashes begin with.
    pub hash: u64,
}

/// A connection that was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Its client.
    pub client: SocketAddr,
    /// The service that it is to.
    pub vip: SocketAddr,
    /// Whether more than one packet of it was seen: the others anyone can make up.
    pub established: bool,
}

/// A walk for the connections of backends, by the backends' indexes.
pub type Walk = walk::Walk<Fallen>;

impl Concern for Fallen {
    type Finding = Connection;

    fn index(_owner: Owner, entry: Entry) -> Option<u16> {
        Some(entry.backend())
    }

    fn service_hash(&self) -> u64 {
        self.hash
    }

    fn judge<F: Family>(&self, flow: &Flow, _scene: &Scene<'_>) -> Option<Connection> {
        let (entry, given) = (flow.entry, flow.given);
        let is_connection = flow.owner.kind() == Kind::Flow { service: self.service };
        let is_theirs = entry.generation() == self.generation && given.generation == self.generation;
        let stage = entry.tag().stage();
        (is_connection && is_theirs && given.hop.state().cuts_flows() && stage != Stage::Reset).then(|| Connection {
            client: flow.client(),
            vip: self.vip,
            established: stage != Stage::New,
        })
    }
}
