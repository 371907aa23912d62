//! What hardware does to frames before XDP sees them.

use super::finding::Finding;
use super::interface::{Interface, Offloads};

/// Everything about it.
pub(super) fn findings(interface: &Interface) -> Vec<Finding> {
    let name = &interface.name;
    let mut found = Vec::new();
    if let Some((on, others)) = split(interface, |offloads| offloads.lro) {
        found.push(lro(name, &on, &others));
    }
    if let Some((on, others)) = split(interface, |offloads| offloads.rx_vlan) {
        found.push(tags(interface, &on, &others));
    }
    found.extend(checksums(interface));
    found
}

/// The interfaces by which frames come in, where XDP would run: those with an offload, and those without. None if there
/// are neither, as of what has no XDP of its own.
fn split(interface: &Interface, offload: impl Fn(&Offloads) -> Option<bool>) -> Option<(Vec<&str>, Vec<&str>)> {
    let wires: Vec<(&str, &Offloads)> = match (interface.kind.as_deref(), &interface.bond) {
        (_, Some(bond)) => bond.members.iter().map(|member| (member.name.as_str(), &member.offloads)).collect(),
        (None | Some("veth"), None) => vec![(interface.name.as_str(), &interface.offloads)],
        _ => Vec::new(),
    };
    let told = wires.iter().filter_map(|(name, offloads)| Some((*name, offload(offloads)?)));
    let (on, others): (Vec<_>, Vec<_>) = told.partition(|(_, on)| *on);
    let names = |told: Vec<(_, bool)>| told.into_iter().map(|(name, _)| name).collect();
    (!on.is_empty() || !others.is_empty()).then(|| (names(on), names(others)))
}

/// LRO makes one frame of many, larger than may be sent on; most drivers refuse native XDP beside it.
fn lro(name: &str, on: &[&str], others: &[&str]) -> Finding {
    let about = format!("{name} lro");
    if on.is_empty() {
        return Finding::ok(about, format!("off{}", of(name, others)));
    }
    let why = "it merges frames before XDP sees them, and most drivers refuse native XDP beside it";
    Finding::warning(about, format!("on{}: {why}", of(name, on))).remedy(each_off("lro", on))
}

/// A tag that the hardware took off is not in the frame: XDP takes it for an untagged one, and would send it on as such.
fn tags(interface: &Interface, on: &[&str], others: &[&str]) -> Finding {
    let name = &interface.name;
    let about = format!("{name} rxvlan");
    if on.is_empty() {
        return Finding::ok(about, format!("off{}: tags stay in the frame", of(name, others)));
    }
    let which = of(name, on);
    if interface.vlans.is_empty() {
        return Finding::ok(about, format!("on{which}: tags are taken off, but there is no VLAN device on top"));
    }
    let vlans = interface.vlans.join(", ");
    let found = format!("on{which}, below {vlans}: XDP does not see the tag of a frame, and would send it on without");
    Finding::warning(about, found).remedy(each_off("rxvlan", on))
}

/// Which interfaces are meant, unless it is the one that is spoken of.
fn of(name: &str, which: &[&str]) -> String {
    if which == [name] { String::new() } else { format!(" for {}", which.join(", ")) }
}

fn each_off(offload: &str, interfaces: &[&str]) -> String {
    let each: Vec<String> = interfaces.iter().map(|name| format!("ethtool -K {name} {offload} off")).collect();
    each.join("; ")
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
        true => Finding::note(about, found).remedy(format!("ethtool -K {name} tx off, on this and on the other hosts")),
        false => Finding::ok(about, "tx-checksum is off: frames leave with whole checksums"),
    })
}
