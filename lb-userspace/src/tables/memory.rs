//! All tables as regions of memory, and the packet path's view of them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use lb_common::path::tables::Tables;
use lb_common::path::verdict::{self, Verdict};
use lb_common::wire::Line;
use lb_common::wire::backend::Backend;
use lb_common::wire::control::Control;
use lb_common::wire::counters::{BackendCounters, ServiceCounters};
use lb_common::wire::directory::Slot;
use lb_common::wire::flow::{Entry, FlowKey, Set4};
use lb_common::wire::link::{Link, MAX_LINKS};
use lb_common::wire::service::Service;
use lb_common::wire::vip::Vip;
use lb_common::wire::word::Word;

use super::region::Region;
use super::sizes::Sizes;

/// The shared flow table, which is no array.
pub trait SharedFlows: std::fmt::Debug {
    /// A flow's entry.
    fn get(&self, key: &FlowKey) -> Option<Entry>;
    /// Stores a flow.
    fn put(&self, key: &FlowKey, entry: Entry);
    /// Some of the flows, at most `limit`.
    fn list(&self, limit: usize) -> Vec<(FlowKey, Entry)>;
}

/// All tables.
#[derive(Debug)]
pub struct TableMemory {
    /// `CONTROL`.
    pub control: Region<Control>,
    /// `LINKS`.
    pub links: Region<Link>,
    /// `PILOTS`.
    pub pilots: Region<Line>,
    /// `DIRECTORY`.
    pub directory: Region<Slot>,
    /// `VIPS`.
    pub vips: Region<Vip>,
    /// `SERVICES`.
    pub services: Region<Service>,
    /// `MAGLEV`.
    pub maglev: Region<Line>,
    /// `BACKENDS`.
    pub backends: Region<Backend>,
    /// `FLOW_CACHE4`.
    pub flow_cache: Region<Set4>,
    /// `FLOWS`.
    pub flows: Box<dyn SharedFlows>,
    /// `VERDICTS`.
    pub verdicts: Region<Word>,
    /// `SERVICE_COUNTERS`.
    pub service_counters: Region<ServiceCounters>,
    /// `BACKEND_COUNTERS`.
    pub backend_counters: Region<BackendCounters>,
    /// What the path takes for the time, in jiffies, when it runs over this memory.
    pub now: Cell<u64>,
}

impl TableMemory {
    /// Empty tables on the heap.
    #[must_use]
    pub fn heap(sizes: &Sizes) -> Self {
        let mut memory = Self {
            control: Region::heap(1, Control::default),
            links: Region::heap(MAX_LINKS as usize, Link::default),
            pilots: Region::heap((2 * sizes.pilots / Line::LEN) as usize, || Line([0; 32])),
            directory: Region::heap(2 * sizes.directory as usize, || Slot::EMPTY),
            vips: Region::heap(sizes.services as usize, Vip::default),
            services: Region::heap(sizes.services as usize, Service::default),
            maglev: Region::heap(sizes.maglev as usize, || Line([0; 32])),
            backends: Region::heap(sizes.backends as usize, Backend::default),
            flow_cache: Region::heap((sizes.cpus * sizes.flow_sets) as usize, Set4::default),
            flows: Box::new(HeapFlows::default()),
            verdicts: Region::heap((sizes.cpus * verdict::STRIDE) as usize, Word::default),
            service_counters: Region::heap((sizes.cpus * sizes.services) as usize, ServiceCounters::default),
            backend_counters: Region::heap((sizes.cpus * sizes.backends) as usize, BackendCounters::default),
            now: Cell::new(1 << 20),
        };
        memory.control.write(0, sizes.control());
        memory
    }

    /// The control record.
    ///
    /// # Panics
    /// Never: the region has one record.
    #[must_use]
    pub fn control_record(&self) -> &Control {
        self.control.get(0).expect("CONTROL has one record")
    }

    /// A verdict's packets on all CPUs.
    #[must_use]
    pub fn verdict_packets(&self, verdict: Verdict) -> u64 {
        self.verdicts.iter().skip(verdict as usize).step_by(verdict::STRIDE as usize).map(Word::get).sum()
    }

    /// A service's counters on all CPUs: packets, bytes, chosen, recalled.
    #[must_use]
    pub fn service_totals(&self, index: u16) -> [u64; 4] {
        let stride = self.services.len();
        self.service_counters
            .iter()
            .skip(usize::from(index))
            .step_by(stride)
            .fold([0; 4], |sum, c| add(sum, [c.packets.get(), c.bytes.get(), c.chosen.get(), c.recalled.get()]))
    }

    /// A backend's counters on all CPUs: packets, bytes, flows, steered.
    #[must_use]
    pub fn backend_totals(&self, index: u16) -> [u64; 4] {
        let stride = self.backends.len();
        self.backend_counters
            .iter()
            .skip(usize::from(index))
            .step_by(stride)
            .fold([0; 4], |sum, c| add(sum, [c.packets.get(), c.bytes.get(), c.flows.get(), c.steered.get()]))
    }
}

fn add(sum: [u64; 4], more: [u64; 4]) -> [u64; 4] {
    std::array::from_fn(|i| sum[i].wrapping_add(more[i]))
}

impl Tables for TableMemory {
    fn control(&self) -> Option<&Control> {
        self.control.get(0)
    }

    fn link(&self, interface: u32) -> Option<&Link> {
        self.links.get(interface as usize)
    }

    fn pilots(&self, line: u32) -> Option<&Line> {
        self.pilots.get(line as usize)
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.directory.get(index as usize)
    }

    fn vip(&self, index: u16) -> Option<&Vip> {
        self.vips.get(usize::from(index))
    }

    fn service(&self, index: u16) -> Option<&Service> {
        self.services.get(usize::from(index))
    }

    fn maglev(&self, line: u32) -> Option<&Line> {
        self.maglev.get(line as usize)
    }

    fn backend(&self, index: u16) -> Option<&Backend> {
        self.backends.get(usize::from(index))
    }

    fn flow_set(&self, index: u32) -> Option<&Set4> {
        self.flow_cache.get(index as usize)
    }

    fn recall(&self, key: &FlowKey) -> Option<Entry> {
        self.flows.get(key)
    }

    fn remember(&self, key: &FlowKey, entry: Entry) {
        self.flows.put(key, entry);
    }

    fn count(&self, verdict: Verdict) {
        if let Some(counter) = self.verdicts.get(verdict as usize) {
            counter.add_unshared(1);
        }
    }

    fn service_counters(&self, index: u32) -> Option<&ServiceCounters> {
        self.service_counters.get(index as usize)
    }

    fn backend_counters(&self, index: u32) -> Option<&BackendCounters> {
        self.backend_counters.get(index as usize)
    }

    fn cpu(&self) -> u32 {
        0
    }

    fn now(&self) -> u64 {
        self.now.get()
    }
}

/// The shared flow table on the heap, without eviction.
#[derive(Debug, Default)]
struct HeapFlows(RefCell<HashMap<FlowKey, Entry>>);

impl SharedFlows for HeapFlows {
    fn get(&self, key: &FlowKey) -> Option<Entry> {
        self.0.borrow().get(key).copied()
    }

    fn put(&self, key: &FlowKey, entry: Entry) {
        self.0.borrow_mut().insert(*key, entry);
    }

    fn list(&self, limit: usize) -> Vec<(FlowKey, Entry)> {
        self.0.borrow().iter().take(limit).map(|(key, entry)| (*key, *entry)).collect()
    }
}
