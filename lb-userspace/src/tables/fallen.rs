//! The flow table through, in steps: which flows were cut because their backends take nothing any more.
//!
//! In: the backends that were cut. Out: who is at the client's end of each of their connections. A client that sends
//! something learns of it by itself; those that wait have to be told ([`crate::io::provoke`]).
//!
//! What must hold: nothing is said of a flow whose backend has come back, or whose record is another backend's by now.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use lb_common::path::family::{Family, V4, V6};
use lb_common::path::flow::{Place, given, hash_of};
use lb_common::path::tables::Tables as _;
use lb_common::wire::address::Address;
use lb_common::wire::flow::{FlowSet, Kind, Owner, Set, Stage, Ticks, unpack4, unpack6};
use lb_common::wire::word::Word;

use super::clock::Clock;
use super::memory::TableMemory;
use super::region::Region;

/// A backend that was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallen {
    /// Tells it from others that have its index later.
    pub generation: u8,
    /// Index of its service.
    pub service: u16,
    /// Address and port of the service.
    pub vip: SocketAddr,
    /// Hash of the service's key, which flows' hashes begin with.
    pub hash: u64,
}

/// A connection that was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Its client.
    pub client: SocketAddr,
    /// The service that it is to.
    pub vip: SocketAddr,
    /// Whether more than one packet of it was seen: the others anyone can make up.
    pub established: bool,
}

/// A walk under way.
#[derive(Debug)]
pub struct Walk {
    /// By their indexes.
    fallen: HashMap<u16, Fallen>,
    /// Sets that are behind it, of IPv4 and then of IPv6.
    behind: usize,
}

impl Walk {
    /// A walk for the connections of these backends, by their indexes.
    #[must_use]
    pub fn new(fallen: HashMap<u16, Fallen>) -> Self {
        Self { fallen, behind: 0 }
    }

    /// Looks at so many sets, and adds the connections that are in them; `false` once it has seen all.
    #[must_use]
    pub fn step(&mut self, memory: &TableMemory, clock: Clock, sets: usize, found: &mut Vec<Connection>) -> bool {
        if self.fallen.is_empty() {
            return false;
        }
        let scene = Scene { memory, now: clock.now(), fallen: &self.fallen };
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
    now: Ticks,
    fallen: &'a HashMap<u16, Fallen>,
}

impl Scene<'_> {
    fn look<F: Family<Set = Set<KEY, WAYS>>, const KEY: usize, const WAYS: usize>(
        &self,
        sets: &Region<Set<KEY, WAYS>>,
        from: usize,
        to: usize,
        unpack: fn([u64; KEY]) -> (Address, u32, Owner),
        found: &mut Vec<Connection>,
    ) where
        Set<KEY, WAYS>: FlowSet<Key = [u64; KEY]>,
    {
        for set in (from..to.min(sets.len())).filter_map(|index| sets.get(index)) {
            let theirs = set.flows().filter_map(|(key, entry, cell)| {
                let fallen = self.fallen.get(&entry.backend())?;
                self.cut::<F>(fallen, unpack(key), cell)
            });
            found.extend(theirs);
        }
    }

    /// The connection of an entry, if it is one and cut.
    fn cut<F: Family>(
        &self,
        fallen: &Fallen,
        (source, l4, owner): (Address, u32, Owner),
        cell: &Word,
    ) -> Option<Connection> {
        if owner.kind() != (Kind::Flow { service: fallen.service }) {
            return None;
        }
        let (memory, port) = (self.memory, l4 as u16);
        let hash = hash_of(fallen.hash, source, port);
        let place = Place::<F>::of(memory, memory.control_record(), F::key(source, l4, owner), hash).ok()?;
        let entry = place.entry(cell, self.now)?;
        let given = given(memory.backend(entry.backend())?, entry.backend());
        let is_theirs = entry.generation() == fallen.generation && given.generation == fallen.generation;
        if !is_theirs || !given.hop.state().cuts_flows() || entry.tag().stage() == Stage::Reset {
            return None;
        }
        Some(Connection {
            client: SocketAddr::new(IpAddr::from(source), u16::from_be(port)),
            vip: fallen.vip,
            established: entry.tag().stage() != Stage::New,
        })
    }
}
