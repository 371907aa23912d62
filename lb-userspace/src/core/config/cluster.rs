//! `[cluster]`: how the controllers speak with each other.

use super::draft::Draft;
use super::model::Cluster;
use super::reader::Entry;
use super::report::{Problem, Report};
use super::source::Span;
use super::values;
use crate::core::sync::message::Key;

const KEYS: [&str; 2] = ["key", "port"];
/// Unless the file says otherwise. Nothing is registered for it.
const PORT: u16 = 7112;
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
    Some(ClusterDraft { span: table.span.clone(), cluster: key.zip(port).map(|(key, port)| Cluster { key, port }) })
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
