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
use aya_ebpf::bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::macros::{classifier, sk_lookup, xdp};
use aya_ebpf::programs::{SkLookupContext, TcContext, XdpContext};
use lb_common::path::hot;
use lb_common::path::run::{self, Exit};
use lb_common::path::tables::Tables as _;
use lb_common::path::verdict::{Action, Verdict};
use lb_common::wire::way;

use packet::{Many, One, SkbPacket, XdpPacket};
use tables::KernelTables;

/// The director: every frame that comes in by an interface. Three programs, for frames in that many buffers.
macro_rules! director {
    ($(#[$xdp:meta])* $buffers:ty, $short:ident, $long4:ident, $long6:ident) => {
        /// Established flows, and what is nobody's.
        $(#[$xdp])*
        fn $short(ctx: XdpContext) -> u32 {
            let mut packet = XdpPacket::<$buffers>::new(ctx.ctx);
            match hot::run(&mut packet, &KernelTables, interface(&ctx)) {
                Some(exit) => leave(exit),
                None => long_way(&ctx, run::is_ipv6(&packet)),
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
    };
}

director!(
    #[xdp(frags)]
    Many,
    pivot_xdp,
    pivot_long4,
    pivot_long6
);
director!(
    #[xdp]
    One,
    pivot_xdp_one,
    pivot_long4_one,
    pivot_long6_one
);

#[inline(always)]
fn interface(ctx: &XdpContext) -> u32 {
    // SAFETY: the kernel hands a valid xdp_md to an XDP program.
    unsafe { (*ctx.ctx).ingress_ifindex }
}

/// Does not return while both programs are where they belong, which is always.
#[inline(always)]
fn long_way(ctx: &XdpContext, is_ipv6: bool) -> u32 {
    let way = if is_ipv6 { way::LONG6 } else { way::LONG4 };
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

/// Backend agent: learns the listeners of the services that run here from the connections that come in. Never drops, and leaves the
/// verdict to whoever is attached behind it.
#[classifier]
fn pivot_steer(ctx: TcContext) -> i32 {
    socket::learn(&SkbPacket::new(ctx));
    TC_ACT_UNSPEC
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
