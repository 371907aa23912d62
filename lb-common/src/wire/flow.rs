//! Flows and the backend each was given: the per-CPU cache and the shared table.

use super::address::Address;
use super::word::Word;

/// What a flow was given, packed into one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Index in `BACKENDS`.
    pub backend: u16,
    /// Generation of that backend, see [`super::backend::Identity`].
    pub generation: u16,
    /// When it was last seen, in [`ticks`].
    pub seen: u32,
}

impl Entry {
    /// Packs.
    #[inline(always)]
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.backend as u64 | (self.generation as u64) << 16 | (self.seen as u64) << 32
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self { backend: word as u16, generation: (word >> 16) as u16, seen: (word >> 32) as u32 }
    }
}

/// What a CPU's cache holds of a flow, packed into one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cached {
    /// Index in `BACKENDS`.
    pub backend: u16,
    /// Generation of that backend; never 0, so that a used word is not 0.
    pub generation: u16,
    /// [`super::control::Control::epoch`] when the shared table last confirmed it.
    pub epoch: u16,
    /// When this CPU last saw it, in [`ticks`], lowest 16 bits: 4.6 hours at 1000 Hz, enough to tell old from new.
    pub seen: u16,
}

impl Cached {
    /// Packs.
    #[inline(always)]
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.backend as u64 | (self.generation as u64) << 16 | (self.epoch as u64) << 32 | (self.seen as u64) << 48
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self {
            backend: word as u16,
            generation: (word >> 16) as u16,
            epoch: (word >> 32) as u16,
            seen: (word >> 48) as u16,
        }
    }
}

/// Coarse time stamp of a flow: 256 jiffies a tick (0.26 s at 1000 Hz, 2.6 s at 100 Hz).
#[inline(always)]
#[must_use]
pub const fn ticks(jiffies: u64) -> u32 {
    (jiffies >> 8) as u32
}

/// Key of the shared table `FLOWS`. The service stands for address, port and protocol of the VIP.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// Client's address.
    pub source: Address,
    /// Client's port and the service, see [`FlowKey::new`].
    pub rest: u64,
}

const _: () = assert!(size_of::<FlowKey>() == 24);

impl FlowKey {
    /// `port` as it lies in memory, in network order.
    #[inline(always)]
    #[must_use]
    pub const fn new(source: Address, port: u16, service: u16) -> Self {
        Self { source, rest: port as u64 | (service as u64) << 16 }
    }

    /// Client's port, in network order.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.rest as u16
    }

    /// Index of the service.
    #[must_use]
    pub const fn service(&self) -> u16 {
        (self.rest >> 16) as u16
    }
}

/// One way of a set: an exact key of `KEY` words, and the entry; 0: free.
#[repr(C)]
#[derive(Debug)]
struct Slot<const KEY: usize> {
    key: [Word; KEY],
    entry: Word,
}

/// A set of the per-CPU flow cache: one cache line of `WAYS` flows. Only its own CPU writes it.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Set<const KEY: usize, const WAYS: usize> {
    slots: [Slot<KEY>; WAYS],
}

/// Key of an IPv4 flow: address, port and service fill one word exactly, so that four fit into a line.
pub type Set4 = Set<1, 4>;

const _: () = assert!(size_of::<Set4>() == 64);

impl<const KEY: usize, const WAYS: usize> Default for Set<KEY, WAYS> {
    fn default() -> Self {
        Self {
            slots: core::array::from_fn(|_| Slot {
                key: core::array::from_fn(|_| Word::default()),
                entry: Word::default(),
            }),
        }
    }
}

impl<const KEY: usize, const WAYS: usize> Set<KEY, WAYS> {
    /// The entry's cell of the flow with this key.
    #[inline(always)]
    #[must_use]
    pub fn find(&self, key: &[u64; KEY]) -> Option<&Word> {
        let mut way = 0;
        while way < WAYS {
            let slot = &self.slots[way];
            let mut same = true;
            let mut word = 0;
            while word < KEY {
                same &= slot.key[word].get() == key[word];
                word += 1;
            }
            if same && slot.entry.get() != 0 {
                return Some(&slot.entry);
            }
            way += 1;
        }
        None
    }

    /// Stores a flow in place of itself, of a free way, or of the one that was not seen for longest.
    #[inline(always)]
    pub fn store(&self, key: &[u64; KEY], cached: Cached) {
        let mut victim = 0;
        let mut oldest = 0;
        let mut way = 0;
        while way < WAYS {
            let slot = &self.slots[way];
            let mut same = true;
            let mut word = 0;
            while word < KEY {
                same &= slot.key[word].get() == key[word];
                word += 1;
            }
            let entry = slot.entry.get();
            // A free way is older than any flow; only the flow's own way comes before it.
            let age = match (same, entry) {
                (true, _) => u32::MAX,
                (false, 0) => u32::MAX - 1,
                _ => u32::from(cached.seen.wrapping_sub(Cached::unpack(entry).seen)) + 1,
            };
            if age > oldest {
                oldest = age;
                victim = way;
            }
            way += 1;
        }
        if let Some(slot) = self.slots.get(victim) {
            let mut word = 0;
            while word < KEY {
                slot.key[word].set(key[word]);
                word += 1;
            }
            slot.entry.set(cached.pack());
        }
    }

    /// The flows in the set.
    pub fn flows(&self) -> impl Iterator<Item = ([u64; KEY], Cached)> + '_ {
        self.slots
            .iter()
            .filter(|slot| slot.entry.get() != 0)
            .map(|slot| (core::array::from_fn(|word| slot.key[word].get()), Cached::unpack(slot.entry.get())))
    }
}

// SAFETY: repr(C), integers only, no padding.
#[cfg(feature = "user")]
unsafe impl aya::Pod for FlowKey {}
