//! A finding: what was looked at, how bad it is, what was found, what to do about it.

use serde::{Deserialize, Serialize};

/// How bad it is, from not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Good to know; nothing need be done.
    Note,
    /// pivot works, but slower or less surely than it might.
    Warning,
    /// pivot does not work so.
    Problem,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at; of an interface, its name comes first: `eth0 mtu`.
    pub name: String,
    /// How bad it is.
    pub level: Level,
    /// What was found, in one line.
    pub found: String,
    /// What to do about it, in one line.
    #[serde(rename = "do")]
    pub remedy: Option<String>,
}

impl Finding {
    /// A finding that nothing need be done about.
    pub(super) fn new(level: Level, name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), level, found: found.into(), remedy: None }
    }

    /// As it should be.
    pub(super) fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Level::Ok, name, found)
    }

    /// Good to know.
    pub(super) fn note(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Level::Note, name, found)
    }

    /// Slower or less sure than it might be.
    pub(super) fn warning(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Level::Warning, name, found)
    }

    /// Does not work.
    pub(super) fn problem(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Level::Problem, name, found)
    }

    /// The same with what to do about it.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}
