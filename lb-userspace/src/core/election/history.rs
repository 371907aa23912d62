//! The last times that a group's role on this host changed, and why: what an operator asks first after an incident.

use std::collections::VecDeque;
use std::time::Duration;

use super::Role;
use crate::core::event::Now;

/// Transitions that are remembered of each group: a host that flaps must not fill memory.
const REMEMBERED: usize = 16;

/// One change of role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// When, by the monotonic clock.
    pub at: Now,
    /// When, by the wall's: since the beginning of 1970, UTC.
    pub date: Duration,
    /// What this host was from then on.
    pub role: Role,
    /// Why, in words an operator knows.
    pub why: String,
}

/// The last transitions of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(VecDeque<Transition>);

impl History {
    /// Remembers one more, and forgets the oldest if there are too many.
    pub fn note(&mut self, transition: Transition) {
        if self.0.len() == REMEMBERED {
            self.0.pop_back();
        }
        self.0.push_front(transition);
    }

    /// The last one.
    #[must_use]
    pub fn last(&self) -> Option<&Transition> {
        self.0.front()
    }

    /// All that are remembered, the last one first.
    pub fn iter(&self) -> impl Iterator<Item = &Transition> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered_and_come_first() {
        let mut history = History::default();
        assert_eq!((history.last(), history.iter().count()), (None, 0));
        for second in 0..100 {
            let (at, role) = (Duration::from_secs(second), if second % 2 == 0 { Role::Backup } else { Role::Holder });
            history.note(Transition { at: Now(at), date: at, role, why: format!("reason {second}") });
        }
        let whys: Vec<&str> = history.iter().map(|transition| transition.why.as_str()).collect();
        assert_eq!((whys.len(), whys[0], whys[15]), (REMEMBERED, "reason 99", "reason 84"));
        assert_eq!(history.last().map(|last| last.role), Some(Role::Holder));
    }
}
