//! A SYN that its backend's host has no listener for: who died there was a process, not the host, and the client need not know.
//!
//! The agent hands it back to the director that led it there ([`untaken`]), in the same frame under an EtherType that says so. The
//! director ([`returned`]) gives the flow to its next choice, as every director would ([`choices::next`]), remembers that, and sends
//! the SYN there. A director whose own process does not listen is in both roles at once. Flows go by what is remembered, so
//! nothing else of the path knows of this; an answer to the SYN went to nobody, so the client notices nothing.
//!
//! What ends it: a flow's choices stand in one order, of at most [`choices::CHOICES`], and it goes down that order alone: a SYN
//! comes back once for each of them at most. The last one's comes up the director's own stack, which refuses it. Where a flow
//! cannot be remembered it has one choice only.
//!
//! [ADR 14](../../../docs/adr/0014-second-chance.md).

use crate::net::bytes::{Be16, Packet};
use crate::net::ethernet::{self, Ethernet};
use crate::net::ipv4;
use crate::wire::backend::Way;
use crate::wire::control::Control;
use crate::wire::directory::Slot;
use crate::wire::flow::{Entry, Stage};
use crate::wire::link::{Port, VLANS};
use crate::wire::service::{Affinity, Service};

use super::affinity::Client;
use super::answer::turn_round;
use super::choices;
use super::family::{Family, Ip, Part, V4, V6};
use super::flow::{Flow, Given, Kept, Moment, given};
use super::parse::{self, Frame, Message};
use super::pass_on::is_controller;
use super::rewrite;
use super::run::{Exit, admits_flow, backend_counters, end};
use super::select;
use super::service;
use super::tables::Tables;
use super::verdict::Verdict;

/// Who did not take a SYN.
#[derive(Clone, Copy, Debug)]
enum Refuser {
    /// This very host.
    This,
    /// The host of this MAC.
    Another(u64),
}

impl Refuser {
    /// Whether it is where a backend runs.
    #[inline(always)]
    fn runs(self, given: Given) -> bool {
        match self {
            Self::This => given.hop.way() == Some(Way::Local),
            Self::Another(mac48) => given.hop.way() == Some(Way::L2) && given.hop.mac48() == mac48,
        }
    }
}

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

/// A segment that opens a connection to a service.
struct Syn<'t> {
    message: Message,
    slot: &'t Slot,
    /// Hash of the service's key.
    destination: u64,
    moment: Moment,
}

impl<'t> Syn<'t> {
    #[inline(always)]
    fn read<F: Family, P: Packet, T: Tables>(
        packet: &P,
        tables: &'t T,
        control: &Control,
        frame: &Frame,
    ) -> Result<Self, Verdict> {
        let ip = F::read(packet, frame.l3).map_err(|_| Verdict::Malformed)?;
        if ip.piece.part != Part::WHOLE || ip.protocol != ipv4::TCP {
            return Err(Verdict::ReturnedUnplaced);
        }
        let message = parse::message(packet, &ip).map_err(|_| Verdict::Malformed)?;
        if !message.opens() {
            return Err(Verdict::ReturnedUnplaced);
        }
        let (slot, destination) =
            service::find(tables, control, &message.key).map_err(|_| Verdict::ReturnedUnplaced)?;
        Ok(Self { message, slot, destination, moment: Moment::of(tables.now()) })
    }

    #[inline(always)]
    fn flow<F: Family, T: Tables>(&self, tables: &'t T, control: &Control) -> Result<Flow<'t, F>, Verdict> {
        let (client, port) = (self.message.ip.source, self.message.source_port);
        Flow::of(tables, control, client, port, self.slot.service, self.destination)
    }

    /// Its client, if the service's clients keep their backend.
    #[inline(always)]
    fn client<F: Family, T: Tables>(
        &self,
        tables: &'t T,
        control: &Control,
        service: &Service,
    ) -> Result<Option<Client<'t, F>>, Verdict> {
        let Some(affinity) = Affinity::unpack(service.affinity.get()) else { return Ok(None) };
        let client = self.message.ip.source;
        Client::of(tables, control, affinity, client, self.slot.service, self.destination).map(Some)
    }
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

/// The next choice of a flow, remembered; or the one that it was given meanwhile, who was not asked yet.
#[inline(always)]
fn choose<F: Family, T: Tables>(tables: &T, control: &Control, syn: &Syn<'_>, from: Refuser) -> Result<Given, Verdict> {
    let service = tables.service(syn.slot.service).ok_or(Verdict::TableTorn)?;
    let hash = match syn.client::<F, T>(tables, control, service)? {
        Some(client) => client.hash,
        None => syn.flow::<F, T>(tables, control)?.place.hash(),
    };
    let had = match known::<F, T>(tables, control, syn)? {
        Some(given) => given,
        None => select::choose(tables, service, hash).map_err(|_| Verdict::NoChoiceLeft)?,
    };
    if had.service == syn.slot.service && select::takes(had) && !from.runs(had) {
        return match from {
            Refuser::This => Err(Verdict::NoChoiceLeft),
            Refuser::Another(_) => Ok(had),
        };
    }
    let next = choices::next(tables, service, hash, had.backend)?;
    keep::<F, T>(tables, control, syn, service, next)?;
    Ok(next)
}

/// The backend that the flow has.
#[inline(always)]
fn known<F: Family, T: Tables>(tables: &T, control: &Control, syn: &Syn<'_>) -> Result<Option<Given>, Verdict> {
    let flow = syn.flow::<F, T>(tables, control)?;
    let Some(cell) = flow.place.find(tables, control)? else { return Ok(None) };
    let Some(entry) = flow.place.entry(cell, syn.moment.ticks) else { return Ok(None) };
    let given = given(tables.backend(entry.backend()).ok_or(Verdict::TableTorn)?, entry.backend());
    Ok(if given.generation == entry.generation() { Some(given) } else { None })
}

/// Has the flow, and its client if that keeps its backend, go to another one from now on. Nothing of what was looked up before is kept for
/// this: each of it would be one more thing by which the verifier tells the paths through [`choices::next`] apart.
///
/// # Errors
/// [`Verdict::NoChoiceLeft`] if there is no place for it, [`Verdict::TableTorn`].
#[inline(always)]
fn keep<F: Family, T: Tables>(
    tables: &T,
    control: &Control,
    syn: &Syn<'_>,
    service: &Service,
    next: Given,
) -> Result<(), Verdict> {
    let (flow, moment) = (syn.flow::<F, T>(tables, control)?, syn.moment);
    let cell = flow.place.find(tables, control)?;
    if cell.is_none() && !admits_flow(tables, control, moment)? {
        return Err(Verdict::NoChoiceLeft);
    }
    let tag = flow.place.tag(Stage::New, moment.ticks.after(u32::from(control.life_new)));
    let entry = Entry::new(next.backend, next.generation, tag);
    if flow.place.keep(tables, control, cell, entry, moment.ticks)? == Kept::Crowded {
        return Err(Verdict::NoChoiceLeft);
    }
    if let Some(client) = syn.client::<F, T>(tables, control, service)? {
        client.keep(tables, control, next, moment)?;
    }
    let counters = backend_counters(tables, control, tables.cpu(), next).ok_or(Verdict::TableTorn)?;
    counters.flows.add_unshared(1);
    Ok(())
}

/// Says what the frame carries.
#[inline(always)]
fn set_type<P: Packet>(packet: &mut P, ip: &Ip, ethertype: u16) -> Result<(), Verdict> {
    packet.header_mut::<Be16>(ip.ethertype()).ok_or(Verdict::Runt)?.store(ethertype);
    Ok(())
}
