//! The TOML tree to the model: what hosts run when they become holder, backup or unfit for a group.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::model::{Deed, Hook, Hooks};
use super::reader::{Entry, Table};
use super::report::{Problem, Report};
use super::suggest::quote;
use super::values;

/// What can be done.
const DEEDS: [&str; 3] = ["command", "start", "stop"];
const KEYS: [&str; 4] = ["command", "start", "stop", "timeout"];

const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest name of a unit, in bytes (systemd.unit(5)).
const UNIT_MAX: usize = 255;

/// The lists of hooks of a group; what is wrong in them is left out.
pub(super) fn hooks(group: &Table<'_>, report: &mut Report<'_>) -> Hooks {
    let mut list = |key: &str| {
        let items = group.optional(key).and_then(|entry| entry.array(report)).unwrap_or_default();
        let owner = format!("{} of {}", quote(key), group.owner);
        items.into_iter().filter_map(|item| hook(item, &owner, report)).collect()
    };
    Hooks { on_holder: list("on_holder"), on_backup: list("on_backup"), on_fault: list("on_fault") }
}

fn hook(entry: Entry<'_>, owner: &str, report: &mut Report<'_>) -> Option<Hook> {
    let table = entry.table(format!("an item of {owner}"), &KEYS, report)?;
    let timeout = table.optional("timeout").and_then(|e| values::duration(e, TIMEOUTS, report));
    let help = "each does one thing: `command = [\"/usr/bin/notify\"]`, `start = \"haproxy.service\"` or \
                `stop = \"haproxy.service\"`";
    table.one_of(&DEEDS, help, report)?;
    let deed = if let Some(argv) = table.optional("command") {
        Deed::Command(values::argv(argv, report)?.value)
    } else if let Some(name) = table.optional("start") {
        Deed::Start(unit(name, report)?)
    } else {
        Deed::Stop(unit(table.optional("stop")?, report)?)
    };
    Some(Hook { deed, timeout: timeout.map_or(TIMEOUT, |timeout| timeout.value) })
}

/// Name of a unit: what systemd takes for one, and no option of systemctl.
fn unit(entry: Entry<'_>, report: &mut Report<'_>) -> Option<String> {
    let text = entry.string(report)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let fault = match text.value {
        "" => "is empty".to_owned(),
        long if long.len() > UNIT_MAX => format!("has {} bytes", long.len()),
        option if option.starts_with('-') => format!("is {}, which systemctl takes for an option", quote(option)),
        other => match other.chars().find(|c| !allowed(*c)) {
            Some(character) => format!("is {}, which contains {}", quote(other), quote(&character.to_string())),
            None => return Some(text.value.to_owned()),
        },
    };
    let help = "write the name of a unit, as in `haproxy.service`; see `systemctl list-unit-files`";
    report.add(Problem::at(&text.span, format!("{} {fault}", entry.label())).help(help));
    None
}
