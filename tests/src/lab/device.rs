//! What a controller's interface can be, and how it is made at the end of its wire.
//!
//! ```text
//!  c1        c1          c1              c1-a c1-b      c1-a c1-b     ports of the switch
//!   |         |           |                |    |         |    |
//!  eth0     wire0        eth0            leg0  leg1      leg0 leg1
//!             |           |                 \  /            \  /
//!           eth0       eth0.100             bond0           bond0
//!         (macvlan)  (tag in the frame)  (active-backup)   (802.3ad: c1-a and c1-b are a bond as well, `c1`)
//! ```

use anyhow::Result;
use lb_userspace::core::event::Mac;

use super::kernel;
use super::netns::Namespace;
use super::nic;
use super::node::{self, INTERFACE};
use super::wire::Plug;

/// A kind of interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// An end of a veth pair: XDP in its driver.
    Veth,
    /// A macvlan on top of one: no XDP in its driver, so only the generic kind.
    Macvlan,
    /// An 802.1Q device on top of one, as the client has, too: every frame on the wire carries a tag.
    Vlan,
    /// The same on top of an 802.1ad device: every frame carries two.
    VlanInVlan,
    /// Two of them, of which one is in use (`active-backup`).
    ActiveBackup,
    /// Two of them that are one for the switch as well (`802.3ad`).
    Lacp,
    /// The first controller: a network card of the machine ([`nic`]). The others: an end of a veth pair.
    Nic,
}

/// The VLAN of [`Device::Vlan`], and the inner one of [`Device::VlanInVlan`].
pub const VLAN: u16 = 100;

/// The outer VLAN of [`Device::VlanInVlan`].
pub const OUTER_VLAN: u16 = 200;

/// Bytes of a VLAN tag.
const TAG: u32 = 4;

/// What every bond is told: to look for carriers often.
const MIIMON: &str = "miimon 50";

/// What a bond of both legs is told: LACP every second, connections spread over the legs.
const LACP: &str = "mode 802.3ad lacp_rate fast xmit_hash_policy layer3+4";

impl Device {
    /// What a host's interface on the first segment is, if this is what the controllers' are to be.
    pub(super) fn on(self, host: &str) -> Self {
        match self {
            Self::Vlan | Self::VlanInVlan => self,
            Self::Nic if host != "c1" => Self::Veth,
            _ if node::is_controller(host) => self,
            _ => Self::Veth,
        }
    }

    /// Name of the interface.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Veth | Self::Macvlan | Self::Nic => INTERFACE,
            Self::Vlan => "eth0.100",
            Self::VlanInVlan => "eth0.200.100",
            Self::ActiveBackup | Self::Lacp => "bond0",
        }
    }

    /// Names of the switch's ends of its wires, if it is called `port`.
    pub fn ports(self, port: &str) -> Vec<String> {
        match self {
            Self::Nic => Vec::new(),
            Self::ActiveBackup | Self::Lacp => ["a", "b"].map(|leg| format!("{port}-{leg}")).into(),
            _ => vec![port.to_owned()],
        }
    }

    /// An error unless the kernel has it.
    pub(super) fn require(self) -> Result<()> {
        match self {
            Self::Veth | Self::Macvlan => Ok(()),
            Self::Vlan | Self::VlanInVlan => kernel::require("8021q", "802.1Q devices"),
            Self::ActiveBackup | Self::Lacp => kernel::require("bonding", "bonds"),
            Self::Nic => kernel::require("virtio_net", "virtio network cards"),
        }
    }
}

/// Makes an interface and the wires to it; it is down, and its ports are up in `bridge`.
pub(super) fn build(switch: &Namespace, host: &Namespace, plug: Plug<'_>, bridge: &str) -> Result<()> {
    let Plug { segment, port, interface, number, device, mtu } = plug;
    let mac = Mac(segment.mac(number));
    // Wires carry one tag beyond their MTU.
    let mtu = if device == Device::VlanInVlan { mtu + TAG } else { mtu };
    let wire = |port: &str, end: &str, own: &str| {
        switch.ip(&format!(
            "link add {port} mtu {mtu} type veth peer name {end} {own} mtu {mtu} netns {}\n\
             link set {port} addrgenmode none",
            host.name()
        ))
    };
    let join = |port: &str| switch.ip(&format!("link set {port} master {bridge} up"));
    match device {
        Device::Veth => wire(port, interface, &format!("address {mac}"))?,
        Device::Macvlan => {
            wire(port, "wire0", "")?;
            // The wire below is none of the host's own interfaces: it neither has addresses nor answers for any.
            host.sysctl(&[("ipv6/conf/wire0/disable_ipv6", "1")])?;
            host.ip(&format!(
                "link set wire0 arp off addrgenmode none up\n\
                 link add {interface} link wire0 address {mac} type macvlan mode bridge\n\
                 link set {interface} arp on"
            ))?;
        }
        Device::Vlan | Device::VlanInVlan => {
            wire(port, INTERFACE, &format!("address {mac}"))?;
            tags_in_frames(switch, port, true)?;
            tags_in_frames(host, INTERFACE, true)?;
            host.output("ethtool", &["-K", INTERFACE, "tx", "off"])?;
            host.ip(&format!("link set {INTERFACE} addrgenmode none up"))?;
            let mut below = INTERFACE.to_owned();
            if device == Device::VlanInVlan {
                let outer = format!("{below}.{OUTER_VLAN}");
                host.ip(&format!(
                    "link add link {below} name {outer} type vlan protocol 802.1ad id {OUTER_VLAN}\n\
                     link set {outer} addrgenmode none up"
                ))?;
                below = outer;
            }
            host.ip(&format!("link add link {below} name {interface} mtu {} type vlan id {VLAN}", plug.mtu))?;
        }
        Device::ActiveBackup | Device::Lacp => {
            let mode = if device == Device::Lacp { LACP } else { "mode active-backup" };
            host.ip(&format!("link add {interface} address {mac} mtu {mtu} type bond {mode} {MIIMON}"))?;
            if device == Device::Lacp {
                switch.ip(&format!("link add {port} mtu {mtu} type bond {LACP} {MIIMON}"))?;
            }
            for (leg, end) in device.ports(port).into_iter().zip(["leg0", "leg1"]) {
                wire(&leg, end, "")?;
                host.output("ethtool", &["-K", end, "tx", "off"])?;
                host.ip(&format!("link set {end} master {interface}"))?;
                match device {
                    Device::Lacp => switch.ip(&format!("link set {leg} master {port}"))?,
                    _ => join(&leg)?,
                }
            }
            if device == Device::Lacp {
                switch.ip(&format!("link set {port} addrgenmode none"))?;
                join(port)?;
            }
            return Ok(());
        }
        Device::Nic => return nic::lend(nic::HOST, host, interface),
    }
    join(port)
}

/// Has an end of a wire send VLAN tags as part of the frame, or else beside it: then the other end takes them in as a
/// network card hands them over that takes tags off (`rxvlan` of ethtool(8)).
pub fn tags_in_frames(namespace: &Namespace, end: &str, within: bool) -> Result<()> {
    let insert = if within { "off" } else { "on" };
    namespace.output("ethtool", &["-K", end, "txvlan", insert, "tx-vlan-stag-hw-insert", insert])?;
    Ok(())
}
