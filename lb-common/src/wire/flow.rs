//! The flow table: what each flow was given, and until when that is remembered.
//!
//! One table for all CPUs in a plain array. A flow lies in one of two sets, of one cache line or two, that its hash names
//! (Azar et al.: Balanced Allocations, SIAM J. Comput. 29(1), 1999): a look-up costs one cache miss, seldom two, and no
//! helper. Keys are compared exactly.
//!
//! One of the two is *near*, among the first [`NEAR`] sets, the other *far*, anywhere in the table. While flows are few, the
//! near ones come first: they stay in the CPU's caches, however large the table is. When these fill up, user space has
//! the far ones come first ([`super::control::Order`]).
//!
//! No lock guards a way. A writer clears the entry, writes the key, then the entry; the entry carries 16 bits of its
//! flow's hash, the *seal*, so that the key of one flow with the entry of another, which two writers in one way at one
//! moment could leave behind, is taken for no flow.

use super::address::Address;
use super::word::Word;
use crate::net::forget::forget;

/// How far a flow has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// One side has spoken once: a SYN, a first datagram, or the first packet seen of an old connection. Anyone can make
    /// these up, so they give way to any other flow.
    New = 0,
    /// It was seen again. Never replaced before its time.
    Established = 1,
    /// The client has sent a FIN.
    Closing = 2,
    /// The client has sent a RST.
    Reset = 3,
}

impl Stage {
    #[inline(always)]
    const fn from_raw(raw: u64) -> Self {
        match raw & 3 {
            0 => Self::New,
            1 => Self::Established,
            2 => Self::Closing,
            _ => Self::Reset,
        }
    }
}

/// Time in units of 256 jiffies (0.26 s at 1000 Hz, 2.6 s at 100 Hz), modulo 2^22. Two of them are in order while they
/// are less than 2^21 apart: 6.2 days at 1000 Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks(u32);

impl Ticks {
    /// Jiffies in a tick, as a shift.
    pub const SHIFT: u32 = 8;
    const BITS: u32 = 22;
    const MASK: u32 = (1 << Self::BITS) - 1;
    /// Longest span that can be told from a time in the past.
    pub const LONGEST: u32 = Self::MASK / 2;

    /// The time at `jiffies`.
    #[inline(always)]
    #[must_use]
    pub const fn at(jiffies: u64) -> Self {
        Self((jiffies >> Self::SHIFT) as u32 & Self::MASK)
    }

    /// The time `span` ticks later.
    #[inline(always)]
    #[must_use]
    pub const fn after(self, span: u32) -> Self {
        Self(self.0.wrapping_add(span) & Self::MASK)
    }

    /// Ticks from `now` until this time, the one that has begun included; 0: it is past.
    #[inline(always)]
    #[must_use]
    pub const fn left(self, now: Self) -> u32 {
        let left = self.0.wrapping_sub(now.0) & Self::MASK;
        if left > Self::LONGEST { 0 } else { left + 1 }
    }
}

/// What a flow was given and until when, packed into one word:
/// ```text
///  0         16           24     40      42     64
/// +---------+------------+------+-------+-------+
/// | backend | generation | seal | stage | until |
/// +---------+------------+------+-------+-------+
/// ```
/// A used word is not 0, as no generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(u64);

impl Entry {
    const TAG: u32 = 24;

    /// Packs. `generation` is that of [`super::backend::Identity`].
    #[inline(always)]
    #[must_use]
    pub const fn new(backend: u16, generation: u8, tag: Tag) -> Self {
        Self(backend as u64 | (generation as u64) << 16 | tag.0 << Self::TAG)
    }

    /// From the word of a way; `None` if the way is free.
    #[inline(always)]
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Self> {
        if word == 0 { None } else { Some(Self(word)) }
    }

    /// The word.
    #[inline(always)]
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// Index in `BACKENDS`.
    #[inline(always)]
    #[must_use]
    pub const fn backend(self) -> u16 {
        self.0 as u16
    }

    /// Generation of that backend.
    #[inline(always)]
    #[must_use]
    pub const fn generation(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// All but the backend.
    #[inline(always)]
    #[must_use]
    pub const fn tag(self) -> Tag {
        Tag(self.0 >> Self::TAG)
    }

    /// The same backend under another tag.
    #[inline(always)]
    #[must_use]
    pub const fn tagged(self, tag: Tag) -> Self {
        Self(self.0 & ((1 << Self::TAG) - 1) | tag.0 << Self::TAG)
    }
}

/// Whose an entry is, how far the flow has come, and until when it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(u64);

impl Tag {
    const MASK: u64 = (1 << (64 - Entry::TAG)) - 1;

    /// Packs.
    #[inline(always)]
    #[must_use]
    pub const fn new(seal: u16, stage: Stage, until: Ticks) -> Self {
        Self(seal as u64 | (stage as u64) << 16 | (until.0 as u64) << 18)
    }

    /// Whose it is.
    #[inline(always)]
    #[must_use]
    pub const fn seal(self) -> u16 {
        self.0 as u16
    }

    /// How far the flow has come.
    #[inline(always)]
    #[must_use]
    pub const fn stage(self) -> Stage {
        Stage::from_raw(self.0 >> 16)
    }

    /// Until when it is remembered.
    #[inline(always)]
    #[must_use]
    pub const fn until(self) -> Ticks {
        Ticks((self.0 >> 18) as u32 & Ticks::MASK)
    }

    /// Whether it says what `other` says, but for a time that is at most `slack` ticks earlier.
    #[inline(always)]
    #[must_use]
    pub const fn is_within(self, other: Self, slack: u32) -> bool {
        // The time is the highest part: what is lower must cancel out.
        let behind = other.0.wrapping_sub(self.0) & Self::MASK;
        behind & 0x3_ffff == 0 && behind >> 18 <= slack as u64
    }
}

/// What a key of the table is about. The number is or'ed to the index of a service or a VIP, of which there are at most
/// [`Owner::LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u16);

impl Owner {
    /// Services and VIPs there may be.
    pub const LIMIT: u32 = 1 << 14;
    const INDEX: u16 = Self::LIMIT as u16 - 1;
    const AFFINITY: u16 = 1 << 14;
    const FRAGMENT_TCP: u16 = 2 << 14;
    const FRAGMENT: u16 = 3 << 14;

    /// A flow of a service.
    #[inline(always)]
    #[must_use]
    pub const fn flow(service: u16) -> Self {
        Self(service & Self::INDEX)
    }

    /// A client of a service with affinity: the key's address is masked, its port 0.
    #[inline(always)]
    #[must_use]
    pub const fn client(service: u16) -> Self {
        Self(service & Self::INDEX | Self::AFFINITY)
    }

    /// The fragments of one packet to a VIP: instead of a port the key has the packet's identification.
    #[inline(always)]
    #[must_use]
    pub const fn fragments(vip: u16, of_tcp: bool) -> Self {
        Self(vip & Self::INDEX | if of_tcp { Self::FRAGMENT_TCP } else { Self::FRAGMENT })
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(self) -> Kind {
        let index = self.0 & Self::INDEX;
        match self.0 & !Self::INDEX {
            0 => Kind::Flow { service: index },
            Self::AFFINITY => Kind::Client { service: index },
            _ => Kind::Fragments { vip: index },
        }
    }
}

/// What a key is about, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A flow.
    Flow {
        /// Index of its service.
        service: u16,
    },
    /// A client that keeps its backend.
    Client {
        /// Index of the service.
        service: u16,
    },
    /// The fragments of one packet.
    Fragments {
        /// Index of the VIP.
        vip: u16,
    },
}

/// Key of an IPv4 flow: address, port and owner fill one word exactly, so that four flows fit into a line.
pub type Key4 = [u64; 1];
/// Key of an IPv6 flow.
pub type Key6 = [u64; 3];

/// Packs. `l4`: port as it lies in memory, or a 16-bit identification.
#[inline(always)]
#[must_use]
pub const fn key4(source: Address, l4: u32, owner: Owner) -> Key4 {
    [source.low_half() as u64 | (l4 as u64 & 0xffff) << 32 | (owner.0 as u64) << 48]
}

/// Packs. `l4`: port as it lies in memory, or an identification.
#[inline(always)]
#[must_use]
pub const fn key6(source: Address, l4: u32, owner: Owner) -> Key6 {
    [source.high, source.low, l4 as u64 | (owner.0 as u64) << 32]
}

/// Source, port and owner of a key.
#[must_use]
pub const fn unpack4(key: Key4) -> (Address, u32, Owner) {
    (Address::v4(key[0] as u32), (key[0] >> 32) as u32 & 0xffff, Owner((key[0] >> 48) as u16))
}

/// The same.
#[must_use]
pub const fn unpack6(key: Key6) -> (Address, u32, Owner) {
    (Address { high: key[0], low: key[1] }, key[2] as u32, Owner((key[2] >> 32) as u16))
}

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

    const NOW: Ticks = Ticks::at(1 << 20);

    fn entry(stage: Stage, left: u32) -> Entry {
        Entry::new(7, 3, Tag::new(0xbeef, stage, NOW.after(left)))
    }

    #[test]
    fn an_entry_keeps_every_part() {
        let packed = Entry::new(0xfedc, 0xba, Tag::new(0x9876, Stage::Closing, Ticks(0x3f_4321)));
        assert_eq!((packed.backend(), packed.generation()), (0xfedc, 0xba));
        let tag = packed.tag();
        assert_eq!((tag.seal(), tag.stage(), tag.until()), (0x9876, Stage::Closing, Ticks(0x3f_4321)));
        let other = Tag::new(1, Stage::Reset, Ticks(5));
        assert_eq!((packed.tagged(other).backend(), packed.tagged(other).tag()), (0xfedc, other));
    }

    #[test]
    fn a_tag_is_within_the_slack_of_a_later_one_and_of_no_other() {
        for now in [Ticks::at(1 << 20), Ticks(3)] {
            let tag = |seal, stage, span: u32| Tag::new(seal, stage, now.after(span));
            let current = tag(0xffff, Stage::Established, 10);
            for (span, within) in [(10, true), (9, true), (6, true), (5, false), (11, false), (0, false)] {
                assert_eq!(tag(0xffff, Stage::Established, span).is_within(current, 4), within, "{span}");
            }
            assert!(!tag(0xfffe, Stage::Established, 10).is_within(current, 4));
            assert!(!tag(0xffff, Stage::New, 10).is_within(current, 4));
        }
    }

    #[test]
    fn a_time_is_past_after_its_tick_and_across_the_wrap() {
        for start in [0, 1 << 20, (1_u64 << 30) - 256, u64::MAX - 255] {
            let now = Ticks::at(start);
            assert_eq!(now.left(now), 1);
            assert_eq!(now.after(10).left(now), 11);
            assert_eq!(now.after(10).left(now.after(11)), 0);
            assert_eq!(now.after(Ticks::LONGEST).left(now), Ticks::LONGEST + 1);
        }
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

    #[test]
    fn keys_of_flows_clients_and_fragments_differ() {
        let source = Address { high: 1, low: 2 };
        let owners = [Owner::flow(5), Owner::client(5), Owner::fragments(5, true), Owner::fragments(5, false)];
        for (i, a) in owners.iter().enumerate() {
            assert_eq!(unpack6(key6(source, 9, *a)), (source, 9, *a));
            assert_eq!(unpack4(key4(Address::v4(3), 9, *a)), (Address::v4(3), 9, *a));
            for b in &owners[i + 1..] {
                assert_ne!(key6(source, 9, *a), key6(source, 9, *b));
                assert_ne!(key4(source, 9, *a), key4(source, 9, *b));
            }
        }
        assert_eq!(owners[1].kind(), Kind::Client { service: 5 });
    }
}
