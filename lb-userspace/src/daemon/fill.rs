//! How full the flow table is, by the last walk through it, and a line in the log when it gets full.

use std::time::Duration;

use crate::core::view::FlowTableView;
use crate::tables::occupancy::{Count, Occupancy};

/// Time between two walks.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// Time between two looks at how full the near sets are.
pub(super) const ARRANGE: Duration = Duration::from_secs(1);

/// It was told of as full until it is below this, in percent.
const RELIEVED: f64 = 70.0;

/// What is known of the table.
#[derive(Debug, Default)]
pub(super) struct Fill {
    tables: Vec<FlowTableView>,
    /// Families that were told of.
    told: Vec<String>,
}

impl Fill {
    /// Takes in a walk; what is to be told of it.
    pub(super) fn take(&mut self, occupancy: Occupancy) -> Vec<String> {
        self.tables = vec![view("IPv4", occupancy.v4), view("IPv6", occupancy.v6)];
        self.told.retain(|family| self.tables.iter().any(|t| t.family == *family && t.percent >= RELIEVED));
        let full = self.tables.iter().filter(|table| !self.told.contains(&table.family));
        let (families, lines): (Vec<String>, Vec<String>) =
            full.filter_map(|table| Some((table.family.clone(), table.warning()?))).unzip();
        self.told.extend(families);
        lines
    }

    /// Both families, once there was a walk.
    pub(super) fn tables(&self) -> Vec<FlowTableView> {
        self.tables.clone()
    }
}

fn view(family: &str, count: Count) -> FlowTableView {
    let Count { room, new, established, ending } = count;
    let percent = if room == 0 { 0.0 } else { count.used() as f64 * 100.0 / room as f64 };
    FlowTableView { family: family.to_owned(), room, new, established, ending, percent }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(established: u64) -> Occupancy {
        Occupancy {
            v4: Count { room: 1024, new: 5, established, ending: 0 },
            v6: Count { room: 1024, ..Count::default() },
        }
    }

    #[test]
    fn a_table_that_stays_full_is_told_of_once() {
        let mut fill = Fill::default();
        assert!(fill.tables().is_empty());
        assert!(fill.take(walk(800)).is_empty(), "78.6 %");
        let lines = fill.take(walk(900));
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].contains("IPv4") && lines[0].contains("88.4 %") && lines[0].contains("tables.flows to 2048"),
            "{lines:?}"
        );
        assert!(fill.take(walk(950)).is_empty());
        assert!(fill.take(walk(750)).is_empty(), "not relieved yet");
        assert!(fill.take(walk(900)).is_empty());
        assert!(fill.take(walk(100)).is_empty());
        assert_eq!(fill.take(walk(900)).len(), 1, "full again");
        assert_eq!(fill.tables()[0].established, 900);
    }
}
