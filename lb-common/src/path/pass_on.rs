//! A packet to a VIP that this host does not hold: from a director, whose backend runs here, or from a client whose
//! neighbour cache is stale.
//!
//! What a controller sent is delivered; what anybody else sent is passed on to the host that holds the VIP, untouched but for the
//! MACs, or dropped while nobody knows who that is: a host without a lease serves no client. An elected holder that was not heard for as long
//! as its lease may last is not known any more: what is passed on looks like a director's there, and would be delivered. So a frame is passed on at most
//! once, whatever the hosts believe of each other: what comes out of here comes from a controller.
//!
//! Clients find a VIP on the segment of the interface that carries it. What comes in by another one was sent there by a director
//! that reaches its backends that way, and is delivered.

use crate::net::bytes::Packet;
use crate::net::ethernet::Ethernet;
use crate::wire::controllers::lines_of;
use crate::wire::link::Port;
use crate::wire::vip::{Elsewhere, Vip};

use super::rewrite;
use super::run::Exit;
use super::tables::Tables;
use super::verdict::Verdict;

/// Decides about a packet that the VIP's holder would serve or answer, at `now` (jiffies).
///
/// # Errors
/// [`Verdict::NotHeld`] if it is to be delivered, [`Verdict::HolderUnknown`], [`Verdict::TableTorn`].
#[inline(always)]
pub fn decide<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    vip: &Vip,
    own: Port,
    now: u64,
) -> Result<Exit, Verdict> {
    // Before the way: whoever is believed in is never taken for the next one, whose way may be written just now.
    let believed = vip.believed(now);
    let elsewhere = Elsewhere::unpack(vip.elsewhere.get()).ok_or(Verdict::NotHeld)?;
    if elsewhere.carrier != own.number {
        return Err(Verdict::NotHeld);
    }
    let source = packet.header::<Ethernet>(0).ok_or(Verdict::Runt)?.source.mac48();
    if source != 0 && (source == elsewhere.holder || is_controller(tables, source)?) {
        return Err(Verdict::NotHeld);
    }
    if elsewhere.holder == 0 || !believed {
        return Err(Verdict::HolderUnknown);
    }
    let exit = rewrite::to(packet, tables, elsewhere.holder, elsewhere.port, own)?;
    let verdict = if exit.verdict == Verdict::Forwarded { Verdict::PassedOn } else { Verdict::PassedOnBeyond };
    tables.count(tables.cpu(), verdict);
    Ok(Exit { verdict, ..exit })
}

/// Whether a MAC, which is not 0, is that of another controller.
///
/// # Errors
/// [`Verdict::TableTorn`].
#[inline(always)]
pub(super) fn is_controller<T: Tables>(tables: &T, mac48: u64) -> Result<bool, Verdict> {
    for line in lines_of(mac48) {
        if tables.controllers(line).ok_or(Verdict::TableTorn)?.has(mac48) {
            return Ok(true);
        }
    }
    Ok(false)
}
