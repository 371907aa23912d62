//! Stage 5: the packet as it leaves for a backend.

use crate::net::bytes::Packet;
use crate::net::ethernet::Ethernet;
use crate::wire::backend::{Hop, Way};
use crate::wire::link::Port;

use super::run::Exit;
use super::tables::Tables;
use super::verdict::Verdict;

/// Addresses the frame to the backend, from the interface that it leaves by: the one that it came in by (`own`), or
/// another one if the backend is there.
///
/// # Errors
/// [`Verdict::Unresolved`] if it is not known where the backend answers, [`Verdict::TableTorn`].
#[inline(always)]
pub fn send<P: Packet, T: Tables>(packet: &mut P, tables: &T, hop: Hop, own: Port) -> Result<Exit, Verdict> {
    match hop.way() {
        Some(Way::Local) => Ok(Exit::from(Verdict::Local)),
        Some(Way::L2) if hop.mac48() == 0 => Err(Verdict::Unresolved),
        Some(Way::L2) => to(packet, tables, hop.mac48(), hop.port(), own),
        None => Err(Verdict::TableTorn),
    }
}

/// Addresses the frame to a MAC that the port of this number leads to.
///
/// # Errors
/// [`Verdict::TableTorn`].
#[inline(always)]
pub fn to<P: Packet, T: Tables>(packet: &mut P, tables: &T, mac48: u64, port: u8, own: Port) -> Result<Exit, Verdict> {
    if port == own.number {
        address(packet, mac48, own)?;
        return Ok(Exit::from(Verdict::Forwarded));
    }
    let out = Port::unpack(tables.port(port).ok_or(Verdict::TableTorn)?.get());
    address(packet, mac48, out)?;
    Ok(Exit { verdict: Verdict::Redirected, port: u32::from(port) })
}

#[inline(always)]
fn address<P: Packet>(packet: &mut P, mac48: u64, from: Port) -> Result<(), Verdict> {
    let ethernet = packet.header_mut::<Ethernet>(0).ok_or(Verdict::Runt)?;
    ethernet.destination.set_mac48(mac48);
    ethernet.source.set_mac48(from.mac48);
    Ok(())
}
