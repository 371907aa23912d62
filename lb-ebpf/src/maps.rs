//! Every map. Sizes here are placeholders: the loader sets them from the configuration before the maps are made.
//!
//! Arrays are mmapable: user space writes single words into them and reads counters without a system call, and their
//! values start at a page, so that records of a cache line occupy one.

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, DevMap, ProgramArray, RingBuf, SockMap};
use lb_common::wire::Line;
use lb_common::wire::backend::Backend;
use lb_common::wire::control::Control;
use lb_common::wire::controllers::Macs;
use lb_common::wire::counters::{BackendCounters, ServiceCounters};
use lb_common::wire::directory::Slot;
use lb_common::wire::flow::{Set4, Set6};
use lb_common::wire::link::Link;
use lb_common::wire::pace::Pace;
use lb_common::wire::refusal;
use lb_common::wire::service::Service;
use lb_common::wire::vip::Vip;
use lb_common::wire::way;
use lb_common::wire::word::Word;

/// One record: sizes and the directory's generation.
#[map]
pub(crate) static CONTROL: Array<Control> = Array::pinned(1, BPF_F_MMAPABLE);

/// Interfaces by index.
#[map]
pub(crate) static LINKS: Array<Link> = Array::pinned(1, BPF_F_MMAPABLE);

/// The interfaces that frames may leave by, by port number.
#[map]
pub(crate) static PORTS: Array<Word> = Array::pinned(1, BPF_F_MMAPABLE);

/// The same for the kernel.
#[map]
pub(crate) static EGRESS: DevMap = DevMap::pinned(1, 0);

/// The same for TC: their indexes.
#[map]
pub(crate) static DEVICES: Array<Word> = Array::pinned(1, BPF_F_MMAPABLE);

/// The programs of the long way.
#[map]
pub(crate) static WAYS: ProgramArray = ProgramArray::pinned(way::COUNT, 0);

/// Pilots of the directory, two generations.
#[map]
pub(crate) static PILOTS: Array<Line> = Array::pinned(1, BPF_F_MMAPABLE);

/// Slots of the directory, two generations.
#[map]
pub(crate) static DIRECTORY: Array<Slot> = Array::pinned(1, BPF_F_MMAPABLE);

/// VIPs.
#[map]
pub(crate) static VIPS: Array<Vip> = Array::pinned(1, BPF_F_MMAPABLE);

/// MACs of the other controllers.
#[map]
pub(crate) static CONTROLLERS: Array<Macs> = Array::pinned(1, BPF_F_MMAPABLE);

/// Services.
#[map]
pub(crate) static SERVICES: Array<Service> = Array::pinned(1, BPF_F_MMAPABLE);

/// Maglev tables, in regions that the map writer allots.
#[map]
pub(crate) static MAGLEV: Array<Line> = Array::pinned(1, BPF_F_MMAPABLE);

/// Backends.
#[map]
pub(crate) static BACKENDS: Array<Backend> = Array::pinned(1, BPF_F_MMAPABLE);

/// IPv4 flows, of all CPUs.
#[map]
pub(crate) static FLOWS4: Array<Set4> = Array::pinned(1, BPF_F_MMAPABLE);

/// IPv6 flows, of all CPUs.
#[map]
pub(crate) static FLOWS6: Array<Set6> = Array::pinned(1, BPF_F_MMAPABLE);

/// What each CPU has taken in lately.
#[map]
pub(crate) static PACES: Array<Pace> = Array::pinned(1, BPF_F_MMAPABLE);

/// Packets by verdict: a run of counters for each CPU.
#[map]
pub(crate) static VERDICTS: Array<Word> = Array::pinned(1, BPF_F_MMAPABLE);

/// Packets by service: a run of records for each CPU.
#[map]
pub(crate) static SERVICE_COUNTERS: Array<ServiceCounters> = Array::pinned(1, BPF_F_MMAPABLE);

/// Packets by backend: a run of records for each CPU.
#[map]
pub(crate) static BACKEND_COUNTERS: Array<BackendCounters> = Array::pinned(1, BPF_F_MMAPABLE);

/// Connections that backends did not take, for pivotd to read. The loader makes it a page.
#[map]
pub(crate) static REFUSALS: RingBuf = RingBuf::pinned(refusal::BYTES, 0);

/// Listening sockets of the backends on this host, by backend. The kernel takes a socket out when it is closed.
#[map]
pub(crate) static LISTENERS: SockMap = SockMap::pinned(1, 0);
