//! `balance` and `failback` of a service: how its flows are spread over its backends, or that they are not.
//!
//! In: the service's table. Out: a draft; [`check`] says what it demands of the rest of the file.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::draft::Draft;
use super::model::Balance;
use super::reader::{Entry, Table};
use super::report::{Problem, Report};
use super::source::Span;
use super::values::{self, choice};
use crate::core::writer::Failback;

/// What is for `balance = "single"` alone.
const OF_SINGLE: [&str; 1] = ["failback"];
/// What is not for it, and why.
const OF_HASH: [(&str, &str); 2] = [
    ("affinity", "all flows go to the same backend anyhow"),
    ("slow_start", "the writer has all flows at once, and the others none"),
];
/// How long a backend is to be fit before it gets its flows back.
const PAUSES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 3600);

/// What a service says of it.
#[derive(Debug)]
pub(super) struct BalanceDraft {
    pub(super) balance: Balance,
    /// Where it says that there is one writer.
    pub(super) single: Option<Span>,
    /// Where it speaks of what is not for that.
    strange: Vec<(&'static str, &'static str, Span)>,
}

/// Reads it.
pub(super) fn balance(table: &Table<'_>, report: &mut Report<'_>) -> BalanceDraft {
    let given = |(key, why): (&'static str, &'static str)| Some((key, why, table.optional(key)?.span()));
    let strange = OF_HASH.into_iter().filter_map(given).collect();
    let known = [("hash", false), ("single", true)];
    let given = table.optional("balance").map(|entry| (entry.span(), choice(entry, &known, &[], "", report)));
    let (span, single) = match given {
        Some((span, Some(single))) => (Some(span), single.value),
        // What else is said may be right for what was meant.
        Some((_, None)) => return BalanceDraft { balance: Balance::Hash, single: None, strange },
        None => (None, false),
    };
    if !single {
        table.refuse(&OF_SINGLE, "write `balance = \"single\"` as well, or delete it: hashing has no writer", report);
        return BalanceDraft { balance: Balance::Hash, single: None, strange };
    }
    let failback = table.optional("failback").and_then(|entry| failback(entry, report)).unwrap_or_default();
    BalanceDraft { balance: Balance::Single { failback }, single: span, strange }
}

/// Never, at once, or after a time.
fn failback(entry: Entry<'_>, report: &mut Report<'_>) -> Option<Failback> {
    if entry.is_boolean() {
        return entry.boolean(report).map(|back| if back { Failback::After(Duration::ZERO) } else { Failback::Never });
    }
    if !entry.is_string() {
        let help = "write `true`, `false`, or how long the first backend is to be fit, as in `\"5m\"`";
        return entry.wrong_type("true, false or a duration", help, report);
    }
    if entry.is("never") {
        return Some(Failback::Never);
    }
    values::duration(entry, PAUSES, report).map(|pause| Failback::After(pause.value))
}

/// Checks services that have one writer.
pub(super) fn check(draft: &Draft, report: &mut Report<'_>) {
    for service in &draft.services {
        let Some(single) = &service.balance.single else { continue };
        for (key, why, span) in &service.balance.strange {
            let message = format!("{} has `{key}`, but one writer for all clients", service.title);
            let problem = Problem::at(span, message).see(single, "the writer");
            report.add(problem.help(format!("delete `{key}`: {why}")));
        }
        if draft.cluster.is_none() && draft.hosts.len() > 1 {
            let message = format!("{} has one writer, but there is no [cluster]", service.title);
            let help =
                "add `[cluster]` with its `key`: by that the holder of the VIP tells the other hosts who the writer is";
            report.add(Problem::at(single, message).help(help));
        }
    }
}
