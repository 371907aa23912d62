//! What a reload changes, for people: two configurations in, one line per change out.
//!
//! `+` is new, `-` is gone, `~` is changed, with the old and the new value. Things are told apart by name; the order of
//! hosts, VIPs and services in the file means nothing and is no change, that of backends is.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use super::duration;
use super::model::{Affinity, Backend, Check, Config, Host, Service, TableSizes, Vip};

/// The changes from `old` to `new`, in the order hosts, VIPs, services with their backends, tables; in each first what
/// is gone, then what is new, then what is changed. Empty if nothing is.
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for (old, new) in pairs("host ", &old.hosts, &new.hosts, |host| &host.name, &mut lines) {
        hosts(old, new, &mut lines);
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

fn vips(old: &Vip, new: &Vip, lines: &mut Vec<String>) {
    let thing = format!("vip {}", new.name);
    changed(&format!("{thing} address"), old.address, new.address, lines);
    changed(&format!("{thing} prefix"), old.prefix, new.prefix, lines);
    changed(&format!("{thing} interface"), &old.interface, &new.interface, lines);
    changed(&format!("{thing} holder"), &old.holder, &new.holder, lines);
}

fn services(old: &Service, new: &Service, lines: &mut Vec<String>) {
    let thing = format!("service {}", new.name);
    changed(&format!("{thing} vip"), &old.vip, &new.vip, lines);
    changed(&format!("{thing} port"), old.port, new.port, lines);
    changed(&format!("{thing} protocol"), old.protocol.name(), new.protocol.name(), lines);
    changed(&format!("{thing} mode"), old.mode.name(), new.mode.name(), lines);
    let idle_timeout = |service: &Service| duration::format(service.idle_timeout);
    changed(&format!("{thing} idle_timeout"), idle_timeout(old), idle_timeout(new), lines);
    affinity(&format!("{thing} affinity"), old.affinity.as_ref(), new.affinity.as_ref(), lines);
    checks(&format!("{thing} check"), &old.check, &new.check, lines);

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
    changed(&format!("{thing} type"), old.kind.name(), new.kind.name(), lines);
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
