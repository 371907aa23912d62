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
use lb_common::wire::link::mac48;
use lb_common::wire::service::{Affinity, Local};
use lb_common::wire::vip::{Elsewhere, Vip, speaker};

use super::controllers::Controllers;
use super::indexes::Indexes;
use super::step::Step;
use crate::core::event::NextHop;
use crate::core::plan::VipImage;
use crate::tables::lines::{Lines, Run};
use crate::tables::memory::TableMemory;

/// The books.
#[derive(Debug, Clone)]
pub(super) struct Books {
    pub(super) vips: HashMap<Address, VipRecord>,
    pub(super) vip_indexes: Indexes,
    /// MACs of the other controllers.
    pub(super) controllers: Controllers,
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
    /// What was written; `None`: the election writes it.
    pub(super) lease: Option<u64>,
    /// What was written of where it is.
    pub(super) elsewhere: Option<Elsewhere>,
    /// What was written of who has to be heard for that.
    pub(super) speaker: u64,
    /// Where it is, by the names of interfaces; `None` if an earlier daemon wrote it.
    pub(super) place: Option<VipPlace>,
}

/// Where a VIP is, by the names of interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VipPlace {
    /// The interface that carries it.
    pub(super) carrier: String,
    /// The way to another host that holds it.
    pub(super) holder: Option<NextHop>,
    /// Whose messages say that it does, as the tables know it.
    pub(super) speaker: u64,
}

impl From<&VipImage> for VipPlace {
    fn from(image: &VipImage) -> Self {
        let speaker = image.speaker.map_or(0, |address| speaker(address.into()));
        Self { carrier: image.interface.clone(), holder: image.holder.clone(), speaker }
    }
}

impl VipRecord {
    /// A new one that nobody holds.
    pub(super) fn new(index: u16) -> Self {
        Self { index, lease: Some(Vip::NOT_HELD), elsewhere: None, speaker: 0, place: None }
    }

    /// Takes in where it is; the step that says so, if the tables say otherwise.
    pub(super) fn locate(&mut self, ports: &BTreeMap<String, u8>) -> Option<Step> {
        let speaker = self.place.as_ref()?.speaker;
        let elsewhere = self.elsewhere(ports);
        if (self.elsewhere, self.speaker) == (elsewhere, speaker) {
            return None;
        }
        (self.elsewhere, self.speaker) = (elsewhere, speaker);
        Some(Step::Elsewhere { vip: self.index, elsewhere, speaker })
    }

    /// What is to be written of where it is. An interface that has no port (yet) leaves a way to the same MAC as it was.
    fn elsewhere(&self, ports: &BTreeMap<String, u8>) -> Option<Elsewhere> {
        let place = self.place.as_ref()?;
        let carrier = ports.get(&place.carrier).copied().or(self.elsewhere.map(|before| before.carrier))?;
        let unknown = Elsewhere { holder: 0, port: 0, carrier };
        let Some(next) = &place.holder else { return Some(unknown) };
        let holder = mac48(next.mac.0);
        let before = self.elsewhere.filter(|before| before.holder == holder).map(|before| before.port);
        let port = ports.get(&next.interface).copied().or(before);
        Some(port.map_or(unknown, |port| Elsewhere { holder, port, carrier }))
    }
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
            controllers: Controllers::default(),
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

    /// Ports that the tables name: those that packets leave by, and those that clients' packets come in by.
    pub(super) fn named_ports(&self) -> impl Iterator<Item = u8> + '_ {
        let hops = self.services.values().flat_map(|service| service.backends.values()).map(|backend| backend.hop);
        let hops = hops.filter(|hop| hop.way() == Some(Way::L2) && hop.mac48() != 0).map(Hop::port);
        let vips = self.vips.values().filter_map(|vip| vip.elsewhere);
        hops.chain(vips.flat_map(|it| [Some(it.carrier), (it.holder != 0).then_some(it.port)]).flatten())
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
