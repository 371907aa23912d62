//! The packet path's tables in kernel memory: array look-ups, which the verifier turns into a few instructions each.

use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::helpers::generated::bpf_jiffies64;
use lb_common::path::tables::Tables;
use lb_common::path::verdict::{self, Verdict};
use lb_common::wire::Line;
use lb_common::wire::backend::Backend;
use lb_common::wire::control::Control;
use lb_common::wire::counters::{BackendCounters, ServiceCounters};
use lb_common::wire::directory::Slot;
use lb_common::wire::flow::{Entry, FlowKey, Set4};
use lb_common::wire::link::Link;
use lb_common::wire::service::Service;
use lb_common::wire::vip::Vip;
use lb_common::wire::word::Word;

use crate::maps;

/// The maps of this object.
pub(crate) struct KernelTables;

impl Tables for KernelTables {
    #[inline(always)]
    fn control(&self) -> Option<&Control> {
        maps::CONTROL.get(0)
    }

    #[inline(always)]
    fn link(&self, interface: u32) -> Option<&Link> {
        maps::LINKS.get(interface)
    }

    #[inline(always)]
    fn pilots(&self, line: u32) -> Option<&Line> {
        maps::PILOTS.get(line)
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<&Slot> {
        maps::DIRECTORY.get(index)
    }

    #[inline(always)]
    fn vip(&self, index: u16) -> Option<&Vip> {
        maps::VIPS.get(u32::from(index))
    }

    #[inline(always)]
    fn service(&self, index: u16) -> Option<&Service> {
        maps::SERVICES.get(u32::from(index))
    }

    #[inline(always)]
    fn maglev(&self, line: u32) -> Option<&Line> {
        maps::MAGLEV.get(line)
    }

    #[inline(always)]
    fn backend(&self, index: u16) -> Option<&Backend> {
        maps::BACKENDS.get(u32::from(index))
    }

    #[inline(always)]
    fn flow_set(&self, index: u32) -> Option<&Set4> {
        maps::FLOW_CACHE4.get(index)
    }

    #[inline(always)]
    fn recall(&self, key: &FlowKey) -> Option<Entry> {
        // SAFETY: the value is one word, read whole; the kernel may reuse it for another flow of the same table, whose
        // entry is then as good as a stale one: both are checked against the backend's generation.
        unsafe { maps::FLOWS.get(key) }.map(|word| Entry::unpack(word.get()))
    }

    #[inline(always)]
    fn remember(&self, key: &FlowKey, entry: Entry) {
        // A full bucket of the table costs the flow its second level, not its packet.
        let _ = maps::FLOWS.insert(key, Word::new(entry.pack()), 0);
    }

    #[inline(always)]
    fn count(&self, verdict: Verdict) {
        if let Some(counter) = maps::VERDICTS.get(self.cpu() * verdict::STRIDE + verdict as u32) {
            counter.add_unshared(1);
        }
    }

    #[inline(always)]
    fn service_counters(&self, index: u32) -> Option<&ServiceCounters> {
        maps::SERVICE_COUNTERS.get(index)
    }

    #[inline(always)]
    fn backend_counters(&self, index: u32) -> Option<&BackendCounters> {
        maps::BACKEND_COUNTERS.get(index)
    }

    #[inline(always)]
    fn cpu(&self) -> u32 {
        // SAFETY: no arguments, no conditions.
        unsafe { bpf_get_smp_processor_id() }
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: no arguments, no conditions.
        unsafe { bpf_jiffies64() }
    }
}
