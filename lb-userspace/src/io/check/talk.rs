//! The course of one attempt: what is waited for, what was said, and the verdict as soon as there is one.

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
    steps: Vec<Step>,
    outcome: Option<ProbeOutcome>,
}

impl Talk {
    pub(super) fn begin() -> Self {
        Self { began: Instant::now(), awaited: "an answer", steps: Vec::new(), outcome: None }
    }

    /// Something is done, after which something is waited for.
    pub(super) fn doing(&mut self, what: impl Into<String>, awaited: &'static str) {
        self.say(what);
        self.awaited = awaited;
    }

    /// Something was said by the server, or has happened.
    pub(super) fn say(&mut self, what: impl Into<String>) {
        if self.steps.len() < STEPS {
            self.steps.push(Step { at: self.began.elapsed(), says: what.into() });
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

    fn end_with(&mut self, outcome: ProbeOutcome) {
        if self.outcome.is_some() {
            return;
        }
        match &outcome.verdict {
            Ok(found) if found.is_empty() => self.say("passed"),
            Ok(found) => self.say(format!("passed: {found}")),
            Err(why) => self.say(format!("failed: {why}")),
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
        Checked { outcome, steps: self.steps }
    }
}
