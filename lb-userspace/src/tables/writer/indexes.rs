//! Which records of an array are in use. The lowest free one is taken first, so that what is used lies together.

use std::collections::BTreeSet;

/// The free indexes of an array.
#[derive(Debug, Clone)]
pub(super) struct Indexes {
    /// Free, below `next`.
    returned: BTreeSet<u16>,
    /// From here on up to `room` all are free.
    next: u32,
    room: u32,
}

impl Indexes {
    /// Those of an array of `room` records (65,536 at most can be told apart), without those in use.
    pub(super) fn without(room: usize, used: &BTreeSet<u16>) -> Self {
        let room = room.min(1 << 16) as u32;
        let next = used.last().map_or(0, |last| u32::from(*last) + 1);
        let returned = (0..next).map(|index| index as u16).filter(|index| !used.contains(index)).collect();
        Self { returned, next, room }
    }

    /// Takes one; `None` if all are in use.
    pub(super) fn take(&mut self) -> Option<u16> {
        self.returned.pop_first().or_else(|| {
            let index = (self.next < self.room).then_some(self.next as u16)?;
            self.next += 1;
            Some(index)
        })
    }

    /// Gives one back.
    pub(super) fn give(&mut self, index: u16) {
        self.returned.insert(index);
    }

    /// How many are free.
    pub(super) fn free(&self) -> usize {
        self.returned.len() + (self.room - self.next) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_index_is_taken_up_to_the_last_that_sixteen_bits_hold() {
        let mut indexes = Indexes::without(70_000, &BTreeSet::from([0, 2]));
        assert_eq!((indexes.take(), indexes.take()), (Some(1), Some(3)));
        assert_eq!(indexes.free(), 65_536 - 4);
        while indexes.free() > 1 {
            indexes.take();
        }
        assert_eq!((indexes.take(), indexes.take()), (Some(65_535), None));
        indexes.give(7);
        assert_eq!((indexes.take(), indexes.take()), (Some(7), None));
    }
}
