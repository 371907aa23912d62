//! A SYN that its backend's host has no listener for: who died there was a process, not the host, and the client need not know.
//!
//! The agent hands it back to the director that led it there ([`untaken`]), in the same frame under an EtherType that says so. The
//! director ([`returned`]) gives the flow to its next choice, as every director would ([`super::choices::next`]), remembers that, and sends
//! the SYN there. A director whose own process does not listen is in both roles at once. Flows go by what is remembered, so
//! nothing else of the path knows of this; an answer to the SYN went to nobody, so the client notices nothing.
//!
//! What ends it: a flow's choices stand in one order, of at most [`super::choices::CHOICES`], and it goes down that order alone: a SYN
//! comes back once for each of them at most. The last one's comes up the director's own stack, which refuses it. Where a flow
//! cannot be remembered it has one choice only.
//!
//! [ADR 14](../../../../docs/adr/0014-second-chance.md).

mod syn;

use crate::net::bytes::{Be16, Packet};
use crate::net::ethernet::{self, Ethernet};
use crate::wire::control::Control;
use crate::wire::link::{Port, VLANS};

use self::syn::{Refuser, Syn, choose};
use super::answer::turn_round;
use super::family::{Family, Ip, V4, V6};
use super::parse::{self, Frame};
use super::pass_on::is_controller;
use super::rewrite;
use super::run::{Exit, end};
use super::tables::Tables;
use super::verdict::Verdict;

/// Runs the path over a frame that says to be handed back.
#[inline(always)]
pub fn returned<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Exit {
    received(packet, tables, interface).unwrap_or_else(|verdict| end(tables, verdict))
}

#[inline(always)]
fn received<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Result<Exit, Verdict> {
    let frame = parse::frame(packet)?;
    let control = tables.control().ok_or(Verdict::TableTorn)?;
    let link = tables.link(interface).ok_or(Verdict::TableTorn)?.port.get();
    let own = Port::unpack(link);
    if frame.destination != own.mac48 || own.mac48 == 0 {
        return Err(Verdict::OtherHost);
    }
    if link & VLANS != 0 && parse::is_of_vlan(packet, &frame) {
        return Err(Verdict::VlanDevice);
    }
    let source = packet.header::<Ethernet>(0).ok_or(Verdict::Runt)?.source.mac48();
    if source == 0 || !is_controller(tables, source)? {
        return Err(Verdict::ReturnedByStranger);
    }
    let from = Refuser::Another(source);
    match frame.ethertype {
        ethernet::RETURNED4 => again::<V4, P, T>(packet, tables, control, &frame, own, from),
        _ => again::<V6, P, T>(packet, tables, control, &frame, own, from),
    }
}

/// What becomes of a SYN for a service of this host to which nothing listens here, if not this host's stack is to refuse it: back to the
/// director that sent it, or, if this host is the director, to the flow's next choice. `interface` is the one that it came in by.
#[inline(always)]
pub fn untaken<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Option<Exit> {
    let frame = parse::frame(packet).ok()?;
    let control = tables.control()?;
    let own = Port::unpack(tables.link(interface)?.port.get());
    if frame.destination != own.mac48 || own.mac48 == 0 {
        return None;
    }
    let exit = match frame.ethertype {
        ethernet::IPV4 => refused::<V4, P, T>(packet, tables, control, &frame, own),
        ethernet::IPV6 => refused::<V6, P, T>(packet, tables, control, &frame, own),
        _ => return None,
    };
    exit.ok()
}

#[inline(always)]
fn refused<F: Family, P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    control: &Control,
    frame: &Frame,
    own: Port,
) -> Result<Exit, Verdict> {
    let syn = Syn::read::<F, P, T>(packet, tables, control, frame)?;
    if tables.vip(syn.slot.vip).ok_or(Verdict::TableTorn)?.held(syn.moment.jiffies) {
        return again::<F, P, T>(packet, tables, control, frame, own, Refuser::This);
    }
    let source = packet.header::<Ethernet>(0).ok_or(Verdict::Runt)?.source.mac48();
    if source == 0 || !is_controller(tables, source)? {
        return Err(Verdict::NotHeld);
    }
    set_type(packet, &syn.message.ip, F::RETURNED)?;
    turn_round(packet).ok_or(Verdict::Runt)?;
    tables.count(tables.cpu(), Verdict::HandedBack);
    Ok(Exit::from(Verdict::HandedBack))
}

/// Sends a SYN to the next choice of its flow.
///
/// # Errors
/// The verdict, if it goes to none.
#[inline(always)]
fn again<F: Family, P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    control: &Control,
    frame: &Frame,
    own: Port,
    from: Refuser,
) -> Result<Exit, Verdict> {
    let syn = Syn::read::<F, P, T>(packet, tables, control, frame)?;
    if !tables.vip(syn.slot.vip).ok_or(Verdict::TableTorn)?.held(syn.moment.jiffies) {
        return Err(Verdict::ReturnedUnplaced);
    }
    syn.message.check::<F, P>(packet)?;
    let next = choose::<F, T>(tables, control, &syn, from);
    set_type(packet, &syn.message.ip, F::ETHERTYPE)?;
    let exit = rewrite::send(packet, tables, next?.hop, own)?;
    let verdict = match exit.verdict {
        Verdict::Local => Verdict::SecondChoiceLocal,
        Verdict::Redirected => Verdict::SecondChoiceBeyond,
        _ => Verdict::SecondChoice,
    };
    tables.count(tables.cpu(), verdict);
    Ok(Exit { verdict, ..exit })
}

/// Says what the frame carries.
#[inline(always)]
fn set_type<P: Packet>(packet: &mut P, ip: &Ip, ethertype: u16) -> Result<(), Verdict> {
    packet.header_mut::<Be16>(ip.ethertype()).ok_or(Verdict::Runt)?.store(ethertype);
    Ok(())
}
