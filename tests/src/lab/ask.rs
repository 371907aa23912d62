//! Who answers for an address: asked of everybody on the segment, by ARP (RFC 826) or neighbour solicitation (RFC 4861).
//!
//! Unlike the kernel's own question this one hears every answer, also that of a host that is not to give one.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lb_userspace::core::event::Mac;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::capture;
use super::family::Family;
use super::frame::{Frame, NeighbourKind};
use super::node::Node;
use super::patience::patient;
use super::question::{Asker, question};

/// How long answers are waited for: many times what a host of the lab takes.
const WINDOW: Duration = Duration::from_millis(30);

/// Longest answer.
const LONGEST: usize = 128;

impl Node {
    /// The MACs of all that answer for an address within a moment, asked once by this host.
    pub fn who_answers(&self, address: IpAddr) -> Result<BTreeSet<Mac>> {
        let socket = self.run(|| capture::open(self.interface))?.context("opening a packet socket")?;
        let asker = Asker { from: self.mac, mac: self.mac, address: self.address_in(Family::of(address)) };
        rustix::net::send(&socket, &question(asker, address), SendFlags::empty())
            .with_context(|| format!("asking for {address}"))?;
        let end = Instant::now() + patient(WINDOW);
        let mut answers = BTreeSet::new();
        let mut buffer = [0; LONGEST];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Ok(answers),
                Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error).context("waiting for answers"),
            }
            let (length, _) = rustix::net::recv(&socket, &mut buffer, RecvFlags::empty()).context("receiving")?;
            let heard = Frame(buffer[..length].to_vec()).neighbour();
            let answer = heard.filter(|it| it.kind == NeighbourKind::Answer && it.sender == address);
            answers.extend(answer.map(|answer| answer.mac));
            if left.is_zero() {
                return Ok(answers);
            }
        }
    }
}
