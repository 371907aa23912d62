//! What a reload changes, for people: two configurations in, one line per change out.
//!
//! `+` is new, `-` is gone, `~` is changed, with the old and the new value. Things are told apart by name; the order of
//! hosts, groups, VIPs and services in the file means nothing and is no change, that of backends is.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use super::duration;
use super::model::{
    Affinity, Agent, Backend, Balance, Check, Cluster, CommandCheck, Config, Deed, Group, Holder, Hook, Host, Service,
    TableSizes, Track, Tracked, Vip,
};
use crate::core::writer::Failback;

/// The changes from `old` to `new`, in the order hosts, cluster, groups, VIPs, services with their backends, tables; in each first what
/// is gone, then what is new, then what is changed. Empty if nothing is.
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for (old, new) in pairs("host ", &old.hosts, &new.hosts, |host| &host.name, &mut lines) {
        hosts(old, new, &mut lines);
    }
    cluster(old.cluster.as_ref(), new.cluster.as_ref(), &mut lines);
    for (old, new) in pairs("group ", &old.groups, &new.groups, |group| &group.name, &mut lines) {
        groups(old, new, &mut lines);
    }
    for (old, new) in pairs("vip ", &old.vips, &new.vips, |vip| &vip.name, &mut lines) {
        vips(old, new, &mut lines);
    }
    for (old, new) in pairs("service ", &old.services, &new.services, |service| &service.name, &mut lines) {
        services(old, new, &mut lines);
    }
    tables(&old.tables, &new.tables, &mut lines);
    lines
}

fn hosts(old: &Host, new: &Host, lines: &mut Vec<String>) {
    let addresses = |host: &Host| host.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    changed(&format!("host {} address", new.name), addresses(old), addresses(new), lines);
}

/// The key is not shown.
fn cluster(old: Option<&Cluster>, new: Option<&Cluster>, lines: &mut Vec<String>) {
    match (old, new) {
        (Some(old), Some(new)) => {
            changed("cluster port", old.port, new.port, lines);
            let [before, after] = [old, new].map(|cluster| duration::format(cluster.heartbeat));
            changed("cluster heartbeat", before, after, lines);
            if old.key != new.key {
                lines.push("~ cluster key".to_owned());
            }
        }
        (Some(_), None) => lines.push("- cluster".to_owned()),
        (None, Some(_)) => lines.push("+ cluster".to_owned()),
        (None, None) => {}
    }
}

fn vips(old: &Vip, new: &Vip, lines: &mut Vec<String>) {
    let thing = format!("vip {}", new.name);
    changed(&format!("{thing} address"), old.address, new.address, lines);
    changed(&format!("{thing} prefix"), old.prefix, new.prefix, lines);
    changed(&format!("{thing} interface"), &old.interface, &new.interface, lines);
    let label = |vip: &Vip| vip.label.clone().unwrap_or_else(|| "none".to_owned());
    changed(&format!("{thing} label"), label(old), label(new), lines);
    changed(&format!("{thing} holder"), holder(old), holder(new), lines);
}

fn holder(vip: &Vip) -> String {
    match &vip.holder {
        Holder::Host(name) => name.clone(),
        Holder::Group(name) => format!("group {name}"),
    }
}

fn groups(old: &Group, new: &Group, lines: &mut Vec<String>) {
    let thing = format!("group {}", new.name);
    changed(&format!("{thing} id"), old.id, new.id, lines);
    changed(&format!("{thing} interface"), &old.interface, &new.interface, lines);
    changed(&format!("{thing} version"), old.version.number(), new.version.number(), lines);
    let durations = [
        ("advert", old.advert, new.advert),
        ("lease", old.lease, new.lease),
        ("preempt_delay", old.preempt_delay, new.preempt_delay),
        ("announce_again", old.announce_again, new.announce_again),
        ("announce_every", old.announce_every, new.announce_every),
        ("duplicate_check", old.duplicate_check, new.duplicate_check),
    ];
    for (key, old, new) in durations {
        changed(&format!("{thing} {key}"), duration::format(old), duration::format(new), lines);
    }
    let priorities = |group: &Group| group.priorities.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    changed(&format!("{thing} priority"), priorities(old), priorities(new), lines);
    changed(&format!("{thing} preempt"), old.preempt, new.preempt, lines);
    changed(&format!("{thing} unicast"), old.unicast, new.unicast, lines);
    changed(&format!("{thing} signed"), old.signed, new.signed, lines);
    changed(&format!("{thing} pseudo_header"), old.pseudo_header, new.pseudo_header, lines);
    if old.password != new.password {
        lines.push(format!("~ {thing} password"));
    }
    changed(&format!("{thing} track"), listed(&old.track, track), listed(&new.track, track), lines);
    let hooks = [
        ("on_holder", &old.hooks.on_holder, &new.hooks.on_holder),
        ("on_backup", &old.hooks.on_backup, &new.hooks.on_backup),
        ("on_fault", &old.hooks.on_fault, &new.hooks.on_fault),
    ];
    for (key, old, new) in hooks {
        changed(&format!("{thing} {key}"), listed(old, hook), listed(new, hook), lines);
    }
}

fn track(track: &Track) -> String {
    let what = match &track.what {
        Tracked::Interface(name) => format!("interface {name}"),
        Tracked::Service { name, min_healthy } => format!("service {name} min_healthy {min_healthy}"),
        Tracked::Command(CommandCheck { argv, interval, timeout, rise, fall }) => {
            let [interval, timeout] = [*interval, *timeout].map(duration::format);
            format!("command {argv:?} interval {interval} timeout {timeout} rise {rise} fall {fall}")
        }
    };
    track.weight.map_or_else(|| what.clone(), |weight| format!("{what} weight {weight}"))
}

fn hook(hook: &Hook) -> String {
    let timeout = duration::format(hook.timeout);
    match &hook.deed {
        Deed::Command(argv) => format!("command {argv:?} timeout {timeout}"),
        Deed::Start(unit) => format!("start {unit} timeout {timeout}"),
        Deed::Stop(unit) => format!("stop {unit} timeout {timeout}"),
    }
}

/// Things in words, separated by commas.
fn listed<T>(things: &[T], in_words: impl Fn(&T) -> String) -> String {
    if things.is_empty() { "none".to_owned() } else { things.iter().map(in_words).collect::<Vec<_>>().join(", ") }
}

fn services(old: &Service, new: &Service, lines: &mut Vec<String>) {
    let thing = format!("service {}", new.name);
    changed(&format!("{thing} vip"), &old.vip, &new.vip, lines);
    changed(&format!("{thing} port"), old.port, new.port, lines);
    changed(&format!("{thing} protocol"), old.protocol.name(), new.protocol.name(), lines);
    changed(&format!("{thing} mode"), old.mode.name(), new.mode.name(), lines);
    changed(&format!("{thing} balance"), balance(old), balance(new), lines);
    let idle_timeout = |service: &Service| duration::format(service.idle_timeout);
    changed(&format!("{thing} idle_timeout"), idle_timeout(old), idle_timeout(new), lines);
    affinity(&format!("{thing} affinity"), old.affinity.as_ref(), new.affinity.as_ref(), lines);
    checks(&format!("{thing} check"), &old.check, &new.check, lines);
    agents(&format!("{thing} agent"), old.agent.as_ref(), new.agent.as_ref(), lines);
    changed(&format!("{thing} on_down"), old.on_down.name(), new.on_down.name(), lines);
    let slow_start = |service: &Service| duration::format(service.slow_start);
    changed(&format!("{thing} slow_start"), slow_start(old), slow_start(new), lines);
    changed(&format!("{thing} min_healthy"), old.min_healthy, new.min_healthy, lines);
    changed(&format!("{thing} below_min"), old.below_min.name(), new.below_min.name(), lines);

    let kind = format!("backend {}/", new.name);
    let mut kept = pairs(&kind, &old.backends, &new.backends, |backend| &backend.name, lines);
    for (old, new) in &kept {
        backends(&format!("{kind}{}", new.name), old, new, lines);
    }
    // Those that were there before, in the new order, then in the old one.
    let names =
        |kept: &[(&Backend, &Backend)]| kept.iter().map(|(old, _)| old.name.as_str()).collect::<Vec<_>>().join(", ");
    let after = names(&kept);
    kept.sort_by_key(|(before, _)| old.backends.iter().position(|backend| backend.name == before.name));
    changed(&format!("{thing} order of backends"), names(&kept), after, lines);
}

fn balance(service: &Service) -> String {
    match service.balance {
        Balance::Hash => "hash".to_owned(),
        Balance::Single { failback: Failback::Never } => "single".to_owned(),
        Balance::Single { failback: Failback::After(pause) } => {
            format!("single failback {}", duration::format(pause))
        }
    }
}

fn affinity(thing: &str, old: Option<&Affinity>, new: Option<&Affinity>, lines: &mut Vec<String>) {
    let (Some(old), Some(new)) = (old, new) else {
        let whole = |affinity: Option<&Affinity>| match affinity {
            Some(Affinity { timeout, prefix4, prefix6 }) => {
                format!("timeout {} prefix4 {prefix4} prefix6 {prefix6}", duration::format(*timeout))
            }
            None => "none".to_owned(),
        };
        return changed(thing, whole(old), whole(new), lines);
    };
    changed(&format!("{thing} timeout"), duration::format(old.timeout), duration::format(new.timeout), lines);
    changed(&format!("{thing} prefix4"), old.prefix4, new.prefix4, lines);
    changed(&format!("{thing} prefix6"), old.prefix6, new.prefix6, lines);
}

fn backends(thing: &str, old: &Backend, new: &Backend, lines: &mut Vec<String>) {
    changed(&format!("{thing} host"), &old.host, &new.host, lines);
    changed(&format!("{thing} address"), old.address, new.address, lines);
    changed(&format!("{thing} port"), old.port, new.port, lines);
    changed(&format!("{thing} weight"), old.weight, new.weight, lines);
}

fn checks(thing: &str, old: &Check, new: &Check, lines: &mut Vec<String>) {
    if old.type_name() == new.type_name() && (&old.kind, &old.tls) != (&new.kind, &new.tls) {
        // There may be passwords among them.
        lines.push(format!("~ {thing} options of type {} changed", new.type_name()));
    }
    changed(&format!("{thing} type"), old.type_name(), new.type_name(), lines);
    let own = |value: Option<String>| value.unwrap_or_else(|| "the backend's".to_owned());
    changed(
        &format!("{thing} port"),
        own(old.port.map(|it| it.to_string())),
        own(new.port.map(|it| it.to_string())),
        lines,
    );
    let address = |check: &Check| own(check.address.map(|address| address.to_string()));
    changed(&format!("{thing} address"), address(old), address(new), lines);
    let durations = [
        ("interval", old.interval, new.interval),
        ("fast_interval", old.fast_interval, new.fast_interval),
        ("down_interval", old.down_interval, new.down_interval),
        ("timeout", old.timeout, new.timeout),
    ];
    for (key, old, new) in durations {
        changed(&format!("{thing} {key}"), duration::format(old), duration::format(new), lines);
    }
    changed(&format!("{thing} rise"), old.rise, new.rise, lines);
    changed(&format!("{thing} fall"), old.fall, new.fall, lines);
}

fn agents(thing: &str, old: Option<&Agent>, new: Option<&Agent>, lines: &mut Vec<String>) {
    let (Some(old), Some(new)) = (old, new) else {
        let whole = |agent: Option<&Agent>| match agent {
            Some(Agent { port, path, interval, .. }) => {
                format!("port {port} path {path} interval {}", duration::format(*interval))
            }
            None => "none".to_owned(),
        };
        return changed(thing, whole(old), whole(new), lines);
    };
    changed(&format!("{thing} port"), old.port, new.port, lines);
    let own = |value: Option<String>| value.unwrap_or_else(|| "the backend's".to_owned());
    let address = |agent: &Agent| own(agent.address.map(|address| address.to_string()));
    changed(&format!("{thing} address"), address(old), address(new), lines);
    changed(&format!("{thing} path"), &old.path, &new.path, lines);
    let host = |agent: &Agent| agent.host.clone().unwrap_or_else(|| "address and port".to_owned());
    changed(&format!("{thing} host"), host(old), host(new), lines);
    changed(&format!("{thing} interval"), duration::format(old.interval), duration::format(new.interval), lines);
    changed(&format!("{thing} timeout"), duration::format(old.timeout), duration::format(new.timeout), lines);
}

fn tables(old: &TableSizes, new: &TableSizes, lines: &mut Vec<String>) {
    changed("tables services", old.services, new.services, lines);
    changed("tables backends", old.backends, new.backends, lines);
    changed("tables flows", old.flows, new.flows, lines);
    changed("tables new_flows", old.new_flows, new.new_flows, lines);
    changed("tables maglev", old.maglev, new.maglev, lines);
}

/// Adds the lines for things that are gone and new, and pairs those that are in both, in the new order.
fn pairs<'c, T>(
    kind: &str,
    old: &'c [T],
    new: &'c [T],
    name: impl Fn(&T) -> &str,
    lines: &mut Vec<String>,
) -> Vec<(&'c T, &'c T)> {
    let before: HashMap<&str, &T> = old.iter().map(|thing| (name(thing), thing)).collect();
    let after: HashSet<&str> = new.iter().map(&name).collect();
    let gone = old.iter().filter(|thing| !after.contains(name(thing)));
    lines.extend(gone.map(|thing| format!("- {kind}{}", name(thing))));
    let added = new.iter().filter(|thing| !before.contains_key(name(thing)));
    lines.extend(added.map(|thing| format!("+ {kind}{}", name(thing))));
    new.iter().filter_map(|thing| before.get(name(thing)).map(|old| (*old, thing))).collect()
}

/// Adds a line if a value is another one now.
fn changed<T: PartialEq + Display>(what: &str, old: T, new: T, lines: &mut Vec<String>) {
    if old != new {
        lines.push(format!("~ {what} {old} -> {new}"));
    }
}
