//! The TOML tree to a draft: services, their backends and checks, and the defaults of both.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::draft::{BackendDraft, HostDraft, ServiceDraft};
use super::model::{Check, CheckKind, Mode, Protocol};
use super::parse::titled;
use super::reader::{Entry, Table};
use super::report::{At, Problem, Report};
use super::source::Span;
use super::suggest::quote;
use super::values;

const SERVICE_KEYS: [&str; 8] = ["name", "vip", "port", "backend_port", "protocol", "mode", "check", "backends"];
const BACKEND_KEYS: [&str; 5] = ["host", "name", "port", "address", "weight"];
const CHECK_KEYS: [&str; 7] = ["type", "interval", "fast_interval", "down_interval", "timeout", "rise", "fall"];

/// Pauses between checks.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
/// Of `rise` and `fall`.
const STREAKS: RangeInclusive<u32> = 1..=100;
const WEIGHTS: RangeInclusive<u16> = 0..=256;
const WEIGHT: u16 = 100;

/// What a service does not say itself.
#[derive(Debug)]
pub(super) struct Defaults {
    mode: Mode,
    check: CheckSettings,
}

/// A check in which the intervals that follow `interval` may still be open.
#[derive(Debug, Clone)]
struct CheckSettings {
    kind: CheckKind,
    interval: Duration,
    fast_interval: Option<Duration>,
    down_interval: Option<Duration>,
    timeout: Duration,
    rise: u32,
    fall: u32,
}

impl Default for Defaults {
    fn default() -> Self {
        let check = CheckSettings {
            kind: CheckKind::Tcp,
            interval: Duration::from_secs(2),
            fast_interval: None,
            down_interval: None,
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        };
        Self { mode: Mode::L2, check }
    }
}

/// Reads `[defaults]`.
pub(super) fn defaults(entry: Entry<'_>, report: &mut Report<'_>) -> Defaults {
    let builtin = Defaults::default();
    let Some(table) = entry.table("[defaults]".into(), &["mode", "check"], report) else { return builtin };
    Defaults { mode: mode(&table, builtin.mode, report), check: check(&table, builtin.check, report) }
}

/// Reads one `[[service]]`.
pub(super) fn service(
    entry: Entry<'_>,
    hosts: &[HostDraft],
    defaults: &Defaults,
    report: &mut Report<'_>,
) -> Option<ServiceDraft> {
    let table = entry.table(titled("service", entry), &SERVICE_KEYS, report)?;
    let port = table.required("port", "5000", report).and_then(|e| values::port(e, report));
    let backend_port = table.optional("backend_port").map_or_else(|| port.clone(), |e| values::port(e, report));
    let protocol = table.optional("protocol").and_then(|e| values::protocol(e, report));
    Some(ServiceDraft {
        span: table.span.clone(),
        name: table.required("name", "\"keystone\"", report).and_then(|e| values::name(e, report)),
        vip: table.required("vip", "\"internal\"", report).and_then(|e| values::name(e, report)),
        port,
        protocol: protocol.map_or(Protocol::Tcp, |protocol| protocol.value),
        mode: mode(&table, defaults.mode, report),
        backends: backends(&table, hosts, backend_port.as_ref(), report),
        check: check(&table, defaults.check.clone(), report).into_check(),
        title: table.owner,
    })
}

fn mode(table: &Table<'_>, default: Mode, report: &mut Report<'_>) -> Mode {
    table.optional("mode").and_then(|e| values::mode(e, report)).map_or(default, |mode| mode.value)
}

/// The backends that are listed, or one on every host.
fn backends(
    table: &Table<'_>,
    hosts: &[HostDraft],
    port: Option<&At<u16>>,
    report: &mut Report<'_>,
) -> Option<At<Vec<BackendDraft>>> {
    let Some(entry) = table.optional("backends") else {
        let everywhere = hosts.iter().map(|host| {
            let name = host.name.as_ref().map(|name| At::new(name.value.clone(), table.span.clone()));
            on_host(&table.span, name, Some(host), port)
        });
        return Some(At::new(everywhere.collect(), table.span.clone()));
    };
    let items = entry.array(report)?;
    if items.is_empty() {
        let help = "list the hosts it runs on, or leave `backends` out to mean every host";
        report.add(Problem::at(&entry.span(), format!("{} has no backends", table.owner)).help(help));
        return None;
    }
    let backends = items.into_iter().filter_map(|item| backend(item, &table.owner, hosts, port, report));
    Some(At::new(backends.collect(), entry.span()))
}

/// One item of `backends`: a host's name, or a table.
fn backend(
    entry: Entry<'_>,
    service: &str,
    hosts: &[HostDraft],
    port: Option<&At<u16>>,
    report: &mut Report<'_>,
) -> Option<BackendDraft> {
    if entry.is_string() {
        let host = values::name(entry, report)?;
        let known = find(&host, hosts);
        return Some(on_host(&entry.span(), Some(host), known, port));
    }
    if !entry.is_table() {
        return entry.wrong_type("a host's name or a table", "write `\"c1\"` or `{ host = \"c1\" }`", report);
    }
    let title = match entry.peek("name").or_else(|| entry.peek("host")) {
        Some(name) => format!("backend {} of {service}", quote(name)),
        None => format!("this backend of {service}"),
    };
    let table = entry.table(title, &BACKEND_KEYS, report)?;
    let host = table.required("host", "\"c1\"", report).and_then(|e| values::name(e, report));
    let known = host.as_ref().and_then(|host| find(host, hosts));
    let plain = on_host(&entry.span(), host, known, port);
    let weight = table.optional("weight").and_then(|e| e.integer(WEIGHTS, report));
    Some(BackendDraft {
        name: table.optional("name").map_or(plain.name, |e| values::name(e, report)),
        address: table.optional("address").map_or(plain.address, |e| values::address(e, report)),
        port: table.optional("port").map_or(plain.port, |e| values::port(e, report)),
        weight: weight.map_or(WEIGHT, |weight| weight.value),
        ..plain
    })
}

fn find<'h>(name: &At<String>, hosts: &'h [HostDraft]) -> Option<&'h HostDraft> {
    hosts.iter().find(|host| host.name.as_ref().is_some_and(|known| known.value == name.value))
}

/// A backend of which only the host is known: named as the host, bound to its address and the service's port.
fn on_host(span: &Span, name: Option<At<String>>, host: Option<&HostDraft>, port: Option<&At<u16>>) -> BackendDraft {
    let place = name.as_ref().map_or(span, |name| &name.span).clone();
    BackendDraft {
        span: span.clone(),
        name: name.clone(),
        host: name,
        address: host.and_then(|host| host.address.as_ref()).map(|address| At::new(address.value, place)),
        port: port.cloned(),
        weight: WEIGHT,
    }
}

/// The table `check` of a table: what it leaves out is as in `base`.
fn check(table: &Table<'_>, base: CheckSettings, report: &mut Report<'_>) -> CheckSettings {
    let Some(entry) = table.optional("check") else { return base };
    let Some(check) = entry.table(entry.label(), &CHECK_KEYS, report) else { return base };
    let mut duration = |key: &str, range: RangeInclusive<Duration>| {
        check.optional(key).and_then(|e| values::duration(e, range, report)).map(|at| at.value)
    };
    let interval = duration("interval", INTERVALS);
    let fast_interval = duration("fast_interval", INTERVALS);
    let down_interval = duration("down_interval", INTERVALS);
    let timeout = duration("timeout", TIMEOUTS);
    let mut streak = |key: &str| check.optional(key).and_then(|e| e.integer(STREAKS, report)).map(|at| at.value);
    let (rise, fall) = (streak("rise"), streak("fall"));
    let kind = check.optional("type").and_then(|e| values::check_kind(e, report));
    CheckSettings {
        kind: kind.map_or(base.kind, |kind| kind.value),
        interval: interval.unwrap_or(base.interval),
        fast_interval: fast_interval.or(base.fast_interval),
        down_interval: down_interval.or(base.down_interval),
        timeout: timeout.unwrap_or(base.timeout),
        rise: rise.unwrap_or(base.rise),
        fall: fall.unwrap_or(base.fall),
    }
}

impl CheckSettings {
    fn into_check(self) -> Check {
        Check {
            kind: self.kind,
            interval: self.interval,
            fast_interval: self.fast_interval.unwrap_or(self.interval),
            down_interval: self.down_interval.unwrap_or(self.interval),
            timeout: self.timeout,
            rise: self.rise,
            fall: self.fall,
        }
    }
}
