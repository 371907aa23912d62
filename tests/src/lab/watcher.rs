//! Who has a VIP, asked again and again by ARP or neighbour solicitation, of everybody.
//!
//! Each question has a sender's MAC of its own, which answers are sent to: so an answer tells the question. The sender's
//! address is nobody's. Answers and announcements count from when the kernel took them in.

use std::collections::BTreeMap;
use std::mem::size_of;
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{io, mem, ptr};

use anyhow::{Context as _, Result, bail};
use lb_userspace::core::event::Mac;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use super::capture;
use super::family::Segment;
use super::frame::{Frame, NeighbourKind};
use super::node::Node;
use super::question::{self, question};
use super::realtime::{OBSERVER, run_before_others};
use super::wait::wait_until;
use super::watch::{Announcement, Answer, Watch};

/// Time between two questions.
const EVERY: Duration = Duration::from_millis(2);

/// How long an answer to the last question is waited for, after the last one that came.
const LAST: Duration = Duration::from_millis(20);

/// Number in the segment of who asks: no host's.
const NOBODY: u8 = 250;

/// What the MACs of questions begin with: no host's. The other four bytes are the question's number.
const ASKER: [u8; 2] = [0x02, 0x77];

/// Room for answers that wait, in bytes.
const ROOM: usize = 4 << 20;

/// A watch under way; ended, and what it saw lost, when dropped.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    begin: Duration,
    thread: Option<JoinHandle<Result<Watch>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// When the question was asked that a host answered last.
    latest: Mutex<BTreeMap<Mac, Duration>>,
}

impl Node {
    /// Begins to ask from this host, which is on the VIP's segment, who has it.
    pub fn watch(&self, vip: impl Into<IpAddr>) -> Result<Watcher> {
        let (vip, interface) = (vip.into(), self.interface);
        let socket = self.run(|| open(vip, interface))?.with_context(|| format!("watching {vip}"))?;
        let (shared, begin) = (Arc::<Shared>::default(), clock());
        let (asked, seen) = (Vec::new(), Watch::default());
        let asker = Asker { socket, vip, own: self.mac, begin, asked, seen, shared: Arc::clone(&shared) };
        Ok(Watcher { shared, begin, thread: Some(thread::spawn(move || asker.run())) })
    }
}

impl Watcher {
    /// The time by which it counts: since it began.
    pub fn now(&self) -> Duration {
        clock().saturating_sub(self.begin)
    }

    /// Waits until a host answers what is asked from now on.
    pub fn await_answer_of(&self, host: &Node) -> Result<()> {
        let from = self.now();
        wait_until(Duration::from_secs(20), &format!("{} ({}) to answer", host.name, host.mac), || {
            let latest = lock(&self.shared.latest);
            let is_new = latest.get(&host.mac).is_some_and(|asked| *asked >= from);
            if is_new { Ok(()) } else { Err(format!("at {:?} these questions answered: {latest:?}", self.now())) }
        })
    }

    /// Ends it, and returns what it saw.
    pub fn stop(mut self) -> Result<Watch> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("a watch that was stopped already")?;
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it saw is of no use to anyone now.
            let _ = thread.join();
        }
    }
}

/// The watcher's thread.
struct Asker {
    socket: OwnedFd,
    vip: IpAddr,
    own: Mac,
    begin: Duration,
    /// When each question was asked.
    asked: Vec<Duration>,
    seen: Watch,
    shared: Arc<Shared>,
}

impl Asker {
    fn run(mut self) -> Result<Watch> {
        run_before_others(OBSERVER).context("asking for a real-time priority")?;
        let mut next = self.now();
        while !self.shared.stop.load(Ordering::Relaxed) {
            if self.now() >= next {
                self.ask()?;
                next += EVERY;
                // Questions that are overdue are left out: each is to be asked at a time of its own.
                next = next.max(self.now());
            }
            self.take_in(next.saturating_sub(self.now()))?;
        }
        while self.take_in(LAST)? {}
        Ok(self.seen)
    }

    fn ask(&mut self) -> Result<()> {
        let number = self.asked.len() as u32;
        let [a, b, c, d] = number.to_be_bytes();
        let address = match self.vip {
            IpAddr::V4(_) => Segment::First.v4(NOBODY).into(),
            IpAddr::V6(_) => Segment::First.v6(NOBODY).into(),
        };
        let asker = question::Asker { from: self.own, mac: Mac([ASKER[0], ASKER[1], a, b, c, d]), address };
        let frame = question(asker, self.vip);
        self.asked.push(self.now());
        self.seen.questions += 1;
        match rustix::net::send(&self.socket, &frame, SendFlags::empty()) {
            // A full queue loses it, as on a wire.
            Ok(_) | Err(Errno::NOBUFS) => Ok(()),
            Err(error) => Err(error).context("asking"),
        }
    }

    /// Waits for as long for frames, and takes in all that are there; whether there was one.
    fn take_in(&mut self, wait: Duration) -> Result<bool> {
        let timeout = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for answers"),
        }
        let mut any = false;
        while let Some((frame, at)) = receive(&self.socket).context("receiving an answer")? {
            any |= self.see(&frame, at.saturating_sub(self.begin));
        }
        Ok(any)
    }

    /// Notes what a frame says of the VIP, if it does.
    fn see(&mut self, frame: &Frame, at: Duration) -> bool {
        let Some(said) = frame.neighbour().filter(|said| said.sender == self.vip) else { return false };
        match said.kind {
            NeighbourKind::Question => return false,
            NeighbourKind::Announcement => self.seen.announcements.push(Announcement { mac: said.mac, at }),
            NeighbourKind::Answer => {
                // One that is for somebody else is no answer to a question of this watch.
                let Some([a, b, number @ ..]) = frame.0.first_chunk::<6>() else { return false };
                let question = u32::from_be_bytes(*number);
                let Some(asked) = self.asked.get(question as usize).filter(|_| [*a, *b] == ASKER) else { return false };
                self.seen.answers.push(Answer { question, mac: said.mac, asked: *asked, at });
                lock(&self.shared.latest).insert(said.mac, *asked);
            }
        }
        true
    }

    fn now(&self) -> Duration {
        clock().saturating_sub(self.begin)
    }
}

/// Nobody panics while holding it.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The clock that the kernel's timestamps are of.
fn clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A socket that receives, of one interface, what may be about an address, with timestamps.
fn open(vip: IpAddr, interface: &str) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, ROOM)?;
    let on: libc::c_int = 1;
    // SAFETY: the value is readable for the size given with it.
    let set = unsafe {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, (&raw const on).cast(), size)
    };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    let ethertype = if vip.is_ipv4() { libc::ETH_P_ARP } else { libc::ETH_P_IPV6 };
    capture::bind_to(&socket, interface, ethertype as u16)?;
    Ok(socket)
}

/// The next frame that waits, and when the kernel took it in.
fn receive(socket: &OwnedFd) -> Result<Option<(Frame, Duration)>> {
    let (mut bytes, mut control) = ([0_u8; 128], [0_u64; 16]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero bytes are a valid msghdr.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: everything that `message` points to is writable for the lengths given, and lives through the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    if length < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error.into()) };
    }
    // SAFETY: the kernel filled in the control messages, of the length that it left in `message`.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    if header.is_null() {
        bail!("a frame without a timestamp");
    }
    // SAFETY: not null, so it is a whole header in `control`; this socket has one kind of control message, a timespec.
    let time = unsafe {
        if (*header).cmsg_type != libc::SO_TIMESTAMPNS {
            bail!("a frame with a control message of type {}", (*header).cmsg_type);
        }
        ptr::read_unaligned(libc::CMSG_DATA(header).cast::<libc::timespec>())
    };
    let at = Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32);
    Ok(Some((Frame(bytes[..length.cast_unsigned().min(bytes.len())].to_vec()), at)))
}
