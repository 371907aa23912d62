//! What the backends of a service must be: on hosts that this version can reach, at addresses of those hosts and of the
//! VIP's family, at the service's port if nothing translates it, told apart by name and by where they run, and able to
//! take flows.

use std::collections::HashSet;

use super::draft::{BackendDraft, ServiceDraft};
use super::model::Protocol;
use super::names::{Defined, called};
use super::report::{At, Problem, Report};
use super::rules::each_repeated;
use super::source::Span;
use super::suggest::{list, quote};
use super::values::family_name;

/// Checks the backends of one service.
pub(super) fn check(service: &ServiceDraft, defined: &Defined<'_>, report: &mut Report<'_>) {
    let Some(backends) = &service.backends else { return };
    let family = Family::of(service, defined);
    let mut lacking_by_default = Vec::new();
    for backend in &backends.value {
        let title = format!("{} of {}", called("backend", backend.name.as_ref()), service.title);
        check_host(backend, &title, defined, report);
        if let Some(problem) = taken(backend, &title, defined) {
            report.add(problem);
            continue;
        }
        let Some(family) = &family else { continue };
        match backend.host.as_ref().filter(|host| family.lacks(backend, host, defined)) {
            Some(host) if backend.span == service.span => lacking_by_default.push(host.value.as_str()),
            Some(host) => family.report_lack(host, &title, report),
            None => family.check_address(backend, &title, report),
        }
    }
    if let Some(family) = family.filter(|_| !lacking_by_default.is_empty()) {
        family.report_lack_by_default(service, lacking_by_default, report);
    }
    if !backends.value.is_empty() && backends.value.iter().all(|backend| backend.weight == 0) {
        let message = format!("every backend of {} has weight 0: it would take no new flows", service.title);
        report.add(Problem::at(&backends.span, message).help("give at least one of them a weight of 1 to 256"));
    }
    has_min_healthy(service, backends, report);
    are_distinct(&backends.value, &service.title, report);
    keep_udp_ports(service, &backends.value, report);
}

/// There can be as many healthy backends as are asked for.
fn has_min_healthy(service: &ServiceDraft, backends: &At<Vec<BackendDraft>>, report: &mut Report<'_>) {
    let count = backends.value.len();
    if let Some(least) = service.min_healthy.as_ref().filter(|least| least.value as usize > count && count > 0) {
        let message = format!("`min_healthy` of {} is {}, but it has {count} backends", service.title, least.value);
        let problem = Problem::at(&least.span, message).see(&backends.span, "its backends");
        report.add(problem.help(format!("it may be 1 to {count}")));
    }
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

/// A backend is bound to an address of its own host, and not to a VIP: what is wrong if it is not.
fn taken(backend: &BackendDraft, title: &str, defined: &Defined<'_>) -> Option<Problem> {
    let address = backend.address.as_ref()?;
    let said = format!("{title} has the address {}", address.value);
    match (defined.virtuals.get(&address.value), defined.nodes.get(&address.value)) {
        (Some(vip), None) => {
            let message = format!("{said}, which is that of {}", called("VIP", vip.name));
            let problem = Problem::at(&address.span, message).see(vip.span, "the VIP");
            Some(problem.help("write the address that the service is bound to on its host"))
        }
        (None, Some(node)) if !node.shared => {
            let (host, owner) = (backend.host.as_ref()?, node.name?);
            if host.value == owner.value {
                return None;
            }
            let (host, owner) = (quote(&host.value), quote(&owner.value));
            let message = format!("{said}, which is the node address of host {owner}, not of {host}");
            let problem = Problem::at(&address.span, message).see(node.span, "the node address");
            Some(problem.help("correct `host` or `address`; if left out, `address` is the host's node address"))
        }
        // An address that is both a VIP's and a node's, or of two nodes, has been reported there.
        _ => None,
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

/// The family of a service: a backend has an address of it, its host's or its own.
struct Family<'d> {
    name: &'static str,
    /// The VIP in words, and where its address is written.
    vip: String,
    span: &'d Span,
}

impl<'d> Family<'d> {
    /// `None` if the VIP, or its address, is not known: that has been reported.
    fn of(service: &ServiceDraft, defined: &Defined<'d>) -> Option<Self> {
        let vip = service.vip.as_ref()?;
        let At { value, span } = defined.vip(&vip.value)?;
        Some(Self { name: family_name(*value), vip: called("VIP", Some(vip)), span })
    }

    /// Whether a backend has no address because its host has none of the family.
    fn lacks(&self, backend: &BackendDraft, host: &At<String>, defined: &Defined<'_>) -> bool {
        let addresses = defined.node(&host.value).filter(|_| !backend.addressed);
        addresses.is_some_and(|all| all.iter().all(|address| family_name(address.value) != self.name))
    }

    fn report_lack(&self, host: &At<String>, title: &str, report: &mut Report<'_>) {
        let Self { name, vip, span } = self;
        let message = format!("{title} is on host {}, which has no {name} address for {vip}", quote(&host.value));
        let help =
            format!("{}, or give the backend an `address` of its own, or take it out of the list", self.give_one());
        report.add(Problem::at(&host.span, message).see(span, "the VIP").help(help));
    }

    fn report_lack_by_default(&self, service: &ServiceDraft, hosts: Vec<&str>, report: &mut Report<'_>) {
        let Self { name, vip, span } = self;
        let (noun, verb) = if hosts.len() == 1 { ("host", "has") } else { ("hosts", "have") };
        let lacking = list(hosts);
        let message =
            format!("{} is on every host, but {noun} {lacking} {verb} no {name} address for {vip}", service.title);
        let help = format!("{}, or list in `backends` the hosts that have one", self.give_one());
        report.add(Problem::at(&service.span, message).see(span, "the VIP").help(help));
    }

    /// An address of a backend's own is of the family.
    fn check_address(&self, backend: &BackendDraft, title: &str, report: &mut Report<'_>) {
        let Self { name, vip, span } = self;
        let Some(address) = backend.address.as_ref().filter(|address| family_name(address.value) != *name) else {
            return;
        };
        let message = format!("{title} has the address {}, but {vip} is of {name}", address.value);
        let help = format!("write an {name} address of its host; if left out, `address` is the host's node address");
        report.add(Problem::at(&address.span, message).see(span, "the VIP").help(help));
    }

    fn give_one(&self) -> String {
        format!("give the host an {} address as well, as in `address = [\"10.0.0.11\", \"fd00::11\"]`", self.name)
    }
}

/// Backends of a UDP service have its port: nothing translates ports, and a server answers from the one it was asked at.
fn keep_udp_ports(service: &ServiceDraft, backends: &[BackendDraft], report: &mut Report<'_>) {
    let Some(port) = service.port.as_ref().filter(|_| service.protocol == Protocol::Udp) else { return };
    let ports = backends.iter().filter_map(|backend| backend.port.as_ref()).chain(&service.backend_port);
    let mut reported = HashSet::new();
    for other in ports.filter(|other| other.value != port.value) {
        if reported.insert(other.span.start) {
            let message = format!(
                "{} is udp and has port {}, but its backends are to have port {}: ports of udp are not translated",
                service.title, port.value, other.value
            );
            let help = format!(
                "the service binds the VIP or a wildcard address, with the port that clients ask: leave this out, or write {}",
                port.value
            );
            report.add(Problem::at(&other.span, message).see(&port.span, "the port that clients ask").help(help));
        }
    }
}
