//! The stages in order: one function from a frame to its verdict.

use crate::net::bytes::Packet;
use crate::net::ethernet::{self, Ethernet};
use crate::wire::counters::{BackendCounters, ServiceCounters};

use super::flow::{Flow, Known, Moment};
use super::tables::Tables;
use super::verdict::Verdict;
use super::{arp, parse, reset, rewrite, select, service};

/// Runs the path over a frame that came in by `interface`, rewrites it as the verdict says, and counts.
#[inline(always)]
pub fn run<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Verdict {
    let (Ok(verdict) | Err(verdict)) = decide(packet, tables, interface);
    tables.count(verdict);
    verdict
}

/// Runs the path over a frame that this host is about to send: ARP only.
#[inline(always)]
pub fn run_outgoing<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Option<Verdict> {
    if packet.header::<Ethernet>(0)?.ethertype.load() != ethernet::ARP {
        return None;
    }
    let (control, link) = (tables.control()?, tables.link(interface)?);
    let (Ok(verdict) | Err(verdict)) = arp::outgoing(packet, tables, control, link);
    tables.count(verdict);
    Some(verdict)
}

#[inline(always)]
fn decide<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Result<Verdict, Verdict> {
    let ethernet = packet.header::<Ethernet>(0).ok_or(Verdict::Runt)?;
    let (destination, ethertype) = (ethernet.destination.mac48(), ethernet.ethertype.load());
    let control = tables.control().ok_or(Verdict::TableTorn)?;
    if ethertype == ethernet::ARP {
        return arp::incoming(packet, tables, control);
    }
    if ethertype != ethernet::IPV4 {
        return Err(Verdict::NotIp);
    }
    let own_mac = tables.link(interface).ok_or(Verdict::TableTorn)?.mac48.get();
    if destination != own_mac {
        return Err(Verdict::OtherHost);
    }
    let segment = parse::ipv4(packet)?;
    let (slot, hash) = service::find(tables, control, &segment.key)?;
    let now = tables.now();
    if !tables.vip(slot.vip).ok_or(Verdict::TableTorn)?.held(now) {
        return Err(Verdict::NotHeld);
    }
    segment.check_lengths(packet.len())?;

    let counters = tables.service_counters(tables.cpu() * control.services + u32::from(slot.service));
    let counters = counters.ok_or(Verdict::TableTorn)?;
    count_service(counters, packet.len());
    let flow = Flow::of(tables, control, &segment, slot.service, hash)?;
    let moment = Moment::of(control, now);
    let given = match flow.known(tables, segment.opens(), moment, || counters.recalled.add_unshared(1)) {
        Ok(Known::To(given)) => Ok((given, false)),
        Ok(Known::Unknown) => {
            let service = tables.service(slot.service).ok_or(Verdict::TableTorn)?;
            select::choose(tables, service, flow.hash).map(|given| {
                counters.chosen.add_unshared(1);
                if !segment.resets() {
                    flow.keep(tables, given, moment);
                }
                (given, true)
            })
        }
        Err(verdict) => Err(verdict),
    };
    match given {
        Ok((given, chosen)) => {
            let counters = tables.backend_counters(tables.cpu() * control.backends + u32::from(given.backend));
            count_backend(counters.ok_or(Verdict::TableTorn)?, packet.len(), chosen);
            rewrite::send(packet, given.hop, own_mac)
        }
        Err(why @ (Verdict::ResetNoBackend | Verdict::ResetBackendDown)) => reset::answer(packet, &segment, why),
        Err(verdict) => Err(verdict),
    }
}

#[inline(always)]
fn count_service(counters: &ServiceCounters, bytes: u32) {
    counters.packets.add_unshared(1);
    counters.bytes.add_unshared(u64::from(bytes));
}

#[inline(always)]
fn count_backend(counters: &BackendCounters, bytes: u32, chosen: bool) {
    counters.packets.add_unshared(1);
    counters.bytes.add_unshared(u64::from(bytes));
    counters.flows.add_unshared(u64::from(chosen));
}
