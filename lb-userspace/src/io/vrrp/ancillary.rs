//! Control messages of a datagram: a buffer that `recvmsg` filled in; hop limit, destination and age out.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Room for every control message that is asked for, aligned as they are.
#[repr(C, align(8))]
pub(super) struct Buffer(pub(super) [u8; 256]);

/// What they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ancillary {
    /// Hop limit, of IPv6.
    pub(super) hops: Option<u8>,
    /// Destination, of IPv6.
    pub(super) destination: Option<IpAddr>,
    /// When it arrived, on the real-time clock, since its epoch.
    pub(super) arrived: Option<Duration>,
}

impl Ancillary {
    /// Reads the control messages that a call of `recvmsg` left in `message`.
    pub(super) fn of(message: &libc::msghdr) -> Self {
        let mut found = Self::default();
        // SAFETY: `message` was filled in by recvmsg, so the walk stays within its control buffer.
        let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
        while !header.is_null() {
            // SAFETY: not null, so a whole header within the buffer, which is aligned for it.
            let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
            // SAFETY: data follow the header.
            let data = unsafe { libc::CMSG_DATA(header) };
            match (level, kind) {
                (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    // SAFETY: the kernel puts an int there; alignment is not assumed.
                    let hops: libc::c_int = unsafe { data.cast::<libc::c_int>().read_unaligned() };
                    found.hops = u8::try_from(hops).ok();
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    // SAFETY: the kernel puts an in6_pktinfo there; alignment is not assumed.
                    let info: libc::in6_pktinfo = unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() };
                    found.destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS) => {
                    // SAFETY: the kernel puts a timespec there; alignment is not assumed.
                    let time: libc::timespec = unsafe { data.cast::<libc::timespec>().read_unaligned() };
                    let seconds = u64::try_from(time.tv_sec).ok();
                    found.arrived = seconds.map(|seconds| Duration::new(seconds, time.tv_nsec as u32 % 1_000_000_000));
                }
                _ => {}
            }
            // SAFETY: `header` is within the buffer of `message`.
            header = unsafe { libc::CMSG_NXTHDR(message, header) };
        }
        found
    }
}
