//! The sets of the table, and which of their ways a new flow may have.

use super::entry::{Entry, Stage, Ticks};
use crate::net::forget::forget;
use crate::wire::word::Word;

/// One way of a set: a key of `KEY` words, and the entry; 0: free.
#[repr(C)]
#[derive(Debug, Clone)]
struct Way<const KEY: usize> {
    key: [Word; KEY],
    entry: Word,
}

/// A set: `WAYS` flows in one cache line, or two.
#[repr(C, align(64))]
#[derive(Debug, Clone)]
pub struct Set<const KEY: usize, const WAYS: usize> {
    ways: [Way<KEY>; WAYS],
}

/// Near sets: 4 MiB of the IPv4 table, 8 MiB of the other.
pub const NEAR: u32 = 1 << 16;

/// A set of IPv4 flows.
pub type Set4 = Set<1, 4>;
/// A set of IPv6 flows, in two cache lines that lie side by side: with two flows to a set, too many would find no place.
pub type Set6 = Set<3, 4>;

const _: () = assert!(size_of::<Set4>() == 64 && size_of::<Set6>() == 128);

/// What the packet path asks of a set, of either size.
pub trait FlowSet {
    /// Key of a flow.
    type Key: Copy + core::fmt::Debug;

    /// Has the CPU load the set's cache line.
    fn fetch(&self);

    /// The way that has this key. Its entry may be 0: then it is this flow's, and free.
    fn find(&self, key: &Self::Key) -> Option<usize>;

    /// What a way holds; 0: nothing.
    fn entry(&self, way: usize) -> &Word;

    /// The way that a flow new to the set may best have: a free one, one whose time is up, that of a flow that ends, that
    /// of a flow that is new, in this order, and among equals the one with the least time left.
    fn offer(&self, now: Ticks) -> (Claim, usize);

    /// Gives a way to a flow.
    fn store(&self, way: usize, key: &Self::Key, entry: Entry);
}

impl<const KEY: usize, const WAYS: usize> Default for Set<KEY, WAYS> {
    fn default() -> Self {
        let way = |_| Way { key: core::array::from_fn(|_| Word::default()), entry: Word::default() };
        Self { ways: core::array::from_fn(way) }
    }
}

/// The number of a way, without the verifier following each of them.
#[inline(always)]
fn place<const WAYS: usize>(way: usize, noise: u64) -> usize {
    forget(way as u32, noise as u32) as usize % WAYS
}

/// How ready a way is to be given to another flow: the least is taken. See [`FlowSet::offer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim(u32);

impl Claim {
    /// Nobody's.
    pub const FREE: Self = Self(0);
    const EXPIRED: Self = Self(1);
    const ENDING: u32 = 1 << 24;
    const NEW: u32 = 2 << 24;
    const ESTABLISHED: u32 = 3 << 24;

    #[inline(always)]
    fn of(word: u64, now: Ticks) -> Self {
        let claim = match Entry::from_word(word) {
            None => Self::FREE.0,
            Some(entry) => {
                let left = entry.tag().until().left(now);
                match entry.tag().stage() {
                    _ if left == 0 => Self::EXPIRED.0,
                    Stage::Closing | Stage::Reset => Self::ENDING + left,
                    Stage::New => Self::NEW + left,
                    Stage::Established => Self::ESTABLISHED,
                }
            }
        };
        Self(forget(claim, word as u32))
    }

    /// Whether a new flow may have the way: an established one keeps its own until it has been idle for long enough.
    #[inline(always)]
    #[must_use]
    pub const fn is_good(self) -> bool {
        self.0 < Self::ESTABLISHED
    }

    /// Whether it takes the way from a flow that still counts.
    #[inline(always)]
    #[must_use]
    pub const fn evicts(self) -> bool {
        self.0 >= Self::ENDING
    }
}

impl<const KEY: usize, const WAYS: usize> FlowSet for Set<KEY, WAYS> {
    type Key = [u64; KEY];

    #[inline(always)]
    fn fetch(&self) {
        let _ = self.ways[0].entry.get();
    }

    #[inline(always)]
    fn find(&self, key: &[u64; KEY]) -> Option<usize> {
        let mut way = 0;
        while way < WAYS {
            let slot = &self.ways[way];
            let mut same = true;
            let mut word = 0;
            while word < KEY {
                same &= slot.key[word].get() == key[word];
                word += 1;
            }
            if same {
                return Some(place::<WAYS>(way, key[0]));
            }
            way += 1;
        }
        None
    }

    #[inline(always)]
    fn entry(&self, way: usize) -> &Word {
        &self.ways[way % WAYS].entry
    }

    #[inline(always)]
    fn offer(&self, now: Ticks) -> (Claim, usize) {
        let word = self.ways[0].entry.get();
        let (mut best, mut place) = (Claim::of(word, now), 0);
        let mut way = 1;
        while way < WAYS {
            let word = self.ways[way].entry.get();
            let claim = Claim::of(word, now);
            if claim < best {
                (best, place) = (claim, self::place::<WAYS>(way, word));
            }
            way += 1;
        }
        (best, place)
    }

    #[inline(always)]
    fn store(&self, way: usize, key: &[u64; KEY], entry: Entry) {
        let way = &self.ways[way % WAYS];
        way.entry.set(0);
        let mut word = 0;
        while word < KEY {
            way.key[word].set(key[word]);
            word += 1;
        }
        way.entry.set(entry.word());
    }
}

impl<const KEY: usize, const WAYS: usize> Set<KEY, WAYS> {
    /// The flows in the set.
    pub fn flows(&self) -> impl Iterator<Item = ([u64; KEY], Entry, &Word)> + '_ {
        self.ways.iter().filter_map(|way| {
            let entry = Entry::from_word(way.entry.get())?;
            Some((core::array::from_fn(|word| way.key[word].get()), entry, &way.entry))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::flow::Tag;

    const NOW: Ticks = Ticks::at(1 << 20);

    fn entry(stage: Stage, left: u32) -> Entry {
        Entry::new(7, 3, Tag::new(0xbeef, stage, NOW.after(left)))
    }

    #[test]
    fn ways_are_given_up_in_the_order_of_their_worth() {
        let set = Set4::default();
        let mut key = 0;
        let mut give = |claimed: Claim, stored: Entry| {
            key += 1;
            let (claim, way) = set.offer(NOW);
            assert_eq!(claim, claimed);
            set.store(way, &[key], stored);
        };
        give(Claim::FREE, entry(Stage::Established, 5));
        give(Claim::FREE, entry(Stage::New, 9));
        give(Claim::FREE, entry(Stage::New, 8));
        give(Claim::FREE, entry(Stage::Closing, 50));
        give(Claim(Claim::ENDING + 51), entry(Stage::Established, 5));
        give(Claim(Claim::NEW + 9), entry(Stage::Established, 5));
        give(Claim(Claim::NEW + 10), entry(Stage::Established, 5));
        assert!(!set.offer(NOW).0.is_good(), "established flows stay");
        assert_eq!(set.offer(NOW.after(6)).0, Claim::EXPIRED);
        assert_eq!(set.flows().map(|(key, ..)| key).collect::<std::vec::Vec<_>>(), [[1], [7], [6], [5]]);
        assert_eq!(set.find(&[6]).map(|way| set.entry(way).get()), Some(entry(Stage::Established, 5).word()));
        assert!(set.find(&[2]).is_none());
    }
}
