//! A SYN flood: TCP's first segment, again and again, from sources that do not exist.
//!
//! Sources are random addresses and ports out of what the lab's router routes into nothing: answers go there and end. So
//! a flood needs a lab with a router, and is best sent from it: no neighbour is looked for, no route back is missing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lb_userspace::core::event::Mac;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use super::capture;
use super::craft::checksum;
use super::node::{INTERFACE, Node};
use super::random::Random;

/// What is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// Address and port that are flooded.
    pub target: SocketAddr,
    /// MAC of the next hop: frames are sent to it, whatever the routes say.
    pub next_hop: Mac,
    /// Segments a second; `None`: as many as can be sent.
    pub rate: Option<u64>,
}

/// A flood under way; ended when dropped.
#[derive(Debug)]
pub struct RunningFlood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<u64>>>,
}

/// Rest between two bursts of a flood that has a rate.
const PAUSE: Duration = Duration::from_millis(1);

/// Segments between two looks at the clock.
const BURST: u64 = 64;

impl Node {
    /// Begins a flood from this host's `eth0`.
    pub fn start_flood(&self, flood: Flood) -> Result<RunningFlood> {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let socket = self.run(open)?.context("opening a packet socket")?;
        let thread = thread::spawn({
            let (mac, stop, sent) = (self.mac, Arc::clone(&stop), Arc::clone(&sent));
            move || flood.send(&socket, mac, &stop, &sent)
        });
        Ok(RunningFlood { stop, sent, thread: Some(thread) })
    }
}

impl RunningFlood {
    /// Segments sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends it, and returns how many segments were sent.
    pub fn stop(mut self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("a flood that was stopped already")?;
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }
}

impl Drop for RunningFlood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // How many it was is of no use to anyone now.
            let _ = thread.join();
        }
    }
}

impl Flood {
    fn send(self, socket: &OwnedFd, source: Mac, stop: &AtomicBool, total: &AtomicU64) -> Result<u64> {
        let start = Instant::now();
        let mut random = Random(0x5eed);
        let mut sent = 0;
        while !stop.load(Ordering::Relaxed) {
            let burst = match self.rate {
                None => BURST,
                Some(rate) => (start.elapsed().as_micros() as u64 * rate / 1_000_000).saturating_sub(sent),
            };
            for _ in 0..burst.min(BURST) {
                match rustix::net::send(socket, &self.syn(source, &mut random), SendFlags::empty()) {
                    Ok(_) => sent += 1,
                    // The interface's queue is full: this one is lost, as on a wire.
                    Err(Errno::NOBUFS) => {}
                    Err(error) => return Err(error).context("flooding"),
                }
            }
            total.store(sent, Ordering::Relaxed);
            if self.rate.is_some() && burst <= BURST {
                thread::sleep(PAUSE);
            }
        }
        Ok(sent)
    }

    /// A whole frame with a SYN from nobody.
    fn syn(self, source: Mac, random: &mut Random) -> Vec<u8> {
        let mut tcp = [0; 20];
        tcp[..2].copy_from_slice(&(1024 | random.number() as u16).to_be_bytes());
        tcp[2..4].copy_from_slice(&self.target.port().to_be_bytes());
        tcp[4..8].copy_from_slice(&(random.number() as u32).to_be_bytes());
        // Five words of header, SYN, a window.
        tcp[12..16].copy_from_slice(&[0x50, 0x02, 0xff, 0xff]);

        let (ethertype, header, addresses) = match self.target.ip() {
            IpAddr::V4(target) => v4(nobody(random), target),
            IpAddr::V6(target) => v6(nobody6(random), target),
        };
        let pseudo = [&addresses[..], &[0, 6, 0, tcp.len() as u8]].concat();
        let sum = checksum(&[&pseudo[..], &tcp].concat());
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        [&self.next_hop.0[..], &source.0, &ethertype, &header, &tcp].concat()
    }
}

/// Ethernet type, IP header, and both addresses of a TCP segment of 20 bytes.
type Header = ([u8; 2], Vec<u8>, Vec<u8>);

fn v4(source: Ipv4Addr, target: Ipv4Addr) -> Header {
    let addresses = [source.octets(), target.octets()].concat();
    let mut header = [&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0], &addresses[..]].concat();
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    ([0x08, 0x00], header, addresses)
}

fn v6(source: Ipv6Addr, target: Ipv6Addr) -> Header {
    let addresses = [source.octets(), target.octets()].concat();
    ([0x86, 0xdd], [&[0x60, 0, 0, 0, 0, 20, 6, 64], &addresses[..]].concat(), addresses)
}

/// An address of 198.18.0.0/15.
fn nobody(random: &mut Random) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() | random.number() as u32 >> 15)
}

/// An address of fd00:5917::/32.
fn nobody6(random: &mut Random) -> Ipv6Addr {
    let low = u128::from(random.number()) | u128::from(random.number() as u32) << 64;
    Ipv6Addr::from_bits(Ipv6Addr::new(0xfd00, 0x5917, 0, 0, 0, 0, 0, 0).to_bits() | low)
}

/// A socket that sends frames on `eth0` and receives none.
fn open() -> std::io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    capture::bind_to(&socket, INTERFACE, 0)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_over_what_carries_it_is_zero() {
        let mut random = Random(1);
        for target in ["10.0.0.1:80", "[fd00::1]:80"] {
            let target: SocketAddr = target.parse().unwrap();
            let flood = Flood { target, next_hop: Mac([2, 0, 0, 0, 0, 1]), rate: None };
            let frame = flood.syn(Mac([2, 0, 0, 0, 0, 2]), &mut random);
            let (ip, addresses) = if target.is_ipv4() { (20, 12) } else { (40, 8) };
            let packet = &frame[14..];
            if target.is_ipv4() {
                assert_eq!(checksum(&packet[..ip]), 0);
            }
            assert_eq!(checksum(&[&packet[addresses..], &[0, 6, 0, 20]].concat()), 0, "{target}");
        }
    }

    #[test]
    fn nobody_lives_where_the_router_sends_answers_into_nothing() {
        let mut random = Random(2);
        for _ in 0..1000 {
            assert!(matches!(nobody(&mut random).octets(), [198, 18 | 19, ..]));
            assert_eq!(nobody6(&mut random).segments()[..2], [0xfd00, 0x5917]);
        }
    }
}
