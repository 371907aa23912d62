//! All tables as regions of memory, and the packet path's view of them.

use std::cell::Cell;
use std::sync::Arc;

use lb_common::path::tables::Tables;
use lb_common::path::verdict::{self, Verdict};
use lb_common::wire::Line;
use lb_common::wire::backend::Backend;
use lb_common::wire::control::Control;
use lb_common::wire::controllers::{LINES, Macs};
use lb_common::wire::counters::{BackendCounters, ServiceCounters};
use lb_common::wire::directory::Slot;
use lb_common::wire::flow::{Set4, Set6};
use lb_common::wire::link::{Link, MAX_LINKS, MAX_PORTS};
use lb_common::wire::pace::Pace;
use lb_common::wire::service::Service;
use lb_common::wire::vip::Vip;
use lb_common::wire::word::Word;

use super::clock::Clock;
use super::region::Region;
use super::sizes::Sizes;

/// All tables.
#[derive(Debug)]
pub struct TableMemory {
    /// `CONTROL`.
    pub control: Region<Control>,
    /// `LINKS`.
    pub links: Region<Link>,
    /// `PORTS`.
    pub ports: Region<Word>,
    /// `DEVICES`.
    pub devices: Region<Word>,
    /// `PILOTS`.
    pub pilots: Region<Line>,
    /// `DIRECTORY`.
    pub directory: Region<Slot>,
    /// `VIPS`.
    pub vips: Arc<Region<Vip>>,
    /// `CONTROLLERS`.
    pub controllers: Region<Macs>,
    /// `SERVICES`.
    pub services: Region<Service>,
    /// `MAGLEV`.
    pub maglev: Region<Line>,
    /// `BACKENDS`.
    pub backends: Region<Backend>,
    /// The flow table.
    pub flows: Flows,
    /// `PACES`.
    pub paces: Region<Pace>,
    /// `VERDICTS`.
    pub verdicts: Region<Word>,
    /// `SERVICE_COUNTERS`.
    pub service_counters: Region<ServiceCounters>,
    /// `BACKEND_COUNTERS`.
    pub backend_counters: Region<BackendCounters>,
    /// What the path takes for the time, in jiffies, when it runs over this memory.
    pub now: Cell<u64>,
}

/// The flow table, by family. Shared with whoever walks through it aside.
#[derive(Debug, Clone)]
pub struct Flows {
    /// `FLOWS4`.
    pub v4: Arc<Region<Set4>>,
    /// `FLOWS6`.
    pub v6: Arc<Region<Set6>>,
}

impl TableMemory {
    /// Empty tables on the heap, of a kernel with this clock.
    #[must_use]
    pub fn heap(sizes: &Sizes, clock: Clock) -> Self {
        Self::heap_with_links(sizes, clock, MAX_LINKS as usize)
    }

    /// The same for interfaces of an index below `links`: all of them take a megabyte.
    #[must_use]
    pub fn heap_with_links(sizes: &Sizes, clock: Clock, links: usize) -> Self {
        let mut memory = Self {
            control: Region::heap(1, Control::default),
            links: Region::heap(links, Link::default),
            ports: Region::heap(MAX_PORTS as usize, Word::default),
            devices: Region::heap(MAX_PORTS as usize, Word::default),
            pilots: Region::heap((2 * sizes.pilots / Line::LEN) as usize, || Line([0; 32])),
            directory: Region::heap(2 * sizes.directory as usize, || Slot::EMPTY),
            vips: Arc::new(Region::heap(sizes.services as usize, Vip::default)),
            controllers: Region::heap(LINES as usize, Macs::default),
            services: Region::heap(sizes.services as usize, Service::default),
            maglev: Region::heap(sizes.maglev as usize, || Line([0; 32])),
            backends: Region::heap(sizes.backends as usize, Backend::default),
            flows: Flows {
                v4: Arc::new(Region::heap(sizes.flow_sets4 as usize, Set4::default)),
                v6: Arc::new(Region::heap(sizes.flow_sets6 as usize, Set6::default)),
            },
            paces: Region::heap(sizes.cpus as usize, Pace::default),
            verdicts: Region::heap((sizes.rows() * verdict::STRIDE) as usize, Word::default),
            service_counters: Region::heap((sizes.rows() * sizes.services) as usize, ServiceCounters::default),
            backend_counters: Region::heap((sizes.rows() * sizes.backends) as usize, BackendCounters::default),
            now: Cell::new(1 << 20),
        };
        memory.control.write(0, sizes.control(clock));
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
        let column = self.verdicts.column(verdict as usize, verdict::STRIDE as usize);
        let sent: u64 = match verdict {
            Verdict::Forwarded => self.backend_counters.iter().map(|c| c.forwarded.get()).sum(),
            Verdict::Redirected => self.backend_counters.iter().map(|c| c.redirected.get()).sum(),
            Verdict::Local => self.backend_counters.iter().map(|c| c.local.get()).sum(),
            _ => 0,
        };
        column.map(Word::get).sum::<u64>() + sent
    }

    /// A service's counters on all CPUs; `backends` are the indexes of its backends.
    pub(super) fn service_totals(&self, index: u16, backends: impl IntoIterator<Item = u16>) -> ServiceTotals {
        let all = self.service_counters.column(usize::from(index), self.services.len());
        let words =
            |c: &ServiceCounters| [&c.packets, &c.bytes, &c.chosen, &c.evicted, &c.crowded, &c.limited].map(Word::get);
        let [packets, bytes, chosen, evicted, crowded, limited] = all.fold([0; 6], |sum, c| add(sum, words(c)));
        let sent = |sum: [u64; 2], backend| {
            let totals = self.backend_totals(backend);
            add(sum, [totals.packets(), totals.bytes])
        };
        let [packets, bytes] = backends.into_iter().fold([packets, bytes], sent);
        ServiceTotals { packets, bytes, chosen, evicted, crowded, limited }
    }

    /// A backend's counters on all CPUs.
    #[must_use]
    pub fn backend_totals(&self, index: u16) -> BackendTotals {
        let all = self.backend_counters.column(usize::from(index), self.backends.len());
        let words = |c: &BackendCounters| {
            [&c.forwarded, &c.redirected, &c.local, &c.bytes, &c.flows, &c.steered].map(Word::get)
        };
        let [forwarded, redirected, local, bytes, flows, steered] = all.fold([0; 6], |sum, c| add(sum, words(c)));
        BackendTotals { forwarded, redirected, local, bytes, flows, steered }
    }

    /// A backend's record is to stand for another: what it counted is kept for its service, if that stays, and for the
    /// verdicts. No packet is sent to it any more.
    pub(super) fn retire_backend(&self, index: u16, service: Option<u16>) {
        let totals = self.backend_totals(index);
        let sent = [
            (Verdict::Forwarded, totals.forwarded),
            (Verdict::Redirected, totals.redirected),
            (Verdict::Local, totals.local),
        ];
        let last_row = self.verdicts.len() - verdict::STRIDE as usize;
        for (verdict, packets) in sent {
            if let Some(kept) = self.verdicts.get(last_row + verdict as usize) {
                kept.add_unshared(packets);
            }
        }
        let last_row = self.service_counters.len() - self.services.len();
        if let Some(kept) = service.and_then(|service| self.service_counters.get(last_row + usize::from(service))) {
            kept.packets.add_unshared(totals.packets());
            kept.bytes.add_unshared(totals.bytes);
        }
        let all = self.backend_counters.column(usize::from(index), self.backends.len());
        for c in all {
            for word in [&c.forwarded, &c.redirected, &c.local, &c.bytes, &c.flows, &c.steered] {
                word.set(0);
            }
        }
    }
}

/// A backend's counters, see [`BackendCounters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackendTotals {
    /// Packets sent to it out of the interface that they came in by.
    pub forwarded: u64,
    /// Packets sent to it out of another interface.
    pub redirected: u64,
    /// Packets passed up to it.
    pub local: u64,
    /// The bytes of all these.
    pub bytes: u64,
    /// Flows chosen for it.
    pub flows: u64,
    /// Connections steered to its socket.
    pub steered: u64,
}

impl BackendTotals {
    /// All packets sent to it.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.forwarded + self.redirected + self.local
    }
}

fn add<const N: usize>(sum: [u64; N], more: [u64; N]) -> [u64; N] {
    std::array::from_fn(|i| sum[i].wrapping_add(more[i]))
}

/// A service's counters, see [`ServiceCounters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceTotals {
    /// Packets balanced.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Flows for which a backend was chosen.
    pub chosen: u64,
    /// Flows put into the flow table in place of another that still counted.
    pub evicted: u64,
    /// Flows not put there as it was full.
    pub crowded: u64,
    /// Flows not put there as too many came at once.
    pub limited: u64,
}

impl Tables for TableMemory {
    fn control(&self) -> Option<&Control> {
        self.control.get(0)
    }

    fn link(&self, interface: u32) -> Option<&Link> {
        self.links.get(interface as usize)
    }

    fn port(&self, number: u8) -> Option<&Word> {
        self.ports.get(usize::from(number))
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

    fn controllers(&self, line: u32) -> Option<&Macs> {
        self.controllers.get(line as usize)
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

    fn flows4(&self, index: u32) -> Option<&Set4> {
        self.flows.v4.get(index as usize)
    }

    fn flows6(&self, index: u32) -> Option<&Set6> {
        self.flows.v6.get(index as usize)
    }

    fn pace(&self, cpu: u32) -> Option<&Pace> {
        self.paces.get(cpu as usize)
    }

    fn count(&self, cpu: u32, verdict: Verdict) {
        if let Some(counter) = self.verdicts.get((cpu * verdict::STRIDE) as usize + verdict as usize) {
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
