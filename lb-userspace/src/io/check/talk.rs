//! The course of one attempt: what is waited for, what was said, and the verdict as soon as there is one.

use std::fmt::Display;
use std::time::{Duration, Instant};

use super::Checked;
use crate::core::check::{Step, spoken};
use crate::core::event::ProbeOutcome;

/// Most steps that are kept.
const STEPS: usize = 64;

/// An attempt under way.
#[derive(Debug)]
pub(super) struct Talk {
    began: Instant,
    awaited: &'static str,
    /// What was said, if somebody wants to know.
    steps: Option<Vec<Step>>,
    outcome: Option<ProbeOutcome>,
}

impl Talk {
    /// One of which nobody wants to know more than how it ends.
    pub(super) fn begin() -> Self {
        Self { began: Instant::now(), awaited: "an answer", steps: None, outcome: None }
    }

    /// One whose steps are kept.
    pub(super) fn recorded() -> Self {
        Self { steps: Some(Vec::new()), ..Self::begin() }
    }

    /// Something is done, after which something is waited for.
    pub(super) fn doing(&mut self, what: impl Display, awaited: &'static str) {
        self.say(what);
        self.awaited = awaited;
    }

    /// Something was said by the server, or has happened.
    pub(super) fn say(&mut self, what: impl Display) {
        if let Some(steps) = self.steps.as_mut().filter(|steps| steps.len() < STEPS) {
            steps.push(Step { at: self.began.elapsed(), says: what.to_string() });
        }
    }

    /// What is waited for.
    pub(super) fn awaited(&self) -> &'static str {
        self.awaited
    }

    /// It has passed: what comes now is taking leave.
    pub(super) fn pass(&mut self, found: impl Into<String>) {
        let found = found.into();
        self.end_with(ProbeOutcome::passed(found, self.began.elapsed()));
    }

    /// It has failed, unless it has passed before.
    pub(super) fn fail(&mut self, why: impl Into<String>) {
        let why = why.into();
        self.end_with(ProbeOutcome::failed(why, self.began.elapsed()));
    }

    /// It had seemed to pass, and has not.
    pub(super) fn take_back(&mut self, why: String) {
        if self.outcome.as_ref().is_some_and(ProbeOutcome::has_passed) {
            self.outcome = None;
            self.fail(why);
        }
    }

    fn end_with(&mut self, outcome: ProbeOutcome) {
        if self.outcome.is_some() {
            return;
        }
        match &outcome.verdict {
            Ok(found) if found.is_empty() => self.say("passed"),
            Ok(found) => self.say(format_args!("passed: {found}")),
            Err(why) => self.say(format_args!("failed: {why}")),
        }
        self.outcome = Some(outcome);
    }

    /// In words that it has taken too long, and over what.
    pub(super) fn timed_out(&self, timeout: Duration) -> String {
        match self.awaited {
            "an answer" => super::no_answer(timeout),
            awaited => format!("timed out after {} while waiting for {awaited}", spoken(timeout)),
        }
    }

    pub(super) fn end(self) -> Checked {
        let outcome = self.outcome.unwrap_or_else(|| ProbeOutcome::failed("no verdict", self.began.elapsed()));
        Checked { outcome, steps: self.steps.unwrap_or_default() }
    }
}
