//! A SYN that was not taken, and the backend that its flow has from now on.

use crate::net::bytes::Packet;
use crate::net::ipv4;
use crate::path::affinity::Client;
use crate::path::choices;
use crate::path::family::{Family, Part};
use crate::path::flow::{Flow, Given, Kept, Moment, given};
use crate::path::parse::{self, Frame, Message};
use crate::path::run::{admits_flow, backend_counters};
use crate::path::select;
use crate::path::service;
use crate::path::tables::Tables;
use crate::path::verdict::Verdict;
use crate::wire::backend::Way;
use crate::wire::control::Control;
use crate::wire::directory::Slot;
use crate::wire::flow::{Entry, Stage};
use crate::wire::refusal::Refusal;
use crate::wire::service::{Affinity, Service};

/// Who did not take a SYN.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refuser {
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

/// A segment that opens a connection to a service.
pub(super) struct Syn<'t> {
    pub(super) message: Message,
    pub(super) slot: &'t Slot,
    /// Hash of the service's key.
    destination: u64,
    pub(super) moment: Moment,
}

impl<'t> Syn<'t> {
    /// Reads what a frame carries.
    ///
    /// # Errors
    /// [`Verdict::ReturnedUnplaced`] if it is something else, [`Verdict::Malformed`].
    #[inline(always)]
    pub(super) fn read<F: Family, P: Packet, T: Tables>(
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

/// The next choice of a flow, remembered; or the one that it was given meanwhile, who was not asked yet.
///
/// # Errors
/// [`Verdict::NoChoiceLeft`], [`Verdict::TableTorn`].
#[inline(always)]
pub(super) fn choose<F: Family, T: Tables>(
    tables: &T,
    control: &Control,
    syn: &Syn<'_>,
    from: Refuser,
) -> Result<Given, Verdict> {
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
    tables.refused(Refusal { backend: had.backend, generation: had.generation });
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
