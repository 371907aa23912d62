//! What the writer knows of the tables: which record stands for what, which are free, and what the words say.
//!
//! The books are kept apart from the memory so that a change can be worked out to its end on a copy, before anything is
//! written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use lb_common::wire::address::Address;
use lb_common::wire::backend::{Hop, Way};
use lb_common::wire::directory::{Idle, Key, Slot};
use lb_common::wire::service::{Affinity, Local};

use super::indexes::Indexes;
use crate::tables::lines::{Lines, Run};
use crate::tables::memory::TableMemory;

/// The books.
#[derive(Debug, Clone)]
pub(super) struct Books {
    pub(super) vips: HashMap<Address, VipRecord>,
    pub(super) vip_indexes: Indexes,
    /// Index of each service in the directory.
    pub(super) keys: HashMap<Key, u16>,
    pub(super) services: HashMap<u16, ServiceRecord>,
    pub(super) service_indexes: Indexes,
    pub(super) backend_indexes: Indexes,
    /// Generation of each backend record, in use or not.
    pub(super) generations: Vec<u8>,
    /// Ports by the name of their interface.
    pub(super) ports: BTreeMap<String, u8>,
    /// Backends no longer configured whose flows live on, by when they left: service and place.
    pub(super) leaving: BTreeMap<u64, (u16, SocketAddr)>,
    /// How many backends have left.
    pub(super) departures: u64,
    pub(super) lines: Lines,
}

/// A VIP in the directory.
#[derive(Debug, Clone)]
pub(super) struct VipRecord {
    pub(super) index: u16,
    pub(super) lease: u64,
}

/// A service in the directory.
#[derive(Debug, Clone)]
pub(super) struct ServiceRecord {
    pub(super) key: Key,
    /// For how long its idle flows are remembered, as the directory says.
    pub(super) idle: Idle,
    pub(super) affinity: Option<Affinity>,
    pub(super) local: Local,
    /// Where its Maglev table lies; `None` if it has none.
    pub(super) run: Option<Run>,
    /// Slots of that table.
    pub(super) slots: u32,
    /// What the table was made of; `None` if an earlier daemon wrote it.
    pub(super) dealt: Option<Dealt>,
    /// By where they are bound.
    pub(super) backends: BTreeMap<SocketAddr, BackendRecord>,
}

/// What a Maglev table was made of.
#[derive(Debug, Clone)]
pub(super) struct Dealt {
    /// For each slot the position of its owner.
    pub(super) slots: Arc<[u16]>,
    /// Index of the backend in each position.
    pub(super) owners: Arc<[u16]>,
}

/// A backend.
#[derive(Debug, Clone)]
pub(super) struct BackendRecord {
    pub(super) index: u16,
    pub(super) hop: Hop,
    /// Whether its operator has drained it.
    pub(super) drained: bool,
    /// Its number in [`Books::leaving`], if it is no longer configured.
    pub(super) left: Option<u64>,
}

impl Books {
    /// Of tables that hold nothing.
    pub(super) fn empty(memory: &TableMemory) -> Self {
        let unused = BTreeSet::new();
        Self {
            vips: HashMap::new(),
            vip_indexes: Indexes::without(memory.vips.len(), &unused),
            keys: HashMap::new(),
            services: HashMap::new(),
            service_indexes: Indexes::without(service_room(memory), &unused),
            backend_indexes: Indexes::without(memory.backends.len(), &unused),
            generations: vec![0; memory.backends.len()],
            ports: BTreeMap::new(),
            leaving: BTreeMap::new(),
            departures: 0,
            lines: Lines::new(memory.maglev.len() as u32),
        }
    }

    /// A service's record.
    pub(super) fn service(&self, key: &Key) -> Option<(u16, &ServiceRecord)> {
        let index = *self.keys.get(key)?;
        self.services.get(&index).map(|record| (index, record))
    }

    /// A backend's record.
    pub(super) fn backend(&self, service: u16, bound: &SocketAddr) -> Option<&BackendRecord> {
        self.services.get(&service)?.backends.get(bound)
    }

    /// Ports that packets to backends leave by.
    pub(super) fn ports_of_hops(&self) -> impl Iterator<Item = u8> + '_ {
        let hops = self.services.values().flat_map(|service| service.backends.values()).map(|backend| backend.hop);
        hops.filter(|hop| hop.way() == Some(Way::L2) && hop.mac48() != 0).map(Hop::port)
    }

    /// Backends that could be added: free records, and those of backends that have left.
    pub(super) fn spare_backends(&self) -> usize {
        self.backend_indexes.free() + self.leaving.len()
    }
}

impl ServiceRecord {
    /// A service without a backend.
    pub(super) fn new(key: Key, idle: Idle) -> Self {
        let backends = BTreeMap::new();
        Self { key, idle, affinity: None, local: Local::NONE, run: None, slots: 0, dealt: None, backends }
    }
}

/// How many services there can be: the highest number stands for "no service".
pub(super) fn service_room(memory: &TableMemory) -> usize {
    memory.services.len().min(usize::from(Slot::NO_SERVICE))
}
