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
        Some(Way::L2) if hop.port() == own.number => {
            address(packet, hop, own)?;
            Ok(Exit::from(Verdict::Forwarded))
        }
        Some(Way::L2) => {
            let port = Port::unpack(tables.port(hop.port()).ok_or(Verdict::TableTorn)?.get());
            address(packet, hop, port)?;
            Ok(Exit { verdict: Verdict::Redirected, port: u32::from(hop.port()) })
        }
        None => Err(Verdict::TableTorn),
    }
}

#[inline(always)]
fn address<P: Packet>(packet: &mut P, hop: Hop, from: Port) -> Result<(), Verdict> {
    let ethernet = packet.header_mut::<Ethernet>(0).ok_or(Verdict::Runt)?;
    ethernet.destination.set_mac48(hop.mac48());
    ethernet.source.set_mac48(from.mac48);
    Ok(())
}
