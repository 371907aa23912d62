//! The settings that make veth behave like wire, and namespaces like hosts on it: switch, addresses, routes, sysctls.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use lb_userspace::core::event::Mac;

use super::device::{self, Device};
use super::family::{CROWD, Family, NOWHERE, Segment};
use super::netns::Namespace;
use super::nic;
use super::node::{INTERFACE, Node, SECOND_INTERFACE};
use super::patience::patient;
use super::wait::wait_until;

/// Number of the client in its segment.
pub(super) const CLIENT: u8 = 200;

/// Number of the router in both of its segments.
pub(super) const ROUTER: u8 = 1;

/// The switch's port that is a network card of the machine, where there is one.
const UPLINK: &str = "uplink";

/// One interface to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plug<'a> {
    /// Segment that it is on.
    pub(super) segment: Segment,
    /// Name of the switch's port.
    pub(super) port: &'a str,
    /// Name of the host's interface.
    pub(super) interface: &'a str,
    /// Number of the host in the segment.
    pub(super) number: u8,
    /// What the host's interface is.
    pub(super) device: Device,
    /// Its MTU.
    pub(super) mtu: u32,
}

/// A bridge for each of the switch's segments.
pub(super) fn build_switch(switch: &Namespace) -> Result<()> {
    switch.sysctl(&[("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")])?;
    switch.ip("link set lo up")?;
    for segment in [Segment::First, Segment::Second] {
        let bridge = bridge(segment);
        switch.ip(&format!(
            "link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
             link set {bridge} addrgenmode none up"
        ))?;
    }
    // A fresh namespace hands bridged frames to netfilter, if the kernel can at all.
    for table in ["arptables", "iptables", "ip6tables"] {
        let path = format!("bridge/bridge-nf-call-{table}");
        if Path::new("/proc/sys/net/bridge").exists() {
            switch.sysctl(&[(&path, "0")])?;
        }
    }
    Ok(())
}

/// A wire from a port of the switch to an interface of a host, with its addresses.
pub(super) fn plug(switch: &Namespace, host: &Namespace, plug: Plug<'_>) -> Result<()> {
    device::build(switch, host, plug, bridge(plug.segment))?;
    configure(host, plug.interface, plug.segment, plug.number)
}

/// Joins the machine's network card for it to the switch's first segment.
pub(super) fn uplink(switch: &Namespace) -> Result<()> {
    nic::lend(nic::SWITCH, switch, UPLINK)?;
    switch.ip(&format!("link set {UPLINK} addrgenmode none master {} up", bridge(Segment::First)))
}

/// The wire between router and client, and the routes of both.
///
/// The client sends no more than the path takes, and says when it connects that it takes in whole frames of `mtu`.
pub(super) fn behind_router(router: &Namespace, client: &Namespace, mtu: u32, path_mtu: u32) -> Result<()> {
    let segment = Segment::BehindRouter;
    router.ip(&format!(
        "link add {SECOND_INTERFACE} mtu {path_mtu} type veth peer name {INTERFACE} address {} mtu {mtu} netns {}",
        Mac(segment.mac(CLIENT)),
        client.name()
    ))?;
    configure(router, SECOND_INTERFACE, segment, ROUTER)?;
    configure(client, INTERFACE, segment, CLIENT)?;
    router.sysctl(&[
        ("ipv4/ip_forward", "1"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv6/conf/all/forwarding", "1"),
    ])?;
    for (family, (crowd, nowhere)) in Family::ALL.into_iter().zip(CROWD.into_iter().zip(NOWHERE)) {
        let (default, gateway) = (family.everywhere(), segment.address(family, ROUTER));
        // Of IP and TCP (RFC 9293, section 3.7.1; RFC 8200, section 8.3).
        let headers = if family == Family::V4 { 40 } else { 60 };
        let advertised = mtu - headers;
        client.ip(&format!("route add {default} via {gateway} mtu {path_mtu} advmss {advertised}"))?;
        router.ip(&format!(
            "route add {crowd} via {}\n\
             route add blackhole {nowhere}",
            segment.address(family, CLIENT)
        ))?;
    }
    Ok(())
}

/// The routes of a host on the switch to what is not there: by the router if there is one; else the client's crowd only.
pub(super) fn route_outside(host: &Namespace, routed: bool) -> Result<()> {
    for (family, crowd) in Family::ALL.into_iter().zip(CROWD) {
        let (target, number) = if routed { (family.everywhere(), ROUTER) } else { (crowd, CLIENT) };
        let gateway = Segment::First.address(family, number);
        host.ip(&format!("route add {target} via {gateway}"))?;
    }
    Ok(())
}

/// Waits until the calling thread's namespace reaches a host: a port on which nothing listens refuses, so the way there
/// and back is open.
pub(super) fn await_reachable(host: &Node, segment: Segment) -> Result<()> {
    for family in Family::ALL {
        let target = SocketAddr::new(host.address_on(segment, family), 1);
        wait_until(
            Duration::from_secs(10),
            &format!("{} to be reached", host.name),
            || match TcpStream::connect_timeout(&target, patient(Duration::from_secs(1))) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
                other => Err(format!("{other:?} from {target}")),
            },
        )?;
    }
    Ok(())
}

/// Addresses and settings of one interface of a host, as on a Debian host on a real wire.
pub(super) fn configure(host: &Namespace, interface: &str, segment: Segment, number: u8) -> Result<()> {
    let v4 = |setting: &str| format!("ipv4/conf/{interface}/{setting}");
    let v6 = |setting: &str| format!("ipv6/conf/{interface}/{setting}");
    host.sysctl(&[
        // Addresses are the lab's alone, and usable at once.
        (&v6("accept_dad"), "0"),
        (&v6("accept_ra"), "0"),
        (&v6("autoconf"), "0"),
        // linux-sysctl-defaults(7): loose reverse path filtering.
        (&v4("rp_filter"), "2"),
        // What a path takes is learnt from ICMP errors, not guessed when they stay away.
        ("ipv4/tcp_mtu_probing", "0"),
        // Echo sockets (icmp(7)) are root's.
        ("ipv4/ping_group_range", "0 0"),
    ])?;
    // Frames on a wire carry complete checksums and are no longer than the MTU; on veth only if the sender makes them so.
    host.output("ethtool", &["-K", interface, "tx", "off"])?;
    host.ip(&format!("link set lo up\nlink set {interface} up"))?;
    for family in Family::ALL {
        let (address, prefix) = (segment.address(family, number), Segment::prefix(family));
        let nodad = if family == Family::V6 { "nodad" } else { "" };
        host.ip(&format!("address add {address}/{prefix} dev {interface} {nodad}"))?;
    }
    Ok(())
}

/// The switch's bridge that is a segment.
fn bridge(segment: Segment) -> &'static str {
    if segment == Segment::Second { "br1" } else { "br0" }
}
