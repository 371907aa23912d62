//! How many checks were made, and how late they began: what an operator sees of a host that has more to check than it can.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::core::view::{ChecksView, LATE_MS, LateView};

/// Counts of all attempts that the controller asked for.
#[derive(Debug, Default)]
pub(super) struct Figures {
    under_way: AtomicU64,
    made: AtomicU64,
    /// Those that began no later than each of [`LATE_MS`] and later than the one before; the last ones later than all.
    late: [AtomicU64; LATE_MS.len() + 1],
}

impl Figures {
    /// One begins, so much later than it was due.
    pub(super) fn begin(&self, late: Duration) {
        let within = LATE_MS.iter().position(|bound| late <= Duration::from_millis(*bound));
        self.late[within.unwrap_or(LATE_MS.len())].fetch_add(1, Relaxed);
        self.under_way.fetch_add(1, Relaxed);
    }

    /// One has ended.
    pub(super) fn end(&self) {
        self.under_way.fetch_sub(1, Relaxed);
        self.made.fetch_add(1, Relaxed);
    }

    pub(super) fn view(&self) -> ChecksView {
        let mut checks = 0;
        let mut late = |(i, count): (usize, &AtomicU64)| {
            checks += count.load(Relaxed);
            LateView { within_ms: LATE_MS.get(i).copied(), checks }
        };
        let late = self.late.iter().enumerate().map(&mut late).collect();
        ChecksView { under_way: self.under_way.load(Relaxed), made: self.made.load(Relaxed), late }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_counted_by_how_late_they_began() {
        let figures = Figures::default();
        for millis in [0, 1, 2, 40, 40, 40, 70, 60_000] {
            figures.begin(Duration::from_millis(millis));
        }
        figures.end();
        let view = figures.view();
        assert_eq!((view.under_way, view.made), (7, 1));
        assert_eq!(view.late(0.25), Some(1));
        assert_eq!(view.late(0.75), Some(50));
        assert_eq!(view.late(0.87), Some(100));
        assert_eq!(view.late(0.99), None, "later than any bound");
        figures.begin(Duration::ZERO);
        assert_eq!(figures.view().since(&view).late(0.99), Some(1), "only what began since");
    }
}
