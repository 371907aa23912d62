//! XDP on an interface: what is attached, whether it runs in the driver, and how long a frame may be.

use super::facts::{Facts, Kernel};
use super::finding::Finding;
use super::interface::{Attached, Bond, Interface};
use crate::core::features::SEVERAL_BUFFERS;

/// Kernels from here tell what a driver's XDP can do.
const TELLS: (u32, u32) = (6, 3);

/// Kernels from here run native XDP on a bond.
const BONDS: (u32, u32) = (5, 15);

/// What of a page is not the frame's: headroom for XDP, and the kernel's record at the end of a buffer
/// (`struct skb_shared_info`, rounded up to cache lines).
const NOT_OF_THE_FRAME: u32 = 256 + 320;

/// Ethernet header.
const ETHERNET: u32 = 14;

/// Longest IP packet of an ordinary Ethernet, which every driver with XDP takes.
const ORDINARY: u32 = 1500;

/// What comes of an interface on which XDP does not run in the driver.
const GENERIC: &str = "pivot runs there in generic mode, several times slower";

/// Whether XDP runs in the driver.
enum Native {
    Yes(String),
    Perhaps(String, Option<String>),
    No(String, Option<String>),
}

/// Everything about it.
pub(super) fn findings(facts: &Facts, interface: &Interface) -> Vec<Finding> {
    let name = &interface.name;
    let mut found: Vec<Finding> = interface.programs.iter().map(|program| attached(name, program)).collect();
    let about = format!("{name} native XDP");
    let native = native(&facts.kernel, interface);
    found.push(match &native {
        Native::Yes(why) => Finding::ok(about, why.clone()),
        Native::Perhaps(why, None) => Finding::note(about, why.clone()),
        Native::Perhaps(why, Some(remedy)) => Finding::note(about, why.clone()).remedy(remedy.clone()),
        Native::No(why, remedy) => {
            let warning = Finding::warning(about, format!("{why}: {GENERIC}"));
            remedy.iter().fold(warning, |finding, remedy| finding.remedy(remedy.clone()))
        }
    });
    if !matches!(native, Native::No(..)) {
        found.push(mtu(facts, interface));
        found.extend(other_end(&facts.kernel, interface));
    }
    found
}

fn attached(name: &str, program: &Attached) -> Finding {
    let about = format!("{name} XDP program");
    let Attached { mode, id, name: called, instance } = program;
    let called = called.as_deref().filter(|name| !name.is_empty()).unwrap_or("a program without a name");
    match (program.is_ours(), instance) {
        (Some(true), Some(instance)) => Finding::ok(about, format!("pivot's own, of instance {instance}, {mode}")),
        (Some(true), None) => {
            Finding::ok(about, format!("pivot's own, {mode}; its pin is not under /sys/fs/bpf/pivot"))
        }
        (Some(false), _) => {
            let found =
                format!("{called} (id {id}, {mode}) is attached, and an interface has room for one: pivotd is refused");
            Finding::problem(about, found).remedy(format!(
                "`bpftool net` and `bpftool link` tell whose it is; `ip link set {name} xdp off` removes it unless a link holds it"
            ))
        }
        (None, _) => Finding::note(about, format!("a program (id {id}, {mode}) is attached; only root learns whose"))
            .remedy("run it again with sudo: pivotd is refused where another's program is"),
    }
}

fn native(kernel: &Kernel, interface: &Interface) -> Native {
    let ours = interface.programs.iter().find(|program| program.is_ours() == Some(true));
    if ours.is_some_and(|program| program.mode == "native") {
        return Native::Yes("pivot's program runs in the driver".into());
    }
    let lower = interface.lower.as_deref().unwrap_or("the interface below");
    match interface.kind.as_deref() {
        Some("vlan") => {
            let remedy = format!(
                "leave it if the rate allows; otherwise end the VLAN at the switch and name an interface of its own ({lower} carries it now)"
            );
            return Native::No("a VLAN device has none".into(), Some(remedy));
        }
        Some("bridge") => {
            let remedy = "leave it if the rate allows; otherwise put the VIP on an interface that is not bridged";
            return Native::No("a bridge has none".into(), Some(remedy.into()));
        }
        Some(kind @ ("macvlan" | "ipvlan" | "macvtap" | "team" | "dummy" | "vxlan" | "netkit")) => {
            return Native::No(format!("a {kind} has none"), Some("leave it if the rate allows".into()));
        }
        _ => {}
    }
    let driver = interface.driver.as_ref().map_or("its driver", |driver| driver.name.as_str());
    match (interface.xdp, &interface.bond) {
        (_, Some(bond)) if bond.members.is_empty() => Native::Perhaps(
            "the bond has no members".into(),
            Some(format!("ip link set MEMBER master {}", interface.name)),
        ),
        (Some(xdp), _) if xdp.native && xdp.redirect => Native::Yes(format!("{driver} runs it")),
        (Some(xdp), _) if xdp.native => Native::Perhaps(
            format!("{driver} runs it, but does not redirect"),
            Some("have the backends reached by the interface that packets come in by".into()),
        ),
        (Some(_), Some(bond)) => {
            let why = spoiler(bond).unwrap_or_else(|| format!("not all members have it ({})", members(bond)));
            Native::No(
                why,
                Some("use a mode and members that have it: active-backup, or 802.3ad with layer2 to layer3+4".into()),
            )
        }
        (Some(_), None) if interface.kind.as_deref() == Some("veth") => Native::No(
            "the other end sends by more queues than this one receives by".into(),
            Some("ethtool -L for both ends, with the same number of queues".into()),
        ),
        (Some(_), None) => Native::No(format!("{driver} says that it has none"), newer_driver(interface)),
        (None, Some(bond)) if kernel.is_before(BONDS) => {
            let why = format!("bonds have none before Linux 5.15 (mode {})", bond.mode);
            Native::No(why, Some("boot a newer kernel, or leave it if the rate allows".into()))
        }
        (None, Some(bond)) => match spoiler(bond) {
            Some(why) => Native::No(why, Some("use active-backup, or 802.3ad with layer2 to layer3+4".into())),
            None => Native::Perhaps(format!("mode {} has it if all members do: {}", bond.mode, members(bond)), None),
        },
        (None, None) => untold(kernel, interface, driver),
    }
}

/// A kernel that does not tell.
fn untold(kernel: &Kernel, interface: &Interface, driver: &str) -> Native {
    if interface.kind.as_deref() == Some("veth") {
        return Native::Yes("a veth runs it".into());
    }
    let unknown = if kernel.is_before(TELLS) {
        format!("not known: kernels before 6.3 do not tell what {driver} has; it is tried when pivotd attaches")
    } else {
        format!("not known of {driver}; it is tried when pivotd attaches")
    };
    Native::Perhaps(unknown, Some(format!("then `pivot status` says how XDP runs on {}", interface.name)))
}

/// Why a bond has no native XDP whatever its members have (drivers/net/bonding, `bond_xdp_check`).
fn spoiler(bond: &Bond) -> Option<String> {
    match (bond.mode.as_str(), bond.hash_policy.as_deref()) {
        ("balance-rr" | "active-backup", _) => None,
        ("802.3ad" | "balance-xor", Some("vlan+srcmac")) => {
            Some(format!("a bond of mode {} that spreads by vlan+srcmac has none", bond.mode))
        }
        ("802.3ad" | "balance-xor", _) => None,
        (mode, _) => Some(format!("a bond of mode {mode} has none")),
    }
}

fn members(bond: &Bond) -> String {
    let each = bond.members.iter().map(|member| match &member.driver {
        Some(driver) => format!("{} {}", member.name, driver.name),
        None => member.name.clone(),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn newer_driver(interface: &Interface) -> Option<String> {
    let hardware = interface.kind.is_none();
    hardware.then(|| "leave it if the rate allows; otherwise use a card whose driver has it, or a newer kernel".into())
}

/// A frame has to lie in one page with XDP's headroom, or in several buffers.
fn mtu(facts: &Facts, interface: &Interface) -> Finding {
    let Interface { name, mtu, .. } = interface;
    let about = format!("{name} mtu");
    let most = facts.page.saturating_sub(NOT_OF_THE_FRAME + ETHERNET);
    if *mtu <= ORDINARY.min(most) {
        return Finding::ok(about, mtu.to_string());
    }
    if *mtu <= most {
        return Finding::ok(about, format!("{mtu}: a frame fits one buffer (up to {most}; some drivers less)"));
    }
    let generic = format!("ip link set {name} mtu {most} or less, on every host of the segment; otherwise {GENERIC}");
    match interface.xdp {
        Some(xdp) if xdp.several_buffers => {
            Finding::ok(about, format!("{mtu}: frames of several buffers, which the driver takes"))
        }
        Some(_) => {
            Finding::warning(about, format!("{mtu}: more than the {most} of one buffer, and the driver takes no more"))
                .remedy(generic)
        }
        None if facts.features.lacks(SEVERAL_BUFFERS) => {
            let found =
                format!("{mtu}: more than the {most} of one buffer, which is all that XDP takes before Linux 5.18");
            Finding::warning(about, found).remedy(generic)
        }
        None => Finding::note(
            about,
            format!("{mtu}: more than the {most} of one buffer; not known if the driver takes more"),
        )
        .remedy(generic),
    }
}

/// What XDP sends out of a veth lies in the other end's ring until somebody looks there.
fn other_end(kernel: &Kernel, interface: &Interface) -> Option<Finding> {
    if interface.kind.as_deref() != Some("veth") {
        return None;
    }
    let about = format!("{} other end", interface.name);
    let remedy = "attach an XDP program that passes everything to the other end of the veth";
    Some(match interface.xdp {
        Some(xdp) if xdp.target => Finding::ok(about, "takes what XDP sends"),
        Some(_) => Finding::warning(about, "takes nothing that XDP sends: what pivot forwards is lost").remedy(remedy),
        None if kernel.is_before(TELLS) => {
            Finding::note(about, "kernels before 6.3 do not tell if it takes what XDP sends").remedy(remedy)
        }
        None => Finding::note(about, "not known if it takes what XDP sends").remedy(remedy),
    })
}
