//! What the backends of a service must be: on hosts that this version can reach, at addresses of those hosts, told apart
//! by name and by where they run, and able to take flows.

use std::collections::HashSet;

use super::draft::{BackendDraft, ServiceDraft};
use super::names::{Defined, called};
use super::report::{Problem, Report};
use super::rules::each_repeated;
use super::suggest::quote;

/// Checks the backends of one service.
pub(super) fn check(service: &ServiceDraft, defined: &Defined<'_>, report: &mut Report<'_>) {
    let Some(backends) = &service.backends else { return };
    for backend in &backends.value {
        let title = format!("{} of {}", called("backend", backend.name.as_ref()), service.title);
        check_host(backend, &title, defined, report);
        check_address(backend, &title, defined, report);
    }
    if !backends.value.is_empty() && backends.value.iter().all(|backend| backend.weight == 0) {
        let message = format!("every backend of {} has weight 0: it would take no new flows", service.title);
        report.add(Problem::at(&backends.span, message).help("give at least one of them a weight of 1 to 256"));
    }
    are_distinct(&backends.value, &service.title, report);
}

/// Mode l2 needs pivotd on the backend's host.
fn check_host(backend: &BackendDraft, title: &str, defined: &Defined<'_>, report: &mut Report<'_>) {
    let Some(host) = backend.host.as_ref().filter(|host| defined.hosts.lack(&host.value)) else { return };
    let message = format!("{title} is on {}, which is no [[host]]", quote(&host.value));
    let help = format!(
        "{}; mode l2 needs pivotd on the backend's host, and mode nat, which does not, is not available in this version",
        defined.hosts.way_out(&host.value)
    );
    report.add(Problem::at(&host.span, message).help(help));
}

/// A backend is bound to an address of its own host, and not to a VIP.
fn check_address(backend: &BackendDraft, title: &str, defined: &Defined<'_>, report: &mut Report<'_>) {
    let Some(address) = &backend.address else { return };
    let said = format!("{title} has the address {}", address.value);
    match (defined.virtuals.get(&address.value), defined.nodes.get(&address.value)) {
        (Some(vip), None) => {
            let message = format!("{said}, which is that of {}", called("VIP", vip.name));
            let problem = Problem::at(&address.span, message).see(vip.span, "the VIP");
            report.add(problem.help("write the address that the service is bound to on its host"));
        }
        (None, Some(node)) if !node.shared => {
            let (Some(host), Some(owner)) = (&backend.host, node.name) else { return };
            if host.value != owner.value {
                let (host, owner) = (quote(&host.value), quote(&owner.value));
                let message = format!("{said}, which is the node address of host {owner}, not of {host}");
                let problem = Problem::at(&address.span, message).see(node.span, "the node address");
                report.add(
                    problem.help("correct `host` or `address`; if left out, `address` is the host's node address"),
                );
            }
        }
        // An address that is both a VIP's and a node's, or of two nodes, has been reported there.
        _ => {}
    }
}

/// No two have the same name, or the same host and port.
fn are_distinct(backends: &[BackendDraft], service: &str, report: &mut Report<'_>) {
    let places = backends.iter().filter_map(|backend| {
        let (host, port) = (backend.host.as_ref()?, backend.port.as_ref()?);
        Some(((host.value.as_str(), port.value), &backend.span))
    });
    let mut same_place = HashSet::new();
    each_repeated(places, |(host, port), first, again| {
        let message = format!("two backends of {service} are on host {} with port {port}", quote(host));
        let help = "keep one of them; `weight` gives a backend more flows";
        report.add(Problem::at(again, message).see(first, "the first").help(help));
        same_place.insert(again.start);
    });
    let names = backends.iter().filter(|backend| !same_place.contains(&backend.span.start));
    let names = names.filter_map(|backend| backend.name.as_ref()).map(|name| (name.value.as_str(), &name.span));
    each_repeated(names, |name, first, again| {
        let message = format!("two backends of {service} are called {}", quote(name));
        let help = "give one of them another `name`; if left out, it is that of the host";
        report.add(Problem::at(again, message).see(first, "the first").help(help));
    });
}
