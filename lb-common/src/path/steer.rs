//! The backend host's part: which of this host's listeners a segment to a VIP belongs to.
//!
//! Two programs ask. On the way in, TC asks for segments that open a connection and sees to it that the listener's socket is
//! in the table of listeners. When the kernel looks for a listener, for whatever segment, sk_lookup asks and hands it that
//! socket. A connection accepted so has the VIP as its own address, hence the kernel answers as the VIP and finds later
//! segments by itself.

use crate::net::bytes::Packet;
use crate::net::ethernet;
use crate::wire::address::Address;
use crate::wire::backend::{Identity, Way};
use crate::wire::directory::Key;
use crate::wire::service::{Affinity, Local, Service};

use super::family::{Family, Part, V4, V6};
use super::tables::Tables;
use super::verdict::Verdict;
use super::{flow, parse, select, service};

/// Where a segment that opens a connection belongs on this host.
#[derive(Clone, Copy, Debug)]
pub struct Target {
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
    let frame = parse::frame(packet).ok()?;
    let backend = match frame.ethertype {
        ethernet::IPV4 => opened::<V4, P, T>(packet, tables, frame.l3)?,
        ethernet::IPV6 => opened::<V6, P, T>(packet, tables, frame.l3)?,
        _ => return None,
    };
    let record = tables.backend(backend)?;
    let port = Identity::unpack(record.identity.get()).port;
    Some(Target { backend, address: record.address, port })
}

#[inline(always)]
fn opened<F: Family, P: Packet, T: Tables>(packet: &P, tables: &T, l3: u32) -> Option<u16> {
    let ip = F::read(packet, l3).ok()?;
    if ip.piece.part != Part::WHOLE {
        return None;
    }
    let message = parse::message(packet, &ip).ok()?;
    if !message.opens() {
        return None;
    }
    listener::<F, T>(tables, &message.key, ip.source, message.source_port).ok()
}

/// The local backend, by index, that takes connections from this client to this service.
///
/// # Errors
/// [`Verdict::NotService`] if it is none of a service with a backend on this host.
#[inline(always)]
pub fn listener<F: Family, T: Tables>(
    tables: &T,
    key: &Key,
    client: Address,
    client_port: u16,
) -> Result<u16, Verdict> {
    let control = tables.control().ok_or(Verdict::TableTorn)?;
    let (slot, destination) = service::find(tables, control, key)?;
    let service = tables.service(slot.service).ok_or(Verdict::TableTorn)?;
    let hash = match Affinity::unpack(service.affinity.get()) {
        Some(affinity) => flow::hash_of(destination, F::mask(client, affinity.prefix), 0),
        None => flow::hash_of(destination, client, client_port),
    };
    local(tables, service, hash)
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
