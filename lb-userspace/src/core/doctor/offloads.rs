//! What hardware does to frames before XDP sees them.

use super::finding::Finding;
use super::interface::Interface;

/// Everything about it.
pub(super) fn findings(interface: &Interface) -> Vec<Finding> {
    [lro(interface), tags(interface), checksums(interface)].into_iter().flatten().collect()
}

/// LRO makes one frame of many, larger than may be sent on; most drivers refuse native XDP beside it.
fn lro(interface: &Interface) -> Option<Finding> {
    let name = &interface.name;
    let about = format!("{name} lro");
    let warning = "on: it merges frames before XDP sees them, and most drivers refuse native XDP beside it";
    Some(match interface.offloads.lro? {
        true => Finding::warning(about, warning).remedy(format!("ethtool -K {name} lro off")),
        false => Finding::ok(about, "off"),
    })
}

/// A tag that the hardware took off is not in the frame: XDP takes it for an untagged one, and would send it on as such.
fn tags(interface: &Interface) -> Option<Finding> {
    let name = &interface.name;
    let about = format!("{name} rxvlan");
    if !interface.offloads.rx_vlan? {
        return Some(Finding::ok(about, "off: tags stay in the frame"));
    }
    if interface.vlans.is_empty() {
        return Some(Finding::ok(about, "on: the driver takes tags off, but there is no VLAN device on top"));
    }
    let vlans = interface.vlans.join(", ");
    let found = format!("on, below {vlans}: XDP does not see the tag of a frame, and would send it on without");
    Some(Finding::warning(about, found).remedy(format!("ethtool -K {name} rxvlan off")))
}

/// Only a virtual wire carries frames whose checksum was left to hardware that it has not.
fn checksums(interface: &Interface) -> Option<Finding> {
    if interface.kind.as_deref() != Some("veth") {
        return None;
    }
    let name = &interface.name;
    let about = format!("{name} checksums");
    let found =
        "tx-checksum is on: what this host sends over the veth has unfinished checksums, which XDP on its way spoils";
    Some(match interface.offloads.tx_checksum? {
        true => {
            Finding::note(about, found).remedy(format!("ethtool -K {name} tx off, here and at every veth of the lab"))
        }
        false => Finding::ok(about, "tx-checksum is off: frames leave with whole checksums"),
    })
}
