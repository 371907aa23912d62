//! Packet bytes in kernel memory: the only pointer arithmetic there is, each access checked against the packet's end.

use core::marker::PhantomData;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail, bpf_xdp_get_buff_len};
use aya_ebpf::programs::TcContext;
use lb_common::net::bytes::{Header, Packet};

/// The header at `offset` of the packet that lies at `data..end`, if it lies wholly within.
#[inline(always)]
fn within<T: Header>((data, end): (usize, usize), offset: u32) -> Option<*mut T> {
    let header = data + offset as usize;
    if header + size_of::<T>() > end { None } else { Some(header as *mut T) }
}

/// How many buffers a frame may be spread over.
pub(crate) trait Buffers {
    /// The frame's length over all of them.
    fn whole(ctx: *mut xdp_md) -> u64;
}

/// Any number (Linux 5.18): jumbo frames.
pub(crate) struct Many;

impl Buffers for Many {
    #[inline(always)]
    fn whole(ctx: *mut xdp_md) -> u64 {
        // SAFETY: a valid context.
        unsafe { bpf_xdp_get_buff_len(ctx) }
    }
}

/// One: what older kernels hand to XDP.
pub(crate) struct One;

impl Buffers for One {
    #[inline(always)]
    fn whole(ctx: *mut xdp_md) -> u64 {
        let (data, end) = bounds(ctx);
        (end - data) as u64
    }
}

#[inline(always)]
fn bounds(ctx: *mut xdp_md) -> (usize, usize) {
    // SAFETY: a valid context; its fields change when the packet is cut or grows, hence are read each time.
    unsafe { ((*ctx).data as usize, (*ctx).data_end as usize) }
}

/// A frame at the XDP hook.
pub(crate) struct XdpPacket<B> {
    ctx: *mut xdp_md,
    buffers: PhantomData<B>,
}

impl<B: Buffers> XdpPacket<B> {
    /// The frame of this context.
    #[inline(always)]
    pub(crate) fn new(ctx: *mut xdp_md) -> Self {
        Self { ctx, buffers: PhantomData }
    }
}

impl<B: Buffers> Packet for XdpPacket<B> {
    #[inline(always)]
    fn holds(&self, len: u32) -> bool {
        let (data, end) = bounds(self.ctx);
        end - data >= len as usize || B::whole(self.ctx) >= u64::from(len)
    }

    #[inline(always)]
    fn header<T: Header>(&self, offset: u32) -> Option<&T> {
        // SAFETY: within the packet as checked; a Header has alignment 1 and accepts every bit pattern.
        within(bounds(self.ctx), offset).map(|header| unsafe { &*header })
    }

    #[inline(always)]
    fn header_mut<T: Header>(&mut self, offset: u32) -> Option<&mut T> {
        // SAFETY: as in `header`; the frame is this program's alone until it returns.
        within(bounds(self.ctx), offset).map(|header| unsafe { &mut *header })
    }

    #[inline(always)]
    fn truncate(&mut self, len: u32) -> bool {
        let delta = len as i32 - B::whole(self.ctx) as i32;
        // SAFETY: a valid context; references into the packet ended with the mutable borrow.
        delta == 0 || delta < 0 && unsafe { bpf_xdp_adjust_tail(self.ctx, delta) } == 0
    }

    #[inline(always)]
    fn grow(&mut self, len: u32) -> bool {
        // SAFETY: as in `truncate`.
        unsafe { bpf_xdp_adjust_head(self.ctx, -(len as i32)) == 0 }
    }
}

/// A frame at a TC hook, headers only: what the kernel keeps in the linear part.
pub(crate) struct SkbPacket(TcContext);

impl SkbPacket {
    /// The frame of this context.
    #[inline(always)]
    pub(crate) fn new(ctx: TcContext) -> Self {
        Self(ctx)
    }

    /// The context, for helpers.
    #[inline(always)]
    pub(crate) fn context(&self) -> &TcContext {
        &self.0
    }
}

impl Packet for SkbPacket {
    #[inline(always)]
    fn holds(&self, len: u32) -> bool {
        self.0.len() >= len
    }

    #[inline(always)]
    fn header<T: Header>(&self, offset: u32) -> Option<&T> {
        // SAFETY: within the linear part as checked; a Header has alignment 1 and accepts every bit pattern.
        within((self.0.data(), self.0.data_end()), offset).map(|header| unsafe { &*header })
    }

    #[inline(always)]
    fn header_mut<T: Header>(&mut self, offset: u32) -> Option<&mut T> {
        // SAFETY: as in `header`; the kernel makes the linear part private to a program that writes to it.
        within((self.0.data(), self.0.data_end()), offset).map(|header| unsafe { &mut *header })
    }

    /// Frames at TC are never cut.
    #[inline(always)]
    fn truncate(&mut self, _len: u32) -> bool {
        false
    }

    /// Nor do they grow.
    #[inline(always)]
    fn grow(&mut self, _len: u32) -> bool {
        false
    }
}
