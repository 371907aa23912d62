//! An interface as such: whether it carries frames, by how many queues, and what else has to do with it.

use super::facts::Facts;
use super::finding::Finding;
use super::interface::Interface;

/// Everything about it.
pub(super) fn findings(facts: &Facts, interface: &Interface) -> Vec<Finding> {
    let mut found = vec![carrier(interface)];
    found.extend(queues(facts.cpus, interface));
    found.extend(port(interface));
    found
}

fn carrier(interface: &Interface) -> Finding {
    let name = &interface.name;
    let about = format!("{name} link");
    if !interface.enabled {
        let warning = Finding::warning(about, "down: nothing comes or goes");
        return warning.remedy(format!("ip link set {name} up"));
    }
    if !interface.carrier {
        let warning = Finding::warning(about, "up, but without a carrier: nothing comes or goes");
        return warning.remedy("look after the cable, the switch, the other end, or the interface below");
    }
    let kind = interface.kind.as_deref().map(|kind| format!(", {kind}")).unwrap_or_default();
    let driver = interface.driver.as_ref().map(|driver| format!(", driver {}", driver.name)).unwrap_or_default();
    Finding::ok(about, format!("up{kind}{driver}"))
}

fn queues(cpus: u32, interface: &Interface) -> Option<Finding> {
    let (name, queues) = (&interface.name, interface.queues.filter(|_| interface.kind.is_none())?);
    let about = format!("{name} queues");
    let (rx, most) = (queues.rx, queues.most);
    if rx >= cpus || rx > 1 {
        return Some(Finding::ok(about, format!("{rx} receive queues for {cpus} CPUs")));
    }
    let note = Finding::note(about, format!("one receive queue for {cpus} CPUs: one CPU handles every packet"));
    let which = if queues.combined { "combined" } else { "rx" };
    Some(if most > 1 { note.remedy(format!("ethtool -L {name} {which} {}", most.min(cpus))) } else { note })
}

fn port(interface: &Interface) -> Option<Finding> {
    let (owner, kind) = interface.port_of.as_ref()?;
    let name = &interface.name;
    let about = format!("{name} port");
    let found = format!("a port of {kind} {owner}, which has the addresses; XDP here sees frames before {owner} does");
    Some(match kind.as_str() {
        "bond" | "team" => {
            Finding::warning(about, format!("a member of {kind} {owner}: frames come by its other members, too"))
                .remedy(format!("name {owner} as the VIP's interface"))
        }
        _ => Finding::note(about, found),
    })
}
