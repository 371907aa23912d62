//! The TOML tree to a draft: what a group's hosts need, besides their interface, to hold its VIPs.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::model::{CommandCheck, Track, Tracked};
use super::reader::{Entry, Table};
use super::report::{At, Problem, Report};
use super::source::Span;
use super::suggest::quote;
use super::values;

/// What can be tracked.
const KINDS: [&str; 3] = ["interface", "service", "command"];
const KEYS: [&str; 9] =
    ["interface", "service", "command", "weight", "min_healthy", "interval", "timeout", "rise", "fall"];
const OF_SERVICES: [&str; 1] = ["min_healthy"];
const OF_COMMANDS: [&str; 4] = ["interval", "timeout", "rise", "fall"];

/// As far as the range of priorities goes.
const WEIGHTS: RangeInclusive<i16> = -253..=253;
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
/// Of `rise` and `fall`.
const STREAKS: RangeInclusive<u32> = 1..=100;

/// Something tracked, as it was read.
#[derive(Debug)]
pub(super) struct TrackDraft {
    /// What errors call it: "tracked service `keystone` of group `control`".
    pub(super) title: String,
    pub(super) span: Span,
    pub(super) what: WhatDraft,
    weight: Option<i16>,
}

/// What is tracked, with its place where it refers to something.
#[derive(Debug)]
pub(super) enum WhatDraft {
    Interface(At<String>),
    Service { name: At<String>, min_healthy: At<u32> },
    Command(CommandCheck),
}

/// The list `track` of a group; what is wrong in it is left out.
pub(super) fn tracks(group: &Table<'_>, report: &mut Report<'_>) -> Vec<TrackDraft> {
    let items = group.optional("track").and_then(|entry| entry.array(report)).unwrap_or_default();
    items.into_iter().filter_map(|item| track(item, &group.owner, report)).collect()
}

fn track(entry: Entry<'_>, group: &str, report: &mut Report<'_>) -> Option<TrackDraft> {
    let named =
        KINDS.into_iter().find_map(|kind| Some(format!("tracked {kind} {} of {group}", quote(entry.peek(kind)?))));
    let title = named.unwrap_or_else(|| match entry.has("command") {
        true => format!("a tracked command of {group}"),
        false => format!("a `track` of {group}"),
    });
    let table = entry.table(title, &KEYS, report)?;
    let weight = table.optional("weight").and_then(|e| weight(e, report));
    let help = "each says one thing that is tracked: `interface = \"eth1\"`, `service = \"keystone\"` or \
                `command = [\"/usr/bin/check\"]`";
    table.one_of(&KINDS, help, report)?;
    let what = match table.optional("command") {
        Some(argv) => command(argv, &table, report),
        None => {
            table.refuse(&OF_COMMANDS, "it is for a tracked `command`; delete it", report);
            interface_or_service(&table, report)
        }
    };
    Some(TrackDraft { what: what?, weight, span: table.span.clone(), title: table.owner })
}

fn interface_or_service(table: &Table<'_>, report: &mut Report<'_>) -> Option<WhatDraft> {
    let Some(service) = table.optional("service") else {
        table.refuse(&OF_SERVICES, "it is for a tracked `service`; delete it", report);
        return values::interface(table.optional("interface")?, report).map(WhatDraft::Interface);
    };
    let least = table.optional("min_healthy").map(|e| e.integer(1..=u32::MAX, report));
    // One at least, unless given.
    let min_healthy = least.unwrap_or_else(|| Some(At::new(1, table.span.clone())));
    Some(WhatDraft::Service { name: values::name(service, report)?, min_healthy: min_healthy? })
}

fn command(argv: Entry<'_>, table: &Table<'_>, report: &mut Report<'_>) -> Option<WhatDraft> {
    table.refuse(&OF_SERVICES, "it is for a tracked `service`; delete it", report);
    let mut time = |key: &str, range, otherwise| {
        let given = table.optional(key).and_then(|e| values::duration(e, range, report));
        given.map_or(otherwise, |given| given.value)
    };
    let interval = time("interval", INTERVALS, Duration::from_secs(2));
    let timeout = time("timeout", TIMEOUTS, Duration::from_secs(1));
    let mut streak = |key: &str, otherwise| {
        table.optional(key).and_then(|e| e.integer(STREAKS, report)).map_or(otherwise, |given| given.value)
    };
    let (rise, fall) = (streak("rise", 2), streak("fall", 3));
    let argv = values::argv(argv, report)?.value;
    Some(WhatDraft::Command(CommandCheck { argv, interval, timeout, rise, fall }))
}

fn weight(entry: Entry<'_>, report: &mut Report<'_>) -> Option<i16> {
    let weight = entry.integer(WEIGHTS, report)?;
    if weight.value == 0 {
        let help = "leave it out: then a host on which this fails is not fit to hold the VIPs";
        report.add(Problem::at(&weight.span, format!("{} is `0`, which changes nothing", entry.label())).help(help));
        return None;
    }
    Some(weight.value)
}

impl TrackDraft {
    pub(super) fn to_track(&self) -> Track {
        let what = match &self.what {
            WhatDraft::Interface(name) => Tracked::Interface(name.value.clone()),
            WhatDraft::Service { name, min_healthy } => {
                Tracked::Service { name: name.value.clone(), min_healthy: min_healthy.value }
            }
            WhatDraft::Command(command) => Tracked::Command(command.clone()),
        };
        Track { what, weight: self.weight }
    }
}
