//! Frames seen on an interface: an AF_PACKET socket (packet(7)) read by a thread until it is told to stop.
//!
//! On a port of the switch it sees everything the host behind that port sends, whatever pivot's programs do there.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::{io, mem};

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

use super::frame::Frame;
use super::netns::Namespace;

/// A capture under way; ended, and its frames lost, when dropped.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Vec<Frame>>>>,
}

/// Bytes kept of each frame: all headers.
const SNAPLEN: usize = 256;

/// What a socket holds until the thread gets to read it, in bytes, far more than the usual 200 KiB: on a busy machine a burst
/// of large datagrams fills that, and the rest is lost without a word.
const ROOM: usize = 16 << 20;

/// How often a quiet capture looks whether it is to stop: every 20 ms.
const LOOK_FOR_STOP: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

impl Capture {
    /// Begins to capture on an interface the frames that `wanted` says yes to, in both directions.
    pub fn start(
        namespace: &Namespace,
        interface: &str,
        wanted: impl Fn(&Frame) -> bool + Send + 'static,
    ) -> Result<Self> {
        let socket = namespace.run(|| open(interface))?.with_context(|| format!("capturing on {interface}"))?;
        let stop = Arc::<AtomicBool>::default();
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || receive(&socket, &stop, &wanted)
        });
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends it, after what had arrived by then, and returns the frames.
    pub fn stop(mut self) -> Result<Vec<Frame>> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("a capture that was stopped already")?;
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it saw is of no use to anyone now.
            let _ = thread.join();
        }
    }
}

/// A socket that receives every frame of one interface.
pub(super) fn open(interface: &str) -> io::Result<OwnedFd> {
    // Protocol 0: nothing is received before the socket is bound to the interface.
    let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, ROOM)?;
    bind_to(&socket, interface, libc::ETH_P_ALL as u16)?;
    Ok(socket)
}

/// Binds a packet socket to an interface; it receives frames of this Ethernet type from then on, none if that is 0.
pub(super) fn bind_to(socket: &OwnedFd, interface: &str, ethertype: u16) -> io::Result<()> {
    let index = rustix::net::netdevice::name_to_index(socket, interface)?;
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is a whole sockaddr_ll that outlives the call, and its length is given with it.
    match unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn receive(socket: &OwnedFd, stop: &AtomicBool, wanted: &dyn Fn(&Frame) -> bool) -> Result<Vec<Frame>> {
    let mut frames = Vec::new();
    let mut buffer = [0; SNAPLEN];
    loop {
        // Looked at before the socket: what had arrived when it was set is still read.
        let last = stop.load(Ordering::Relaxed);
        let timeout = if last { Timespec::default() } else { LOOK_FOR_STOP };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&timeout)) {
            Ok(0) if last => return Ok(frames),
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error).context("waiting for frames"),
        }
        let (length, _) = rustix::net::recv(socket, &mut buffer, RecvFlags::empty()).context("receiving a frame")?;
        let frame = Frame(buffer[..length].to_vec());
        if wanted(&frame) {
            frames.push(frame);
        }
    }
}
