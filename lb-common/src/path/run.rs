//! The stages in order: one function from a frame to its verdict.

use crate::net::bytes::Packet;
use crate::net::{ethernet, ipv4};
use crate::wire::control::Control;
use crate::wire::counters::{BackendCounters, ServiceCounters};
use crate::wire::directory::Slot;
use crate::wire::flow::{Entry, Stage};
use crate::wire::link::{Port, VLANS};
use crate::wire::pace::{Limits, admit};
use crate::wire::service::Affinity;
use crate::wire::way;
use crate::wire::word::Word;

use super::affinity::Client;
use super::family::{Family, Ip, Part, V4, V6};
use super::flow::{Flow, Given, Kept, Known, Moment, Upkeep};
use super::parse::{self, Frame, Message};
use super::tables::Tables;
use super::verdict::Verdict;
use super::{
    arp, control, fragment, hot, neighbour, pass_on, reset, rewrite, second_chance, select, service, unreachable,
};

/// How the path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What becomes of the packet.
    pub verdict: Verdict,
    /// The port to leave by, if it is redirected.
    pub port: u32,
}

impl From<Verdict> for Exit {
    #[inline(always)]
    fn from(verdict: Verdict) -> Self {
        Self { verdict, port: 0 }
    }
}

/// Runs the path over a frame that came in by `interface`, rewrites it as the verdict says, and counts.
#[inline(always)]
pub fn run<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Exit {
    hot::run(packet, tables, interface).unwrap_or_else(|| long(packet, tables, interface))
}

/// The same for what [`hot`] leaves.
#[inline(always)]
pub fn long<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Exit {
    match way_of(packet) {
        way::LONG6 => long6(packet, tables, interface),
        way::RETURNED => second_chance::returned(packet, tables, interface),
        _ => long4(packet, tables, interface),
    }
}

/// Which of the long ways a frame takes, by its number in [`way`].
#[inline(always)]
pub fn way_of<P: Packet>(packet: &P) -> u32 {
    match parse::frame(packet) {
        Ok(Frame { ethertype: ethernet::IPV6, .. }) => way::LONG6,
        Ok(Frame { ethertype: ethernet::RETURNED4 | ethernet::RETURNED6, .. }) => way::RETURNED,
        _ => way::LONG4,
    }
}

/// The long way of anything but IPv6. On their own, each of the two has room on the stack.
#[inline(always)]
pub fn long4<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Exit {
    decide4(packet, tables, interface).unwrap_or_else(|verdict| end(tables, verdict))
}

/// The long way of IPv6.
#[inline(always)]
pub fn long6<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Exit {
    decide6(packet, tables, interface).unwrap_or_else(|verdict| end(tables, verdict))
}

/// Runs the path over a frame that this host is about to send: only what speaks of VIPs.
#[inline(always)]
pub fn run_outgoing<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Option<Verdict> {
    let frame = parse::frame(packet).ok()?;
    let verdict = match frame.ethertype {
        ethernet::ARP => {
            let (control, link) = (tables.control()?, tables.link(interface)?);
            let (Ok(verdict) | Err(verdict)) = arp::outgoing(packet, tables, control, link, frame.l3);
            verdict
        }
        ethernet::IPV6 => match neighbour::outgoing(packet, tables, tables.control()?, frame.l3) {
            Ok(true) => Verdict::AdvertisementStopped,
            Ok(false) => return None,
            Err(verdict) => verdict,
        },
        _ => return None,
    };
    tables.count(tables.cpu(), verdict);
    Some(verdict)
}

/// Counts a packet that is sent to no backend.
#[inline(always)]
pub(super) fn end<T: Tables>(tables: &T, verdict: Verdict) -> Exit {
    tables.count(tables.cpu(), verdict);
    Exit::from(verdict)
}

#[inline(always)]
fn decide4<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Result<Exit, Verdict> {
    let frame = parse::frame(packet)?;
    let control = tables.control().ok_or(Verdict::TableTorn)?;
    match frame.ethertype {
        ethernet::IPV4 => balance::<V4, P, T>(packet, tables, control, &frame, interface),
        ethernet::ARP => Err(arp::incoming(packet, tables, control, frame.l3)?),
        _ => Err(Verdict::NotIp),
    }
}

#[inline(always)]
fn decide6<P: Packet, T: Tables>(packet: &mut P, tables: &T, interface: u32) -> Result<Exit, Verdict> {
    let frame = parse::frame(packet)?;
    let control = tables.control().ok_or(Verdict::TableTorn)?;
    balance::<V6, P, T>(packet, tables, control, &frame, interface)
}

#[inline(always)]
fn balance<F: Family, P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    control: &Control,
    frame: &Frame,
    interface: u32,
) -> Result<Exit, Verdict> {
    let link = tables.link(interface).ok_or(Verdict::TableTorn)?.port.get();
    let own = Port::unpack(link);
    // An interface that is not ours has no MAC here.
    if frame.destination != own.mac48 || own.mac48 == 0 {
        return Err(not_to_us::<F, P, T>(packet, tables, control, frame)?);
    }
    if link & VLANS != 0 && parse::is_of_vlan(packet, frame) {
        return Err(Verdict::VlanDevice);
    }
    let ip = F::read(packet, frame.l3)?;
    if ip.piece.part == Part::LATER {
        return later_fragment::<F, P, T>(packet, tables, control, &ip, own);
    }
    if ip.protocol == F::ICMP {
        return control::incoming::<F, P, T>(packet, tables, control, &ip, own);
    }
    let message = parse::message(packet, &ip)?;
    let (slot, destination) = service::find(tables, control, &message.key)?;
    let moment = Moment::of(tables.now());
    let vip = tables.vip(slot.vip).ok_or(Verdict::TableTorn)?;
    if !vip.held(moment.jiffies) {
        return pass_on::decide(packet, tables, vip, own, moment.jiffies);
    }
    message.check::<F, P>(packet)?;

    let cpu = tables.cpu();
    let counters = tables.service_counters(cpu * control.services + u32::from(slot.service));
    let counters = counters.ok_or(Verdict::TableTorn)?;
    let why = match given::<F, T>(tables, control, &message, slot, destination, counters, moment) {
        Ok((given, chosen)) => {
            if ip.piece.part == Part::FIRST && admits_flow(tables, control, moment)? {
                fragment::lead::<F, T>(tables, control, &ip, slot.vip, given, moment)?;
            }
            match rewrite::send(packet, tables, given.hop, own) {
                Ok(exit) => {
                    let counters = backend_counters(tables, control, cpu, given).ok_or(Verdict::TableTorn)?;
                    count_sent(counters, exit.verdict, &ip);
                    counters.flows.add_unshared(u64::from(chosen));
                    return Ok(exit);
                }
                Err(verdict) => verdict,
            }
        }
        Err(verdict) => verdict,
    };
    counters.packets.add_unshared(1);
    counters.bytes.add_unshared(u64::from(ip.end));
    Err(match why {
        Verdict::ResetNoBackend | Verdict::ResetBackendDown if message.is_tcp() => {
            reset::answer::<F, P>(packet, &message, why)?
        }
        Verdict::ResetNoBackend | Verdict::ResetBackendDown => {
            unreachable::answer::<F, P, T>(packet, tables, control, &ip, moment.jiffies)?
        }
        verdict => verdict,
    })
}

/// A frame that is not for this host's MAC: of those to many, solicitations may be about a VIP.
#[inline(always)]
fn not_to_us<F: Family, P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    control: &Control,
    frame: &Frame,
) -> Result<Verdict, Verdict> {
    if frame.destination & 1 == 0 {
        return Ok(Verdict::OtherHost);
    }
    let ip = F::read(packet, frame.l3)?;
    Ok(F::discovery(packet, tables, control, &ip)?.unwrap_or(Verdict::OtherHost))
}

/// A fragment without ports, to a VIP.
#[inline(always)]
fn later_fragment<F: Family, P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    control: &Control,
    ip: &Ip,
    own: Port,
) -> Result<Exit, Verdict> {
    if !matches!(ip.piece.protocol, ipv4::TCP | ipv4::UDP) && !F::is_extension(ip.piece.protocol) {
        return Err(Verdict::NotBalanced);
    }
    let moment = Moment::of(tables.now());
    let (slot, vip) = service::vip(tables, control, ip.destination)?.ok_or(Verdict::NotService)?;
    if !vip.held(moment.jiffies) {
        return pass_on::decide(packet, tables, vip, own, moment.jiffies);
    }
    if ip.l4 > ip.end || !packet.holds(ip.end) {
        return Err(Verdict::Malformed);
    }
    let given = fragment::follow::<F, T>(tables, control, ip, slot.vip, moment)?;
    let exit = rewrite::send(packet, tables, given.hop, own)?;
    let counters = backend_counters(tables, control, tables.cpu(), given).ok_or(Verdict::TableTorn)?;
    count_sent(counters, exit.verdict, ip);
    Ok(exit)
}

/// The backend of a message's flow, and whether it was chosen just now.
#[inline(always)]
fn given<F: Family, T: Tables>(
    tables: &T,
    control: &Control,
    message: &Message,
    slot: &Slot,
    destination: u64,
    counters: &ServiceCounters,
    moment: Moment,
) -> Result<(Given, bool), Verdict> {
    let client = message.ip.source;
    let flow = Flow::<F>::of(tables, control, client, message.source_port, slot.service, destination)?;
    let cell = match flow.known(tables, control, message, slot.idle, moment.ticks)? {
        Known::To(given, Upkeep::None) => return Ok((given, false)),
        Known::To(given, Upkeep::Extended) => {
            let service = tables.service(slot.service).ok_or(Verdict::TableTorn)?;
            if let Some(affinity) = Affinity::unpack(service.affinity.get()) {
                Client::<F>::of(tables, control, affinity, client, slot.service, destination)?
                    .extend(tables, control, given, moment)?;
            }
            return Ok((given, false));
        }
        Known::Unknown(cell) => cell,
    };
    let service = tables.service(slot.service).ok_or(Verdict::TableTorn)?;
    if let Some(affinity) = Affinity::unpack(service.affinity.get()) {
        let client = Client::<F>::of(tables, control, affinity, client, slot.service, destination)?;
        let given = match client.known(tables, control, moment)? {
            Some(given) => given,
            None => select::choose(tables, service, client.hash)?,
        };
        if !message.resets() && keep(tables, control, &flow, cell, given, counters, moment)? {
            client.keep(tables, control, given, moment)?;
        }
        counters.chosen.add_unshared(1);
        return Ok((given, true));
    }
    let given = select::choose(tables, service, flow.place.hash())?;
    if !message.resets() {
        keep(tables, control, &flow, cell, given, counters, moment)?;
    }
    counters.chosen.add_unshared(1);
    Ok((given, true))
}

/// Keeps what a flow was given, unless this CPU takes in no more new ones; says which.
#[inline(always)]
fn keep<F: Family, T: Tables>(
    tables: &T,
    control: &Control,
    flow: &Flow<'_, F>,
    cell: Option<&Word>,
    given: Given,
    counters: &ServiceCounters,
    moment: Moment,
) -> Result<bool, Verdict> {
    if cell.is_none() && !admits_flow(tables, control, moment)? {
        counters.limited.add_unshared(1);
        return Ok(false);
    }
    let tag = flow.place.tag(Stage::New, moment.ticks.after(u32::from(control.life_new)));
    let entry = Entry::new(given.backend, given.generation, tag);
    match flow.place.keep(tables, control, cell, entry, moment.ticks)? {
        Kept::Stored => {}
        Kept::Evicting => counters.evicted.add_unshared(1),
        Kept::Crowded => counters.crowded.add_unshared(1),
    }
    Ok(true)
}

/// Whether this CPU still takes in new flows.
#[inline(always)]
pub(super) fn admits_flow<T: Tables>(tables: &T, control: &Control, moment: Moment) -> Result<bool, Verdict> {
    let limit = Limits::unpack(control.limits.get()).flows;
    let pace = tables.pace(tables.cpu()).ok_or(Verdict::TableTorn)?;
    Ok(admit(&pace.flows, limit, moment.jiffies))
}

/// The line in which what is sent to a backend is counted.
#[inline(always)]
pub(super) fn backend_counters<'t, T: Tables>(
    tables: &'t T,
    control: &Control,
    cpu: u32,
    given: Given,
) -> Option<&'t BackendCounters> {
    tables.backend_counters(cpu * control.backends + u32::from(given.backend))
}

/// Counts a packet that is sent to a backend.
#[inline(always)]
pub(super) fn count_sent(counters: &BackendCounters, verdict: Verdict, ip: &Ip) {
    match verdict {
        Verdict::Local => &counters.local,
        Verdict::Redirected => &counters.redirected,
        _ => &counters.forwarded,
    }
    .add_unshared(1);
    counters.bytes.add_unshared(u64::from(ip.end));
}
