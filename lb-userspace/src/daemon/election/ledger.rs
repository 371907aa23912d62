//! What is remembered of one group: how its role changed, and what was counted.

use std::time::Duration;

use crate::core::election::Role;
use crate::core::election::history::{History, Transition};
use crate::core::event::Now;
use crate::core::view::vips::ElectionCounters;

/// The ledger of one group.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    begun: Now,
    role: Role,
    pub(super) history: History,
    pub(super) counters: ElectionCounters,
}

impl Ledger {
    /// One that begins now, with a host that takes no part yet.
    pub(super) fn new(now: Now) -> Self {
        let (history, counters) = Default::default();
        Self { begun: now, role: Role::Fault, history, counters }
    }

    /// Notes that the role has changed, at a time of the monotonic clock and of the wall's.
    pub(super) fn change(&mut self, role: Role, why: String, at: Now, date: Duration) {
        let was = std::mem::replace(&mut self.role, role);
        self.counters.takeovers += u64::from(was != Role::Holder && role == Role::Holder);
        self.counters.releases += u64::from(was == Role::Holder && role != Role::Holder);
        self.history.note(Transition { at, date, role, why });
    }

    /// Since when the role is what it is.
    pub(super) fn since(&self) -> Now {
        self.history.last().map_or(self.begun, |last| last.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takeovers_and_releases_are_counted_and_the_last_change_is_since_when() {
        let at = |second| Now(Duration::from_secs(second));
        let mut ledger = Ledger::new(at(1));
        assert_eq!(ledger.since(), at(1));
        let roles = [Role::Backup, Role::Holder, Role::Backup, Role::Holder, Role::Fault, Role::Backup];
        for (second, role) in (2..).zip(roles) {
            ledger.change(role, "reason".to_owned(), at(second), Duration::ZERO);
        }
        assert_eq!((ledger.counters.takeovers, ledger.counters.releases), (2, 2));
        assert_eq!(ledger.since(), at(7));
    }
}
