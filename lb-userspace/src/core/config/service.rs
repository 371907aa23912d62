//! The TOML tree to a draft: services, and what they all have by default.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::agent;
use super::backends::{self, Given};
use super::balance;
use super::checks::{self, CheckSettings};
use super::draft::{HostDraft, ServiceDraft, VipDraft};
use super::model::{Affinity, BelowMin, Mode, OnDown, Protocol};
use super::names::is_called;
use super::parse::titled;
use super::reader::{Entry, Table};
use super::report::{At, Report};
use super::values;

const KEYS: [&str; 17] = [
    "name",
    "vip",
    "port",
    "backend_port",
    "protocol",
    "mode",
    "balance",
    "failback",
    "idle_timeout",
    "affinity",
    "check",
    "agent",
    "on_down",
    "backends",
    "slow_start",
    "min_healthy",
    "below_min",
];
const AFFINITY_KEYS: [&str; 3] = ["timeout", "prefix4", "prefix6"];

const DAY: u64 = 24 * 3600;
/// How long a flow, or a client with affinity, may be silent and still be remembered.
const SILENCES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(6 * DAY);
/// How long a backend that comes up may take to its whole share.
const STARTS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);

/// What a service does not say itself.
#[derive(Debug)]
pub(super) struct Defaults {
    mode: Mode,
    check: CheckSettings,
    on_down: OnDown,
    slow_start: Duration,
    below_min: BelowMin,
}

impl Default for Defaults {
    fn default() -> Self {
        let (check, on_down, slow_start, below_min) = Default::default();
        Self { mode: Mode::L2, check, on_down, slow_start, below_min }
    }
}

/// Reads `[defaults]`.
pub(super) fn defaults(entry: Entry<'_>, report: &mut Report<'_>) -> Defaults {
    let builtin = Defaults::default();
    let Some(table) =
        entry.table("[defaults]".into(), &["mode", "check", "on_down", "slow_start", "below_min"], report)
    else {
        return builtin;
    };
    Defaults {
        mode: mode(&table, builtin.mode, report),
        check: checks::check(&table, builtin.check, report),
        on_down: on_down(&table, builtin.on_down, report),
        slow_start: slow_start(&table, builtin.slow_start, report),
        below_min: below_min(&table, builtin.below_min, report),
    }
}

/// Reads one `[[service]]`.
pub(super) fn service(
    entry: Entry<'_>,
    hosts: &[HostDraft],
    vips: &[VipDraft],
    defaults: &Defaults,
    report: &mut Report<'_>,
) -> Option<ServiceDraft> {
    let table = entry.table(titled("service", entry), &KEYS, report)?;
    let vip = table.required("vip", "\"internal\"", report).and_then(|e| values::name(e, report));
    let port = table.required("port", "5000", report).and_then(|e| values::port(e, report));
    let backend_port = table.optional("backend_port").map_or_else(|| port.clone(), |e| values::port(e, report));
    let protocol = table.optional("protocol").and_then(|e| values::protocol(e, report));
    let protocol = protocol.map_or(Protocol::Tcp, |protocol| protocol.value);
    let idle_timeout = table.optional("idle_timeout").and_then(|e| values::duration(e, SILENCES, report));

    let known = |vip: &At<String>| vips.iter().find(|known| is_called(known.name.as_ref(), &vip.value));
    let address = vip.as_ref().and_then(known).and_then(|vip| vip.address.as_ref());
    let given = Given { hosts, vip: address.map(|address| address.value), port: backend_port.as_ref() };
    let backends = backends::backends(&table, &given, report);
    Some(ServiceDraft {
        span: table.span.clone(),
        name: table.required("name", "\"keystone\"", report).and_then(|e| values::name(e, report)),
        vip,
        port,
        protocol,
        mode: mode(&table, defaults.mode, report),
        balance: balance::balance(&table, report),
        idle_timeout: idle_timeout.map_or_else(|| default_idle_timeout(protocol), |at| at.value),
        affinity: table.optional("affinity").map(|e| affinity(e, report)),
        backends,
        backend_port,
        check: checks::of_service(&table, protocol, &defaults.check, report),
        agent: agent::agent(&table, report),
        on_down: on_down(&table, defaults.on_down, report),
        slow_start: slow_start(&table, defaults.slow_start, report),
        min_healthy: table.optional("min_healthy").and_then(|e| e.integer(1..=u32::MAX, report)),
        below_min: below_min(&table, defaults.below_min, report),
        title: table.owner,
    })
}

/// Idle connections of databases and message queues live for days; most UDP services answer at once or never.
fn default_idle_timeout(protocol: Protocol) -> Duration {
    match protocol {
        Protocol::Tcp => Duration::from_secs(DAY),
        Protocol::Udp => Duration::from_secs(120),
    }
}

fn mode(table: &Table<'_>, default: Mode, report: &mut Report<'_>) -> Mode {
    table.optional("mode").and_then(|e| values::mode(e, report)).map_or(default, |mode| mode.value)
}

fn on_down(table: &Table<'_>, default: OnDown, report: &mut Report<'_>) -> OnDown {
    table.optional("on_down").and_then(|e| values::on_down(e, report)).map_or(default, |on_down| on_down.value)
}

fn slow_start(table: &Table<'_>, default: Duration, report: &mut Report<'_>) -> Duration {
    let given = table.optional("slow_start").and_then(|e| values::duration(e, STARTS, report));
    given.map_or(default, |slow_start| slow_start.value)
}

fn below_min(table: &Table<'_>, default: BelowMin, report: &mut Report<'_>) -> BelowMin {
    let given = table.optional("below_min").and_then(|e| values::below_min(e, report));
    given.map_or(default, |below_min| below_min.value)
}

/// The table `affinity`: what it leaves out, and what is wrong in it, is as by default.
fn affinity(entry: Entry<'_>, report: &mut Report<'_>) -> Affinity {
    let mut affinity = Affinity { timeout: Duration::from_secs(30 * 60), prefix4: 32, prefix6: 128 };
    let Some(table) = entry.table(entry.label(), &AFFINITY_KEYS, report) else { return affinity };
    if let Some(timeout) = table.optional("timeout").and_then(|e| values::duration(e, SILENCES, report)) {
        affinity.timeout = timeout.value;
    }
    for (key, prefix) in [("prefix4", &mut affinity.prefix4), ("prefix6", &mut affinity.prefix6)] {
        if let Some(given) = table.optional(key).and_then(|e| e.integer(1..=*prefix, report)) {
            *prefix = given.value;
        }
    }
    affinity
}
