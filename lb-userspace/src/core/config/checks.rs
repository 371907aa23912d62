//! The TOML tree to a draft: health checks, and what they leave out.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::model::{Check, CheckKind, Protocol};
use super::reader::Table;
use super::report::{Problem, Report};
use super::values;

const KEYS: [&str; 7] = ["type", "interval", "fast_interval", "down_interval", "timeout", "rise", "fall"];

/// Pauses between checks.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
/// Of `rise` and `fall`.
const STREAKS: RangeInclusive<u32> = 1..=100;

/// A check in which the intervals that follow `interval` may still be open.
#[derive(Debug, Clone)]
pub(super) struct CheckSettings {
    kind: CheckKind,
    interval: Duration,
    fast_interval: Option<Duration>,
    down_interval: Option<Duration>,
    timeout: Duration,
    rise: u32,
    fall: u32,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            kind: CheckKind::Tcp,
            interval: Duration::from_secs(2),
            fast_interval: None,
            down_interval: None,
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        }
    }
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
        Protocol::Udp => CheckSettings { kind: CheckKind::None, ..defaults.clone() },
    };
    let given = table.optional("check").filter(|check| check.is_table());
    if let Some(check) = given.filter(|check| protocol == Protocol::Udp && !check.has("type")) {
        let message = format!("{} has no `type`: a udp service is not checked unless it says how", check.label());
        let help =
            "add `type = \"tcp\"` to check that a TCP connection to the same port is accepted, or leave `check` out";
        report.add(Problem::at(&check.span(), message).help(help));
    }
    check(table, base, report).into_check()
}

/// The table `check` of a table: what it leaves out is as in `base`.
pub(super) fn check(table: &Table<'_>, base: CheckSettings, report: &mut Report<'_>) -> CheckSettings {
    let Some(entry) = table.optional("check") else { return base };
    let Some(check) = entry.table(entry.label(), &KEYS, report) else { return base };
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
