//! Typed access to the TOML tree: a value of the right type and its place leave, or an error is in the report.
//!
//! `None` from any function here that takes the report means that the error has been reported.

use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::report::{At, Problem, Report};
use super::source::Span;
use super::suggest::{list, nearest, quote};

/// One value of the file, and what it is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// The table it is in, in words: "host `c1`".
    owner: &'a str,
    key: &'a str,
    value: &'a Spanned<DeValue<'a>>,
}

/// A table whose keys are known to be the right ones.
#[derive(Debug)]
pub(super) struct Table<'a> {
    /// What it is, in words: "host `c1`".
    pub(super) owner: String,
    pub(super) span: Span,
    entries: &'a DeTable<'a>,
    /// Keys that are missing only because they are misspelt: that has been reported.
    misspelt: Vec<&'static str>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(owner: &'a str, key: &'a str, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { owner, key, value }
    }

    pub(super) fn span(self) -> Span {
        self.value.span()
    }

    /// How errors call it.
    pub(super) fn label(self) -> String {
        format!("`{}` of {}", self.key, self.owner)
    }

    pub(super) fn is_string(self) -> bool {
        self.value.get_ref().is_str()
    }

    pub(super) fn is_boolean(self) -> bool {
        self.value.get_ref().is_bool()
    }

    /// Whether it is this string.
    pub(super) fn is(self, text: &str) -> bool {
        self.value.get_ref().as_str() == Some(text)
    }

    pub(super) fn is_array(self) -> bool {
        self.value.get_ref().is_array()
    }

    pub(super) fn is_table(self) -> bool {
        self.value.get_ref().is_table()
    }

    pub(super) fn string(self, report: &mut Report<'_>) -> Option<At<&'a str>> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(At::new(text.as_ref(), self.span())),
            _ => self.wrong_type("a string", "write it in quotes", report),
        }
    }

    pub(super) fn integer<T>(self, range: RangeInclusive<T>, report: &mut Report<'_>) -> Option<At<T>>
    where
        T: TryFrom<i128> + PartialOrd + Display,
    {
        match self.value.get_ref() {
            DeValue::Integer(integer) => match number(integer) {
                Some(value) if range.contains(&value) => Some(At::new(value, self.span())),
                _ => {
                    let (low, high) = range.into_inner();
                    let message = format!("{} is {}, out of range", self.label(), quote(&integer.to_string()));
                    report.add(Problem::at(&self.span(), message).help(format!("it may be {low} to {high}")));
                    None
                }
            },
            DeValue::String(_) => self.wrong_type("an integer", "write it without quotes", report),
            _ => self.wrong_type("an integer", "write a whole number", report),
        }
    }

    pub(super) fn boolean(self, report: &mut Report<'_>) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("true or false", "write `true` or `false`, without quotes", report),
        }
    }

    /// The keys of a table that may have any, and their values, each called by the table's name.
    pub(super) fn pairs(self, help: &str, report: &mut Report<'_>) -> Option<Vec<(At<&'a str>, Entry<'a>)>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => {
                let pair = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
                    let name: &std::borrow::Cow<'a, str> = key.get_ref();
                    (At::new(name.as_ref(), key.span()), Entry { value, ..self })
                };
                Some(entries.iter().map(pair).collect())
            }
            _ => self.wrong_type("a table", help, report),
        }
    }

    /// The items of an array, each called by the array's name.
    pub(super) fn array(self, report: &mut Report<'_>) -> Option<Vec<Entry<'a>>> {
        match self.value.get_ref() {
            DeValue::Array(items) => Some(items.iter().map(|item| Entry { value: item, ..self }).collect()),
            _ => self.wrong_type("an array", "write `[ ... ]` around its items", report),
        }
    }

    /// The tables of an array of tables. A lone table is reported, but read all the same.
    pub(super) fn tables(self, report: &mut Report<'_>) -> Option<Vec<Entry<'a>>> {
        match self.value.get_ref() {
            DeValue::Array(items) => Some(items.iter().map(|item| Entry { value: item, ..self }).collect()),
            DeValue::Table(_) => {
                let message = format!("{} must be an array of tables", self.label());
                let help = format!("write `[[{}]]`, once for each", self.key);
                report.add(Problem::at(&self.span(), message).help(help));
                Some(vec![self])
            }
            _ => self.wrong_type("an array of tables", &format!("write `[[{}]]`, once for each", self.key), report),
        }
    }

    /// A table, which may have these keys; others are reported. `owner` says what it is.
    pub(super) fn table(self, owner: String, keys: &[&'static str], report: &mut Report<'_>) -> Option<Table<'a>> {
        self.table_once_with(owner, keys, &[], report)
    }

    /// The same for a table that had other keys in earlier versions: these, each with what to do now.
    pub(super) fn table_once_with(
        self,
        owner: String,
        keys: &[&'static str],
        gone: &[(&str, &str)],
        report: &mut Report<'_>,
    ) -> Option<Table<'a>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => Some(Table::new(owner, self.span(), entries, keys, gone, report)),
            _ => self.wrong_type("a table", "write `{ key = value, ... }`", report),
        }
    }

    /// Whether this is a table that has this key, right or wrong.
    pub(super) fn has(self, key: &str) -> bool {
        self.value.get_ref().as_table().is_some_and(|table| table.contains_key(key))
    }

    /// The string under a key, if this is a table that has one: to name the table before it is read.
    pub(super) fn peek(self, key: &str) -> Option<&'a str> {
        self.value.get_ref().as_table()?.get(key)?.get_ref().as_str()
    }

    pub(super) fn wrong_type<T>(self, wanted: &str, help: &str, report: &mut Report<'_>) -> Option<T> {
        let message = format!("{} must be {wanted}, not {}", self.label(), type_name(self.value.get_ref()));
        report.add(Problem::at(&self.span(), message).help(help));
        None
    }
}

impl<'a> Table<'a> {
    fn new(
        owner: String,
        span: Span,
        entries: &'a DeTable<'a>,
        keys: &[&'static str],
        gone: &[(&str, &str)],
        report: &mut Report<'_>,
    ) -> Self {
        let mut misspelt = Vec::new();
        for key in entries.keys().filter(|key| !keys.contains(&key.get_ref().as_ref())) {
            if let Some((name, help)) = gone.iter().find(|(name, _)| name == key.get_ref()) {
                let message = format!("{} is no key of {owner} any more", quote(name));
                report.add(Problem::at(&key.span(), message).help(*help));
                continue;
            }
            let missing = keys.iter().copied().filter(|known| !entries.contains_key(*known));
            let meant = nearest(key.get_ref(), missing);
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("keys that may be here: {}", list(keys.iter().copied())),
            };
            misspelt.extend(keys.iter().copied().filter(|known| Some(*known) == meant));
            report.add(Problem::at(&key.span(), format!("unknown key {} in {owner}", quote(key.get_ref()))).help(help));
        }
        Self { owner, span, entries, misspelt }
    }

    /// The value of a key that may be left out.
    pub(super) fn optional<'t>(&'t self, key: &'t str) -> Option<Entry<'t>> {
        self.entries.get(key).map(|value| Entry { owner: &self.owner, key, value })
    }

    /// The value of a key that must be there; `example` is a value it might have, as written in the file.
    pub(super) fn required<'t>(&'t self, key: &'t str, example: &str, report: &mut Report<'_>) -> Option<Entry<'t>> {
        let entry = self.optional(key);
        if entry.is_none() && !self.misspelt.contains(&key) && !report.is_broken_around(&self.span) {
            let help = format!("add `{key}`, as in `{key} = {example}`");
            report.add(Problem::at(&self.span, format!("`{key}` is missing from {}", self.owner)).help(help));
        }
        entry
    }

    /// The one of these keys that must be there; `help` says what it is for.
    pub(super) fn one_of<'t>(
        &'t self,
        keys: &'t [&'static str],
        help: &str,
        report: &mut Report<'_>,
    ) -> Option<Entry<'t>> {
        let mut given = keys.iter().filter_map(|key| self.optional(key));
        let (first, second) = (given.next(), given.next());
        if let (Some(first), Some(second)) = (first, second) {
            let [first_key, second_key] = [first, second].map(|entry| quote(entry.key));
            let message = format!("{} has {first_key} and {second_key}", self.owner);
            report.add(Problem::at(&second.span(), message).see(&first.span(), "the first").help(help));
            return None;
        }
        let misspelt = keys.iter().any(|key| self.misspelt.contains(key));
        if first.is_none() && !misspelt && !report.is_broken_around(&self.span) {
            let message = format!("{} has none of {}", self.owner, list(keys.iter().copied()));
            report.add(Problem::at(&self.span, message).help(help));
        }
        first
    }

    /// Reports keys that are not for this kind of table; `help` says for which they are.
    pub(super) fn refuse(&self, keys: &[&str], help: &str, report: &mut Report<'_>) {
        for entry in keys.iter().filter_map(|key| self.optional(key)) {
            report.add(Problem::at(&entry.span(), format!("{} means nothing", entry.label())).help(help));
        }
    }
}

fn number<T: TryFrom<i128>>(integer: &DeInteger<'_>) -> Option<T> {
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()?.try_into().ok()
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
