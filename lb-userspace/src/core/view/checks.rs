//! Health checks as a whole: how many, and how late they begin; and what those found that somebody asked for.

use serde::{Deserialize, Serialize};

/// Bounds by which checks are told apart that began late, in milliseconds.
pub const LATE_MS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/// Health checks that this host makes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChecksView {
    /// How many are under way.
    pub under_way: u64,
    /// How many have ended since pivotd began.
    pub made: u64,
    /// How late they began: for each bound, how many were no later than that; the last of them are all.
    pub late: Vec<LateView>,
}

/// Checks that began no later than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateView {
    /// The bound, in milliseconds; none: however late.
    pub within_ms: Option<u64>,
    /// How many.
    pub checks: u64,
}

impl ChecksView {
    /// What has happened since an earlier view of the same pivotd.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        since.made = self.made.saturating_sub(earlier.made);
        for (now, then) in since.late.iter_mut().zip(&earlier.late) {
            now.checks = now.checks.saturating_sub(then.checks);
        }
        since
    }

    /// The bound, in milliseconds, within which such a part (0.0..=1.0) of the checks began; `None` if it is beyond all bounds, or
    /// there were no checks.
    #[must_use]
    pub fn late(&self, part: f64) -> Option<u64> {
        let all = self.late.last().filter(|all| all.checks > 0)?.checks;
        let wanted = part * all as f64;
        self.late.iter().find(|late| late.checks as f64 >= wanted)?.within_ms
    }
}

/// What checks found that were made because somebody asked (`pivot check`). They count for nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckView {
    /// Every backend that was meant, at least one.
    pub backends: Vec<CheckedView>,
}

/// One backend that was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckedView {
    /// `service/backend`.
    pub id: String,
    /// Type of the check, as the configuration calls it.
    pub check_type: String,
    /// Where it was asked: address and port.
    pub target: String,
    /// Whether it passed.
    pub passed: bool,
    /// What was found, or why it failed.
    pub says: String,
    /// How long that took, in milliseconds.
    pub took_ms: f64,
    /// What was said and done, in order.
    pub steps: Vec<CheckStepView>,
}

/// One step of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckStepView {
    /// Milliseconds since it began.
    pub at_ms: f64,
    /// What was said or done.
    pub says: String,
}
