//! What the values of a file demand of each other: names and addresses are unique, references resolve, and a VIP's port
//! belongs to one service. (For groups see `group_rules`, for backends `backend_rules`.)
//!
//! A draft enters; errors leave through the report. Holes in the draft are passed over: they have been reported.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;

use super::backend_rules;
use super::draft::{Draft, HolderDraft, ServiceDraft, VipDraft};
use super::group_rules;
use super::names::{Defined, called};
use super::report::{At, Problem, Report};
use super::source::Span;
use super::suggest::quote;

/// Checks a draft as a whole.
pub(super) fn check(draft: &Draft, report: &mut Report<'_>) {
    names_are_unique("hosts", draft.hosts.iter().map(|host| host.name.as_ref()), report);
    names_are_unique("groups", draft.groups.iter().map(|group| group.name.as_ref()), report);
    names_are_unique("VIPs", draft.vips.iter().map(|vip| vip.name.as_ref()), report);
    names_are_unique("services", draft.services.iter().map(|service| service.name.as_ref()), report);
    addresses_are_unique("hosts", draft.hosts.iter().flat_map(|host| host.addresses.iter().flatten()), report);
    addresses_are_unique("VIPs", draft.vips.iter().filter_map(|vip| vip.address.as_ref()), report);

    let defined = Defined::new(draft);
    for vip in &draft.vips {
        check_vip(vip, &defined, report);
    }
    group_rules::check(draft, &defined, report);
    for service in &draft.services {
        if let Some(vip) = &service.vip {
            defined.vips.refer(vip, &format!("`vip` of {}", service.title), report);
        }
        backend_rules::check(service, &defined, report);
    }
    ports_are_unique(&draft.services, report);
}

fn names_are_unique<'d>(kinds: &str, names: impl Iterator<Item = Option<&'d At<String>>>, report: &mut Report<'_>) {
    each_repeated(names.flatten().map(|name| (&name.value, &name.span)), |name, first, again| {
        let message = format!("two {kinds} are called {}", quote(name));
        report.add(Problem::at(again, message).see(first, "the first").help("give one of them another name"));
    });
}

fn addresses_are_unique<'d>(kinds: &str, all: impl Iterator<Item = &'d At<IpAddr>>, report: &mut Report<'_>) {
    each_repeated(all.map(|address| (address.value, &address.span)), |address, first, again| {
        let message = format!("two {kinds} have the address {address}");
        report.add(Problem::at(again, message).see(first, "the first").help("give one of them another address"));
    });
}

/// Calls `found` with every key that was there before, its first place and this one. One place twice is no finding:
/// backends that a service has by default all lie at its header.
pub(super) fn each_repeated<'d, K: Copy + Eq + Hash>(
    items: impl Iterator<Item = (K, &'d Span)>,
    mut found: impl FnMut(K, &Span, &Span),
) {
    let mut seen = HashMap::new();
    for (key, span) in items {
        match seen.entry(key) {
            Entry::Vacant(entry) => _ = entry.insert(span),
            Entry::Occupied(first) if *first.get() == span => {}
            Entry::Occupied(first) => found(key, first.get(), span),
        }
    }
}

fn check_vip(vip: &VipDraft, defined: &Defined<'_>, report: &mut Report<'_>) {
    let title = called("VIP", vip.name.as_ref());
    match &vip.holder {
        Some(HolderDraft::Host(name)) => defined.hosts.refer(name, &format!("`holder` of {title}"), report),
        Some(HolderDraft::Group(name)) => defined.groups.refer(name, &format!("`group` of {title}"), report),
        None => {}
    }
    check_label(vip, &title, report);
    let Some(address) = &vip.address else { return };
    if let Some(node) = defined.nodes.get(&address.value) {
        let host = called("host", node.name);
        let message = format!("{title} has the address {}, which is the node address of {host}", address.value);
        let problem = Problem::at(&address.span, message).see(node.span, "the node address");
        report.add(problem.help("give the VIP an address that no host has"));
    }
}

/// What labels addresses is the kernel's for IPv4 alone, and tools go by the interface's name in it (ip-address(8)).
fn check_label(vip: &VipDraft, title: &str, report: &mut Report<'_>) {
    let Some(label) = &vip.label else { return };
    if vip.address.as_ref().is_some_and(|address| address.value.is_ipv6()) {
        let message = format!("{title} has a `label`, and is of IPv6");
        report.add(Problem::at(&label.span, message).help("delete it: only IPv4 addresses have labels"));
        return;
    }
    let Some(interface) = vip.interface.as_ref().map(|interface| &interface.value) else { return };
    let names = |label: &str| {
        label
            .strip_prefix(interface.as_str())
            .and_then(|rest| rest.strip_prefix(':'))
            .is_some_and(|rest| !rest.is_empty())
    };
    if !names(&label.value) {
        let message = format!("`label` of {title} is {}, which does not begin with its interface", quote(&label.value));
        let help = format!("write `{interface}:` and a word behind it, 15 bytes in all");
        report.add(Problem::at(&label.span, message).help(help));
    }
}

/// VIP, port and protocol belong to one service.
fn ports_are_unique(services: &[ServiceDraft], report: &mut Report<'_>) {
    let mut taken = HashMap::new();
    for service in services {
        let (Some(vip), Some(port)) = (&service.vip, &service.port) else { continue };
        let (first, first_port) = match taken.entry((&vip.value, port.value, service.protocol)) {
            Entry::Vacant(entry) => {
                entry.insert((service, &port.span));
                continue;
            }
            Entry::Occupied(entry) => *entry.get(),
        };
        let place = format!("{} port {} of VIP {}", service.protocol.name(), port.value, quote(&vip.value));
        let message = format!("{} and {} both have {place}", first.title, service.title);
        let problem = Problem::at(&port.span, message).see(first_port, format!("{} has it here", first.title));
        report.add(problem.help("give one of them another port or another VIP"));
    }
}
