//! The operator's TOML file: text in, a checked [`Config`] or every error in it out.
//!
//! Stages, each in its file: `syntax` (text to a TOML tree, past what is broken in it), `parse`, `cluster`, `group`, `track`, `hook`,
//! `service`, `backends`, `balance`, `checks`, `agent` and `values` (the tree to a `draft::Draft`, value by value), `rules`, `group_rules`,
//! `track_rules`, `backend_rules` and `sizes` (what values demand of each other), `draft` (to the model). No stage stops at an
//! error: a `report::Report` collects them, with the bytes each is about.
//! Pure: no I/O, no clock; any text is safe to pass in.

mod agent;
mod backend_rules;
mod backends;
mod balance;
mod checks;
mod cluster;
mod diff;
mod draft;
mod duration;
mod error;
mod group;
mod group_rules;
mod hook;
pub mod model;
mod names;
mod parse;
mod reader;
mod report;
mod rules;
mod service;
mod sizes;
mod source;
mod suggest;
mod syntax;
#[cfg(test)]
mod tests;
mod track;
mod track_rules;
mod values;

pub use diff::diff;
pub use error::{ConfigError, ConfigErrors, Excerpt, Related};
pub use model::Config;
pub(in crate::core) use suggest::quote;

use report::Report;
use source::Source;

/// Checks the text of a configuration file.
///
/// `file` is the name by which errors call it; nothing is read from there.
///
/// # Errors
/// Every error that the file holds, in the order of the file; never an empty list. What would only follow from another
/// error (a reference to a host whose table is misspelt, say) is left out.
pub fn parse(text: &str, file: &str) -> Result<Config, ConfigErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Source::new(text);
    let mut report = Report::new(&source);

    let (readable, problems) = syntax::check(text);
    report.add_syntax(problems);
    let document = syntax::tree(&readable);
    let draft = parse::draft(&document, &mut report);
    rules::check(&draft, &mut report);
    cluster::check(&draft, &mut report);
    balance::check(&draft, &mut report);
    sizes::check(&draft, &mut report);

    match draft.into_config() {
        Some(config) if report.is_empty() => Ok(config),
        _ => Err(report.into_errors(file)),
    }
}
