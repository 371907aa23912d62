//! ARP about VIPs: only the host that holds one speaks of it.
//!
//! Every host accepts packets for every VIP (its kernel has a local route), so its kernel would answer for all of them
//! and name them as the sender of its own requests. Inbound requests for a VIP that is not held are dropped; outbound
//! requests get the host's own address as their sender; no sysctl is needed.

use crate::net::arp::Arp;
use crate::net::bytes::Packet;
use crate::wire::address::Address;
use crate::wire::control::Control;
use crate::wire::link::Link;

use super::service::is_foreign_vip;
use super::tables::Tables;
use super::verdict::Verdict;

/// Decides about ARP that came in, whose packet begins at `l3`.
///
/// # Errors
/// [`Verdict::Runt`], [`Verdict::TableTorn`].
#[inline(always)]
pub fn incoming<P: Packet, T: Tables>(packet: &P, tables: &T, control: &Control, l3: u32) -> Result<Verdict, Verdict> {
    let arp = packet.header::<Arp>(l3).ok_or(Verdict::Runt)?;
    if arp.is_ipv4_over_ethernet()
        && arp.operation.load() == Arp::REQUEST
        && is_foreign_vip(tables, control, Address::v4(arp.target.load()))?
    {
        return Ok(Verdict::ArpSilenced);
    }
    Ok(Verdict::Arp)
}

/// Decides about ARP that this host is about to send, whose packet begins at `l3`.
///
/// # Errors
/// [`Verdict::Runt`], [`Verdict::TableTorn`].
#[inline(always)]
pub fn outgoing<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    control: &Control,
    link: &Link,
    l3: u32,
) -> Result<Verdict, Verdict> {
    let arp = packet.header::<Arp>(l3).ok_or(Verdict::Runt)?;
    if !arp.is_ipv4_over_ethernet() || !is_foreign_vip(tables, control, Address::v4(arp.sender.load()))? {
        return Ok(Verdict::Arp);
    }
    let own = link.address.get() as u32;
    if arp.operation.load() != Arp::REQUEST || arp.target.load() == arp.sender.load() || own == 0 {
        return Ok(Verdict::ArpAnnounceStopped);
    }
    packet.header_mut::<Arp>(l3).ok_or(Verdict::Runt)?.sender.store(own);
    Ok(Verdict::ArpSenderMasked)
}
