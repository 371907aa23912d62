//! A program that passes every frame, for the switch's end of a host's wire.
//!
//! Frames that pivot sends with XDP_TX out of the host's end lie in this end's ring until something else wakes it,
//! unless this end has a program of its own. (Generic receive offload gives it the ring, but nobody who wakes it.)

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use aya_obj::generated::{BPF_F_XDP_HAS_FRAGS, XDP_FLAGS_DRV_MODE, bpf_attach_type, bpf_prog_type};
use lb_userspace::io::features::bpf::{self, Attempt};
use lb_userspace::io::{features, memlock};
use rustix::net::{AddressFamily, SocketType};

/// The widest wire whose driver takes a program for frames in one buffer: a page, less the room around a frame.
const ONE_BUFFER: u32 = 3000;

/// Whether a program can be attached to the driver of a wire of this MTU.
#[must_use]
pub fn fits(mtu: u32) -> bool {
    mtu <= ONE_BUFFER || features::multi_buffer()
}

/// Attaches the program to the driver of an interface of the calling thread's namespace, until what is returned is
/// dropped.
///
/// # Errors
/// What bpf(2) says (that the driver has no XDP: EOPNOTSUPP), or that there is no such interface.
pub fn attach(interface: &str) -> io::Result<OwnedFd> {
    memlock::raise();
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let index = rustix::net::netdevice::name_to_index(&socket, interface)?;
    let hook = bpf_attach_type::BPF_XDP;
    let program = Attempt {
        flags: if features::multi_buffer() { BPF_F_XDP_HAS_FRAGS } else { 0 },
        attach_type: hook as u32,
        ..Attempt::new(bpf_prog_type::BPF_PROG_TYPE_XDP, &bpf::RETURN)
    };
    bpf::link(program.load()?.as_fd(), index, hook, XDP_FLAGS_DRV_MODE)
}
