//! A second set of everything that frames change, beside tables that only the writer does.

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
use lb_userspace::tables::memory::TableMemory;

/// Tables whose flows and counters are those of another memory of the same sizes.
#[derive(Debug, Clone, Copy)]
pub struct Shadow<'a> {
    /// What the writer writes, and the time.
    pub tables: &'a TableMemory,
    /// What frames change.
    pub changing: &'a TableMemory,
}

impl Tables for Shadow<'_> {
    fn control(&self) -> Option<&Control> {
        self.tables.control()
    }

    fn link(&self, interface: u32) -> Option<&Link> {
        self.tables.link(interface)
    }

    fn port(&self, number: u8) -> Option<&Word> {
        self.tables.port(number)
    }

    fn pilots(&self, line: u32) -> Option<&Line> {
        self.tables.pilots(line)
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.tables.slot(index)
    }

    fn vip(&self, index: u16) -> Option<&Vip> {
        self.tables.vip(index)
    }

    fn controllers(&self, line: u32) -> Option<&Macs> {
        self.tables.controllers(line)
    }

    fn service(&self, index: u16) -> Option<&Service> {
        self.tables.service(index)
    }

    fn maglev(&self, line: u32) -> Option<&Line> {
        self.tables.maglev(line)
    }

    fn backend(&self, index: u16) -> Option<&Backend> {
        self.tables.backend(index)
    }

    fn flows4(&self, index: u32) -> Option<&Set4> {
        self.changing.flows4(index)
    }

    fn flows6(&self, index: u32) -> Option<&Set6> {
        self.changing.flows6(index)
    }

    fn pace(&self, cpu: u32) -> Option<&Pace> {
        self.changing.pace(cpu)
    }

    fn count(&self, cpu: u32, verdict: Verdict) {
        self.changing.count(cpu, verdict);
    }

    fn service_counters(&self, index: u32) -> Option<&ServiceCounters> {
        self.changing.service_counters(index)
    }

    fn backend_counters(&self, index: u32) -> Option<&BackendCounters> {
        self.changing.backend_counters(index)
    }

    fn cpu(&self) -> u32 {
        self.tables.cpu()
    }

    fn now(&self) -> u64 {
        self.tables.now()
    }
}
