//! Collects what is wrong with a file while it is read, and turns it into [`ConfigErrors`] at the end.
//!
//! One mistake is to give one error: what is said about a line on which TOML itself is broken, or about a section whose
//! header is such a line, is dropped; a section that is broken elsewhere is not blamed for what it lacks.

use std::collections::BTreeSet;

use super::error::{ConfigError, ConfigErrors, Related};
use super::source::{Source, Span};

/// Most errors that are reported.
const MOST: usize = 500;

/// A value of the file and the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

impl<T> At<T> {
    pub(super) fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// An error, still in bytes.
#[derive(Debug)]
#[must_use]
pub(super) struct Problem {
    span: Span,
    message: String,
    help: Option<String>,
    related: Vec<(Span, String)>,
}

impl Problem {
    pub(super) fn at(span: &Span, message: impl Into<String>) -> Self {
        Self { span: span.clone(), message: message.into(), help: None, related: Vec::new() }
    }

    /// Adds the way out.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place that takes part.
    pub(super) fn see(mut self, span: &Span, message: impl Into<String>) -> Self {
        self.related.push((span.clone(), message.into()));
        self
    }

    /// Whether both are about the same byte.
    pub(super) fn starts_where(&self, other: &Self) -> bool {
        self.span.start == other.span.start
    }
}

/// The errors found so far.
#[derive(Debug)]
pub(super) struct Report<'s> {
    source: &'s Source<'s>,
    problems: Vec<Problem>,
    /// Lines on which TOML is broken.
    broken_lines: BTreeSet<usize>,
    /// Sections with such a line: the line of their header, and its first key.
    broken_sections: BTreeSet<(usize, &'s str)>,
}

impl<'s> Report<'s> {
    pub(super) fn new(source: &'s Source<'s>) -> Self {
        Self { source, problems: Vec::new(), broken_lines: BTreeSet::new(), broken_sections: BTreeSet::new() }
    }

    /// Adds what is wrong with the TOML itself; to be called before anything else is added.
    pub(super) fn add_syntax(&mut self, problems: Vec<Problem>) {
        for problem in &problems {
            if self.broken_lines.insert(self.source.line(problem.span.start)) {
                self.broken_sections.insert(self.source.section(problem.span.start));
            }
        }
        self.problems.extend(problems);
    }

    pub(super) fn add(&mut self, problem: Problem) {
        let start = problem.span.start;
        let places = [self.source.line(start), self.source.section(start).0];
        if !places.iter().any(|line| self.broken_lines.contains(line)) {
            self.problems.push(problem);
        }
    }

    /// Whether something may be missing from the section of these bytes only because TOML is broken there.
    pub(super) fn is_broken_around(&self, span: &Span) -> bool {
        !self.broken_sections.is_empty() && self.broken_sections.contains(&self.source.section(span.start))
    }

    /// Whether sections of this key may be incomplete because TOML is broken there, or in a place that belongs to none
    /// of the `known` ones.
    pub(super) fn is_broken_in(&self, key: &str, known: &[&str]) -> bool {
        self.broken_sections.iter().any(|(_, broken)| *broken == key || !known.contains(broken))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn into_errors(mut self, file: &str) -> ConfigErrors {
        self.problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        let omitted = self.problems.len().saturating_sub(MOST);
        let errors = self.problems.iter().take(MOST).map(|problem| locate(problem, self.source)).collect();
        ConfigErrors { file: file.to_owned(), errors, omitted }
    }
}

fn locate(problem: &Problem, source: &Source<'_>) -> ConfigError {
    let place = source.place(&problem.span);
    let related = problem.related.iter().map(|(span, message)| {
        let place = source.place(span);
        Related { line: place.line, column: place.column, message: message.clone(), excerpt: place.excerpt }
    });
    ConfigError {
        line: place.line,
        column: place.column,
        message: problem.message.clone(),
        help: problem.help.clone(),
        excerpt: place.excerpt,
        related: related.collect(),
    }
}
