//! What was seen of one network interface.

use serde::Serialize;

use super::facts::Both;

/// One interface. Whatever the kernel did not tell is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What it is if no hardware, as `ip -d link` has it: "veth", "bond", "vlan".
    pub kind: Option<String>,
    /// Set up by the administrator.
    pub enabled: bool,
    /// Something is at the other end.
    pub carrier: bool,
    /// Longest IP packet it carries, in bytes.
    pub mtu: u32,
    /// Its driver.
    pub driver: Option<Driver>,
    /// Its queues.
    pub queues: Option<Queues>,
    /// What the hardware, or the kernel in its place, does to frames.
    pub offloads: Offloads,
    /// What its driver says of XDP (kernels from 6.3).
    pub xdp: Option<DriverXdp>,
    /// XDP programs that are attached now.
    pub programs: Vec<Attached>,
    /// What it is made of, if it is a bond.
    pub bond: Option<Bond>,
    /// The interface on top of which it lies, of a VLAN or a macvlan.
    pub lower: Option<String>,
    /// VLAN devices on top of it.
    pub vlans: Vec<String>,
    /// The bridge or bond that it is a port of: name and kind.
    pub port_of: Option<(String, String)>,
    /// Its settings.
    pub settings: InterfaceSettings,
}

/// A driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Driver {
    /// Its name.
    pub name: String,
    /// Its version: of a driver in the kernel's tree, the kernel's.
    pub version: String,
    /// Version of the firmware; empty if there is none.
    pub firmware: String,
}

/// Queues of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Queues {
    /// Receive queues in use.
    pub rx: u32,
    /// Transmit queues in use.
    pub tx: u32,
    /// Most that there may be of those that can be set.
    pub most: u32,
    /// Whether one queue is for both.
    pub combined: bool,
}

/// Offloads that matter to XDP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Offloads {
    /// Generic receive offload.
    pub gro: Option<bool>,
    /// Large receive offload.
    pub lro: Option<bool>,
    /// Checksums of what is sent.
    pub tx_checksum: Option<bool>,
    /// VLAN tags taken off frames that come in.
    pub rx_vlan: Option<bool>,
}

/// What a driver says of its XDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DriverXdp {
    /// Programs run in the driver; they pass, drop and send back.
    pub native: bool,
    /// They redirect.
    pub redirect: bool,
    /// It sends what others redirect to it. Some drivers say so only while a program is attached.
    pub target: bool,
    /// Frames may lie in several buffers.
    pub several_buffers: bool,
}

impl DriverXdp {
    /// Reads `xdp-features` (include/uapi/linux/netdev.h, `netdev_xdp_act`).
    #[must_use]
    pub fn of(bits: u64) -> Self {
        let has = |bit: u32| bits & 1 << bit != 0;
        Self { native: has(0), redirect: has(1), target: has(2), several_buffers: has(5) }
    }
}

/// Names of pivot's XDP programs: for frames in any number of buffers, and in one.
pub const DIRECTORS: [&str; 2] = ["pivot_xdp", "pivot_xdp_one"];

/// An XDP program on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// `native`, `generic` or `hardware`.
    pub mode: &'static str,
    /// The kernel's number for it.
    pub id: u32,
    /// Its name, which only root learns.
    pub name: Option<String>,
    /// The instance of pivotd whose pin it is.
    pub instance: Option<String>,
}

impl Attached {
    /// Whether it is pivot's; none if that cannot be told.
    pub(super) fn is_ours(&self) -> Option<bool> {
        let named = self.name.as_ref().map(|name| DIRECTORS.contains(&name.as_str()));
        if self.instance.is_some() { Some(named != Some(false)) } else { named }
    }
}

/// A bond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bond {
    /// `active-backup`, `802.3ad` and so on.
    pub mode: String,
    /// How it spreads what it sends: `layer2`, `layer3+4` and so on.
    pub hash_policy: Option<String>,
    /// The interfaces that it is made of.
    pub members: Vec<Member>,
}

/// A member of a bond: frames come in by it, and XDP runs there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: Option<Driver>,
    /// Its offloads.
    pub offloads: Offloads,
}

/// Settings of an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct InterfaceSettings {
    /// `net.ipv4.conf.*.rp_filter`.
    pub rp_filter: Both,
    /// `net.ipv4.conf.*.arp_ignore`.
    pub arp_ignore: Both,
    /// `net.ipv4.conf.*.arp_announce`.
    pub arp_announce: Both,
    /// `net.ipv6.conf.*.disable_ipv6`: the interface's own, which counts.
    pub disable_ipv6: Option<i64>,
}
