//! What runs frames: the kernel or the host build of the same path. Both have tables of the same sizes, written by the
//! same writer, and are asked the same questions.

use lb_common::host::Frame;
use lb_common::path::run::{self, Exit};
use lb_common::path::tables::Tables as _;
use lb_common::path::verdict::{Action, Verdict};
use lb_common::path::{second_chance, steer};
use lb_common::wire::flow::Set;
use lb_common::wire::pace::Limits;
use lb_userspace::core::config::model::TableSizes;
use lb_userspace::tables::clock::Clock;
use lb_userspace::tables::memory::TableMemory;
use lb_userspace::tables::region::Region;
use lb_userspace::tables::sizes::Sizes;
use lb_userspace::tables::writer::Writer;

use super::scene::{BEYOND, BEYOND_MAC, HERE, OWN_ADDRESS, OWN_MAC};

/// The interface that frames come in by and leave by in BPF_PROG_TEST_RUN: the loopback device.
pub(crate) const LOOPBACK: u32 = 1;
/// An index for the other interface. It need not exist: no frame comes in by it.
const OTHER: u32 = 60_000;

/// Where the path is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// A frame came in: XDP.
    Incoming,
    /// This host is about to send a frame: TC egress.
    Outgoing,
    /// A frame that came in goes up the stack, of a namespace without sockets: TC ingress.
    Steering,
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
    /// Runs one frame at a time in jiffies, which the kernel does not need to be told.
    fn run(&mut self, hook: Hook, frame: &[u8], now: u64) -> Outcome;
    /// Its tables.
    fn memory(&self) -> &TableMemory {
        self.writer().memory()
    }

    /// All that is remembered is so many ticks older.
    fn age(&self, ticks: u32) {
        age(&self.memory().flows.v4, ticks);
        age(&self.memory().flows.v6, ticks);
    }

    /// What both remember, it remembers as the other does.
    fn remember_as(&self, other: &TableMemory) {
        remember_as(&self.memory().flows.v4, &other.flows.v4);
        remember_as(&self.memory().flows.v6, &other.flows.v6);
    }
}

fn remember_as<const KEY: usize, const WAYS: usize>(sets: &Region<Set<KEY, WAYS>>, others: &Region<Set<KEY, WAYS>>) {
    for (set, other) in sets.iter().zip(others.iter()) {
        for (key, _, cell) in set.flows() {
            let same = other.flows().find(|(other, ..)| *other == key);
            same.into_iter().for_each(|(_, entry, _)| cell.set(entry.word()));
        }
    }
}

fn age<const KEY: usize, const WAYS: usize>(sets: &Region<Set<KEY, WAYS>>, ticks: u32) {
    for (_, entry, cell) in sets.iter().flat_map(Set::flows) {
        let tag = entry.tag();
        // Times go round: so much earlier is all the way round less that.
        let until = tag.until().after(0_u32.wrapping_sub(ticks));
        let aged = lb_common::wire::flow::Tag::new(tag.seal(), tag.stage(), until);
        cell.set(entry.tagged(aged).word());
    }
}

/// The host build of the path over tables on the heap.
pub(crate) struct Host {
    writer: Writer,
}

impl Host {
    /// With empty tables.
    pub(crate) fn new(tables: &TableSizes) -> Self {
        let clock = Clock::of_kernel();
        Self { writer: writer_over(TableMemory::heap(&Sizes::of(tables, 1), clock), clock) }
    }

    /// Runs a frame that comes in through another entry of the path than the usual one.
    pub(crate) fn enter(
        &self,
        entry: impl FnOnce(&mut Frame, &TableMemory, u32) -> Exit,
        frame: &[u8],
        now: u64,
    ) -> (Exit, Vec<u8>) {
        let mut frame = Frame(frame.to_vec());
        self.writer.memory().now.set(now);
        let exit = entry(&mut frame, self.writer.memory(), LOOPBACK);
        (exit, frame.0)
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

    fn run(&mut self, hook: Hook, frame: &[u8], now: u64) -> Outcome {
        if hook == Hook::Incoming {
            let (exit, bytes) = self.enter(run::run, frame, now);
            return Outcome { action: exit.verdict.action(), bytes };
        }
        let mut frame = Frame(frame.to_vec());
        let memory = self.writer.memory();
        memory.now.set(now);
        let action = if hook == Hook::Steering {
            steered(&mut frame, memory)
        } else {
            run::run_outgoing(&mut frame, memory, LOOPBACK).map_or(Action::Pass, Verdict::action)
        };
        Outcome { action, bytes: frame.0 }
    }
}

/// What the program at TC ingress does where nothing listens.
fn steered(frame: &mut Frame, memory: &TableMemory) -> Action {
    if steer::target(frame, memory).is_none() {
        return Action::Pass;
    }
    // There, leaving by one interface is like leaving by another.
    match second_chance::untaken(frame, memory, LOOPBACK).map(|exit| exit.verdict.action()) {
        Some(Action::Transmit | Action::Redirect) => Action::Redirect,
        Some(other) => other,
        None => {
            memory.count(0, Verdict::SteerNoListener);
            Action::Pass
        }
    }
}

/// Small tables: enough for every case, quick to make.
pub(crate) const TABLES: TableSizes = TableSizes { services: 16, backends: 48, flows: 4096, new_flows: 0, maglev: 251 };

/// Nothing is too much.
pub(crate) const NO_LIMITS: Limits = Limits { flows: u32::MAX, errors: u32::MAX };

/// The writer over empty tables. Frames run one at a time, in the thread that writes: there is none to wait for.
pub(crate) fn writer_over(memory: TableMemory, clock: Clock) -> Writer {
    let mut writer = Writer::new(memory, clock, Box::new(|| Ok(())));
    let (here, beyond) = (
        writer.set_link(HERE, LOOPBACK, OWN_MAC, Some(OWN_ADDRESS.into())),
        writer.set_link(BEYOND, OTHER, BEYOND_MAC, None),
    );
    assert_eq!((here, beyond), (Ok(0), Ok(1)), "the first two interfaces have the first two ports");
    writer.memory().control_record().limits.set(NO_LIMITS.pack());
    writer
}
