//! Packet bytes in kernel memory: the only pointer arithmetic there is, each access checked against the packet's end.

use aya_ebpf::helpers::bpf_xdp_adjust_tail;
use aya_ebpf::programs::{TcContext, XdpContext};
use lb_common::net::bytes::{Header, Packet};

/// The header at `offset` of the packet that lies at `data..end`, if it lies wholly within.
#[inline(always)]
fn within<T: Header>(data: usize, end: usize, offset: u32) -> Option<*mut T> {
    let header = data + offset as usize;
    if header + size_of::<T>() > end { None } else { Some(header as *mut T) }
}

/// A frame at the XDP hook.
pub(crate) struct XdpPacket(XdpContext);

impl XdpPacket {
    /// The frame of this context.
    #[inline(always)]
    pub(crate) fn new(ctx: XdpContext) -> Self {
        Self(ctx)
    }
}

impl Packet for XdpPacket {
    #[inline(always)]
    fn len(&self) -> u32 {
        (self.0.data_end() - self.0.data()) as u32
    }

    #[inline(always)]
    fn header<T: Header>(&self, offset: u32) -> Option<&T> {
        // SAFETY: within the packet as checked; a Header has alignment 1 and accepts every bit pattern.
        within(self.0.data(), self.0.data_end(), offset).map(|header| unsafe { &*header })
    }

    #[inline(always)]
    fn header_mut<T: Header>(&mut self, offset: u32) -> Option<&mut T> {
        // SAFETY: as in `header`; the frame is this program's alone until it returns.
        within(self.0.data(), self.0.data_end(), offset).map(|header| unsafe { &mut *header })
    }

    #[inline(always)]
    fn truncate(&mut self, len: u32) -> bool {
        let delta = len as i32 - self.len() as i32;
        // SAFETY: a valid context; references into the packet ended with the mutable borrow.
        delta == 0 || delta < 0 && unsafe { bpf_xdp_adjust_tail(self.0.ctx, delta) } == 0
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
    fn len(&self) -> u32 {
        self.0.len()
    }

    #[inline(always)]
    fn header<T: Header>(&self, offset: u32) -> Option<&T> {
        // SAFETY: within the linear part as checked; a Header has alignment 1 and accepts every bit pattern.
        within(self.0.data(), self.0.data_end(), offset).map(|header| unsafe { &*header })
    }

    #[inline(always)]
    fn header_mut<T: Header>(&mut self, offset: u32) -> Option<&mut T> {
        // SAFETY: as in `header`; the kernel makes the linear part private to a program that writes to it.
        within(self.0.data(), self.0.data_end(), offset).map(|header| unsafe { &mut *header })
    }

    /// Frames at TC are never cut.
    #[inline(always)]
    fn truncate(&mut self, _len: u32) -> bool {
        false
    }
}
