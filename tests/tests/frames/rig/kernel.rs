//! The real programs over real maps: loaded, filled and run one frame at a time (BPF_PROG_TEST_RUN).
//!
//! Needs root. Nothing is attached to an interface; the pins that the loader makes lie in a directory of their own under
//! bpffs and are gone before the first frame runs, whatever becomes of the test.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};

use aya::Ebpf;
use aya::maps::{Map, MapData};
use aya::programs::Program;
use lb_common::path::verdict::Action;
use lb_userspace::core::config::model::TableSizes;
use lb_userspace::io::datapath::load::{self, Loaded};
use lb_userspace::io::datapath::programs::{Buffers, EGRESS, STEER};
use lb_userspace::tables::clock::Clock;
use lb_userspace::tables::memory::{Flows, TableMemory};
use lb_userspace::tables::region::Region;
use lb_userspace::tables::sizes::Sizes;
use lb_userspace::tables::writer::Writer;

use super::side::{Hook, LOOPBACK, Outcome, Side, writer_over};

const BPFFS: &str = "/sys/fs/bpf";
/// `f_type` of a bpffs (include/uapi/linux/magic.h).
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;
/// The largest frame that the kernel gives back here.
const LARGEST: usize = 16_384;
/// The shortest frame that every kernel's BPF_PROG_TEST_RUN takes: an Ethernet header.
pub(crate) const SHORTEST: usize = 14;
/// The longest one that it takes if frames come in one buffer: a page without XDP_PACKET_HEADROOM and `skb_shared_info`.
const LONGEST_IN_ONE_BUFFER: usize = 4096 - 256 - 320;

/// The programs and their tables.
pub(crate) struct Kernel {
    /// `None` once they are given back.
    programs: Option<Programs>,
    sizes: Sizes,
    writer: Writer,
}

/// Programs over maps of some sizes. Verifying them takes longer than most cases do, so they are used again.
struct Programs {
    object: Ebpf,
    buffers: Buffers,
    /// Held so that the kernel does not empty it: it empties a table of programs once nobody has it open or pinned.
    _ways: MapData,
}

/// Programs that no case uses at present.
static IDLE: Mutex<Vec<(Sizes, Programs)>> = Mutex::new(Vec::new());

impl Kernel {
    /// The programs over empty tables.
    ///
    /// # Panics
    /// Without root, or if the kernel refuses anything.
    pub(crate) fn take(tables: &TableSizes) -> Self {
        let (sizes, clock) = (Sizes::of(tables, cpus()), Clock::of_kernel());
        let idle = || {
            let mut idle = IDLE.lock().ok()?;
            let place = idle.iter().position(|(idle, _)| *idle == sizes)?;
            Some(idle.swap_remove(place).1)
        };
        let programs = idle().unwrap_or_else(|| Programs::load(&sizes, clock));
        let memory = programs.empty_tables(&sizes, clock);
        Self { programs: Some(programs), sizes, writer: writer_over(memory, clock) }
    }

    fn program(&self, hook: Hook) -> &Program {
        let programs = self.programs.as_ref().expect("given back when dropped");
        let name = match hook {
            Hook::Incoming => programs.buffers.director(),
            Hook::Outgoing => EGRESS,
            Hook::Steering => STEER,
        };
        programs.object.program(name).unwrap_or_else(|| panic!("{name} is not in the object"))
    }

    /// Whether BPF_PROG_TEST_RUN takes a frame of this length. What it must take is not asked for.
    ///
    /// # Panics
    /// If it takes, or refuses, what this kernel is known not to.
    pub(crate) fn takes(&self, hook: Hook, frame: &[u8]) -> bool {
        let program = self.program(hook).fd().expect("loaded");
        let errno = || test_run(program.as_fd(), frame).err().map(|error| error.raw_os_error());
        match frame.len() {
            // Linux 5.10 tries them.
            ..SHORTEST => match errno() {
                None => true,
                Some(refusal) => {
                    assert_eq!(refusal, Some(libc::EINVAL), "a frame of {} bytes", frame.len());
                    false
                }
            },
            length if length > LONGEST_IN_ONE_BUFFER && self.in_one_buffer() => {
                let refusal = errno().expect("the kernel tries so long a frame after all");
                assert!(matches!(refusal, Some(libc::EINVAL | libc::EMSGSIZE)), "{} bytes: {refusal:?}", frame.len());
                false
            }
            _ => true,
        }
    }

    fn in_one_buffer(&self) -> bool {
        self.programs.as_ref().is_some_and(|programs| programs.buffers == Buffers::One)
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        if let (Some(programs), Ok(mut idle)) = (self.programs.take(), IDLE.lock()) {
            idle.push((self.sizes, programs));
        }
    }
}

impl Programs {
    fn load(sizes: &Sizes, clock: Clock) -> Self {
        // SAFETY: no arguments, never fails.
        let user = unsafe { libc::geteuid() };
        assert_eq!(user, 0, "these tests load BPF programs and need root: run them as root (`sudo -E cargo test ...`)");
        mount_bpffs();
        let pins = tempfile::Builder::new().prefix("pivot-frames-").tempdir_in(BPFFS).expect(BPFFS);
        let loaded = load::load(pins.path(), sizes, clock).unwrap_or_else(|error| panic!("{error}"));
        let Loaded { programs: object, buffers, mut egress, .. } = loaded;
        let ways = MapData::from_pin(pins.path().join("WAYS")).expect("pinned by the loader");
        // Where frames really go does not matter to BPF_PROG_TEST_RUN, but that they can.
        egress.set(1, LOOPBACK, None, 0).expect("port 1 of the devmap");
        // Descriptors keep maps and programs alive: nothing can be left behind from here on.
        pins.close().expect("removing the pins");
        Self { object, buffers, _ways: ways }
    }

    /// The tables as the loader leaves them, whatever another case did to them.
    fn empty_tables(&self, sizes: &Sizes, clock: Clock) -> TableMemory {
        let empty = TableMemory::heap(sizes, clock);
        TableMemory {
            control: self.copy_of("CONTROL", &empty.control),
            links: self.copy_of("LINKS", &empty.links),
            ports: self.copy_of("PORTS", &empty.ports),
            devices: self.copy_of("DEVICES", &empty.devices),
            pilots: self.copy_of("PILOTS", &empty.pilots),
            directory: self.copy_of("DIRECTORY", &empty.directory),
            vips: Arc::new(self.copy_of("VIPS", &empty.vips)),
            controllers: self.copy_of("CONTROLLERS", &empty.controllers),
            services: self.copy_of("SERVICES", &empty.services),
            maglev: self.copy_of("MAGLEV", &empty.maglev),
            backends: self.copy_of("BACKENDS", &empty.backends),
            flows: Flows {
                v4: Arc::new(self.emptied("FLOWS4", empty.flows.v4.len())),
                v6: Arc::new(self.emptied("FLOWS6", empty.flows.v6.len())),
            },
            paces: self.copy_of("PACES", &empty.paces),
            verdicts: self.copy_of("VERDICTS", &empty.verdicts),
            service_counters: self.copy_of("SERVICE_COUNTERS", &empty.service_counters),
            backend_counters: self.copy_of("BACKEND_COUNTERS", &empty.backend_counters),
            now: Cell::new(0),
        }
    }

    /// A map, with these contents.
    fn copy_of<T: Clone>(&self, name: &str, contents: &Region<T>) -> Region<T> {
        let mut region = self.mapped(name, contents.len());
        for (index, record) in contents.iter().enumerate() {
            region.write(index, record.clone());
        }
        region
    }

    /// A map of nothing but zeros.
    fn emptied<T: Default>(&self, name: &str, len: usize) -> Region<T> {
        let mut region = self.mapped(name, len);
        (0..len).for_each(|index| region.write(index, T::default()));
        region
    }

    fn mapped<T>(&self, name: &str, len: usize) -> Region<T> {
        let Some(Map::Array(map)) = self.object.map(name) else { panic!("{name} is no array of the object") };
        Region::mapped(map.fd(), len).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl Side for Kernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn writer(&self) -> &Writer {
        &self.writer
    }

    fn writer_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }

    fn run(&mut self, hook: Hook, frame: &[u8], _now: u64) -> Outcome {
        let program = self.program(hook).fd().expect("loaded");
        let (code, bytes) = test_run(program.as_fd(), frame)
            .unwrap_or_else(|error| panic!("BPF_PROG_TEST_RUN of {} bytes: {error}", frame.len()));
        Outcome { action: action(hook, code), bytes }
    }
}

/// Keeps the calling thread on the CPU that it is on: the flow cache and the counters are those of a CPU.
pub(crate) fn stay_on_this_cpu() {
    // SAFETY: no arguments; the set is a live local of the size that is given.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(usize::try_from(libc::sched_getcpu()).unwrap_or(0), &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    assert_eq!(result, 0, "sched_setaffinity: {}", io::Error::last_os_error());
}

/// Takes the calling thread to a network namespace of its own, in which nothing listens.
pub(crate) fn alone() {
    // SAFETY: one flag, which concerns this thread alone.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(result, 0, "unshare: {}", io::Error::last_os_error());
}

/// What a program's return code means at its hook.
fn action(hook: Hook, code: u32) -> Action {
    match (hook, code) {
        // enum xdp_action.
        (Hook::Incoming, 0) => Action::Abort,
        (Hook::Incoming, 1) => Action::Drop,
        (Hook::Incoming, 2) => Action::Pass,
        (Hook::Incoming, 3) => Action::Transmit,
        (Hook::Incoming, 4) => Action::Redirect,
        // TC_ACT_UNSPEC, which leaves the frame to whoever comes next, and TC_ACT_SHOT.
        (Hook::Outgoing | Hook::Steering, u32::MAX) => Action::Pass,
        (Hook::Outgoing, 2) => Action::Drop,
        // TC_ACT_REDIRECT.
        (Hook::Steering, 7) => Action::Redirect,
        _ => panic!("the program of {hook:?} returned {code}"),
    }
}

/// The part of `union bpf_attr` that BPF_PROG_TEST_RUN reads and writes (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct TestRun {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

const BPF_PROG_TEST_RUN: libc::c_long = 10;

/// Runs a program over a frame once: its return code and the frame afterwards. The frame came in by, or leaves by, the
/// loopback device.
fn test_run(program: BorrowedFd<'_>, frame: &[u8]) -> io::Result<(u32, Vec<u8>)> {
    let mut out = vec![0; LARGEST];
    let mut run = TestRun {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        data_size_in: frame.len() as u32,
        data_in: frame.as_ptr() as u64,
        data_size_out: out.len() as u32,
        data_out: out.as_mut_ptr() as u64,
        repeat: 1,
        ..TestRun::default()
    };
    // SAFETY: both buffers outlive the call and are as long as said; `run` is zero where it says nothing.
    let result = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, &raw mut run, size_of::<TestRun>()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    out.truncate(run.data_size_out as usize);
    Ok((run.retval, out))
}

fn cpus() -> u32 {
    aya::util::nr_cpus().map_err(|(path, error)| format!("{path}: {error}")).expect("possible CPUs") as u32
}

/// Mounts bpffs where it usually is, unless it is there.
fn mount_bpffs() {
    static MOUNTING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MOUNTING.lock().expect("no test panics while it mounts");
    let mounted = rustix::fs::statfs(BPFFS).is_ok_and(|fs| fs.f_type.cast_unsigned() == BPF_FS_MAGIC);
    if !mounted {
        rustix::mount::mount("bpf", Path::new(BPFFS), "bpf", rustix::mount::MountFlags::empty(), None)
            .unwrap_or_else(|error| panic!("mounting bpffs on {BPFFS}: {error}"));
    }
}
