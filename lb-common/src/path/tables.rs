//! What the packet path needs of its surroundings: tables, time, and which CPU it runs on.

use crate::wire::Line;
use crate::wire::backend::Backend;
use crate::wire::control::Control;
use crate::wire::counters::{BackendCounters, ServiceCounters};
use crate::wire::directory::Slot;
use crate::wire::flow::{Entry, FlowKey, Set4};
use crate::wire::link::Link;
use crate::wire::service::Service;
use crate::wire::vip::Vip;

use super::verdict::Verdict;

/// The tables. Every look-up may fail: `None` for an index out of bounds, never a panic.
pub trait Tables {
    /// Element 0 of `CONTROL`.
    fn control(&self) -> Option<&Control>;
    /// The interface, if programs are attached to it.
    fn link(&self, interface: u32) -> Option<&Link>;
    /// A line of `PILOTS`.
    fn pilots(&self, line: u32) -> Option<&Line>;
    /// A slot of `DIRECTORY`.
    fn slot(&self, index: u32) -> Option<&Slot>;
    /// An element of `VIPS`.
    fn vip(&self, index: u16) -> Option<&Vip>;
    /// An element of `SERVICES`.
    fn service(&self, index: u16) -> Option<&Service>;
    /// A line of `MAGLEV`.
    fn maglev(&self, line: u32) -> Option<&Line>;
    /// An element of `BACKENDS`.
    fn backend(&self, index: u16) -> Option<&Backend>;
    /// A set of `FLOW_CACHE4`, over all CPUs.
    fn flow_set(&self, index: u32) -> Option<&Set4>;
    /// A flow of the shared table `FLOWS`.
    fn recall(&self, key: &FlowKey) -> Option<Entry>;
    /// Stores a flow in the shared table.
    fn remember(&self, key: &FlowKey, entry: Entry);
    /// This CPU's counter of a verdict goes up by one.
    fn count(&self, verdict: Verdict);
    /// An element of `SERVICE_COUNTERS`, over all CPUs.
    fn service_counters(&self, index: u32) -> Option<&ServiceCounters>;
    /// An element of `BACKEND_COUNTERS`, over all CPUs.
    fn backend_counters(&self, index: u32) -> Option<&BackendCounters>;
    /// The CPU that the path runs on.
    fn cpu(&self) -> u32;
    /// Jiffies since boot, as the kernel counts them.
    fn now(&self) -> u64;
}
