//! `[cluster]`: how the controllers speak with each other.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::draft::Draft;
use super::duration;
use super::model::Cluster;
use super::reader::Entry;
use super::report::{Problem, Report};
use super::source::Span;
use super::values;
use crate::core::sync::message::Key;

const KEYS: [&str; 3] = ["key", "port", "heartbeat"];
/// Unless the file says otherwise. Nothing is registered for it.
const PORT: u16 = 7112;
/// Unless the file says otherwise.
const HEARTBEAT: Duration = Duration::from_millis(100);
const HEARTBEATS: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_secs(10);
/// Fewest bytes of a key: what is shorter can be tried out.
const KEY_MIN: usize = 16;

/// `[cluster]` as it was read.
#[derive(Debug)]
pub(super) struct ClusterDraft {
    span: Span,
    /// `None` if it is wrong.
    pub(super) cluster: Option<Cluster>,
}

/// Reads `[cluster]`.
pub(super) fn cluster(entry: Entry<'_>, report: &mut Report<'_>) -> Option<ClusterDraft> {
    let table = entry.table("[cluster]".into(), &KEYS, report)?;
    let port = table.optional("port").map(|e| values::port(e, report));
    let key = table.required("key", "\"(output of `openssl rand -base64 24`)\"", report).and_then(|e| key(e, report));
    let port = port.map_or(Some(PORT), |given| given.map(|port| port.value));
    let heartbeat = table.optional("heartbeat").and_then(|e| heartbeat(e, report)).unwrap_or(HEARTBEAT);
    let cluster = key.zip(port).map(|(key, port)| Cluster { key, port, heartbeat });
    Some(ClusterDraft { span: table.span.clone(), cluster })
}

/// Checks that there is a family in which all hosts can speak.
pub(super) fn check(draft: &Draft, report: &mut Report<'_>) {
    let Some(cluster) = &draft.cluster else { return };
    let speaks = |v4: bool| {
        let mut addresses = draft.hosts.iter().filter_map(|host| host.addresses.as_ref());
        addresses.all(|addresses| addresses.iter().any(|address| address.value.is_ipv4() == v4))
    };
    if !speaks(true) && !speaks(false) {
        let message = "there is no family of which every [[host]] has an address, for [cluster]";
        let help = "give every host an address of one family: `address` may be an array, as in `[\"10.0.0.11\", \"fd00::11\"]`";
        report.add(Problem::at(&cluster.span, message).help(help));
    }
}

/// Zero is never.
fn heartbeat(entry: Entry<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let given = values::duration(entry, Duration::ZERO..=*HEARTBEATS.end(), report)?;
    if given.value.is_zero() || HEARTBEATS.contains(&given.value) {
        return Some(given.value);
    }
    let message = format!("{} is `{}`, out of range", entry.label(), duration::format(given.value));
    let help = "write 20ms to 10s, or \"0s\" so that no host is missed";
    report.add(Problem::at(&given.span, message).help(help));
    None
}

fn key(entry: Entry<'_>, report: &mut Report<'_>) -> Option<Key> {
    let text = entry.string(report)?;
    if text.value.len() >= KEY_MIN {
        return Some(Key::new(text.value.as_bytes()));
    }
    // The key itself is not shown.
    let message = format!("{} has {} bytes", entry.label(), text.value.len());
    let help = format!("write at least {KEY_MIN}, as random as `openssl rand -base64 24` makes them");
    report.add(Problem::at(&text.span, message).help(help));
    None
}
