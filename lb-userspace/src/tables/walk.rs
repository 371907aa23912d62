//! The flow table through, in steps: what is looked for in it, another file says.
//!
//! In: what flows may concern, by an index that an entry has in it. Out: what each of those says of its flows.
//!
//! The packet path's own functions find places, hashes and backends here, over the same memory.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use lb_common::path::family::{Family, V4, V6};
use lb_common::path::flow::{Given, Place, given, hash_of};
use lb_common::path::tables::Tables as _;
use lb_common::wire::address::Address;
use lb_common::wire::flow::{Entry, FlowSet, Owner, Set, Ticks, unpack4, unpack6};
use lb_common::wire::word::Word;

use super::clock::Clock;
use super::memory::TableMemory;
use super::region::Region;

/// Something that flows may concern, such as a service, and that says what is to be known of them.
pub trait Concern {
    /// What is to be known of a flow.
    type Finding;

    /// The index of what an entry may concern; `None` if there is nothing of this kind.
    fn index(owner: Owner, entry: Entry) -> Option<u16>;

    /// Hash of the key of its service, which flows' hashes begin with.
    fn service_hash(&self) -> u64;

    /// What is to be known of a flow that has its index; `None` for most.
    fn judge<F: Family>(&self, flow: &Flow, scene: &Scene<'_>) -> Option<Self::Finding>;
}

/// A flow as a packet of it would find it.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// Whose it is.
    pub owner: Owner,
    /// The client.
    pub source: Address,
    /// The client's port, in network order.
    pub port: u16,
    /// Its hash.
    pub hash: u64,
    /// What is remembered of it.
    pub entry: Entry,
    /// What its backend's index stands for by now.
    pub given: Given,
}

/// What flows are judged by.
#[derive(Debug)]
pub struct Scene<'a> {
    /// All tables.
    pub memory: &'a TableMemory,
    /// How their time goes.
    pub clock: Clock,
    /// What time it is.
    pub now: Ticks,
}

/// A walk under way. If the tables change meanwhile, what it says of flows seen later may be wrong.
#[derive(Debug)]
pub struct Walk<C> {
    /// By their indexes.
    concerns: HashMap<u16, C>,
    /// Sets that are behind it, of IPv4 and then of IPv6.
    behind: usize,
}

impl<C: Concern> Walk<C> {
    /// A walk for the flows of these, by their indexes.
    #[must_use]
    pub fn new(concerns: HashMap<u16, C>) -> Self {
        Self { concerns, behind: 0 }
    }

    /// Looks at so many sets, and adds what is to be known of the flows in them; `false` once it has seen all.
    #[must_use]
    pub fn step(&mut self, memory: &TableMemory, clock: Clock, sets: usize, found: &mut Vec<C::Finding>) -> bool {
        if self.concerns.is_empty() {
            return false;
        }
        let scene = Scene { memory, clock, now: clock.now() };
        let (v4, v6) = (&memory.flows.v4, &memory.flows.v6);
        let end = self.behind + sets;
        let (from6, to6) = (self.behind.saturating_sub(v4.len()), end.saturating_sub(v4.len()));
        found.extend(self.look::<V4, _, _>(&scene, v4, self.behind..end.min(v4.len()), unpack4));
        found.extend(self.look::<V6, _, _>(&scene, v6, from6..to6.min(v6.len()), unpack6));
        self.behind = end;
        end < v4.len() + v6.len()
    }

    /// What is found in some sets of one family.
    fn look<F: Family<Set = Set<KEY, WAYS>>, const KEY: usize, const WAYS: usize>(
        &self,
        scene: &Scene<'_>,
        sets: &Region<Set<KEY, WAYS>>,
        which: Range<usize>,
        unpack: fn([u64; KEY]) -> (Address, u32, Owner),
    ) -> impl Iterator<Item = C::Finding>
    where
        Set<KEY, WAYS>: FlowSet<Key = [u64; KEY]>,
    {
        let entries = which.filter_map(|index| sets.get(index)).flat_map(Set::flows);
        entries.filter_map(move |(key, entry, cell)| self.judged::<F>(scene, unpack(key), entry, cell))
    }

    /// What is to be known of one entry.
    fn judged<F: Family>(
        &self,
        scene: &Scene<'_>,
        (source, l4, owner): (Address, u32, Owner),
        entry: Entry,
        cell: &Word,
    ) -> Option<C::Finding> {
        let concern = self.concerns.get(&C::index(owner, entry)?)?;
        let (memory, port) = (scene.memory, l4 as u16);
        let hash = hash_of(concern.service_hash(), source, port);
        let place = Place::<F>::of(memory, memory.control_record(), F::key(source, l4, owner), hash).ok()?;
        let entry = place.entry(cell, scene.now)?;
        let given = given(memory.backend(entry.backend())?, entry.backend());
        concern.judge::<F>(&Flow { owner, source, port, hash, entry, given }, scene)
    }
}

impl Flow {
    /// Address and port of its client.
    #[must_use]
    pub fn client(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::from(self.source), u16::from_be(self.port))
    }
}
