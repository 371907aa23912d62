//! The backend host's part: which of this host's listeners a segment to a VIP belongs to.
//!
//! Two programs ask. On the way in, TC asks for segments that open a connection and sees to it that the listener's socket is
//! in the table of listeners. When the kernel looks for a listener, for whatever segment, sk_lookup asks and hands it that
//! socket. A connection accepted so has the VIP as its own address, hence the kernel answers as the VIP and finds later
//! segments by itself.

use crate::net::bytes::Packet;
use crate::net::ethernet::{Ethernet, IPV4};
use crate::wire::address::Address;
use crate::wire::backend::{Identity, Way};
use crate::wire::directory::Key;
use crate::wire::service::{Local, Service};

use super::parse::{self, Segment};
use super::tables::Tables;
use super::verdict::Verdict;
use super::{flow, select, service};

/// Where a segment that opens a connection belongs on this host.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The segment.
    pub segment: Segment,
    /// Index of the backend in `BACKENDS`.
    pub backend: u16,
    /// Address its service is bound to.
    pub address: Address,
    /// Port it is bound to, in network order.
    pub port: u16,
}

/// The local socket address for a segment that opens a connection to a service, `None` for every other frame.
#[inline(always)]
pub fn target<P: Packet, T: Tables>(packet: &P, tables: &T) -> Option<Target> {
    if packet.header::<Ethernet>(0)?.ethertype.load() != IPV4 {
        return None;
    }
    let segment = parse::ipv4(packet).ok()?;
    if !segment.opens() {
        return None;
    }
    let backend = listener(tables, &segment.key, segment.source, segment.source_port).ok()?;
    let record = tables.backend(backend)?;
    let port = Identity::unpack(record.identity.get()).port;
    Some(Target { segment, backend, address: record.address, port })
}

/// The local backend, by index, that takes connections from this client to this service.
///
/// # Errors
/// [`Verdict::NotService`] if it is none of a service with a backend on this host.
#[inline(always)]
pub fn listener<T: Tables>(tables: &T, key: &Key, client: Address, client_port: u16) -> Result<u16, Verdict> {
    let control = tables.control().ok_or(Verdict::TableTorn)?;
    let (slot, hash) = service::find(tables, control, key)?;
    let service = tables.service(slot.service).ok_or(Verdict::TableTorn)?;
    local(tables, service, flow::hash_of(hash, client, client_port))
}

/// The backend that every director chooses, if it runs here; else the first one that does: the director knew better.
#[inline(always)]
fn local<T: Tables>(tables: &T, service: &Service, hash: u64) -> Result<u16, Verdict> {
    let fallback = Local::unpack(service.local.get()).index().ok_or(Verdict::NotService)?;
    match select::choose(tables, service, hash) {
        Ok(given) if given.hop.way() == Some(Way::Local) => Ok(given.backend),
        _ => Ok(fallback),
    }
}
