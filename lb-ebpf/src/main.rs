//! pivot's BPF programs: entries here, maps in [`maps`], the packet path's traits bound to kernel memory in [`packet`]
//! and [`tables`].
//!
//! An entry runs the path of lb-common, which counts, and maps the verdict's action onto the hook's.

#![no_std]
#![no_main]

mod maps;
mod packet;
mod socket;
mod tables;

use aya_ebpf::bindings::sk_action::SK_PASS;
use aya_ebpf::bindings::{__sk_buff, TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::helpers::bpf_redirect;
use aya_ebpf::macros::{classifier, sk_lookup, xdp};
use aya_ebpf::programs::{SkLookupContext, TcContext, XdpContext};
use lb_common::path::hot;
use lb_common::path::run::{self, Exit};
use lb_common::path::second_chance;
use lb_common::path::tables::Tables as _;
use lb_common::path::verdict::{Action, Verdict};

use packet::{Many, One, SkbPacket, XdpPacket};
use tables::KernelTables;

/// The director: every frame that comes in by an interface. Three programs, for frames in that many buffers.
macro_rules! director {
    ($(#[$xdp:meta])* $buffers:ty, $short:ident, $long4:ident, $long6:ident, $returned:ident) => {
        /// Established flows, and what is nobody's.
        $(#[$xdp])*
        fn $short(ctx: XdpContext) -> u32 {
            let mut packet = XdpPacket::<$buffers>::new(ctx.ctx);
            match hot::run(&mut packet, &KernelTables, interface(&ctx)) {
                Some(exit) => leave(exit),
                None => long_way(&ctx, run::way_of(&packet)),
            }
        }

        /// The long way of anything but IPv6: a program of its own, so that the short one keeps its registers, and each
        /// its stack.
        $(#[$xdp])*
        fn $long4(ctx: XdpContext) -> u32 {
            leave(run::long4(&mut XdpPacket::<$buffers>::new(ctx.ctx), &KernelTables, interface(&ctx)))
        }

        /// The long way of IPv6.
        $(#[$xdp])*
        fn $long6(ctx: XdpContext) -> u32 {
            leave(run::long6(&mut XdpPacket::<$buffers>::new(ctx.ctx), &KernelTables, interface(&ctx)))
        }

        /// What another host hands back.
        $(#[$xdp])*
        fn $returned(ctx: XdpContext) -> u32 {
            let mut packet = XdpPacket::<$buffers>::new(ctx.ctx);
            leave(second_chance::returned(&mut packet, &KernelTables, interface(&ctx)))
        }
    };
}

director!(
    #[xdp(frags)]
    Many,
    pivot_xdp,
    pivot_long4,
    pivot_long6,
    pivot_returned
);
director!(
    #[xdp]
    One,
    pivot_xdp_one,
    pivot_long4_one,
    pivot_long6_one,
    pivot_returned_one
);

#[inline(always)]
fn interface(ctx: &XdpContext) -> u32 {
    // SAFETY: the kernel hands a valid xdp_md to an XDP program.
    unsafe { (*ctx.ctx).ingress_ifindex }
}

/// Does not return while the programs are where they belong, which is always.
#[inline(always)]
fn long_way(ctx: &XdpContext, way: u32) -> u32 {
    // SAFETY: the context of this very program.
    unsafe { maps::WAYS.tail_call(ctx, way) };
    KernelTables.count(KernelTables.cpu(), Verdict::TableTorn);
    xdp_action::XDP_ABORTED
}

#[inline(always)]
fn leave(exit: Exit) -> u32 {
    match exit.verdict.action() {
        Action::Pass => xdp_action::XDP_PASS,
        Action::Drop => xdp_action::XDP_DROP,
        Action::Transmit => xdp_action::XDP_TX,
        Action::Redirect => maps::EGRESS.redirect(exit.port, 0).unwrap_or(xdp_action::XDP_ABORTED),
        Action::Abort => xdp_action::XDP_ABORTED,
    }
}

/// Backend agent: learns the listeners of the services that run here from the connections that come in. What finds none gets a second
/// chance elsewhere. Never drops, and leaves the verdict on all else to whoever is attached behind it.
#[classifier]
fn pivot_steer(ctx: TcContext) -> i32 {
    let skb = ctx.skb.skb;
    if socket::learn(&SkbPacket::new(ctx)) { TC_ACT_UNSPEC } else { untaken(skb) }
}

/// A function of its own, so that the frames of established connections do not pay for it.
#[inline(never)]
fn untaken(skb: *mut __sk_buff) -> i32 {
    let mut packet = SkbPacket::new(TcContext::new(skb));
    // SAFETY: the kernel hands a valid __sk_buff to a classifier.
    let interface = unsafe { (*skb).ifindex };
    if socket::is_taken(&packet) {
        return TC_ACT_UNSPEC;
    }
    socket::tell(&packet);
    let Some(exit) = second_chance::untaken(&mut packet, &KernelTables, interface) else {
        KernelTables.count(KernelTables.cpu(), Verdict::SteerNoListener);
        return TC_ACT_UNSPEC;
    };
    let device = match exit.verdict.action() {
        Action::Transmit => interface,
        Action::Redirect => maps::DEVICES.get(exit.port).map_or(0, |device| device.get() as u32),
        Action::Pass | Action::Drop | Action::Abort => return TC_ACT_UNSPEC,
    };
    // SAFETY: no pointers.
    unsafe { bpf_redirect(device, 0) as i32 }
}

/// Backend agent: hands connections to a VIP to the listener of the service that runs here. Never refuses.
#[sk_lookup]
fn pivot_listen(ctx: SkLookupContext) -> u32 {
    socket::hand_over(&ctx);
    SK_PASS
}

/// Keeps a host that does not hold a VIP from speaking of it in ARP and neighbour discovery.
#[classifier]
fn pivot_egress(ctx: TcContext) -> i32 {
    // SAFETY: the kernel hands a valid __sk_buff to a classifier.
    let interface = unsafe { (*ctx.skb.skb).ifindex };
    match run::run_outgoing(&mut SkbPacket::new(ctx), &KernelTables, interface).map(Verdict::action) {
        Some(Action::Drop) => TC_ACT_SHOT,
        _ => TC_ACT_UNSPEC,
    }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
