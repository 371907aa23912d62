//! The interfaces that frames may leave by, as `bpf_redirect_map` wants them.

use core::cell::UnsafeCell;

use aya_ebpf::bindings::bpf_map_type::BPF_MAP_TYPE_DEVMAP;
use aya_ebpf::bindings::{bpf_map_def, xdp_action};
use aya_ebpf::helpers::generated::bpf_redirect_map;

/// `LIBBPF_PIN_BY_NAME`.
const PIN_BY_NAME: u32 = 1;

/// A table of interface indexes and nothing else. aya's `DevMap` has room for a program with each, and before Linux 5.15 no
/// program that uses such a map can be attached in generic mode.
#[repr(transparent)]
pub(crate) struct Egress(UnsafeCell<bpf_map_def>);

// SAFETY: it is a definition for the loader; nobody reads or writes it.
unsafe impl Sync for Egress {}

impl Egress {
    pub(crate) const fn pinned() -> Self {
        Self(UnsafeCell::new(bpf_map_def {
            type_: BPF_MAP_TYPE_DEVMAP,
            key_size: 4,
            value_size: 4,
            max_entries: 1,
            map_flags: 0,
            id: 0,
            pinning: PIN_BY_NAME,
        }))
    }

    /// Has the frame leave by a port; the verdict that says so to the kernel, or that there is none.
    #[inline(always)]
    pub(crate) fn redirect(&self, port: u32) -> u32 {
        // SAFETY: the loader puts the map's address here; the helper takes any port.
        let verdict = unsafe { bpf_redirect_map(self.0.get().cast(), port.into(), xdp_action::XDP_ABORTED.into()) };
        verdict as u32
    }
}
