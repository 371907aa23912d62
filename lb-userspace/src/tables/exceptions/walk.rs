//! The flow table through, in steps: which of its flows the tables alone would lead elsewhere.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use lb_common::path::affinity::Client;
use lb_common::path::family::{Family, V4, V6};
use lb_common::path::flow::{Place, given, hash_of};
use lb_common::path::select;
use lb_common::path::tables::Tables as _;
use lb_common::wire::address::Address;
use lb_common::wire::flow::{Entry, FlowSet, Kind, Owner, Set, Stage, Ticks, unpack4, unpack6};
use lb_common::wire::service::Affinity;
use lb_common::wire::word::Word;

use crate::core::sync::record::{Endpoint, Record, Subject};
use crate::tables::clock::Clock;
use crate::tables::memory::TableMemory;
use crate::tables::region::Region;

/// One service, by what its index stands for.
#[derive(Debug, Clone)]
pub struct Service {
    /// VIP, port and protocol.
    pub endpoint: Endpoint,
    /// Hash of its key, which flows' hashes begin with.
    pub hash: u64,
    /// Its backends by their indexes.
    pub backends: HashMap<u16, SocketAddr>,
}

/// A walk under way. If the tables change meanwhile, what it says of flows seen later may be wrong, so another one is to follow.
#[derive(Debug)]
pub struct Walk {
    services: HashMap<u16, Service>,
    /// Sets that are behind it, of IPv4 and then of IPv6.
    behind: usize,
}

impl Walk {
    /// A walk for the flows of these services, by their indexes.
    #[must_use]
    pub fn new(services: HashMap<u16, Service>) -> Self {
        Self { services, behind: 0 }
    }

    /// Looks at so many sets, and adds what is to be told of them; `false` once it has seen all.
    #[must_use]
    pub fn step(&mut self, memory: &TableMemory, clock: Clock, sets: usize, found: &mut Vec<Record>) -> bool {
        if self.services.is_empty() {
            return false;
        }
        let scene = Scene { memory, clock, now: clock.now(), services: &self.services };
        let (v4, v6) = (&memory.flows.v4, &memory.flows.v6);
        let end = self.behind + sets;
        scene.look::<V4, _, _>(v4, self.behind, end, unpack4, found);
        scene.look::<V6, _, _>(v6, self.behind.saturating_sub(v4.len()), end.saturating_sub(v4.len()), unpack6, found);
        self.behind = end;
        end < v4.len() + v6.len()
    }
}

/// What a flow is judged by.
struct Scene<'a> {
    memory: &'a TableMemory,
    clock: Clock,
    now: Ticks,
    services: &'a HashMap<u16, Service>,
}

impl Scene<'_> {
    fn look<F: Family<Set = Set<KEY, WAYS>>, const KEY: usize, const WAYS: usize>(
        &self,
        sets: &Region<Set<KEY, WAYS>>,
        from: usize,
        to: usize,
        unpack: fn([u64; KEY]) -> (Address, u32, Owner),
        found: &mut Vec<Record>,
    ) where
        Set<KEY, WAYS>: FlowSet<Key = [u64; KEY]>,
    {
        for set in (from..to.min(sets.len())).filter_map(|index| sets.get(index)) {
            found.extend(set.flows().filter_map(|(key, _, cell)| self.exception::<F>(unpack(key), cell)));
        }
    }

    /// What is to be told of an entry; `None` for most.
    fn exception<F: Family>(&self, (source, l4, owner): (Address, u32, Owner), cell: &Word) -> Option<Record> {
        let (index, is_client) = match owner.kind() {
            Kind::Flow { service } => (service, false),
            Kind::Client { service } => (service, true),
            Kind::Fragments { .. } => return None,
        };
        let known = self.services.get(&index)?;
        let (memory, control) = (self.memory, self.memory.control_record());
        let service = memory.service(index)?;
        let port = l4 as u16;
        let hash = hash_of(known.hash, source, port);
        let place = Place::<F>::of(memory, control, F::key(source, l4, owner), hash).ok()?;
        let entry = place.entry(cell, self.now).filter(is_told)?;
        let given = given(memory.backend(entry.backend())?, entry.backend());
        if (given.generation, given.service) != (entry.generation(), index) {
            return None;
        }
        let by = match Affinity::unpack(service.affinity.get()) {
            Some(affinity) => Client::<F>::of(memory, control, affinity, source, index, known.hash).ok()?.hash,
            None => hash,
        };
        if select::choose(memory, service, by).is_ok_and(|chosen| chosen.backend == entry.backend()) {
            return None;
        }
        let address = IpAddr::from(source);
        Some(Record {
            service: known.endpoint,
            subject: match is_client {
                true => Subject::Client(address),
                false => Subject::Flow((address, u16::from_be(port)).into()),
            },
            backend: *known.backends.get(&entry.backend())?,
            closing: entry.tag().stage() == Stage::Closing,
            left: self.clock.time(entry.tag().until().left(self.now)),
        })
    }
}

/// Whether others are told of an entry: not of what anyone could make up, which makes way for anything, nor of what was
/// reset.
fn is_told(entry: &Entry) -> bool {
    matches!(entry.tag().stage(), Stage::Established | Stage::Closing)
}
