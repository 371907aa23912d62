//! The short way: a packet of an established flow, and a packet of nobody's. Nearly all packets are one of these.
//!
//! It is the stages of [`super::run`] with everything left out that is not needed for these two: nothing is kept for what
//! might come later, so that all of it stays in registers. A packet for which that is not enough leaves no trace here and
//! takes the long way from its first byte; whatever the short way decides, the long way decides, too.

use crate::net::bytes::Packet;
use crate::net::ethernet::{self, Ethernet};
use crate::wire::control::Control;
use crate::wire::flow::FlowSet;
use crate::wire::link::Port;

use super::family::{Family, V4, V6};
use super::flow::{Flow, Moment, first_set, given, hash_of, second_set};
use super::run::{Exit, backend_counters, count_sent, end};
use super::tables::Tables;
use super::verdict::Verdict;
use super::{parse, rewrite, service};

/// Decides about a frame that came in by `interface` and does what is decided; `None`, and nothing done, if that takes
/// the long way.
#[inline(always)]
pub fn run<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Option<Exit> {
    let ethernet = packet.header::<Ethernet>(0)?;
    let (destination, ethertype) = (ethernet.destination.mac48(), ethernet.ethertype.load());
    let control = tables.control()?;
    let own = Port::unpack(tables.link(interface)?.port.get());
    if destination != own.mac48 || own.mac48 == 0 {
        return None;
    }
    match ethertype {
        ethernet::IPV4 => decide::<V4, P, T>(packet, tables, control, own),
        ethernet::IPV6 => decide::<V6, P, T>(packet, tables, control, own),
        _ => None,
    }
}

#[inline(always)]
fn decide<F: Family, P: Packet, T: Tables>(packet: &mut P, tables: &T, control: &Control, own: Port) -> Option<Exit> {
    let ip = F::plain(packet, ethernet::LEN)?;
    let message = parse::message(packet, &ip).ok()?;
    // The one line that is seldom in a cache is asked for first; what it holds is known by the time that it is wanted.
    let hash = hash_of(message.key.hash(), ip.source, message.source_port);
    first_set::<F, T>(tables, control, hash)?.fetch();
    let (slot, destination) = match service::find(tables, control, &message.key) {
        Ok(found) => found,
        Err(Verdict::NotService) => return Some(end(tables, Verdict::NotService)),
        Err(_) => return None,
    };
    let moment = Moment::of(tables.now());
    if message.turns() {
        // A new flow has to be looked for in both its sets: the other one is on its way as well, then.
        second_set::<F, T>(tables, control, hash)?.fetch();
        return None;
    }
    if !tables.vip(slot.vip)?.held(moment.jiffies) {
        return None;
    }
    message.check::<F, P>(packet).ok()?;
    let flow = Flow::<F>::of(tables, control, ip.source, message.source_port, slot.service, destination).ok()?;
    let entry = flow.place.peek(tables, control)?;
    if !entry.tag().is_within(flow.place.established(slot.idle, moment.ticks), slot.idle.slack) {
        return None;
    }
    let given = given(tables.backend(entry.backend())?, entry.backend());
    if !given.hop.state().keeps_flows() || given.generation != entry.generation() || given.service != slot.service {
        return None;
    }
    let counters = backend_counters(tables, control, tables.cpu(), given)?;
    let exit = rewrite::send(packet, tables, given.hop, own).ok()?;
    count_sent(counters, exit.verdict, &ip);
    Some(exit)
}
