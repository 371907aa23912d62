//! Neighbour discovery about VIPs (RFC 4861): only the host that holds one speaks of it, as with [`super::arp`].

use crate::net::bytes::Packet;
use crate::net::icmp::{self, Neighbour};
use crate::wire::address::Address;
use crate::wire::control::Control;

use super::family::{Family, Ip, Part, V6};
use super::service;
use super::tables::Tables;
use super::verdict::Verdict;

/// Decides about an ICMPv6 message that came in, if it is a solicitation; `None` if it is anything else.
///
/// # Errors
/// [`Verdict::TableTorn`].
#[inline(always)]
pub fn incoming<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    control: &Control,
    ip: &Ip,
) -> Result<Option<Verdict>, Verdict> {
    match target(packet, ip, icmp::SOLICITATION) {
        Some(target) if service::is_foreign_vip(tables, control, target)? => Ok(Some(Verdict::SolicitationSilenced)),
        Some(_) => Ok(Some(Verdict::Solicitation)),
        None => Ok(None),
    }
}

/// Whether an IPv6 packet that this host is about to send at `l3` advertises a VIP that it does not hold.
///
/// # Errors
/// [`Verdict::TableTorn`].
#[inline(always)]
pub fn outgoing<P: Packet, T: Tables>(packet: &P, tables: &T, control: &Control, l3: u32) -> Result<bool, Verdict> {
    let Ok(ip) = V6::read(packet, l3) else { return Ok(false) };
    match target(packet, &ip, icmp::ADVERTISEMENT) {
        Some(target) => service::is_foreign_vip(tables, control, target),
        None => Ok(false),
    }
}

/// The target's address, of messages of this type.
#[inline(always)]
fn target<P: Packet>(packet: &P, ip: &Ip, kind: u8) -> Option<Address> {
    if ip.protocol != V6::ICMP || ip.piece.part != Part::WHOLE {
        return None;
    }
    let message = packet.header::<Neighbour>(ip.l4)?;
    if message.icmp.kind != kind {
        return None;
    }
    let (high, low) = message.target.halves();
    Some(Address { high, low })
}
