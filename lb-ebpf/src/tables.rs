//! The packet path's tables in kernel memory: array look-ups, which the verifier turns into a few instructions each.

use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::helpers::generated::bpf_jiffies64;
use lb_common::path::tables::Tables;
use lb_common::path::verdict::{self, Verdict};
use lb_common::wire::Line;
use lb_common::wire::backend::Backend;
use lb_common::wire::control::Control;
use lb_common::wire::controllers::Macs;
use lb_common::wire::counters::{BackendCounters, ServiceCounters};
use lb_common::wire::directory::Slot;
use lb_common::wire::flow::{Set4, Set6};
use lb_common::wire::link::Link;
use lb_common::wire::pace::{Pace, admit};
use lb_common::wire::refusal::{PER_WINDOW, Refusal};
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
    fn port(&self, number: u8) -> Option<&Word> {
        maps::PORTS.get(u32::from(number))
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
    fn controllers(&self, line: u32) -> Option<&Macs> {
        maps::CONTROLLERS.get(line)
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
    fn flows4(&self, index: u32) -> Option<&Set4> {
        maps::FLOWS4.get(index)
    }

    #[inline(always)]
    fn flows6(&self, index: u32) -> Option<&Set6> {
        maps::FLOWS6.get(index)
    }

    #[inline(always)]
    fn pace(&self, cpu: u32) -> Option<&Pace> {
        maps::PACES.get(cpu)
    }

    #[inline(always)]
    fn count(&self, cpu: u32, verdict: Verdict) {
        if let Some(counter) = maps::VERDICTS.get(cpu * verdict::STRIDE + verdict as u32) {
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
    fn refused(&self, refusal: Refusal) {
        let Some(pace) = self.pace(self.cpu()) else { return };
        if admit(&pace.refusals, PER_WINDOW, self.now()) {
            // What finds no room is not told: there is enough to read.
            let _ = maps::REFUSALS.output::<u64>(refusal.pack(), 0);
        }
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
