//! The TOML tree to a draft: health checks, and what they leave out. `http`, `mysql`, `udp` and `tls` are the options of some types.

pub(super) mod http;
mod mysql;
mod tls;
mod udp;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::model::{Check, CheckKind, Protocol};
use super::reader::{Entry, Table};
use super::report::{At, Problem, Report};
use super::source::Span;
use super::values;

#[cfg(test)]
pub(super) use tls::KEYS as TLS_KEYS;

const COMMON: [&str; 9] =
    ["type", "interval", "fast_interval", "down_interval", "timeout", "rise", "fall", "port", "address"];
const COMMAND: [&str; 1] = ["command"];
const TLS: [&str; 1] = ["tls"];

/// Pauses between checks.
pub(super) const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
pub(super) const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
/// Of `rise` and `fall`.
const STREAKS: RangeInclusive<u32> = 1..=100;

/// The types of checks, as the file tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Type {
    #[default]
    Tcp,
    Http,
    Https,
    Mysql,
    Amqp,
    Memcached,
    Udp,
    Command,
    None,
}

const TYPES: [(&str, Type); 9] = [
    ("tcp", Type::Tcp),
    ("http", Type::Http),
    ("https", Type::Https),
    ("mysql", Type::Mysql),
    ("amqp", Type::Amqp),
    ("memcached", Type::Memcached),
    ("udp", Type::Udp),
    ("command", Type::Command),
    ("none", Type::None),
];

/// A check in which anything may still be open.
#[derive(Debug, Clone, Default)]
pub(super) struct CheckSettings {
    kind: Type,
    interval: Option<Duration>,
    fast_interval: Option<Duration>,
    down_interval: Option<Duration>,
    timeout: Option<Duration>,
    rise: Option<u32>,
    fall: Option<u32>,
    port: Option<u16>,
    address: Option<IpAddr>,
    options: Options,
}

/// What only some types have.
#[derive(Debug, Clone, Default)]
struct Options {
    tls: Option<tls::Settings>,
    http: http::Settings,
    mysql: mysql::Settings,
    udp: udp::Settings,
    command: Option<Vec<String>>,
}

/// Every key that a check of some type may have.
pub(super) fn keys() -> Vec<&'static str> {
    [&COMMON[..], &TLS, &http::KEYS, &mysql::KEYS, &udp::KEYS, &COMMAND].concat()
}

/// The check of a service. A UDP service is checked only if it says how itself: that a TCP connection is accepted says
/// nothing of most UDP services, so the kind of check of the defaults is not for them.
pub(super) fn of_service(
    table: &Table<'_>,
    protocol: Protocol,
    defaults: &CheckSettings,
    report: &mut Report<'_>,
) -> Check {
    let base = match protocol {
        Protocol::Tcp => defaults.clone(),
        Protocol::Udp => CheckSettings { kind: Type::None, options: Options::default(), ..defaults.clone() },
    };
    let given = table.optional("check").filter(|check| check.is_table());
    if let Some(check) = given.filter(|check| protocol == Protocol::Udp && !check.has("type")) {
        let message = format!("{} has no `type`: a udp service is not checked unless it says how", check.label());
        let help = "add `type = \"udp\"` to check that a datagram is answered, `type = \"tcp\"` to check that a TCP connection \
                    to the same port is accepted, or leave `check` out";
        report.add(Problem::at(&check.span(), message).help(help));
        // What else is wrong with it follows from that.
        return Check::default();
    }
    let (span, label) = match given {
        Some(entry) => (entry.span(), entry.label()),
        None => (table.span.clone(), format!("the check of {}", table.owner)),
    };
    check(table, base, report).into_check(&span, &label, report)
}

/// The table `check` of a table: what it leaves out is as in `base`.
pub(super) fn check(table: &Table<'_>, base: CheckSettings, report: &mut Report<'_>) -> CheckSettings {
    let Some(entry) = table.optional("check") else { return base };
    let Some(check) = entry.table(entry.label(), &keys(), report) else { return base };
    let given = check.optional("type").map(|e| values::choice(e, &TYPES, &[], "", report));
    if given == Some(None) {
        // Of an unknown type, nothing is known of its options.
        return base;
    }
    let kind = given.flatten().map_or(base.kind, |kind| kind.value);
    let options = options(&check, kind, base.options.under(base.kind, kind), report);
    let mut duration = |key: &str, range: RangeInclusive<Duration>| {
        check.optional(key).and_then(|e| values::duration(e, range, report)).map(|at| at.value)
    };
    let interval = duration("interval", INTERVALS);
    let fast_interval = duration("fast_interval", INTERVALS);
    let down_interval = duration("down_interval", INTERVALS);
    let timeout = duration("timeout", TIMEOUTS);
    let mut streak = |key: &str| check.optional(key).and_then(|e| e.integer(STREAKS, report)).map(|at| at.value);
    let (rise, fall) = (streak("rise"), streak("fall"));
    let port = check.optional("port").and_then(|e| values::port(e, report)).map(|at| at.value);
    let address = check.optional("address").and_then(|e| values::address(e, report)).map(|at| at.value);
    CheckSettings {
        kind,
        interval: interval.or(base.interval),
        fast_interval: fast_interval.or(base.fast_interval),
        down_interval: down_interval.or(base.down_interval),
        timeout: timeout.or(base.timeout),
        rise: rise.or(base.rise),
        fall: fall.or(base.fall),
        port: port.or(base.port),
        address: address.or(base.address),
        options,
    }
}

/// The options of a type; those of others are refused.
fn options(check: &Table<'_>, kind: Type, base: Options, report: &mut Report<'_>) -> Options {
    let mut options = base;
    let of = |keys: &[&str], types: &[Type], report: &mut Report<'_>| {
        let fits = types.contains(&kind);
        if !fits {
            check.refuse(
                keys,
                &format!("it is for checks of type {}; delete it, or change `type`", names(types)),
                report,
            );
        }
        fits
    };
    const WITH_TLS: [Type; 6] = [Type::Tcp, Type::Http, Type::Https, Type::Mysql, Type::Amqp, Type::Memcached];
    if of(&TLS, &WITH_TLS, report)
        && let Some(entry) = check.optional("tls")
    {
        options.tls = Some(tls::read(entry, options.tls.unwrap_or_default(), report));
    }
    if of(&http::KEYS, &[Type::Http, Type::Https], report) {
        options.http = http::read(check, options.http, report);
    }
    if of(&mysql::KEYS, &[Type::Mysql], report) {
        options.mysql = mysql::read(check, options.mysql, report);
    }
    if of(&udp::KEYS, &[Type::Udp], report) {
        options.udp = udp::read(check, options.udp, report);
    }
    if of(&COMMAND, &[Type::Command], report)
        && let Some(argv) = check.optional("command").and_then(|e| values::argv(e, report))
    {
        options.command = Some(argv.value);
    }
    options
}

fn names(types: &[Type]) -> String {
    let called = TYPES.iter().filter(|(_, kind)| types.contains(kind)).map(|(name, _)| format!("\"{name}\""));
    called.collect::<Vec<_>>().join(", ")
}

impl Options {
    /// What of a default check's options is for a check of another type, or of the same.
    fn under(self, old: Type, new: Type) -> Self {
        match (old, new) {
            (old, new) if old == new => self,
            (Type::Http, Type::Https) => self,
            (Type::Https, Type::Http) => Self { tls: None, ..self },
            _ => Self::default(),
        }
    }
}

impl CheckSettings {
    /// With what is built in where nothing was given. `span` and `label` are of what has to give the rest.
    fn into_check(self, span: &Span, label: &str, report: &mut Report<'_>) -> Check {
        let builtin = Check::default();
        let interval = self.interval.unwrap_or(builtin.interval);
        let Options { tls, http, mysql, udp, command } = self.options;
        let mut tls = tls.map(tls::Settings::into_tls);
        if self.kind == Type::Https {
            // The name that is asked for is the one that the certificate is to be for.
            let named = tls.get_or_insert_default();
            named.sni = named.sni.take().or_else(|| http.server_name());
        }
        let mut missing = |key: &str, example: &str| {
            let message = format!("`{key}` is missing from {label}");
            report.add(Problem::at(span, message).help(format!("add `{key}`, as in `{key} = {example}`")));
            CheckKind::Tcp
        };
        let kind = match self.kind {
            Type::Tcp => CheckKind::Tcp,
            Type::Http | Type::Https => CheckKind::Http(http.into_check()),
            Type::Mysql => CheckKind::Mysql(mysql.into_check()),
            Type::Amqp => CheckKind::Amqp,
            Type::Memcached => CheckKind::Memcached,
            Type::Udp => {
                udp.into_check().map_or_else(|| missing("send", "\"ping\"` or `send_hex = \"0a0b\""), CheckKind::Udp)
            }
            Type::Command => {
                command.map_or_else(|| missing("command", "[\"/usr/local/bin/check\"]"), CheckKind::Command)
            }
            Type::None => CheckKind::None,
        };
        Check {
            kind,
            tls,
            port: self.port,
            address: self.address,
            interval,
            fast_interval: self.fast_interval.unwrap_or(interval),
            down_interval: self.down_interval.unwrap_or(interval),
            timeout: self.timeout.unwrap_or(builtin.timeout),
            rise: self.rise.unwrap_or(builtin.rise),
            fall: self.fall.unwrap_or(builtin.fall),
        }
    }
}

/// A string of which something is wrong, in the words of `fault`.
fn plain<'a>(
    entry: Entry<'a>,
    fault: impl Fn(&str) -> Option<String>,
    help: &str,
    report: &mut Report<'_>,
) -> Option<At<&'a str>> {
    let text = entry.string(report)?;
    let Some(fault) = fault(text.value) else { return Some(text) };
    report.add(Problem::at(&text.span, format!("{} {fault}", entry.label())).help(help));
    None
}

/// Reports that only one of two keys may be given; `true` if both are.
fn both(table: &Table<'_>, first: &str, second: &str, report: &mut Report<'_>) -> bool {
    let (Some(one), Some(other)) = (table.optional(first), table.optional(second)) else { return false };
    let message = format!("{} has `{first}` and `{second}`", table.owner);
    report.add(Problem::at(&other.span(), message).see(&one.span(), "the first").help("keep one of them"));
    true
}
