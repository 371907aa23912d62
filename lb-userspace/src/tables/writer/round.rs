//! Brings services up to date, as many at a time as there is room for: a table's successor is written while it is in
//! use, and what a service no longer needs is there for the next ones after the round.
//!
//! In a round, backends come before the tables that name them, tables are swapped each by one word, and only when no
//! packet reads the old ones are backends marked down and lines free.
//!
//! Where one backend has all flows it is the other way round: the one before it is marked down first, then the next one gets its
//! flows. In between, clients are refused: a few words are written there, and nothing is waited for. (A packet that was led to the
//! one before is on its way, as those are that have left this host.)

use std::net::SocketAddr;
use std::sync::Arc;

use lb_common::wire::Line;
use lb_common::wire::address::Address;
use lb_common::wire::backend::{Hop, Identity, State, Way};
use lb_common::wire::directory::Key;
use lb_common::wire::service::{Affinity, Local, Table};

use super::books::{BackendRecord, Dealt, ServiceRecord};
use super::error::TableError;
use super::plan::Plan;
use super::step::{self, Step};
use super::wanted::{Wanted, bound};
use crate::core::config::model::{Mode, OnDown};
use crate::core::plan::{BackendImage, ServiceImage};
use crate::core::view::BackendState;
use crate::tables::lines::Run;
use crate::tables::memory::TableMemory;

/// The steps of one round, by the stage they belong to.
#[derive(Default)]
struct Round {
    records: Vec<Step>,
    /// Records that had another backend before, and the service that it was of.
    reused: Vec<(u16, Option<u16>)>,
    /// Tables, into lines that no packet reads yet.
    deals: Vec<Step>,
    /// Backends that may have no flow any more before others get any.
    cuts: Vec<Step>,
    hops: Vec<Step>,
    tables: Vec<Step>,
    /// Whether packets may be reading what is replaced.
    replaces: bool,
    downs: Vec<Step>,
    left: Vec<(u16, SocketAddr)>,
    freed: Vec<Run>,
}

impl Plan<'_> {
    /// Brings every wanted service up to date.
    pub(super) fn bring_up_to_date(&mut self, wanted: &Wanted<'_>) -> Result<(), TableError> {
        self.welcome_back(wanted);
        let mut waiting: Vec<&(Key, &ServiceImage)> = wanted.services.iter().collect();
        while !waiting.is_empty() {
            let mut round = Round::default();
            let mut later = Vec::new();
            let mut lack = None;
            for service in &waiting {
                if let Err(error) = self.enter(&mut round, &service.0, service.1) {
                    later.push(*service);
                    lack.get_or_insert(error);
                }
            }
            match lack {
                Some(lack) if later.len() == waiting.len() => return Err(lack),
                _ => self.finish(round),
            }
            waiting = later;
        }
        Ok(())
    }

    /// Backends that had left and are wanted again are no longer spare.
    fn welcome_back(&mut self, wanted: &Wanted<'_>) {
        for (key, image) in &wanted.services {
            let Some(index) = self.books.keys.get(key) else { continue };
            let Some(record) = self.books.services.get_mut(index) else { continue };
            for backend in &image.backends {
                if let Some(number) = record.backends.get_mut(&bound(backend)).and_then(|record| record.left.take()) {
                    self.books.leaving.remove(&number);
                }
            }
        }
    }

    /// Takes a service into the round, if there is room for what it needs.
    fn enter(&mut self, round: &mut Round, key: &Key, image: &ServiceImage) -> Result<(), TableError> {
        let Some((service, record)) = self.books.service(key) else { return Ok(()) };
        let new = image.backends.iter().filter(|backend| !record.backends.contains_key(&bound(backend))).count();
        if new > self.books.spare_backends() {
            let room = self.memory.backends.len();
            return Err(TableError::Backends { wanted: room - self.books.spare_backends() + new, room });
        }
        let keeps_table = new == 0 && has_table(self.memory, record, image);
        let old = record.run;
        let run = if keeps_table { old } else { self.take_lines(image)? };

        if image.single {
            self.cut_others(round, service, image);
        }
        for backend in &image.backends {
            self.enter_backend(round, service, backend, image);
        }
        let owners = self.owners(service, image);
        let local = image.backends.iter().zip(owners.iter()).find(|(backend, _)| backend.local);
        let local = local.map_or(Local::NONE, |(_, index)| Local::backend(*index));
        let affinity = self.affinity(key, image);
        let wanted: Vec<SocketAddr> = sorted(image.backends.iter().map(bound));
        let Some(record) = self.books.services.get_mut(&service) else { return Ok(()) };
        if !keeps_table {
            let table = Table { line: run.map_or(0, |run| run.start), slots: image.table.len() as u32 };
            if let Some(run) = run {
                round.deals.push(Step::Deal { run, slots: image.table.clone(), owners: owners.clone() });
            }
            round.tables.push(Step::Table { service, table });
            round.freed.extend(old);
            round.replaces |= old.is_some();
        }
        if record.local != local {
            round.tables.push(Step::Local { service, local });
        }
        if record.affinity != affinity {
            round.tables.push(Step::Affinity { service, affinity });
        }
        let leaving =
            record.backends.iter().filter(|(bound, b)| b.left.is_none() && wanted.binary_search(bound).is_err());
        let before = round.left.len();
        round.left.extend(leaving.map(|(bound, _)| (service, *bound)));
        round.replaces |= round.left.len() > before;
        (record.local, record.affinity, record.run, record.slots) = (local, affinity, run, image.table.len() as u32);
        record.dealt = Some(Dealt { slots: image.table.clone(), owners });
        Ok(())
    }

    /// Free lines for a service's table; none if it has no slots.
    fn take_lines(&mut self, image: &ServiceImage) -> Result<Option<Run>, TableError> {
        if let Some(position) = image.table.iter().find(|position| usize::from(**position) >= image.backends.len()) {
            let fault = format!("gives a slot to backend {position} of {}", image.backends.len());
            return Err(TableError::Image { service: image.name.clone(), fault });
        }
        if image.table.is_empty() {
            return Ok(None);
        }
        let lines = (image.table.len() as u32).div_ceil(Line::LEN);
        let lack = || TableError::Maglev { service: image.name.clone(), lines };
        self.books.lines.take(lines).map(Some).ok_or_else(lack)
    }

    /// A backend's record, a new one if it has none. One that goes down does so after the tables without it are in force.
    fn enter_backend(&mut self, round: &mut Round, service: u16, image: &BackendImage, of: &ServiceImage) {
        let Some(known) = self.books.backend(service, &bound(image)) else {
            let Some(index) = self.new_backend(round, service, image) else { return };
            let hop = self.hop(image, of.on_down, Hop::ABSENT);
            let record = BackendRecord { index, hop, drained: image.drained, left: None };
            if let Some(service) = self.books.services.get_mut(&service) {
                service.backends.insert(bound(image), record);
            }
            round.hops.push(Step::Hop { backend: index, hop, drained: image.drained });
            return;
        };
        let (index, before, was_drained) = (known.index, known.hop, known.drained);
        let hop = self.hop(image, of.on_down, before);
        if before != hop || was_drained != image.drained {
            let stage = match hop.state() {
                State::Down if of.single && is_open(before) => &mut round.cuts,
                State::Down => &mut round.downs,
                _ => &mut round.hops,
            };
            stage.push(Step::Hop { backend: index, hop, drained: image.drained });
            self.set_hop(service, bound(image), hop, image.drained);
        }
    }

    /// Where one backend has all flows, those that are not configured any more keep none.
    fn cut_others(&mut self, round: &mut Round, service: u16, image: &ServiceImage) {
        let Some(record) = self.books.services.get_mut(&service) else { return };
        for (at, backend) in &mut record.backends {
            let before = backend.hop;
            if !is_open(before) || image.backends.iter().any(|image| bound(image) == *at) {
                continue;
            }
            backend.hop = Hop::new(before.mac(), State::Down, before.way().unwrap_or(Way::Local), before.port());
            round.cuts.push(Step::Hop { backend: backend.index, hop: backend.hop, drained: backend.drained });
        }
    }

    /// A record that nothing leads to: a free one, or that of the backend that left first.
    fn new_backend(&mut self, round: &mut Round, service: u16, image: &BackendImage) -> Option<u16> {
        let free = self.books.backend_indexes.take().map(|index| (index, None));
        let (index, before) = free.or_else(|| {
            let (_, (service, bound)) = self.books.leaving.pop_first()?;
            let left = self.books.services.get_mut(&service)?.backends.remove(&bound)?;
            round.records.push(Step::Hop { backend: left.index, hop: Hop::ABSENT, drained: false });
            Some((left.index, Some(service)))
        })?;
        let generation = self.books.generations.get_mut(usize::from(index))?;
        if *generation != 0 {
            round.reused.push((index, before));
        }
        *generation = generation.wrapping_add(1).max(1);
        let identity = Identity { generation: *generation, port: image.port.to_be(), service };
        round.records.push(Step::Record { backend: index, identity, address: Address::from(image.address) });
        Some(index)
    }

    fn affinity(&self, key: &Key, image: &ServiceImage) -> Option<Affinity> {
        let affinity = image.affinity.as_ref()?;
        let prefix = if key.address.to_v4().is_some() { affinity.prefix4 } else { affinity.prefix6 };
        Some(Affinity { life: self.clock.ticks(affinity.timeout), prefix })
    }

    /// Where and whether to send. A next hop that is not known (yet) is the one that was known before.
    fn hop(&self, image: &BackendImage, on_down: OnDown, before: Hop) -> Hop {
        let state = match image.state {
            BackendState::Up | BackendState::Starting => State::Up,
            BackendState::Drain => State::Drain,
            BackendState::Standby => State::Down,
            BackendState::Down => match on_down {
                OnDown::Reset => State::Down,
                OnDown::Keep => State::Kept,
            },
            BackendState::Maint => State::Down,
        };
        let way = match image.mode {
            _ if image.local => Way::Local,
            Mode::L2 => Way::L2,
        };
        let known = match before.way() {
            Some(Way::L2) => (before.mac(), before.port()),
            _ => ([0; 6], 0),
        };
        let next = image.next_hop.as_ref().and_then(|next| Some((next.mac.0, *self.books.ports.get(&next.interface)?)));
        let (mac, port) = next.unwrap_or(known);
        Hop::new(mac, state, way, port)
    }

    fn owners(&self, service: u16, image: &ServiceImage) -> Arc<[u16]> {
        let index = |backend| self.books.backend(service, &bound(backend)).map_or(0, |record| record.index);
        image.backends.iter().map(index).collect()
    }

    fn set_hop(&mut self, service: u16, bound: SocketAddr, hop: Hop, drained: bool) {
        if let Some(record) = self.books.services.get_mut(&service).and_then(|s| s.backends.get_mut(&bound)) {
            (record.hop, record.drained) = (hop, drained);
        }
    }

    /// Puts the round's stages in their order.
    fn finish(&mut self, round: Round) {
        self.steps.extend(round.records);
        if !round.reused.is_empty() {
            // A packet of a predecessor's flow may have read its generation and not yet where to send.
            self.steps.push(Step::Grace);
            let retire = |(backend, service)| Step::RetireBackend { backend, service };
            self.steps.extend(round.reused.into_iter().map(retire));
        }
        self.steps.extend(round.deals);
        self.steps.extend(round.cuts);
        self.steps.extend(round.hops);
        self.steps.extend(round.tables);
        if round.replaces {
            self.steps.push(Step::Grace);
        }
        self.steps.extend(round.downs);
        for (service, bound) in round.left {
            self.leave(service, bound);
        }
        round.freed.into_iter().for_each(|run| self.books.lines.give(run));
    }

    /// The flows of a backend that is no longer configured live on until its record is needed.
    fn leave(&mut self, service: u16, bound: SocketAddr) {
        let number = self.books.departures;
        let record = self.books.services.get_mut(&service).and_then(|s| s.backends.get_mut(&bound));
        let Some(record) = record else { return };
        let hop = record.hop.leaving();
        if record.hop != hop {
            self.steps.push(Step::Hop { backend: record.index, hop, drained: record.drained });
        }
        (record.hop, record.left) = (hop, Some(number));
        self.books.leaving.insert(number, (service, bound));
        self.books.departures += 1;
    }
}

/// Whether flows that a backend has go on to it.
fn is_open(hop: Hop) -> bool {
    hop.state().keeps_flows()
}

/// Whether a service has just this table already.
fn has_table(memory: &TableMemory, record: &ServiceRecord, image: &ServiceImage) -> bool {
    if record.slots as usize != image.table.len() {
        return false;
    }
    let Some(run) = record.run else { return true };
    let owner = |backend| record.backends.get(&bound(backend)).map(|record| record.index);
    let Some(owners) = image.backends.iter().map(owner).collect::<Option<Vec<u16>>>() else { return false };
    match &record.dealt {
        Some(dealt) => {
            *dealt.owners == *owners && (Arc::ptr_eq(&dealt.slots, &image.table) || dealt.slots == image.table)
        }
        None => is_dealt(memory, run, &image.table, &owners),
    }
}

/// Whether the lines that an earlier daemon wrote hold this table.
fn is_dealt(memory: &TableMemory, run: Run, slots: &[u16], owners: &[u16]) -> bool {
    let mut lines = slots.chunks(Line::LEN as usize).zip(run.start as usize..);
    slots.iter().all(|slot| usize::from(*slot) < owners.len())
        && lines.all(|(slots, line)| memory.maglev.get(line) == Some(&step::deal(slots, owners)))
}

fn sorted(places: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut places: Vec<SocketAddr> = places.collect();
    places.sort_unstable();
    places
}
