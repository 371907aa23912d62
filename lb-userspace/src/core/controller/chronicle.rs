//! What has become of backends: the last transitions of their states, each with its reason in words.
//!
//! What must hold: of every backend, the last transition told leads to the state that it is shown in; one of which none is told has not
//! changed since pivotd or the backend began, or so much has happened since that it is forgotten.

use std::collections::VecDeque;

use super::Controller;
use super::pool::Pool;
use super::subject::Subjects;
use crate::core::event::{BackendKey, Now};
use crate::core::view::{BackendState, EventView};

/// Transitions that are remembered.
pub const REMEMBERED: usize = 1000;

/// One transition.
#[derive(Debug, Clone)]
pub(super) struct Transition {
    /// Counted from 1 since pivotd began.
    number: u64,
    at: Now,
    backend: BackendKey,
    from: BackendState,
    to: BackendState,
    reason: String,
}

/// The last transitions, the newest last.
#[derive(Debug, Clone, Default)]
pub(super) struct Chronicle {
    transitions: VecDeque<Transition>,
    last: u64,
}

impl Chronicle {
    /// Remembers it if the state of a backend of this pool is another one than it was.
    pub(super) fn note(
        &mut self,
        pool: &mut Pool,
        member: usize,
        subjects: &Subjects,
        reason: impl FnOnce() -> String,
        now: Now,
    ) {
        let (to, _) = pool.shown(&pool.members[member], subjects);
        let member = &mut pool.members[member];
        member.was = Some(member.state(subjects));
        let Some(from) = member.told.replace(to).filter(|from| *from != to) else { return };
        if self.transitions.len() == REMEMBERED {
            self.transitions.pop_front();
        }
        self.last += 1;
        let (number, backend) = (self.last, member.key.clone());
        self.transitions.push_back(Transition { number, at: now, backend, from, to, reason: reason() });
    }
}

impl Controller {
    /// The last transitions, of one service or all, at most this many; the oldest first.
    #[must_use]
    pub fn events(&self, service: Option<&str>, limit: usize, now: Now) -> Vec<EventView> {
        let meant = |it: &&Transition| service.is_none_or(|service| it.backend.service == service);
        let newest = self.chronicle.transitions.iter().rev().filter(meant).take(limit);
        let mut views: Vec<EventView> = newest.map(|it| it.view(now)).collect();
        views.reverse();
        views
    }

    /// Remembers what a configuration has made of backends, as far as that is not told yet.
    pub(super) fn note_all(&mut self, now: Now) {
        for pool in &mut self.pools {
            for member in 0..pool.members.len() {
                let reason = || "the configuration was reloaded".to_owned();
                self.chronicle.note(pool, member, &self.subjects, reason, now);
            }
        }
    }
}

impl Transition {
    /// For people; the date is the daemon's to fill in.
    fn view(&self, now: Now) -> EventView {
        EventView {
            number: self.number,
            date_ms: 0,
            ago_ms: now.0.saturating_sub(self.at.0).as_millis() as u64,
            backend: self.backend.to_string(),
            service: self.backend.service.clone(),
            from: self.from,
            to: self.to,
            reason: self.reason.clone(),
        }
    }
}
