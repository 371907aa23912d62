//! Stage 5: the packet as it leaves for a backend.

use crate::net::bytes::Packet;
use crate::net::ethernet::Ethernet;
use crate::wire::backend::{Hop, Way};

use super::verdict::Verdict;

/// Addresses the frame to the backend, from this host (`own_mac`).
#[inline(always)]
pub fn send<P: Packet>(packet: &mut P, hop: Hop, own_mac: u64) -> Result<Verdict, Verdict> {
    match hop.way() {
        Some(Way::Local) => Ok(Verdict::Local),
        Some(Way::L2) if hop.mac48() == 0 => Err(Verdict::Unresolved),
        Some(Way::L2) => {
            let ethernet = packet.header_mut::<Ethernet>(0).ok_or(Verdict::Runt)?;
            ethernet.destination.set_mac48(hop.mac48());
            ethernet.source.set_mac48(own_mac);
            Ok(Verdict::Forwarded)
        }
        None => Err(Verdict::TableTorn),
    }
}
