//! How full the flow table is; what has had its time is cleared out on the way.

use lb_common::wire::control::{Control, Order};
use lb_common::wire::flow::{Entry, NEAR, Set, Stage, Ticks};
use lb_common::wire::word::Word;

use super::memory::Flows;
use super::region::Region;

/// Flows of both families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Occupancy {
    /// IPv4.
    pub v4: Count,
    /// IPv6.
    pub v6: Count,
}

/// Flows of one family. Clients with affinity and packets in fragments take a place each, too, and are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Flows that the table can hold at most.
    pub room: u64,
    /// Seen once.
    pub new: u64,
    /// Seen again.
    pub established: u64,
    /// Ended by the client.
    pub ending: u64,
}

impl Count {
    /// All of them.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.new + self.established + self.ending
    }
}

/// Walks through the table: some milliseconds for a million flows. To be done now and then, as times go round: an entry
/// that has had its time and is not cleared for [`Ticks::LONGEST`] would count again.
#[must_use]
pub fn sweep(flows: &Flows, now: Ticks) -> Occupancy {
    Occupancy { v4: sweep_family(&flows.v4, now), v6: sweep_family(&flows.v6, now) }
}

fn sweep_family<const KEY: usize, const WAYS: usize>(sets: &Region<Set<KEY, WAYS>>, now: Ticks) -> Count {
    let mut count = Count { room: (sets.len() * WAYS) as u64, ..Count::default() };
    for set in sets.iter() {
        for (_, entry, cell) in set.flows() {
            match remaining(entry, cell, now) {
                None => {}
                Some(Stage::New) => count.new += 1,
                Some(Stage::Established) => count.established += 1,
                Some(Stage::Closing | Stage::Reset) => count.ending += 1,
            }
        }
    }
    count
}

/// How far a flow has come that was seen in a cell; `None` if it has had its time and is cleared.
fn remaining(seen: Entry, cell: &Word, now: Ticks) -> Option<Stage> {
    // If a packet has come since it was seen, the flow stays.
    let cleared = seen.tag().until().left(now) == 0 && cell.replace(seen.word(), 0);
    (!cleared).then_some(seen.tag().stage())
}

/// One in so many near sets is looked at to tell how full they are: some 4,000 flows of each family, a tenth of a
/// millisecond.
const SAMPLE: usize = 64;

/// Has the far sets of a family come first while the near ones are more than half full, and the near ones again when they are
/// down to a quarter, see [`lb_common::wire::flow`]. To be done every second or so.
pub fn arrange(flows: &Flows, control: &Control, now: Ticks) {
    let before = Order::unpack(control.order.get());
    let v4 = is_far_first(near_share(&flows.v4, now), before.is_far_first(Order::V4));
    let v6 = is_far_first(near_share(&flows.v6, now), before.is_far_first(Order::V6));
    control.order.set(Order::pack(v4, v6));
}

fn is_far_first(near_share: f64, before: bool) -> bool {
    near_share > if before { 0.25 } else { 0.5 }
}

/// How much of the near sets is used, 0.0..=1.0.
fn near_share<const KEY: usize, const WAYS: usize>(sets: &Region<Set<KEY, WAYS>>, now: Ticks) -> f64 {
    let near = sets.iter().take(NEAR as usize).step_by(SAMPLE);
    let (mut room, mut used) = (0, 0);
    for set in near {
        room += WAYS;
        used += set.flows().filter(|(_, entry, _)| entry.tag().until().left(now) > 0).count();
    }
    used as f64 / room.max(1) as f64
}

/// The entries of one family's table, with their keys.
pub fn entries<const KEY: usize, const WAYS: usize>(
    sets: &Region<Set<KEY, WAYS>>,
) -> impl Iterator<Item = ([u64; KEY], Entry)> + '_ {
    sets.iter().flat_map(|set| set.flows().map(|(key, entry, _)| (key, entry)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::model::TableSizes;
    use crate::tables::clock::Clock;
    use crate::tables::memory::TableMemory;
    use crate::tables::sizes::Sizes;
    use lb_common::wire::flow::{FlowSet, Tag};

    const NOW: Ticks = Ticks::at(1 << 30);

    fn entry(stage: Stage, until: Ticks) -> Entry {
        Entry::new(3, 1, Tag::new(7, stage, until))
    }

    fn flows() -> Flows {
        let sizes = Sizes::of(&TableSizes { services: 1, backends: 1, flows: 64, ..TableSizes::default() }, 1);
        TableMemory::heap(&sizes, Clock::with_hz(1000)).flows
    }

    #[test]
    fn flows_are_counted_by_stage_and_family() {
        let flows = flows();
        let stages = [Stage::New, Stage::Established, Stage::Established, Stage::Closing];
        for (way, stage) in stages.into_iter().enumerate() {
            flows.v4.get(5).unwrap().store(way, &[way as u64], entry(stage, NOW.after(9)));
        }
        flows.v4.get(6).unwrap().store(0, &[9], entry(Stage::Reset, NOW));
        flows.v6.get(15).unwrap().store(1, &[1, 2, 3], entry(Stage::New, NOW.after(1)));
        let expected = Occupancy {
            v4: Count { room: 64, new: 1, established: 2, ending: 2 },
            v6: Count { room: 64, new: 1, established: 0, ending: 0 },
        };
        assert_eq!(sweep(&flows, NOW), expected);
        assert_eq!(sweep(&flows, NOW), expected, "nothing was cleared");
        assert_eq!((expected.v4.used(), expected.v6.used()), (5, 1));
    }

    #[test]
    fn only_what_has_had_its_time_is_cleared() {
        let flows = flows();
        let set = flows.v4.get(0).unwrap();
        for (way, left) in [3, 4, 5].into_iter().enumerate() {
            set.store(way, &[way as u64], entry(Stage::Established, NOW.after(left)));
        }
        assert_eq!(sweep(&flows, NOW.after(5)).v4.established, 1);
        let words = [0, 1, 2].map(|way| set.entry(way).get());
        assert_eq!(words, [0, 0, entry(Stage::Established, NOW.after(5)).word()]);
    }

    #[test]
    fn a_flow_that_a_packet_has_just_extended_stays() {
        let flows = flows();
        let set = flows.v4.get(0).unwrap();
        set.store(0, &[1], entry(Stage::Established, NOW));
        let (_, seen, cell) = set.flows().next().unwrap();
        let extended = entry(Stage::Established, NOW.after(50)).word();
        cell.set(extended);
        assert_eq!(remaining(seen, cell, NOW.after(1)), Some(Stage::Established));
        assert_eq!(cell.get(), extended);
    }

    #[test]
    fn far_sets_come_first_while_the_near_ones_are_full() {
        let sizes = Sizes::of(&TableSizes { services: 1, backends: 1, flows: 1 << 20, ..TableSizes::default() }, 1);
        let memory = TableMemory::heap(&sizes, Clock::with_hz(1000));
        let order = |share: usize, now| {
            for (i, set) in memory.flows.v4.iter().take(NEAR as usize).enumerate() {
                let left = if i / SAMPLE % 8 < share { 9 } else { 0 };
                for way in 0..4 {
                    set.store(way, &[1], entry(Stage::Established, NOW.after(left)));
                }
            }
            arrange(&memory.flows, memory.control_record(), now);
            let order = Order::unpack(memory.control_record().order.get());
            (order.is_far_first(Order::V4), order.is_far_first(Order::V6))
        };
        let now = NOW.after(1);
        assert_eq!(order(4, now), (false, false));
        assert_eq!(order(5, now), (true, false));
        assert_eq!(order(3, now), (true, false), "they are not empty enough yet");
        assert_eq!(order(2, now), (false, false));
        assert_eq!(order(8, NOW.after(10)), (false, false), "what is past does not count");
    }
}
