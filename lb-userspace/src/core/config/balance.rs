//! `balance`, `failback` and `no_writer` of a service: how its flows are spread over its backends, or that they are not.
//!
//! In: the service's table. Out: a draft; [`check`] says what it demands of the rest of the file.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::draft::{Draft, ServiceDraft};
use super::model::{Balance, NoWriter};
use super::reader::{Entry, Table};
use super::report::{Problem, Report};
use super::source::Span;
use super::values::{self, choice};
use crate::core::writer::Failback;

/// The keys that are for `balance = "single"` alone.
const OF_SINGLE: [&str; 2] = ["failback", "no_writer"];
/// How long a backend is to be fit before it gets its flows back.
const PAUSES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 3600);

/// What a service says of it.
#[derive(Debug)]
pub(super) struct BalanceDraft {
    pub(super) balance: Balance,
    /// Where it says that there is one writer.
    pub(super) single: Option<Span>,
    /// Where it speaks of affinity.
    affinity: Option<Span>,
}

/// Reads it.
pub(super) fn balance(table: &Table<'_>, report: &mut Report<'_>) -> BalanceDraft {
    let affinity = table.optional("affinity").map(Entry::span);
    let known = [("hash", false), ("single", true)];
    let given = table.optional("balance").map(|entry| (entry.span(), choice(entry, &known, &[], "", report)));
    let (span, single) = match given {
        Some((span, Some(single))) => (Some(span), single.value),
        // What else is said may be right for what was meant.
        Some((_, None)) => return BalanceDraft { balance: Balance::Hash, single: None, affinity },
        None => (None, false),
    };
    if !single {
        table.refuse(&OF_SINGLE, "write `balance = \"single\"` as well, or delete it: hashing has no writer", report);
        return BalanceDraft { balance: Balance::Hash, single: None, affinity };
    }
    let failback = table.optional("failback").and_then(|entry| failback(entry, report)).unwrap_or_default();
    let rules = [("reset", NoWriter::Reset), ("last", NoWriter::Last)];
    let no_writer = table.optional("no_writer").and_then(|entry| choice(entry, &rules, &[], "", report));
    let no_writer = no_writer.map(|at| at.value).unwrap_or_default();
    BalanceDraft { balance: Balance::Single { failback, no_writer }, single: span, affinity }
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
        no_affinity(service, single, report);
        if draft.cluster.is_none() && draft.hosts.len() > 1 {
            let message = format!("{} has one writer, but there is no [cluster]", service.title);
            let help =
                "add `[cluster]` with its `key`: by that the holder of the VIP tells the other hosts who the writer is";
            report.add(Problem::at(single, message).help(help));
        }
    }
}

/// A client would be kept at a backend that is not the writer any more.
fn no_affinity(service: &ServiceDraft, single: &Span, report: &mut Report<'_>) {
    let Some(affinity) = &service.balance.affinity else { return };
    let message = format!("{} has `affinity`, but one writer for all clients", service.title);
    let problem = Problem::at(affinity, message).see(single, "the writer");
    report.add(problem.help("delete `affinity`: all flows go to the same backend anyhow"));
}
