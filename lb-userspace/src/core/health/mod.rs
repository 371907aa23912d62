//! The health counter of a backend: rise, fall and when to check next.
//!
//! In: how a check ended. Out: the new counter, whether the backend came up or went down, and the pause before the next
//! check. The rules are HAProxy's (`check_notify_success`, `check_notify_failure`, `srv_getinter` in its `check.c`).
//!
//! What must hold: the counter is 0 while down and learning nothing, `1..rise` while down with passes in a row,
//! `rise..top` while up with failures in a row, and `top = rise + fall - 1` while up and sure. So a backend at the top takes
//! `fall` failures in a row to go down, and one at 0 takes `rise` passes in a row to come up.

mod jitter;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::config::model::Check;

pub use jitter::Jitter;

/// The counter of one backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    counter: u32,
}

/// What a check changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Transition {
    /// Up stayed up, or down stayed down.
    Unchanged,
    /// The backend is up from now on.
    CameUp,
    /// The backend is down from now on.
    WentDown,
}

impl Health {
    /// A backend nobody knows anything about: up, and down at its first failure.
    #[must_use]
    pub fn presumed(check: &Check) -> Self {
        Self { counter: rise(check) }
    }

    /// A backend that was not checked for a while: down until its first pass.
    #[must_use]
    pub fn awaiting(check: &Check) -> Self {
        Self { counter: rise(check) - 1 }
    }

    /// A backend whose state is known from an earlier run: sure of it.
    #[must_use]
    pub fn known(check: &Check, up: bool) -> Self {
        Self { counter: if up { top(check) } else { 0 } }
    }

    /// A backend that is down until a check passes.
    #[must_use]
    pub fn doubted(check: &Check) -> Self {
        Self { counter: rise(check) - 1 }
    }

    /// The same state under another `rise` and `fall`: up stays up, down stays down, sure stays sure.
    #[must_use]
    pub fn under(self, old: &Check, new: &Check) -> Self {
        let counter = match self.counter {
            counter if counter >= top(old) => top(new),
            counter if counter >= rise(old) => counter.clamp(rise(new), top(new)),
            counter => counter.min(rise(new) - 1),
        };
        Self { counter }
    }

    /// Whether the backend is up.
    #[must_use]
    pub fn is_up(self, check: &Check) -> bool {
        self.counter >= rise(check)
    }

    /// Whether nothing speaks against its state.
    #[must_use]
    pub fn is_sure(self, check: &Check) -> bool {
        self.counter == 0 || self.counter >= top(check)
    }

    /// The counter: 0 ..= [`top`].
    #[must_use]
    pub fn counter(self) -> u32 {
        self.counter
    }

    /// The pause between the end of the last check and the next one, before jitter.
    #[must_use]
    pub fn pause(self, check: &Check) -> Duration {
        match self.counter {
            0 => check.down_interval,
            counter if counter >= top(check) => check.interval,
            _ => check.fast_interval,
        }
    }
}

/// What a check makes of the counter: a pass counts one up and at `rise` goes straight to the top; a failure counts one
/// down and below `rise` goes straight to 0.
pub fn step(health: Health, check: &Check, passed: bool) -> (Health, Transition) {
    let counter = if passed {
        let counter = (health.counter + 1).min(top(check));
        if counter >= rise(check) { top(check) } else { counter }
    } else {
        let counter = health.counter.saturating_sub(1);
        if counter < rise(check) { 0 } else { counter }
    };
    let after = Health { counter };
    let transition = match (health.is_up(check), after.is_up(check)) {
        (false, true) => Transition::CameUp,
        (true, false) => Transition::WentDown,
        _ => Transition::Unchanged,
    };
    (after, transition)
}

/// The highest value of the counter.
#[must_use]
pub fn top(check: &Check) -> u32 {
    rise(check).saturating_add(check.fall.max(1)) - 1
}

/// At least one pass is needed to come up, whatever the configuration says.
fn rise(check: &Check) -> u32 {
    check.rise.max(1)
}
