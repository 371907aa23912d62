//! Stage 3: what the packet's flow was given before, by this CPU or another.

use crate::net::hash;
use crate::wire::address::Address;
use crate::wire::backend::{Backend, Hop, Identity, State};
use crate::wire::control::Control;
use crate::wire::flow::{Cached, Entry, FlowKey, Set4, ticks};

use super::parse::Segment;
use super::tables::Tables;
use super::verdict::Verdict;

/// A flow: its key in both tables and where it lies in the cache.
#[derive(Debug)]
pub struct Flow<'t> {
    /// Key in the shared table.
    pub key: FlowKey,
    /// Hash of the five-tuple, the same on every controller.
    pub hash: u64,
    set: &'t Set4,
    cache_key: [u64; 1],
}

/// A backend that was found or chosen for a flow.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// Index in `BACKENDS`.
    pub backend: u16,
    /// Where and whether to send.
    pub hop: Hop,
    /// Generation of the backend.
    pub generation: u16,
}

/// What is known of a flow.
#[derive(Debug)]
pub enum Known {
    /// It goes to this backend.
    To(Given),
    /// It is new, or may go elsewhere: choose.
    Unknown,
}

impl<'t> Flow<'t> {
    /// The flow of a segment of `service`; `hash` is that of the service's key.
    #[inline(always)]
    pub fn of<T: Tables>(
        tables: &'t T,
        control: &Control,
        segment: &Segment,
        service: u16,
        hash: u64,
    ) -> Result<Self, Verdict> {
        let hash = hash_of(hash, segment.source, segment.source_port);
        let set = tables.cpu() * (control.flow_mask + 1) + ((hash >> 32) as u32 & control.flow_mask);
        Ok(Self {
            key: FlowKey::new(segment.source, segment.source_port, service),
            hash,
            set: tables.flow_set(set).ok_or(Verdict::TableTorn)?,
            cache_key: [u64::from(segment.source.low_half())
                | u64::from(segment.source_port) << 32
                | u64::from(service) << 48],
        })
    }

    /// The backend that the flow was given.
    ///
    /// The shared table has the say. A CPU's cache repeats what it said, and is believed while the tables stay as they
    /// are and the backend takes new flows: otherwise another CPU may have given a new connection of the same ports
    /// another backend.
    #[inline(always)]
    pub fn known<T: Tables>(
        &self,
        tables: &'t T,
        opens: bool,
        moment: Moment,
        recalled: impl FnOnce(),
    ) -> Result<Known, Verdict> {
        let cell = self.set.find(&self.cache_key);
        let cached = cell.map(|cell| Cached::unpack(cell.get()));
        if let (Some(cell), Some(cached)) = (cell, cached)
            && cached.epoch == moment.epoch
        {
            let given = given(tables.backend(cached.backend).ok_or(Verdict::TableTorn)?, cached.backend);
            if given.generation == cached.generation && given.hop.state() == State::Up {
                if cached.seen != moment.ticks as u16 {
                    cell.set(Cached { seen: moment.ticks as u16, ..cached }.pack());
                }
                return Ok(Known::To(given));
            }
        }
        match (tables.recall(&self.key), cached) {
            // The kernel may give an element to another flow while it is being read: another service's backend is none.
            (Some(entry), _) if service_of(tables, entry)? == self.key.service() => {
                recalled();
                let known = judge(tables, entry.backend, entry.generation, opens)?;
                if let Known::To(given) = known {
                    self.cache(given, moment);
                }
                Ok(known)
            }
            // The shared table has lost it: what this CPU knows is the next best, and told to the others again.
            (_, Some(cached)) => {
                let known = judge(tables, cached.backend, cached.generation, opens)?;
                if let Known::To(given) = known {
                    self.keep(tables, given, moment);
                }
                Ok(known)
            }
            (_, None) => Ok(Known::Unknown),
        }
    }

    /// Keeps what the flow was given, for this CPU and for all.
    #[inline(always)]
    pub fn keep<T: Tables>(&self, tables: &T, given: Given, moment: Moment) {
        self.cache(given, moment);
        let entry = Entry { backend: given.backend, generation: given.generation, seen: moment.ticks };
        tables.remember(&self.key, entry);
    }

    #[inline(always)]
    fn cache(&self, given: Given, moment: Moment) {
        let (backend, generation) = (given.backend, given.generation);
        let cached = Cached { backend, generation, epoch: moment.epoch, seen: moment.ticks as u16 };
        self.set.store(&self.cache_key, cached);
    }
}

/// When a packet is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Time, in [`ticks`].
    pub ticks: u32,
    /// State of the tables.
    pub epoch: u16,
}

impl Moment {
    /// Now, in jiffies.
    #[inline(always)]
    #[must_use]
    pub fn of(control: &Control, now: u64) -> Self {
        Self { ticks: ticks(now), epoch: control.epoch.get() as u16 }
    }
}

/// Hash of a flow's five-tuple, from that of its destination and the client's address and port.
#[inline(always)]
#[must_use]
pub const fn hash_of(destination: u64, source: Address, source_port: u16) -> u64 {
    hash::fold(hash::fold(destination, source.high ^ source_port as u64), source.low)
}

/// Reads a backend whole enough to use it.
#[inline(always)]
#[must_use]
pub fn given(backend: &Backend, index: u16) -> Given {
    Given {
        backend: index,
        hop: Hop::from_word(backend.hop.get()),
        generation: Identity::unpack(backend.identity.get()).generation,
    }
}

/// The service of an entry's backend.
#[inline(always)]
fn service_of<T: Tables>(tables: &T, entry: Entry) -> Result<u16, Verdict> {
    let backend = tables.backend(entry.backend).ok_or(Verdict::TableTorn)?;
    Ok(Identity::unpack(backend.identity.get()).service)
}

/// Whether an entry still binds its flow. One that opens a connection may leave a backend that takes no new ones.
#[inline(always)]
fn judge<T: Tables>(tables: &T, backend: u16, generation: u16, opens: bool) -> Result<Known, Verdict> {
    let given = given(tables.backend(backend).ok_or(Verdict::TableTorn)?, backend);
    if given.generation != generation {
        return Ok(Known::Unknown);
    }
    match given.hop.state() {
        State::Up => Ok(Known::To(given)),
        State::Absent => Ok(Known::Unknown),
        State::Drain | State::Leaving | State::Down if opens => Ok(Known::Unknown),
        State::Drain | State::Leaving => Ok(Known::To(given)),
        State::Down => Err(Verdict::ResetBackendDown),
    }
}
