//! A raw IP socket of protocol 112 on one interface, for one family.
//!
//! Sends with TTL or hop limit 255, from this host's address there; receives what is sent to the group and to this host.
//! Messages of this host do not come back. Everything that arrives is handed up, as what is wrong with it is to be counted.

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::ancillary::{Ancillary, Buffer};
use crate::core::vrrp::advert::{GROUP4, GROUP6, HOPS, PROTOCOL};
use crate::io::netlink::Link;

/// Longest message: 255 addresses of IPv6, the header, and an IPv4 header with options.
const LONGEST: usize = 4200;
/// Traffic class of network control (RFC 4594 section 3.1), as keepalived has it.
const CLASS: libc::c_int = 0xc0;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[error("cannot speak VRRP on {interface}: {action}: {cause}{}", way_out(cause))]
pub struct OpenError {
    interface: String,
    action: &'static str,
    cause: io::Error,
}

/// A datagram as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hops: u8,
    /// How long ago it came in; longer than anything lasts if the clock says that it is yet to come.
    pub age: Duration,
    /// What is behind the IP header.
    pub payload: Vec<u8>,
}

/// The socket.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    own: IpAddr,
    index: u32,
}

impl Socket {
    /// Opens it, in the calling thread's network namespace. `own` is this host's address there: it names the family.
    ///
    /// # Errors
    /// [`OpenError`] if CAP_NET_RAW is missing, or the interface is gone.
    pub fn open(interface: &Link, own: IpAddr) -> Result<Self, OpenError> {
        let failed = |action, cause| OpenError { interface: interface.name.clone(), action, cause };
        let family = if own.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: no pointers.
        let fd = unsafe { libc::socket(family, kind, PROTOCOL.into()) };
        if fd < 0 {
            return Err(failed("opening a raw socket", io::Error::last_os_error()));
        }
        // SAFETY: just opened, and nobody else's.
        let socket = Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, own, index: interface.index };
        socket.bind_to(&interface.name).map_err(|cause| failed("binding it to the interface", cause))?;
        socket.set_up().map_err(|cause| failed("setting it up", cause))?;
        socket.join().map_err(|cause| failed("joining the group of all routers", cause))?;
        Ok(socket)
    }

    /// Whether it speaks on this interface, from this address.
    #[must_use]
    pub fn is_of(&self, interface: &Link, own: IpAddr) -> bool {
        (self.index, self.own) == (interface.index, own)
    }

    fn bind_to(&self, interface: &str) -> io::Result<()> {
        self.set_bytes(libc::SOL_SOCKET, libc::SO_BINDTODEVICE, interface.as_bytes())
    }

    fn set_up(&self) -> io::Result<()> {
        let options: &[(libc::c_int, libc::c_int, libc::c_int)] = if self.own.is_ipv4() {
            &[
                (libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, libc::c_int::from(HOPS)),
                (libc::IPPROTO_IP, libc::IP_TTL, libc::c_int::from(HOPS)),
                (libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, 0),
                // Only groups that this socket joined.
                (libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0),
                (libc::IPPROTO_IP, libc::IP_TOS, CLASS),
            ]
        } else {
            &[
                (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, libc::c_int::from(HOPS)),
                (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, libc::c_int::from(HOPS)),
                (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, 0),
                (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1),
                (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS, CLASS),
            ]
        };
        options.iter().try_for_each(|(level, name, value)| self.set(*level, *name, value))?;
        self.set(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1_i32)
    }

    fn join(&self) -> io::Result<()> {
        if self.own.is_ipv4() {
            let group = libc::ip_mreqn {
                imr_multiaddr: libc::in_addr { s_addr: u32::from_ne_bytes(GROUP4.octets()) },
                imr_address: libc::in_addr { s_addr: 0 },
                imr_ifindex: self.index as libc::c_int,
            };
            self.set(libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &group)?;
            return self.set(libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &group);
        }
        let group = libc::ipv6_mreq {
            ipv6mr_multiaddr: libc::in6_addr { s6_addr: GROUP6.octets() },
            ipv6mr_interface: self.index,
        };
        self.set(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, &(self.index as libc::c_int))?;
        self.set(libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, &group)
    }

    /// Sends a payload. It does not wait: a full queue is an error.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn send(&self, payload: &[u8], destination: IpAddr) -> io::Result<()> {
        match (self.own, destination) {
            (IpAddr::V4(own), IpAddr::V4(to)) => self.send4(payload, own, to),
            (IpAddr::V6(own), IpAddr::V6(to)) => self.send6(payload, own, to),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "addresses of two families")),
        }
    }

    fn send4(&self, payload: &[u8], own: Ipv4Addr, to: Ipv4Addr) -> io::Result<()> {
        let in_addr = |address: Ipv4Addr| libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) };
        let info = libc::in_pktinfo {
            ipi_ifindex: self.index as libc::c_int,
            ipi_spec_dst: in_addr(own),
            ipi_addr: in_addr(to),
        };
        let name = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: 0,
            sin_addr: in_addr(to),
            sin_zero: [0; 8],
        };
        self.send_from(payload, &name, libc::IPPROTO_IP, libc::IP_PKTINFO, &info)
    }

    fn send6(&self, payload: &[u8], own: Ipv6Addr, to: Ipv6Addr) -> io::Result<()> {
        let in6_addr = |address: Ipv6Addr| libc::in6_addr { s6_addr: address.octets() };
        let info = libc::in6_pktinfo { ipi6_addr: in6_addr(own), ipi6_ifindex: self.index };
        let name = libc::sockaddr_in6 {
            sin6_family: libc::AF_INET6 as libc::sa_family_t,
            sin6_port: 0,
            sin6_flowinfo: 0,
            sin6_addr: in6_addr(to),
            sin6_scope_id: self.index,
        };
        self.send_from(payload, &name, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info)
    }

    /// Sends with one control message, which says from where.
    fn send_from<N, I: Copy>(
        &self,
        payload: &[u8],
        name: &N,
        level: libc::c_int,
        kind: libc::c_int,
        info: &I,
    ) -> io::Result<()> {
        let mut control = Buffer([0; 256]);
        let mut bytes = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
        // SAFETY: all-zero bytes are a valid msghdr.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_name = std::ptr::from_ref(name).cast_mut().cast();
        message.msg_namelen = size_of::<N>() as libc::socklen_t;
        message.msg_iov = &raw mut bytes;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: arithmetic alone.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<I>() as u32) } as usize;
        // SAFETY: the control buffer is aligned and longer than one header and `info`.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = libc::CMSG_LEN(size_of::<I>() as u32) as usize;
            libc::CMSG_DATA(header).cast::<I>().write_unaligned(*info);
        }
        // SAFETY: everything that `message` points to lives through the call; the kernel reads it only.
        let sent = unsafe { libc::sendmsg(self.raw(), &raw const message, 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The next datagram that waits; `None` if none does.
    ///
    /// # Errors
    /// What the kernel says, such as that the interface is down.
    pub fn receive(&self) -> io::Result<Option<Received>> {
        let mut payload = vec![0_u8; LONGEST];
        let mut control = Buffer([0; 256]);
        // SAFETY: all-zero bytes are a valid sockaddr_storage and a valid msghdr.
        let (mut name, mut message): (libc::sockaddr_storage, libc::msghdr) = unsafe { std::mem::zeroed() };
        let mut bytes = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
        message.msg_name = (&raw mut name).cast();
        message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        message.msg_iov = &raw mut bytes;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len();
        // SAFETY: everything that `message` points to is writable for the lengths given, and lives through the call.
        let length = unsafe { libc::recvmsg(self.raw(), &raw mut message, 0) };
        if length < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        }
        payload.truncate(length as usize);
        let ancillary = Ancillary::of(&message);
        let age = age(ancillary.arrived);
        if self.own.is_ipv4() {
            return Ok(Some(of_ipv4(&payload, age)));
        }
        // SAFETY: the kernel filled in the name of an IPv6 socket's sender.
        let name: libc::sockaddr_in6 = unsafe { (&raw const name).cast::<libc::sockaddr_in6>().read() };
        let source = SocketAddrV6::new(Ipv6Addr::from(name.sin6_addr.s6_addr), 0, 0, 0);
        let destination = ancillary.destination.unwrap_or(Ipv6Addr::UNSPECIFIED.into());
        Ok(Some(Received {
            source: (*source.ip()).into(),
            destination,
            hops: ancillary.hops.unwrap_or(0),
            age,
            payload,
        }))
    }

    fn set<T>(&self, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
        // SAFETY: `value` is readable for its size.
        let bytes = unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) };
        self.set_bytes(level, name, bytes)
    }

    fn set_bytes(&self, level: libc::c_int, name: libc::c_int, value: &[u8]) -> io::Result<()> {
        // SAFETY: `value` is readable for the length given.
        let set =
            unsafe { libc::setsockopt(self.raw(), level, name, value.as_ptr().cast(), value.len() as libc::socklen_t) };
        if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A raw IPv4 socket hands over the header, too. One that is cut short has no payload, which is no message.
fn of_ipv4(packet: &[u8], age: Duration) -> Received {
    let at = |start: usize| packet.get(start..).and_then(<[u8]>::first_chunk::<4>).copied().unwrap_or_default();
    let header = usize::from(packet.first().map_or(0, |byte| byte & 0x0f)) * 4;
    Received {
        source: Ipv4Addr::from(at(12)).into(),
        destination: Ipv4Addr::from(at(16)).into(),
        hops: at(8)[0],
        age,
        payload: packet.get(header..).unwrap_or_default().to_vec(),
    }
}

/// How long ago something happened by the real-time clock. If that was set back since, nobody knows: very long.
fn age(arrived: Option<Duration>) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    arrived.map_or(Duration::ZERO, |arrived| now.checked_sub(arrived).unwrap_or(Duration::MAX))
}

fn way_out(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        Some(libc::EPERM) => "; run pivotd as root or give it CAP_NET_RAW",
        Some(libc::ENODEV) => "; the interface is gone, or down",
        _ => "",
    }
}
