//! Socket steering: which listening socket takes a connection to a VIP.
//!
//! The kernel asks [`hand_over`] (sk_lookup, Linux 5.9) whenever it looks for a listener: for a SYN, for the ACK that
//! brings a SYN cookie back, for a SYN that meets an old connection in TIME_WAIT. It can only hand over sockets that are in
//! a map, so [`learn`] (TC) puts the listener there when a SYN comes in and another one, or none, is in its place.

use core::ffi::c_void;
use core::mem;
use core::ptr;

use aya_ebpf::bindings::{
    BPF_F_CURRENT_NETNS, bpf_sk_lookup, bpf_sock, bpf_sock_tuple, bpf_sock_tuple__bindgen_ty_1,
    bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1, bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2,
};
use aya_ebpf::helpers::{
    bpf_map_delete_elem, bpf_map_lookup_elem, bpf_map_update_elem, bpf_sk_assign, bpf_sk_release, bpf_skc_lookup_tcp,
};
use aya_ebpf::programs::SkLookupContext;
use lb_common::net::{ethernet, ipv4};
use lb_common::path::family::{Family, V4, V6};
use lb_common::path::parse;
use lb_common::path::steer::{self, Target};
use lb_common::path::tables::Tables;
use lb_common::path::verdict::Verdict;
use lb_common::wire::address::Address;
use lb_common::wire::backend::Identity;
use lb_common::wire::directory::Key;
use lb_common::wire::refusal::Refusal;

use crate::maps::LISTENERS;
use crate::packet::SkbPacket;
use crate::tables::KernelTables;

/// State of a connection that has ended (include/net/tcp_states.h).
const TIME_WAIT: u32 = 6;
/// State of a listening socket.
const LISTEN: u32 = 10;
/// Address family of IPv4.
const AF_INET: u32 = 2;
/// Address family of IPv6.
const AF_INET6: u32 = 10;

/// Sees to it that the listener for this frame is in the table, if it opens a connection to a service with a backend here. `false`: nothing
/// listens.
#[inline(always)]
pub(crate) fn learn(packet: &SkbPacket) -> bool {
    let Some(target) = steer::target(packet, &KernelTables) else { return true };
    match enlist(packet, &target) {
        Some(Verdict::SteerNoListener) => return false,
        Some(verdict) => KernelTables.count(KernelTables.cpu(), verdict),
        None => {}
    }
    true
}

/// Whether the kernel has a socket for a segment to which nothing listens all the same: one that is bound to the VIP itself, or the
/// connection that a made-up SYN says to open once more. One in TIME_WAIT only waits for a listener.
#[inline(always)]
pub(crate) fn is_taken(packet: &SkbPacket) -> bool {
    let socket = match parse::frame(packet) {
        Ok(frame) if frame.ethertype == ethernet::IPV4 => known::<V4>(packet, frame.l3),
        Ok(frame) if frame.ethertype == ethernet::IPV6 => known::<V6>(packet, frame.l3),
        _ => None,
    };
    socket.is_some_and(|socket| socket.state() != TIME_WAIT)
}

/// The kernel's socket for the addresses and ports of a segment or datagram.
#[inline(always)]
fn known<F: Connection>(packet: &SkbPacket, l3: u32) -> Option<Socket> {
    let message = parse::message(packet, &F::read(packet, l3).ok()?).ok()?;
    let source = End { address: message.ip.source, port: message.source_port };
    let destination = End { address: message.ip.destination, port: message.key.l4 as u16 };
    find::<F>(packet, source, destination)
}

/// Tells of the backend of this host that a frame opens a connection to: nothing listens.
#[inline(always)]
pub(crate) fn tell(packet: &SkbPacket) {
    let Some(Target { backend, .. }) = steer::target(packet, &KernelTables) else { return };
    let Some(record) = KernelTables.backend(backend) else { return };
    let generation = Identity::unpack(record.identity.get()).generation;
    KernelTables.refused(Refusal { backend, generation });
}

/// Hands the kernel the listener for a connection to a VIP, if it is looking for one.
#[inline(always)]
pub(crate) fn hand_over(ctx: &SkLookupContext) {
    // SAFETY: the kernel hands a valid bpf_sk_lookup to an sk_lookup program.
    let asked: &bpf_sk_lookup = unsafe { &*ctx.lookup };
    if asked.protocol != u32::from(ipv4::TCP) {
        return;
    }
    let port = (asked.local_port as u16).to_be();
    let found = match asked.family {
        AF_INET => {
            let key = Key::new(Address::v4(asked.local_ip4), port, ipv4::TCP);
            steer::listener::<V4, _>(&KernelTables, &key, Address::v4(asked.remote_ip4), asked.remote_port)
        }
        AF_INET6 => {
            let key = Key::new(Address::of_words(asked.local_ip6), port, ipv4::TCP);
            steer::listener::<V6, _>(&KernelTables, &key, Address::of_words(asked.remote_ip6), asked.remote_port)
        }
        _ => return,
    };
    let Ok(backend) = found else { return };
    if LISTENERS.redirect_sk_lookup(ctx, u32::from(backend), 0).is_ok() {
        count_steered(backend);
        KernelTables.count(KernelTables.cpu(), Verdict::Steered);
    }
}

/// `None` if the listener is in its place already, the usual case.
#[inline(always)]
fn enlist(packet: &SkbPacket, target: &Target) -> Option<Verdict> {
    let place = u32::from(target.backend);
    let key = ptr::from_ref(&place).cast::<c_void>();
    let Some(listener) = look_up(packet, target).filter(Socket::listens) else {
        // What is in its place, if anything, is the listener of a backend that had this index before.
        // SAFETY: a map and a key of its type.
        unsafe { bpf_map_delete_elem(listeners(), key) };
        return Some(Verdict::SteerNoListener);
    };
    // SAFETY: a map and a key of its type; what is found is a referenced socket.
    let known = unsafe { bpf_map_lookup_elem(listeners(), key) }.cast::<bpf_sock>();
    if !known.is_null() {
        let known = Socket(known);
        if ptr::eq(known.0, listener.0) {
            return None;
        }
    }
    // SAFETY: a map of sockets, a key of its type and a referenced socket, of which the map takes a reference of its own.
    if unsafe { bpf_map_update_elem(listeners(), key, listener.0.cast(), 0) } == 0 {
        return Some(Verdict::ListenerFound);
    }
    // A listener that the map does not take (one with an upper-layer protocol, such as kernel TLS).
    // SAFETY: a valid context and a referenced socket.
    if unsafe { bpf_sk_assign(packet.context().skb.skb.cast(), listener.0.cast(), 0) } == 0 {
        count_steered(target.backend);
        return Some(Verdict::SteerFallback);
    }
    Some(Verdict::SteerRefused)
}

#[inline(always)]
fn count_steered(backend: u16) {
    let Some(control) = KernelTables.control() else { return };
    let index = KernelTables.cpu() * control.backends + u32::from(backend);
    if let Some(counters) = KernelTables.backend_counters(index) {
        counters.steered.add_unshared(1);
    }
}

#[inline(always)]
fn listeners() -> *mut c_void {
    ptr::from_ref(&LISTENERS).cast_mut().cast()
}

/// A referenced socket; released when it goes out of scope.
struct Socket(*mut bpf_sock);

impl Socket {
    #[inline(always)]
    fn state(&self) -> u32 {
        // SAFETY: referenced, hence valid.
        unsafe { (*self.0).state }
    }

    #[inline(always)]
    fn listens(&self) -> bool {
        self.state() == LISTEN
    }
}

impl Drop for Socket {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: referenced by the look-up, released once.
        unsafe { bpf_sk_release(self.0.cast()) };
    }
}

/// The socket that listens where the backend is bound. Asked for nobody: the client may have a connection of the same ports
/// to the node address itself, which would be found instead.
#[inline(always)]
fn look_up(packet: &SkbPacket, target: &Target) -> Option<Socket> {
    let nobody = End { address: Address { high: 0, low: 0 }, port: 0 };
    let bound = End { address: target.address, port: target.port };
    match target.address.to_v4() {
        Some(_) => find::<V4>(packet, nobody, bound),
        None => find::<V6>(packet, nobody, bound),
    }
}

#[inline(always)]
fn find<F: Connection>(packet: &SkbPacket, source: End, destination: End) -> Option<Socket> {
    let context = packet.context().skb.skb.cast();
    let mut tuple = bpf_sock_tuple { __bindgen_anon_1: F::tuple(source, destination) };
    let (flags, namespace) = (0, BPF_F_CURRENT_NETNS as u64);
    // SAFETY: a valid context; the tuple is a live local of at least `TUPLE` bytes.
    let socket = unsafe { bpf_skc_lookup_tcp(context, &raw mut tuple, F::TUPLE, namespace, flags) };
    if socket.is_null() { None } else { Some(Socket(socket)) }
}

/// An end of a connection: its address, and its port in network order.
#[derive(Clone, Copy)]
struct End {
    address: Address,
    port: u16,
}

/// What the kernel is asked for a connection with.
trait Connection: Family {
    /// Length of that in bytes, by which the kernel tells the families apart.
    const TUPLE: u32;

    /// The two ends in the kernel's form.
    fn tuple(source: End, destination: End) -> bpf_sock_tuple__bindgen_ty_1;
}

impl Connection for V4 {
    const TUPLE: u32 = mem::size_of::<bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1>() as u32;

    #[inline(always)]
    fn tuple(source: End, destination: End) -> bpf_sock_tuple__bindgen_ty_1 {
        let ipv4 = bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 {
            saddr: source.address.low_half(),
            daddr: destination.address.low_half(),
            sport: source.port,
            dport: destination.port,
        };
        bpf_sock_tuple__bindgen_ty_1 { ipv4 }
    }
}

impl Connection for V6 {
    const TUPLE: u32 = mem::size_of::<bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2>() as u32;

    #[inline(always)]
    fn tuple(source: End, destination: End) -> bpf_sock_tuple__bindgen_ty_1 {
        let ipv6 = bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2 {
            saddr: source.address.words(),
            daddr: destination.address.words(),
            sport: source.port,
            dport: destination.port,
        };
        bpf_sock_tuple__bindgen_ty_1 { ipv6 }
    }
}
