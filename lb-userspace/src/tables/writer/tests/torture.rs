//! The writer on one CPU, packets on another, over the same memory mapped twice, as it is with the kernel.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use lb_common::wire::backend::Backend;
use lb_common::wire::control::Control;
use lb_common::wire::controllers::Macs;
use lb_common::wire::counters::{BackendCounters, ServiceCounters};
use lb_common::wire::flow::{Set4, Set6};
use lb_common::wire::pace::Pace;
use lb_common::wire::service::Service;
use lb_common::wire::vip::Vip;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::*;
use crate::tables::region::Region;
use BackendState::{Down, Drain, Up};

const PORTS: std::ops::Range<u16> = 80..86;
/// Of every service's backends the one that no image changes.
const STEADY: u8 = 1;
/// Images that are written, and how many packets come for each of them at least.
const IMAGES: u32 = 60;
const PACKETS: u64 = 100;

/// Files that hold the tables.
struct Files {
    sizes: Sizes,
    files: Vec<(&'static str, OwnedFd)>,
}

impl Files {
    fn new(sizes: Sizes) -> Self {
        // No record is larger than a cache line.
        let file = |(name, len): (&'static str, u32)| {
            let file = memfd_create(name, MemfdFlags::CLOEXEC).unwrap();
            ftruncate(&file, u64::from(len) * 64).unwrap();
            (name, file)
        };
        Self { sizes, files: sizes.by_map().map(file).into() }
    }

    fn region<T>(&self, name: &str) -> Region<T> {
        let (_, len) = self.sizes.by_map().into_iter().find(|(map, _)| *map == name).unwrap();
        let (_, file) = self.files.iter().find(|(map, _)| *map == name).unwrap();
        Region::mapped(file, len as usize).unwrap()
    }

    /// The tables, mapped once more.
    fn map(&self) -> TableMemory {
        // The flows are the packets' alone: the writer never looks at them.
        let own = TableMemory::heap(&self.sizes, CLOCK);
        TableMemory {
            control: self.region("CONTROL"),
            links: self.region("LINKS"),
            ports: self.region("PORTS"),
            devices: self.region("DEVICES"),
            pilots: self.region("PILOTS"),
            directory: self.region("DIRECTORY"),
            vips: Arc::new(self.region("VIPS")),
            controllers: self.region("CONTROLLERS"),
            services: self.region("SERVICES"),
            maglev: self.region("MAGLEV"),
            backends: self.region("BACKENDS"),
            flows: own.flows,
            paces: self.region("PACES"),
            verdicts: self.region("VERDICTS"),
            service_counters: self.region("SERVICE_COUNTERS"),
            backend_counters: self.region("BACKEND_COUNTERS"),
            now: own.now,
        }
    }
}

/// An image in which every service has at least one healthy backend; unlike its neighbours in the sequence.
fn nth(n: u32) -> Image {
    let mut random = Random(u64::from(n));
    let mut services: Vec<ServiceImage> = PORTS.map(|port| service(port, &backends(&mut random))).collect();
    // Others come and go beside them.
    let others = 100 + random.below(40) as u16;
    services.extend((others..others + random.below(8) as u16).map(|port| service(port, &backends(&mut random))));
    let first = random.below(services.len() as u32) as usize;
    services.rotate_left(first);
    image(services)
}

fn backends(random: &mut Random) -> Vec<(u8, BackendState)> {
    let mut backends = vec![(STEADY, Up)];
    for number in 2..8 {
        match random.below(6) {
            0..=1 => backends.push((number, Up)),
            2 => backends.push((number, Down)),
            3 => backends.push((number, Drain)),
            _ => {}
        }
    }
    backends
}

/// A generator good enough to vary things (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 32) * u64::from(n)) >> 32) as u32
    }
}

/// The tables, read by a CPU that is often held up between one read and the next while the writer goes on.
struct Held<'a> {
    memory: &'a TableMemory,
    shared: &'a Shared,
    random: RefCell<Random>,
}

/// What both threads count.
#[derive(Default)]
struct Shared {
    /// Packets begun.
    packets: AtomicU64,
    /// Steps taken.
    steps: AtomicU64,
    stop: AtomicBool,
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }
}

/// Whatever becomes of a thread, the other one stops.
struct Stop<'a>(&'a Shared);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::SeqCst);
    }
}

impl Held<'_> {
    /// Lets the writer take some steps, unless it waits for this very packet.
    fn hold(&self) {
        let mut random = self.random.borrow_mut();
        if random.below(24) > 0 {
            return;
        }
        let until = self.shared.steps.load(Ordering::SeqCst) + u64::from(random.below(200));
        for _ in 0..300 {
            if self.shared.steps.load(Ordering::SeqCst) >= until {
                return;
            }
            thread::yield_now();
        }
    }
}

/// Delegates, each after a pause or not.
macro_rules! held {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        $(fn $name(&self, $($argument: $type),*) -> $result {
            self.hold();
            self.memory.$name($($argument),*)
        })+
    };
}

impl Tables for Held<'_> {
    held! {
        control() -> Option<&Control>;
        link(interface: u32) -> Option<&Link>;
        port(number: u8) -> Option<&Word>;
        pilots(line: u32) -> Option<&Line>;
        slot(index: u32) -> Option<&Slot>;
        vip(index: u16) -> Option<&Vip>;
        controllers(line: u32) -> Option<&Macs>;
        service(index: u16) -> Option<&Service>;
        maglev(line: u32) -> Option<&Line>;
        backend(index: u16) -> Option<&Backend>;
        flows4(index: u32) -> Option<&Set4>;
        flows6(index: u32) -> Option<&Set6>;
        pace(cpu: u32) -> Option<&Pace>;
        count(cpu: u32, verdict: Verdict) -> ();
        service_counters(index: u32) -> Option<&ServiceCounters>;
        backend_counters(index: u32) -> Option<&BackendCounters>;
        cpu() -> u32;
        now() -> u64;
    }
}

/// Packets until told to stop. Each is asserted to reach a backend of its service.
fn packets(memory: &TableMemory, shared: &Shared) {
    let held = Held { memory, shared, random: RefCell::new(Random(3)) };
    let mut random = Random(7);
    let mut steady: Vec<(u16, u16)> = Vec::new();
    while shared.goes_on() {
        shared.packets.fetch_add(1, Ordering::SeqCst);
        let port = PORTS.start + random.below(u32::from(PORTS.end - PORTS.start)) as u16;
        let client = 1000 + random.below(60_000) as u16;
        match steady.get(random.below(400) as usize) {
            Some((client, port)) => {
                let met = send(&held, *client, 1, *port, ACK);
                assert_eq!(met, (Verdict::Forwarded, mac(*port, STEADY)), "an old flow of {port}");
            }
            // Opening a flow once more may well move it.
            None if steady.contains(&(client, port)) => {}
            None => {
                let (verdict, to) = send(&held, client, 1, port, SYN);
                assert_eq!(verdict, Verdict::Forwarded, "a new flow of {port}");
                assert_eq!(to, mac(port, to.0[5]), "a new flow of {port}");
                if to.0[5] == STEADY && steady.len() < 200 {
                    // Seen again, it is not given up for others.
                    assert_eq!(send(&held, client, 1, port, ACK), (verdict, to), "a flow just opened, of {port}");
                    steady.push((client, port));
                }
            }
        }
    }
    // Nothing is under way any more.
    shared.packets.fetch_add(2, Ordering::SeqCst);
}

#[test]
fn packets_never_meet_a_half_written_table() {
    let files = Files::new(sizes(20, 96));
    let mut memory = files.map();
    (0..memory.directory.len()).for_each(|i| memory.directory.write(i, Slot::EMPTY));
    memory.control.write(0, files.sizes.control(CLOCK));
    let mut writer = on(memory);
    writer.apply(&nth(0)).unwrap();

    let shared = Shared::default();
    let images = thread::scope(|scope| {
        let running = scope.spawn(|| {
            let _stop = Stop(&shared);
            packets(&files.map(), &shared);
        });
        let stop = Stop(&shared);
        let images = apply_images(&mut writer, &shared);
        drop(stop);
        running.join().expect("packets met what they should");
        images
    });
    assert_eq!(images, IMAGES);
}

/// Applies images, step by step, each while some packets come. A grace period ends when the packet that was under way
/// has ended.
fn apply_images(writer: &mut Writer, shared: &Shared) -> u32 {
    let mut applied = 0;
    while applied < IMAGES && shared.goes_on() {
        applied += 1;
        let image = nth(applied);
        let (books, steps) =
            plan::plan(&writer.books, &writer.memory, CLOCK, &Wanted::of(&image, CLOCK).unwrap()).unwrap();
        writer.books = books;
        for step in steps {
            let begun = shared.packets.load(Ordering::SeqCst);
            while step == Step::Grace && shared.packets.load(Ordering::SeqCst) < begun + 2 && shared.goes_on() {
                thread::yield_now();
            }
            step.write(&mut writer.memory);
            shared.steps.fetch_add(1, Ordering::SeqCst);
        }
        while shared.packets.load(Ordering::SeqCst) < u64::from(applied) * PACKETS && shared.goes_on() {
            thread::yield_now();
        }
    }
    applied
}
