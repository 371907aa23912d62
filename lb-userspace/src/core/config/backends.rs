//! The TOML tree to a draft: the backends of a service, and what they take from their hosts and the service.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::draft::{BackendDraft, HostDraft};
use super::names::is_called;
use super::reader::{Entry, Table};
use super::report::{At, Problem, Report};
use super::source::Span;
use super::suggest::quote;
use super::values;

const KEYS: [&str; 5] = ["host", "name", "port", "address", "weight"];
const WEIGHTS: RangeInclusive<u16> = 0..=256;
const WEIGHT: u16 = 100;

/// What the backends of a service are made from where they say nothing themselves.
pub(super) struct Given<'h> {
    pub(super) hosts: &'h [HostDraft],
    /// Address of the service's VIP, if that is known: backends are of its family.
    pub(super) vip: Option<IpAddr>,
    pub(super) port: Option<&'h At<u16>>,
}

/// The backends that are listed, or one on every host.
pub(super) fn backends(table: &Table<'_>, given: &Given<'_>, report: &mut Report<'_>) -> Option<At<Vec<BackendDraft>>> {
    let Some(entry) = table.optional("backends") else {
        let everywhere = given.hosts.iter().map(|host| {
            let name = host.name.as_ref().map(|name| At::new(name.value.clone(), table.span.clone()));
            given.on_host(&table.span, name, Some(host))
        });
        return Some(At::new(everywhere.collect(), table.span.clone()));
    };
    let items = entry.array(report)?;
    if items.is_empty() {
        let help = "list the hosts it runs on, or leave `backends` out to mean every host";
        report.add(Problem::at(&entry.span(), format!("{} has no backends", table.owner)).help(help));
        return None;
    }
    let backends = items.into_iter().filter_map(|item| backend(item, &table.owner, given, report));
    Some(At::new(backends.collect(), entry.span()))
}

/// One item of `backends`: a host's name, or a table.
fn backend(entry: Entry<'_>, service: &str, given: &Given<'_>, report: &mut Report<'_>) -> Option<BackendDraft> {
    if entry.is_string() {
        let host = values::name(entry, report)?;
        let known = given.find(&host);
        return Some(given.on_host(&entry.span(), Some(host), known));
    }
    if !entry.is_table() {
        return entry.wrong_type("a host's name or a table", "write `\"c1\"` or `{ host = \"c1\" }`", report);
    }
    let title = match entry.peek("name").or_else(|| entry.peek("host")) {
        Some(name) => format!("backend {} of {service}", quote(name)),
        None => format!("this backend of {service}"),
    };
    let table = entry.table(title, &KEYS, report)?;
    let host = table.required("host", "\"c1\"", report).and_then(|e| values::name(e, report));
    let known = host.as_ref().and_then(|host| given.find(host));
    let plain = given.on_host(&entry.span(), host, known);
    let weight = table.optional("weight").and_then(|e| e.integer(WEIGHTS, report));
    Some(BackendDraft {
        name: table.optional("name").map_or(plain.name, |e| values::name(e, report)),
        addressed: table.optional("address").is_some(),
        address: table.optional("address").map_or(plain.address, |e| values::address(e, report)),
        port: table.optional("port").map_or(plain.port, |e| values::port(e, report)),
        weight: weight.map_or(WEIGHT, |weight| weight.value),
        ..plain
    })
}

impl<'h> Given<'h> {
    fn find(&self, name: &At<String>) -> Option<&'h HostDraft> {
        self.hosts.iter().find(|host| is_called(host.name.as_ref(), &name.value))
    }

    /// A backend of which only the host is known: named as the host, bound to its address and the service's port.
    fn on_host(&self, span: &Span, name: Option<At<String>>, host: Option<&HostDraft>) -> BackendDraft {
        let place = name.as_ref().map_or(span, |name| &name.span).clone();
        let address = self.vip.and_then(|vip| host?.address_for(vip));
        BackendDraft {
            span: span.clone(),
            name: name.clone(),
            host: name,
            addressed: false,
            address: address.map(|address| At::new(address, place)),
            port: self.port.cloned(),
            weight: WEIGHT,
        }
    }
}
