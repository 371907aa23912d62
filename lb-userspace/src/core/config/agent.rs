//! The TOML tree to a draft: agents, which announce what is to become of backends.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::checks::http;
use super::checks::{INTERVALS, TIMEOUTS};
use super::model::Agent;
use super::reader::Table;
use super::report::Report;
use super::values;

pub(super) const KEYS: [&str; 6] = ["port", "address", "path", "host", "interval", "timeout"];

/// The table `agent` of a service; `None` also if it is too wrong to go on with, which has been reported.
pub(super) fn agent(service: &Table<'_>, report: &mut Report<'_>) -> Option<Agent> {
    let entry = service.optional("agent")?;
    let table = entry.table(entry.label(), &KEYS, report)?;
    let port = table.required("port", "9999", report).and_then(|e| values::port(e, report));
    let address = table.optional("address").and_then(|e| values::address(e, report));
    let path = table.optional("path").and_then(|e| http::rooted(e, report));
    let host = table.optional("host").and_then(|e| http::host(e, report));
    let mut duration = |key: &str, range: RangeInclusive<Duration>| {
        table.optional(key).and_then(|e| values::duration(e, range, report)).map(|at| at.value)
    };
    let (interval, timeout) = (duration("interval", INTERVALS), duration("timeout", TIMEOUTS));
    let builtin = Agent::at(port?.value);
    Some(Agent {
        address: address.map(|at| at.value),
        path: path.unwrap_or(builtin.path),
        host,
        interval: interval.unwrap_or(builtin.interval),
        timeout: timeout.unwrap_or(builtin.timeout),
        ..builtin
    })
}
