//! Which lines of map `MAGLEV` are in use: tables are written into free ones and freed once no packet reads them.

use std::collections::BTreeMap;

/// A run of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// First line.
    pub start: u32,
    /// Lines.
    pub len: u32,
}

/// The free lines, as runs that do not touch.
#[derive(Debug, Clone)]
pub struct Lines {
    free: BTreeMap<u32, u32>,
}

impl Lines {
    /// All of `len` lines free.
    #[must_use]
    pub fn new(len: u32) -> Self {
        Self { free: BTreeMap::from([(0, len)]) }
    }

    /// Takes `len` lines, first fit; `None` if no free run is that long.
    #[must_use]
    pub fn take(&mut self, len: u32) -> Option<Run> {
        let (start, run) = self.free.iter().map(|(s, l)| (*s, *l)).find(|(_, l)| *l >= len)?;
        self.free.remove(&start);
        if run > len {
            self.free.insert(start + len, run - len);
        }
        Some(Run { start, len })
    }

    /// Takes these very lines, which an earlier daemon had taken; `false` if they are not free.
    #[must_use]
    pub fn claim(&mut self, run: Run) -> bool {
        let Some((start, len)) = self.free.range(..=run.start).next_back().map(|(s, l)| (*s, *l)) else { return false };
        let (end, run_end) = (u64::from(start) + u64::from(len), u64::from(run.start) + u64::from(run.len));
        if run_end > end {
            return false;
        }
        self.free.remove(&start);
        if run.start > start {
            self.free.insert(start, run.start - start);
        }
        if end > run_end {
            self.free.insert(run_end as u32, (end - run_end) as u32);
        }
        true
    }

    /// Gives lines back, joined with their free neighbours.
    pub fn give(&mut self, run: Run) {
        let (mut start, mut len) = (run.start, run.len);
        if let Some((before, l)) = self.free.range(..start).next_back().map(|(s, l)| (*s, *l))
            && before + l == start
        {
            self.free.remove(&before);
            (start, len) = (before, l + len);
        }
        if let Some(l) = self.free.remove(&(start + len)) {
            len += l;
        }
        self.free.insert(start, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn claimed_lines_are_not_taken_again() {
        let mut lines = Lines::new(10);
        assert!(lines.claim(Run { start: 3, len: 4 }));
        assert!(!lines.claim(Run { start: 6, len: 1 }));
        assert_eq!(lines.take(4), None);
        assert_eq!(lines.take(3), Some(Run { start: 0, len: 3 }));
        assert_eq!(lines.take(3), Some(Run { start: 7, len: 3 }));
    }

    proptest! {
        #[test]
        fn taken_runs_never_overlap_and_all_come_back(steps in prop::collection::vec((1_u32..20, any::<bool>()), 1..200)) {
            let mut lines = Lines::new(100);
            let mut held: Vec<Run> = Vec::new();
            for (len, give) in steps {
                if give && !held.is_empty() {
                    lines.give(held.swap_remove(len as usize % held.len()));
                } else if let Some(run) = lines.take(len) {
                    prop_assert!(held.iter().all(|h| h.start + h.len <= run.start || run.start + run.len <= h.start));
                    held.push(run);
                }
            }
            for run in held {
                lines.give(run);
            }
            prop_assert_eq!(lines.take(100), Some(Run { start: 0, len: 100 }));
        }
    }
}
