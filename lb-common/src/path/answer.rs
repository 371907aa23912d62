//! Answers to packets that nobody can take: common to [`super::reset`] and [`super::unreachable`].

use crate::net::bytes::Packet;
use crate::net::ethernet::Ethernet;

use super::family::{Family, Ip};

/// Whether the sender of a packet is one host, which may be answered; many are never answered (RFC 1122 section 3.2.2,
/// RFC 4443 section 2.4, RFC 9293 section 3.9.2.3).
#[inline(always)]
pub(super) fn is_owed<F: Family, P: Packet>(packet: &P, ip: &Ip) -> bool {
    match packet.header::<Ethernet>(0) {
        Some(ethernet) => !ethernet.source.is_group() && F::is_host(ip.source),
        None => false,
    }
}

/// Sends the frame back where it came from. VLAN tags stay.
#[inline(always)]
pub(super) fn turn_round<P: Packet>(packet: &mut P) -> Option<()> {
    let ethernet = packet.header_mut::<Ethernet>(0)?;
    let (to, from) = (ethernet.source.mac48(), ethernet.destination.mac48());
    ethernet.destination.set_mac48(to);
    ethernet.source.set_mac48(from);
    Some(())
}
