//! `pivot maps` and `pivot maps dump`.

use serde_json::Value;

use crate::core::view::{MapEntry, MapView};

use super::super::human;
use super::super::text::{Cell, Paint, Table, numbers, words};

/// One line per map.
pub fn maps(maps: &[MapView], paint: Paint) -> String {
    let columns = [words("MAP"), words("TYPE"), numbers("KEY"), numbers("VALUE"), numbers("ENTRIES"), words("PURPOSE")];
    let mut table = Table::new(0, &columns);
    for map in maps {
        table.row([
            (&map.name).into(),
            (&map.kind).into(),
            human::bytes(map.key_size.into()).into(),
            human::bytes(map.value_size.into()).into(),
            map.max_entries.to_string().into(),
            (&map.purpose).into(),
        ]);
    }
    table.render(paint)
}

/// One line per entry, and how many; `limit` is how many were asked for.
pub fn map_entries(entries: &[MapEntry], limit: usize, paint: Paint) -> String {
    let mut table = Table::new(0, &[words("KEY"), words("VALUE")]);
    for entry in entries {
        table.row([Cell::from(&entry.key), fields(&entry.value).into()]);
    }
    table.line(String::new());
    table.line(tally(entries.len(), limit, "entry"));
    table.render(paint)
}

/// How many lines there are, and that there may be more.
pub(super) fn tally(shown: usize, limit: usize, noun: &str) -> String {
    let nouns = noun.strip_suffix('y').map_or_else(|| format!("{noun}s"), |stem| format!("{stem}ies"));
    match shown {
        _ if shown >= limit => format!("the first {shown}; there may be more {nouns}: see --limit"),
        1 => format!("1 {noun}"),
        _ => format!("{shown} {nouns}"),
    }
}

/// `name=value` for each field of a record; anything else as JSON, but text without quotes.
fn fields(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect::<Vec<_>>().join(" ")
        }
        other => plain(other),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
