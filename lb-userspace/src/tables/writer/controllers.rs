//! Where the MACs of the other controllers lie in `CONTROLLERS`.
//!
//! What must hold: a MAC lies in one of its two lines, once; what stays is not moved.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::wire::controllers::{LINES, PLACES, lines_of};
use lb_common::wire::word::Word;

use super::error::TableError;
use super::step::Step;
use crate::tables::memory::TableMemory;

/// A place in the table: line, and place within.
pub(super) type Place = (u32, usize);

/// MACs, as 48-bit little-endian numbers, by where they lie.
#[derive(Debug, Clone, Default)]
pub(super) struct Controllers {
    places: BTreeMap<Place, u64>,
}

impl Controllers {
    /// What an earlier daemon wrote, and the steps that clear what no packet would find, or finds twice.
    pub(super) fn read(memory: &TableMemory) -> (Self, Vec<Step>) {
        let (mut found, mut repairs) = (Self::default(), Vec::new());
        for (line, macs) in (0..LINES).zip(memory.controllers.iter()) {
            for (place, mac48) in macs.0.iter().map(Word::get).enumerate() {
                if mac48 == 0 {
                    continue;
                }
                if lines_of(mac48).contains(&line) && !found.macs().any(|known| known == mac48) {
                    found.places.insert((line, place), mac48);
                } else {
                    repairs.push(Step::Controller { place: (line, place), mac48: 0 });
                }
            }
        }
        (found, repairs)
    }

    /// The MACs.
    pub(super) fn macs(&self) -> impl Iterator<Item = u64> + '_ {
        self.places.values().copied()
    }

    /// The steps that lead to these MACs and no others.
    ///
    /// # Errors
    /// [`TableError::Controllers`] if one of them finds no place.
    pub(super) fn become_these(&mut self, wanted: &BTreeSet<u64>) -> Result<Vec<Step>, TableError> {
        let mut steps = Vec::new();
        self.places.retain(|place, mac48| {
            let stays = wanted.contains(mac48);
            if !stays {
                steps.push(Step::Controller { place: *place, mac48: 0 });
            }
            stays
        });
        let known: BTreeSet<u64> = self.macs().collect();
        for mac48 in wanted.difference(&known).copied() {
            let Some(place) = self.free_place(mac48) else {
                return Err(TableError::Controllers { wanted: wanted.len(), room: LINES as usize * PLACES });
            };
            self.places.insert(place, mac48);
            steps.push(Step::Controller { place, mac48 });
        }
        Ok(steps)
    }

    /// The first free place in the emptier one of a MAC's lines.
    fn free_place(&self, mac48: u64) -> Option<Place> {
        let used = |line: u32| self.places.range((line, 0)..(line, PLACES)).count();
        let line = lines_of(mac48).into_iter().min_by_key(|line| used(*line))?;
        (0..PLACES).map(|place| (line, place)).find(|place| !self.places.contains_key(place))
    }
}
