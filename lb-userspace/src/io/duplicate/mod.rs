//! Whether another machine has a VIP: VIPs and the interfaces that carry them in, questions to the segments, who answers out.
//!
//! - [`arp`]: for IPv4. [`discovery`]: for IPv6.
//!
//! Packet sockets, one for each interface and family: the kernel answers nothing that is asked in its name, and XDP passes
//! replies and advertisements on. What is for other hosts, or of a VLAN that this host has no device for, is not read.

mod arp;
mod discovery;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::netlink::Link;
use crate::core::election::InUse;
use crate::core::event::Mac;

/// Frames that are read of one socket at a time: a flood of them must not hold anything else up.
const BATCH: usize = 64;
/// Bytes that are read of a frame: an advertisement and a few options.
const LONGEST: usize = 256;

/// Why it cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask on {interface} whether another machine has {vips}: {action}: {cause}{}", way_out(cause))]
pub struct AskError {
    interface: String,
    vips: String,
    action: &'static str,
    cause: io::Error,
}

/// Asks about some VIPs, and hears who answers, for as long as it lives.
#[derive(Debug)]
pub struct Asker {
    segments: Vec<Segment>,
    /// MACs of this host, which are nobody else's.
    own: BTreeSet<Mac>,
}

/// The VIPs of one family on one interface.
#[derive(Debug)]
struct Segment {
    link: Link,
    vips: Vec<IpAddr>,
    socket: OwnedFd,
}

impl Asker {
    /// Begins to hear, in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`AskError`] if CAP_NET_RAW is missing, or an interface is gone.
    pub fn open<'l>(vips: impl IntoIterator<Item = (IpAddr, &'l Link)>) -> Result<Self, AskError> {
        let mut places: BTreeMap<(u32, bool), (&Link, Vec<IpAddr>)> = BTreeMap::new();
        for (vip, link) in vips {
            places.entry((link.index, vip.is_ipv4())).or_insert((link, Vec::new())).1.push(vip);
        }
        let segment = |((_, v4), (link, vips)): ((u32, bool), (&Link, Vec<IpAddr>))| match hear(link, v4) {
            Ok(socket) => Ok(Segment { link: link.clone(), vips, socket }),
            Err(cause) => Err(failed(link, &vips, "opening a packet socket", cause)),
        };
        let segments = places.into_iter().map(segment).collect::<Result<_, _>>()?;
        Ok(Self { segments, own: own_macs() })
    }

    /// Asks about each VIP once. It does not wait for the network.
    ///
    /// # Errors
    /// [`AskError`] of an interface that took no frame, such as one that is down; on all others it is asked.
    pub fn ask(&self) -> Result<(), AskError> {
        let mut all = Ok(());
        for segment in &self.segments {
            all = segment.ask().and(all);
        }
        all
    }

    /// Other machines that have answered since it was last looked.
    #[must_use]
    pub fn answers(&self) -> Vec<InUse> {
        let answers = self.segments.iter().flat_map(Segment::answers);
        answers.filter(|answer| !self.own.contains(&answer.mac)).collect()
    }

    /// What becomes readable with an answer.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.segments.iter().map(|segment| segment.socket.as_fd())
    }
}

impl Segment {
    fn ask(&self) -> Result<(), AskError> {
        let send = |vip: &IpAddr| match vip {
            IpAddr::V4(vip) => rustix::net::send(&self.socket, &arp::probe(self.link.mac, *vip), SendFlags::empty()),
            IpAddr::V6(vip) => {
                rustix::net::send(&self.socket, &discovery::solicitation(self.link.mac, *vip), SendFlags::empty())
            }
        };
        let sent = self.vips.iter().try_for_each(|vip| send(vip).map(drop));
        sent.map_err(|errno| failed(&self.link, &self.vips, "sending", errno.into()))
    }

    fn answers(&self) -> Vec<InUse> {
        let mut frame = [0; LONGEST];
        let mut answers = Vec::new();
        for _ in 0..BATCH {
            // Nothing waits, or the interface has gone down.
            let Ok((length, _)) = rustix::net::recv(&self.socket, &mut frame, RecvFlags::empty()) else { break };
            let Some((vip, mac)) = frame.get(..length).and_then(owner) else { continue };
            if self.vips.contains(&vip) {
                answers.push(InUse { vip, mac, interface: self.link.name.clone() });
            }
        }
        answers
    }
}

/// Who says in a frame that it has which address.
fn owner(frame: &[u8]) -> Option<(IpAddr, Mac)> {
    let of4 = || arp::owner(frame).map(|(address, mac)| (address.into(), mac));
    let of6 = || discovery::owner(frame).map(|(address, mac)| (address.into(), mac));
    of4().or_else(of6)
}

/// A socket that hears, of one interface, what may be an answer, and sends whole frames there.
fn hear(link: &Link, v4: bool) -> io::Result<OwnedFd> {
    // Protocol 0: nothing is received before it is bound, and the filter is there by then.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
    let filter = filter(v4);
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the program and its instructions are readable for the lengths given, and live through the call.
    let set = unsafe {
        let size = size_of::<libc::sock_fprog>() as libc::socklen_t;
        let program = (&raw const program).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program, size)
    };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    let ethertype = if v4 { libc::ETH_P_ARP } else { libc::ETH_P_IPV6 };
    // SAFETY: all-zero bytes are a valid sockaddr_ll.
    let mut place: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    place.sll_family = libc::AF_PACKET as u16;
    place.sll_protocol = (ethertype as u16).to_be();
    place.sll_ifindex = link.index as i32;
    let length = size_of_val(&place) as libc::socklen_t;
    // SAFETY: the address is readable for the length given with it.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const place).cast(), length) };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

/// A classic BPF program over a frame that lets through what is not for another host, and of IPv6 advertisements alone: all
/// traffic of the interface comes by.
fn filter(v4: bool) -> Vec<libc::sock_filter> {
    let load = |offset: i32| (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, offset as u32, None);
    // Drops the frame unless the byte is (or is not) this one.
    let test = |is: bool, byte: u8| (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, u32::from(byte), Some(is));
    let kind = [load(libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE), test(false, libc::PACKET_OTHERHOST)];
    let advertisement = [load(20), test(true, discovery::ICMPV6), load(54), test(true, discovery::ADVERTISEMENT)];
    let returns = |bytes: usize| (libc::BPF_RET | libc::BPF_K, bytes as u32, None);
    let mut steps = kind.to_vec();
    steps.extend(advertisement.into_iter().filter(|_| !v4));
    steps.extend([returns(LONGEST), returns(0)]);
    let last = steps.len() - 1;
    let instruction = |(place, (code, k, test)): (usize, (u32, u32, Option<bool>))| {
        let to_last = last.saturating_sub(place + 1) as u8;
        let (jt, jf) = match test {
            Some(true) => (0, to_last),
            Some(false) => (to_last, 0),
            None => (0, 0),
        };
        libc::sock_filter { code: code as u16, jt, jf, k }
    };
    steps.into_iter().enumerate().map(instruction).collect()
}

/// MACs of all interfaces of this network namespace; none if the kernel does not say.
fn own_macs() -> BTreeSet<Mac> {
    let mut macs = BTreeSet::new();
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `first` is writable.
    if unsafe { libc::getifaddrs(&raw mut first) } < 0 {
        return macs;
    }
    let mut next = first;
    // SAFETY: the list is valid, and its end is null, until it is freed below.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: an address is null or a whole sockaddr, which begins with its family.
        let family = unsafe { entry.ifa_addr.as_ref() }.map(|address| i32::from(address.sa_family));
        if family == Some(libc::AF_PACKET) {
            // SAFETY: addresses of that family are whole sockaddr_ll; alignment is not assumed.
            let address = unsafe { entry.ifa_addr.cast::<libc::sockaddr_ll>().read_unaligned() };
            macs.extend(address.sll_addr.first_chunk().filter(|_| address.sll_halen == 6).map(|mac| Mac(*mac)));
        }
    }
    // SAFETY: `first` is what getifaddrs gave, and nothing refers to the list any more.
    unsafe { libc::freeifaddrs(first) };
    macs
}

fn failed(link: &Link, vips: &[IpAddr], action: &'static str, cause: io::Error) -> AskError {
    let vips = vips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    AskError { interface: link.name.clone(), vips, action, cause }
}

fn way_out(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        Some(libc::EPERM) => "; run pivotd as root or give it CAP_NET_RAW",
        Some(libc::ENETDOWN | libc::ENODEV | libc::ENXIO) => "; the interface is gone, or down",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel's interpreter makes of a frame: the bytes that are let through.
    fn run(program: &[libc::sock_filter], frame: &[u8], packet_type: u8) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let instruction = program[at];
            at += 1;
            match u32::from(instruction.code) {
                code if code == libc::BPF_LD | libc::BPF_B | libc::BPF_ABS => {
                    let ancillary = instruction.k == (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;
                    loaded = match frame.get(instruction.k as usize) {
                        _ if ancillary => u32::from(packet_type),
                        Some(byte) => u32::from(*byte),
                        // The kernel drops what is too short.
                        None => return 0,
                    };
                }
                code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => {
                    at += usize::from(if loaded == instruction.k { instruction.jt } else { instruction.jf });
                }
                _ => return instruction.k,
            }
        }
    }

    #[test]
    fn the_filter_lets_answers_through_and_nothing_else() {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let arp = arp::probe(mac, [10, 0, 0, 100].into());
        assert_eq!(run(&filter(true), &arp, libc::PACKET_HOST), LONGEST as u32);
        assert_eq!(run(&filter(true), &arp, libc::PACKET_OTHERHOST), 0);
        let question = discovery::solicitation(mac, "fd00::100".parse().unwrap());
        let mut answer = question;
        answer[54] = discovery::ADVERTISEMENT;
        assert_eq!(run(&filter(false), &answer, libc::PACKET_MULTICAST), LONGEST as u32);
        assert_eq!(run(&filter(false), &answer, libc::PACKET_OTHERHOST), 0);
        assert_eq!(run(&filter(false), &question, libc::PACKET_MULTICAST), 0);
        answer[20] = 6;
        assert_eq!(run(&filter(false), &answer, libc::PACKET_MULTICAST), 0);
        assert_eq!(run(&filter(false), &answer[..20], libc::PACKET_MULTICAST), 0);
    }
}
