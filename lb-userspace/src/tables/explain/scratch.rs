//! The tables as the packet path finds them, and nothing that it writes gets there: counters, flows and paces are copies
//! that are thrown away.

use std::cell::{Cell, OnceCell};

use lb_common::path::tables::Tables;
use lb_common::path::verdict::Verdict;
use lb_common::wire::Line;
use lb_common::wire::backend::Backend;
use lb_common::wire::control::Control;
use lb_common::wire::controllers::Macs;
use lb_common::wire::counters::{BackendCounters, ServiceCounters};
use lb_common::wire::directory::Slot;
use lb_common::wire::flow::{Set4, Set6};
use lb_common::wire::link::Link;
use lb_common::wire::pace::Pace;
use lb_common::wire::service::Service;
use lb_common::wire::vip::Vip;
use lb_common::wire::word::Word;

use crate::tables::memory::TableMemory;

/// The tables, to be read.
#[derive(Debug)]
pub(super) struct Scratch<'a> {
    memory: &'a TableMemory,
    now: u64,
    held: Option<Vip>,
    flows4: Copies<Set4>,
    flows6: Copies<Set6>,
    pace: Pace,
    service_counters: ServiceCounters,
    backend_counters: BackendCounters,
    /// Index of the backend whose packets were counted last.
    given: Cell<Option<u32>>,
}

/// Copies of the sets that were asked for. A packet asks for two of its flow, two of its client, two of its fragments.
#[derive(Debug)]
struct Copies<T>([OnceCell<(u32, T)>; 6]);

impl<T: Clone> Copies<T> {
    fn new() -> Self {
        Self(std::array::from_fn(|_| OnceCell::new()))
    }

    fn get(&self, index: u32, original: Option<&T>) -> Option<&T> {
        let original = original?;
        let copy = self.0.iter().find(|copy| copy.get().is_none_or(|(known, _)| *known == index))?;
        Some(&copy.get_or_init(|| (index, original.clone())).1)
    }
}

impl<'a> Scratch<'a> {
    /// Of these tables at a time in jiffies; of a host that holds every VIP if `as_holder`.
    pub(super) fn new(memory: &'a TableMemory, now: u64, as_holder: bool) -> Self {
        let held = as_holder.then(|| Vip { lease: Word::new(Vip::HELD), ..Vip::default() });
        Self {
            memory,
            now,
            held,
            flows4: Copies::new(),
            flows6: Copies::new(),
            pace: Pace::default(),
            service_counters: ServiceCounters::default(),
            backend_counters: BackendCounters::default(),
            given: Cell::new(None),
        }
    }

    /// What was counted of the service.
    pub(super) fn counted(&self) -> &ServiceCounters {
        &self.service_counters
    }

    /// Index of the backend that the packet went to, or would have.
    pub(super) fn given(&self) -> Option<u16> {
        self.given.get().and_then(|index| u16::try_from(index).ok())
    }
}

impl Tables for Scratch<'_> {
    fn control(&self) -> Option<&Control> {
        self.memory.control()
    }

    fn link(&self, interface: u32) -> Option<&Link> {
        self.memory.link(interface)
    }

    fn port(&self, number: u8) -> Option<&Word> {
        self.memory.port(number)
    }

    fn pilots(&self, line: u32) -> Option<&Line> {
        self.memory.pilots(line)
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.memory.slot(index)
    }

    fn vip(&self, index: u16) -> Option<&Vip> {
        self.held.as_ref().or_else(|| self.memory.vip(index))
    }

    fn controllers(&self, line: u32) -> Option<&Macs> {
        self.memory.controllers(line)
    }

    fn service(&self, index: u16) -> Option<&Service> {
        self.memory.service(index)
    }

    fn maglev(&self, line: u32) -> Option<&Line> {
        self.memory.maglev(line)
    }

    fn backend(&self, index: u16) -> Option<&Backend> {
        self.memory.backend(index)
    }

    fn flows4(&self, index: u32) -> Option<&Set4> {
        self.flows4.get(index, self.memory.flows4(index))
    }

    fn flows6(&self, index: u32) -> Option<&Set6> {
        self.flows6.get(index, self.memory.flows6(index))
    }

    fn pace(&self, _cpu: u32) -> Option<&Pace> {
        Some(&self.pace)
    }

    fn count(&self, _cpu: u32, _verdict: Verdict) {}

    fn service_counters(&self, _index: u32) -> Option<&ServiceCounters> {
        Some(&self.service_counters)
    }

    fn backend_counters(&self, index: u32) -> Option<&BackendCounters> {
        self.given.set(Some(index));
        Some(&self.backend_counters)
    }

    fn cpu(&self) -> u32 {
        0
    }

    fn now(&self) -> u64 {
        self.now
    }
}
