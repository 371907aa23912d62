//! What the packet path needs of its surroundings: tables, time, and which CPU it runs on.

use crate::wire::Line;
use crate::wire::backend::Backend;
use crate::wire::control::Control;
use crate::wire::controllers::Macs;
use crate::wire::counters::{BackendCounters, ServiceCounters};
use crate::wire::directory::Slot;
use crate::wire::flow::{Set4, Set6};
use crate::wire::link::Link;
use crate::wire::pace::Pace;
use crate::wire::refusal::Refusal;
use crate::wire::service::Service;
use crate::wire::vip::Vip;
use crate::wire::word::Word;

use super::verdict::Verdict;

/// The tables. Every look-up may fail: `None` for an index out of bounds, never a panic.
pub trait Tables {
    /// Element 0 of `CONTROL`.
    fn control(&self) -> Option<&Control>;
    /// The interface, if programs are attached to it.
    fn link(&self, interface: u32) -> Option<&Link>;
    /// An interface that frames may leave by: a [`crate::wire::link::Port`].
    fn port(&self, number: u8) -> Option<&Word>;
    /// A line of `PILOTS`.
    fn pilots(&self, line: u32) -> Option<&Line>;
    /// A slot of `DIRECTORY`.
    fn slot(&self, index: u32) -> Option<&Slot>;
    /// An element of `VIPS`.
    fn vip(&self, index: u16) -> Option<&Vip>;
    /// A line of `CONTROLLERS`.
    fn controllers(&self, line: u32) -> Option<&Macs>;
    /// An element of `SERVICES`.
    fn service(&self, index: u16) -> Option<&Service>;
    /// A line of `MAGLEV`.
    fn maglev(&self, line: u32) -> Option<&Line>;
    /// An element of `BACKENDS`.
    fn backend(&self, index: u16) -> Option<&Backend>;
    /// A set of `FLOWS4`.
    fn flows4(&self, index: u32) -> Option<&Set4>;
    /// A set of `FLOWS6`.
    fn flows6(&self, index: u32) -> Option<&Set6>;
    /// An element of `PACES`.
    fn pace(&self, cpu: u32) -> Option<&Pace>;
    /// The counter of a verdict goes up by one, in the row of a CPU.
    fn count(&self, cpu: u32, verdict: Verdict);
    /// An element of `SERVICE_COUNTERS`, over all rows.
    fn service_counters(&self, index: u32) -> Option<&ServiceCounters>;
    /// An element of `BACKEND_COUNTERS`, over all rows.
    fn backend_counters(&self, index: u32) -> Option<&BackendCounters>;
    /// A backend did not take a connection, if whoever has the tables wants to know.
    fn refused(&self, _refusal: Refusal) {}
    /// The CPU that the path runs on.
    fn cpu(&self) -> u32;
    /// Jiffies since boot, as the kernel counts them.
    fn now(&self) -> u64;
}
