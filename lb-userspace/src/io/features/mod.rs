//! What this kernel can do, found by trying: a distribution's version number says little of what was ported back.

pub mod bpf;
mod namespace;
mod sockets;

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::OnceLock;

use aya_obj::generated::{BPF_F_XDP_HAS_FRAGS, XDP_FLAGS_SKB_MODE, bpf_attach_type, bpf_prog_type};

use self::bpf::Attempt;
use super::memlock;
use crate::core::features::{CGROUP_MEMORY, Feature, SEVERAL_BUFFERS, State};

/// Index of an interface that there never is.
const NO_INTERFACE: u32 = i32::MAX as u32;
/// Index of the loopback device, in any namespace.
const LOOPBACK: u32 = 1;

/// Whether XDP programs see frames that are spread over several buffers.
pub fn multi_buffer() -> bool {
    static TRIED: OnceLock<bool> = OnceLock::new();
    *TRIED.get_or_init(|| {
        let attempt = Attempt::new(bpf_prog_type::BPF_PROG_TYPE_XDP, &bpf::RETURN);
        Attempt { flags: BPF_F_XDP_HAS_FRAGS, ..attempt }.load().is_ok()
    })
}

/// Whether TC programs are attached by links: then the kernel misses the interface, else it does not know the hook.
pub fn tcx() -> bool {
    static TRIED: OnceLock<bool> = OnceLock::new();
    *TRIED.get_or_init(|| {
        let tried = Attempt::new(bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, &bpf::RETURN)
            .load()
            .and_then(|program| bpf::link(program.as_fd(), NO_INTERFACE, bpf_attach_type::BPF_TCX_INGRESS, 0));
        tried.is_err_and(|error| error.raw_os_error() == Some(libc::ENODEV))
    })
}

/// What pivotd does otherwise where it is missing. Disturbs nothing and takes no time.
#[must_use]
pub fn decisive() -> Vec<Feature> {
    memlock::raise();
    vec![
        Feature::of(
            SEVERAL_BUFFERS,
            multi_buffer().into(),
            "jumbo frames with native XDP",
            "frames in one buffer: native XDP as far as the driver takes the MTU, generic beyond",
        ),
        Feature::of(
            "inlined CPU number",
            cpu_number().into(),
            "counters of a CPU are found without calling a helper",
            "a helper call per packet, about a nanosecond; no look-up is per CPU",
        ),
        Feature::of(
            "TCX",
            tcx().into(),
            "TC programs hang on links, beside those of others",
            "clsact filters under a priority of their own, replaced in place",
        ),
        Feature::of(
            CGROUP_MEMORY,
            memlock::is_counted().map_or(State::Unknown, |counted| (!counted).into()),
            "no limit of locked memory to raise",
            "pivotd raises RLIMIT_MEMLOCK (CAP_SYS_RESOURCE, or LimitMEMLOCK=infinity in its unit)",
        ),
    ]
}

/// All that pivot looks for. Makes network namespaces to try it in; what cannot be tried is unknown.
#[must_use]
pub fn probe() -> Vec<Feature> {
    let mut features = vec![
        Feature::required(
            "bpf_link for XDP",
            namespace::within(xdp_link).map_or(State::Unknown, State::from),
            "programs stay when pivotd is gone, and are replaced in place",
        ),
        Feature::required(
            "steering by sk_lookup",
            namespace::within(sk_lookup).map_or(State::Unknown, State::from),
            "services keep their own address and port; the kernel picks among SO_REUSEPORT listeners",
        ),
        Feature::of(
            "socket destruction",
            namespace::within(sockets::can_destroy).flatten().map_or(State::Unknown, State::from),
            "connections of this host's own clients can be cut when their backend is gone",
            "they end by their own time-outs",
        ),
    ];
    features.extend(decisive());
    if let Err(error) = Attempt::new(bpf_prog_type::BPF_PROG_TYPE_XDP, &bpf::RETURN).load() {
        for feature in &mut features {
            *feature = Feature { state: State::Unknown, detail: format!("bpf(): {error}"), instead: None, ..*feature };
        }
    }
    features
}

/// Whether XDP programs are attached by links, tried on the loopback device of an empty namespace.
fn xdp_link() -> bool {
    let hook = bpf_attach_type::BPF_XDP;
    let attempt = Attempt::new(bpf_prog_type::BPF_PROG_TYPE_XDP, &bpf::RETURN);
    let program = Attempt { attach_type: hook as u32, ..attempt }.load();
    program.and_then(|program| bpf::link(program.as_fd(), LOOPBACK, hook, XDP_FLAGS_SKB_MODE)).is_ok()
}

/// Returns SK_PASS.
const PASS: [u64; 2] = [0x0000_0001_0000_00b7, bpf::RETURN[1]];

/// A program that the kernel asks for listeners.
const SK_LOOKUP: Attempt<'_> = Attempt {
    attach_type: bpf_attach_type::BPF_SK_LOOKUP as u32,
    ..Attempt::new(bpf_prog_type::BPF_PROG_TYPE_SK_LOOKUP, &PASS)
};

/// Has the kernel load one.
///
/// # Errors
/// The kernel's.
pub fn loads_sk_lookup() -> io::Result<()> {
    SK_LOOKUP.load().map(drop)
}

/// Whether the kernel asks programs for listeners, tried in an empty namespace.
fn sk_lookup() -> bool {
    let link = |program: OwnedFd| {
        let netns = std::fs::File::open("/proc/thread-self/ns/net")?;
        bpf::link(program.as_fd(), netns.as_raw_fd().cast_unsigned(), bpf_attach_type::BPF_SK_LOOKUP, 0)
    };
    SK_LOOKUP.load().and_then(link).is_ok()
}

/// Whether the number of the CPU is had without calling a helper.
fn cpu_number() -> bool {
    let program = Attempt::new(bpf_prog_type::BPF_PROG_TYPE_XDP, &bpf::CPU_NUMBER).load();
    program.and_then(|program| bpf::calls(&program)).is_ok_and(|calls| !calls)
}
