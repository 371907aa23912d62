//! Who answers for an address: asked of everybody on the segment, by ARP (RFC 826) or neighbour solicitation (RFC 4861).
//!
//! Unlike the kernel's own question this one hears every answer, also that of a host that is not to give one.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lb_userspace::core::event::Mac;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::capture;
use super::craft::{self, Packet};
use super::family::Family;
use super::frame::{Frame, NeighbourKind};
use super::node::Node;
use super::patience::patient;

/// How long answers are waited for: many times what a host of the lab takes.
const WINDOW: Duration = Duration::from_millis(30);

/// Longest answer.
const LONGEST: usize = 128;

/// ICMPv6 type of a solicitation, and the option that tells the asker's MAC (RFC 4861 sections 4.3 and 4.6.1).
const SOLICITATION: u8 = 135;
const SOURCE_MAC: [u8; 2] = [1, 1];
const ICMPV6: u8 = 58;

impl Node {
    /// The MACs of all that answer for an address within a moment, asked once by this host.
    pub fn who_answers(&self, address: IpAddr) -> Result<BTreeSet<Mac>> {
        let socket = self.run(|| capture::open(self.interface))?.context("opening a packet socket")?;
        rustix::net::send(&socket, &question(self, address), SendFlags::empty())
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

/// The frame that asks for an address, from a host.
fn question(host: &Node, address: IpAddr) -> Vec<u8> {
    match (address, host.address_in(Family::of(address))) {
        (IpAddr::V4(address), IpAddr::V4(own)) => arp(host.mac, own, address),
        (IpAddr::V6(address), IpAddr::V6(own)) => solicitation(host.mac, own, address),
        _ => unreachable!("a host's address of a family is of that family"),
    }
}

fn arp(mac: Mac, own: Ipv4Addr, address: Ipv4Addr) -> Vec<u8> {
    let header = [&[0xff; 6][..], &mac.0, &[0x08, 0x06]].concat();
    let request = [0, 1, 0x08, 0, 6, 4, 0, 1];
    [&header[..], &request, &mac.0, &own.octets(), &[0; 6], &address.octets()].concat()
}

fn solicitation(mac: Mac, own: Ipv6Addr, address: Ipv6Addr) -> Vec<u8> {
    // The group of all who have these last three bytes (RFC 4291 section 2.7.1).
    let [.., a, b, c] = address.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let mut message = [&[SOLICITATION, 0, 0, 0, 0, 0, 0, 0][..], &address.octets(), &SOURCE_MAC, &mac.0].concat();
    let (source, target) = (own.into(), group.into());
    let sum = craft::checksum(&[&craft::pseudo_header(source, target, ICMPV6, message.len()), &message[..]].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Packet { source, target, hops: 255, protocol: ICMPV6, payload: &message }.frame(mac, craft::multicast_mac(target))
}
