//! ICMP and ICMPv6 about VIPs.
//!
//! An echo request is for the stack of whoever holds the VIP, and for nobody else's. An error is about a packet that a backend sent in the VIP's
//! name: it goes to the backend of the flow that it quotes, whose stack then lowers its segment size or gives up. It
//! neither makes nor extends a flow, as anyone can make it up.

use crate::net::bytes::Packet;
use crate::net::icmp::{self, Icmp};
use crate::wire::backend::State;
use crate::wire::control::Control;
use crate::wire::flow::Entry;
use crate::wire::link::Port;
use crate::wire::service::Affinity;

use super::affinity::Client;
use super::family::{Family, Ip, Part};
use super::flow::{Flow, Given, Moment, given};
use super::parse::{self, Quoted};
use super::run::Exit;
use super::tables::Tables;
use super::verdict::Verdict;
use super::{pass_on, rewrite, select, service};

/// Decides about a control message to this host's MAC.
///
/// # Errors
/// The verdict, if the message does not go to a backend.
#[inline(always)]
pub fn incoming<F: Family, P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    control: &Control,
    ip: &Ip,
    own: Port,
) -> Result<Exit, Verdict> {
    if ip.piece.part != Part::WHOLE {
        return Err(Verdict::NotBalanced);
    }
    if let Some(verdict) = F::discovery(packet, tables, control, ip)? {
        return Err(verdict);
    }
    let moment = Moment::of(tables.now());
    let (_, vip) = service::vip(tables, control, ip.destination)?.ok_or(Verdict::NotService)?;
    let kind = packet.header::<Icmp>(ip.l4).ok_or(Verdict::Malformed)?.kind;
    let echo = kind == F::ECHO_REQUEST;
    if !echo && !F::is_error(kind) {
        return Err(Verdict::NotBalanced);
    }
    if !vip.held(moment.jiffies) {
        // Nobody but the holder answers an echo request, whoever sent it.
        return pass_on::decide(packet, tables, vip, own, moment.jiffies).map_err(|verdict| match verdict {
            Verdict::NotHeld | Verdict::HolderUnknown if echo => Verdict::EchoNotHeld,
            other => other,
        });
    }
    if echo {
        return Err(Verdict::Echo);
    }
    let quote = ip.l4 + icmp::LEN;
    if quote > ip.end || !packet.holds(ip.end) {
        return Err(Verdict::Malformed);
    }
    let quoted = parse::quoted::<F, P>(packet, quote, ip.destination)?;
    let given = backend_of::<F, T>(tables, control, &quoted, moment)?;
    match given.hop.state() {
        State::Up | State::Drain | State::Leaving | State::Kept => {
            let exit = rewrite::send(packet, tables, given.hop, own)?;
            let verdict = if exit.verdict == Verdict::Forwarded { Verdict::ErrorForwarded } else { exit.verdict };
            tables.count(tables.cpu(), verdict);
            Ok(Exit { verdict, ..exit })
        }
        State::Down | State::Absent => Err(Verdict::ErrorUnplaced),
    }
}

/// The backend of the flow that is quoted: what it was given, or, after a VIP's move, what the tables say.
#[inline(always)]
fn backend_of<F: Family, T: Tables>(
    tables: &T,
    control: &Control,
    quoted: &Quoted,
    moment: Moment,
) -> Result<Given, Verdict> {
    let (slot, destination) = service::find(tables, control, &quoted.key)?;
    let flow = Flow::<F>::of(tables, control, quoted.client, quoted.client_port, slot.service, destination)?;
    if let Some(cell) = flow.place.find(tables, control)?
        && let Some(entry) = flow.place.entry(cell, moment.ticks)
    {
        return known(tables, entry, slot.service);
    }
    let service = tables.service(slot.service).ok_or(Verdict::TableTorn)?;
    let hash = match Affinity::unpack(service.affinity.get()) {
        Some(affinity) => Client::<F>::of(tables, control, affinity, quoted.client, slot.service, destination)?.hash,
        None => flow.place.hash(),
    };
    select::choose(tables, service, hash).map_err(|_| Verdict::ErrorUnplaced)
}

/// The backend of an entry, if it is still the one that the entry means.
#[inline(always)]
fn known<T: Tables>(tables: &T, entry: Entry, service: u16) -> Result<Given, Verdict> {
    let given = given(tables.backend(entry.backend()).ok_or(Verdict::TableTorn)?, entry.backend());
    if given.generation == entry.generation() && given.service == service {
        Ok(given)
    } else {
        Err(Verdict::ErrorUnplaced)
    }
}
