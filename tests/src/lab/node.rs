//! One host of a lab: its namespace, addresses and MAC, and what can be asked of it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Sub;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use lb_userspace::core::event::Mac;

use super::family::{Family, Segment};
use super::netns::Namespace;
use super::process::Process;

/// The interface of a host on its (first) segment, inside its namespace, unless it is of a kind that is called otherwise.
pub const INTERFACE: &str = "eth0";

/// That on the second segment, where a lab has one; the router's towards the client.
pub const SECOND_INTERFACE: &str = "eth1";

/// A host. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name within the lab (`c1`, `client`, `router`), also that of its port on the switch.
    pub name: String,
    /// Its IPv4 address on the switch's first segment (behind the router for a client there).
    pub address: Ipv4Addr,
    /// Its IPv6 address there.
    pub address6: Ipv6Addr,
    /// Name of its interface there.
    pub interface: &'static str,
    /// That interface's MAC.
    pub mac: Mac,
    /// Number of this host in its segments.
    pub(super) number: u8,
    /// Whether it has an `eth1` on the second segment.
    pub(super) second: bool,
    pub(super) netns: Arc<Namespace>,
    pub(super) directory: Arc<std::path::Path>,
}

/// Which addresses a service is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Each of the host's own addresses, of both families and on every segment, by a socket of its own.
    Addresses,
    /// `[::]`, by one socket for both families.
    Wildcard,
}
/// Counters of an interface since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Bytes received, Ethernet headers included.
    pub rx_bytes: u64,
    /// Frames received.
    pub rx_packets: u64,
    /// Bytes sent, Ethernet headers included.
    pub tx_bytes: u64,
    /// Frames sent.
    pub tx_packets: u64,
}

impl Node {
    /// Its namespace.
    pub fn netns(&self) -> &Namespace {
        &self.netns
    }

    /// Its address of a family on the switch's first segment (behind the router for a client there).
    pub fn address_in(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.address.into(),
            Family::V6 => self.address6.into(),
        }
    }

    /// Its address of a family on a segment of the switch, for a controller that is there.
    pub fn address_on(&self, segment: Segment, family: Family) -> IpAddr {
        segment.address(family, self.number)
    }

    /// What a service on this host is bound to.
    pub fn listen_on(&self, listen: Listen, port: u16) -> Vec<SocketAddr> {
        let addresses = match listen {
            Listen::Wildcard => vec![Ipv6Addr::UNSPECIFIED.into()],
            Listen::Addresses => {
                let second = Family::ALL.map(|family| self.address_on(Segment::Second, family));
                let second = second.into_iter().filter(|_| self.second);
                Family::ALL.map(|family| self.address_in(family)).into_iter().chain(second).collect()
            }
        };
        addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
    }

    /// Gives it one more address, routed to it already or not.
    pub fn add_address(&self, address: IpAddr) -> Result<()> {
        self.netns.ip(&format!("address add {address}/{} dev lo", Family::of(address).bits()))
    }

    /// Has it forget all its neighbours' MACs, of both families.
    pub fn forget_neighbours(&self) -> Result<()> {
        self.netns.ip("neighbour flush all")
    }

    /// Has it believe that an address is this MAC's, until it hears otherwise.
    pub fn believe(&self, address: IpAddr, mac: Mac) -> Result<()> {
        self.netns.ip(&format!("neighbour replace {address} lladdr {mac} dev {} nud reachable", self.interface))
    }

    /// Whose MAC it believes an address to be.
    pub fn believed(&self, address: IpAddr) -> Result<Option<Mac>> {
        let entry = self.netns.output("ip", &["neighbour", "show", &address.to_string(), "dev", self.interface])?;
        let mac = entry.split_whitespace().skip_while(|word| *word != "lladdr").nth(1);
        let Some(mac) = mac else { return Ok(None) };
        let bytes: Vec<u8> = mac.split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        Ok(Some(Mac(bytes.try_into().map_err(|_| anyhow::anyhow!("no MAC: {mac}"))?)))
    }

    /// Whether it is one of c1, c2, ...: neither the client nor the router.
    pub fn is_controller(&self) -> bool {
        is_controller(&self.name)
    }

    /// Runs a closure on this host; see [`Namespace::run`].
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.netns.run(work)
    }

    /// Starts a process on this host, its output in `<label>.out` and `.err` of the lab's directory.
    pub fn spawn(&self, label: &str, mut command: Command) -> Result<Process> {
        self.netns.enter(&mut command)?;
        Process::spawn(command, label, &self.directory)
    }

    /// Counters of its interface on the first segment.
    pub fn counters(&self) -> Result<Counters> {
        self.counters_of(self.interface)
    }

    /// Counters of one of its interfaces (proc_pid_net(5), `dev`).
    pub fn counters_of(&self, interface: &str) -> Result<Counters> {
        let table = self.run(|| fs::read_to_string("/proc/thread-self/net/dev"))?.context("reading net/dev")?;
        parse_counters(&table, interface).with_context(|| format!("no interface {interface} on {}", self.name))
    }
}

pub(super) fn is_controller(name: &str) -> bool {
    name.strip_prefix('c').is_some_and(|number| number.parse::<u8>().is_ok())
}

impl Sub for Counters {
    type Output = Self;

    /// What was counted since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        Self {
            rx_bytes: self.rx_bytes - earlier.rx_bytes,
            rx_packets: self.rx_packets - earlier.rx_packets,
            tx_bytes: self.tx_bytes - earlier.tx_bytes,
            tx_packets: self.tx_packets - earlier.tx_packets,
        }
    }
}

fn parse_counters(table: &str, interface: &str) -> Option<Counters> {
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    match fields[..] {
        [rx_bytes, rx_packets, _, _, _, _, _, _, tx_bytes, tx_packets, ..] => {
            Some(Counters { rx_bytes, rx_packets, tx_bytes, tx_packets })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_counters_of_the_named_interface() {
        let table = "Inter-| Receive\n face |bytes\n    lo:  1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n  eth0: 50 6 0 0 0 0 0 0 70 8 0 0 0 0 0 0\n";
        let expected = Counters { rx_bytes: 50, rx_packets: 6, tx_bytes: 70, tx_packets: 8 };
        assert_eq!(parse_counters(table, "eth0"), Some(expected));
        assert_eq!(parse_counters(table, "eth"), None);
    }
}
