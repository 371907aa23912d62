//! Backends that did not take a connection, as the packet path has seen: asked at once instead of when they are due.
//!
//! A refusal is no verdict: it may be of a moment ago, or of a port that is not checked. So it only has the next check made soon, and
//! the check says what is the case. However many refusals there are, a check in flight is left alone, and from the end of one to the next
//! one that is made for a refusal [`PAUSE`] goes by, or the check's own `fast_interval` if that is shorter.

use std::time::Duration;

use super::Controller;
use super::subject::{Probing, Subject};
use crate::core::event::{BackendKey, Now};

/// Least time between the end of a check and one that is made for a refusal.
const PAUSE: Duration = Duration::from_millis(100);

impl Controller {
    /// Takes in that a backend did not take a connection; one that is gone is ignored.
    pub(super) fn refused(&mut self, backend: &BackendKey, now: Now) {
        let Some((pool, member)) = self.index.get(backend).copied() else { return };
        let subject = self.pools[pool].members[member].subject;
        if let Some(soon) = hastened(&self.subjects[subject], now) {
            self.subjects.plan(subject, Probing::Due(soon));
        }
    }
}

/// When the next check is to be made, if that is sooner than it is due. One of which it is known that it is down has nothing to hasten.
fn hastened(subject: &Subject, now: Now) -> Option<Now> {
    let Probing::Due(due) = subject.probing else { return None };
    let pause = PAUSE.min(subject.check().fast_interval);
    let rested = subject.last_check.as_ref().map_or(now, |(ended, _)| Now(ended.0 + pause));
    let soon = rested.max(now);
    (subject.is_up() && soon < due).then_some(soon)
}
