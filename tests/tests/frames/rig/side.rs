//! What runs frames: the kernel or the host build of the same path. Both have tables of the same sizes, written by the
//! same writer, and are asked the same questions.

use lb_common::host::Frame;
use lb_common::path::run;
use lb_common::path::verdict::{Action, Verdict};
use lb_common::wire::address::Address;
use lb_common::wire::backend::Identity;
use lb_common::wire::flow::Cached;
use lb_userspace::core::config::model::{Protocol, TableSizes};
use lb_userspace::tables::memory::TableMemory;
use lb_userspace::tables::sizes::Sizes;
use lb_userspace::tables::writer::Writer;

use super::scene::{OWN_ADDRESS, OWN_MAC, bound};
use super::segment::Parties;

/// The interface that frames come in by and leave by in BPF_PROG_TEST_RUN: the loopback device.
const LOOPBACK: u32 = 1;

/// Where the path is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// A frame came in: XDP.
    Incoming,
    /// This host is about to send a frame: TC egress.
    Outgoing,
}

impl Hook {
    /// The program there.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Incoming => "pivot_xdp",
            Self::Outgoing => "pivot_egress",
        }
    }
}

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) action: Action,
    pub(crate) bytes: Vec<u8>,
}

/// One build of the path with its tables.
pub(crate) trait Side {
    /// For messages.
    fn name(&self) -> &'static str;
    /// Its tables, and what is where in them.
    fn writer(&self) -> &Writer;
    /// The same, to write them.
    fn writer_mut(&mut self) -> &mut Writer;
    /// Runs one frame.
    fn run(&mut self, hook: Hook, frame: &[u8]) -> Outcome;
    /// Its tables.
    fn memory(&self) -> &TableMemory {
        self.writer().memory()
    }

    /// Empties the flow cache of every CPU, as if other flows had pushed everything out.
    fn forget_cache(&mut self) {
        for set in self.memory().flow_cache.iter() {
            let keys: Vec<_> = set.flows().map(|(key, _)| key).collect();
            for key in keys {
                set.store(&key, Cached::unpack(0));
            }
        }
    }

    /// Puts a flow's backend into every set of the cache, so also where it is looked for, as of the epoch before this.
    fn cache_stale(&mut self, parties: &Parties, backend: &str) {
        let (writer, memory) = (self.writer(), self.memory());
        let (vip, port, client) = (parties.service.ip(), parties.service.port(), parties.client);
        let service = writer.service_index(&(vip, port, Protocol::Tcp)).expect("a service");
        let index = writer.backend_index(service, bound(backend)).expect("a backend of the service");
        let identity = memory.backends.get(usize::from(index)).expect("its record").identity.get();
        let epoch = memory.control_record().epoch.get().wrapping_sub(1) as u16;
        let generation = Identity::unpack(identity).generation;
        let key = u64::from(Address::from(client.ip()).low_half())
            | u64::from(client.port().to_be()) << 32
            | u64::from(service) << 48;
        for set in memory.flow_cache.iter() {
            set.store(&[key], Cached { backend: index, generation, epoch, seen: 0 });
        }
    }
}

/// The host build of the path over tables on the heap.
pub(crate) struct Host {
    writer: Writer,
}

impl Host {
    /// With empty tables.
    pub(crate) fn new(tables: &TableSizes) -> Self {
        Self { writer: writer_over(TableMemory::heap(&Sizes::of(tables, 1))) }
    }
}

impl Side for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn writer(&self) -> &Writer {
        &self.writer
    }

    fn writer_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }

    fn run(&mut self, hook: Hook, frame: &[u8]) -> Outcome {
        let mut frame = Frame(frame.to_vec());
        let memory = self.writer.memory();
        let action = match hook {
            Hook::Incoming => run::run(&mut frame, memory, LOOPBACK).action(),
            Hook::Outgoing => run::run_outgoing(&mut frame, memory, LOOPBACK).map_or(Action::Pass, Verdict::action),
        };
        Outcome { action, bytes: frame.0 }
    }
}

/// Small tables: enough for every case, quick to make.
pub(crate) const TABLES: TableSizes =
    TableSizes { services: 16, backends: 48, flow_cache: 4096, flows: 4096, maglev: 251 };

/// The writer over empty tables. Frames run one at a time, in the thread that writes: there is none to wait for.
pub(crate) fn writer_over(memory: TableMemory) -> Writer {
    let mut writer = Writer::new(memory, Box::new(|| Ok(())));
    writer.set_link("lo", LOOPBACK, OWN_MAC, Some(OWN_ADDRESS.into())).expect("the loopback device comes first");
    writer
}
