//! Lines of the log that were lost, as nobody read them in time: told in the log itself as soon as it takes lines again, and
//! in `pivot status`, which needs no log.

use std::time::Duration;

use crate::core::event::Now;
use crate::core::view::LogView;

/// How long lines that were lost are worth a warning.
const LATELY: Duration = Duration::from_secs(60);

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Lines that were lost.
    count: u64,
    /// When more of them were seen.
    at: Option<Now>,
}

impl Loss {
    /// Takes in how many were lost so far; what is to be told of it, if more were than before.
    pub(super) fn take(&mut self, count: u64, now: Now) -> Option<String> {
        if count <= self.count {
            return None;
        }
        (self.count, self.at) = (count, Some(now));
        Some(format!("{count} lines of this log were lost since pivotd began: nobody read its standard error in time"))
    }

    /// What an operator is shown.
    pub(super) fn view(&self, now: Now) -> LogView {
        let lately = self.at.is_some_and(|at| now.0.saturating_sub(at.0) < LATELY);
        LogView { lines_lost: self.count, lately }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_when_they_grow_and_warned_of_for_a_while() {
        let at = |second| Now(Duration::from_secs(second));
        let mut loss = Loss::default();
        assert_eq!(loss.take(0, at(1)), None);
        assert_eq!(loss.view(at(1)), LogView { lines_lost: 0, lately: false });
        assert!(loss.take(17, at(2)).unwrap().starts_with("17 lines of this log were lost"));
        assert_eq!(loss.take(17, at(3)), None);
        assert_eq!(loss.view(at(61)), LogView { lines_lost: 17, lately: true });
        assert_eq!(loss.view(at(62)), LogView { lines_lost: 17, lately: false });
        assert!(loss.take(18, at(100)).is_some());
        assert!(loss.view(at(100)).lately);
    }
}
