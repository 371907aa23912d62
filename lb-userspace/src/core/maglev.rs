//! Maglev consistent hashing with weights: from the backends of a service to the owner of each slot.
//!
//! Follows Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), section 3.4: every
//! backend has its own permutation of the slots, and a slot belongs to the backend that comes to it first. Three things
//! differ from the paper:
//!
//! - *Quotas.* A backend owns `weight / sum of weights * slots`, rounded to a whole number by largest remainder: its share
//!   is exact within one slot. Once it has its quota it takes no more.
//! - *Pace.* The paper lets the backends take turns at finding the next free slot. Here each walks its permutation slot by
//!   slot, free or not, and its k-th step comes at time `-ln(1 - k / slots) / weight`, which makes the odds of coming first
//!   proportional to the weight. Which of two backends comes first to a slot then depends on those two alone, whoever else
//!   is there: turns were tried, and move two to three times as many slots.
//! - *Absence.* A backend that is down or drained keeps its place: the table is dealt to all that are configured, then the
//!   slots of the absent are dealt again to those present. So a slot of a healthy backend stays where it is when another
//!   one fails or returns (but for one slot a backend, if rounding wants it).
//!
//! When a backend fails, is drained or returns, nothing else moves; while several are absent, only slots of these may move
//! from one stand-in to another (2.5 % of all was the worst seen). When one is taken out of the configuration or put into
//! it, this share of the slots of the others changes hands (equal weights; every backend of 2000 sets of 3, five backends of
//! 60 sets of 30 and of 100):
//!
//! | slots | backends | median | 95 % of cases below | 99 % below | worst |
//! |---|---|---|---|---|---|
//! | 65537 | 3 | 0.005 % | 0.05 % | 0.17 % | 2.3 % |
//! | 65537 | 30 | 0.24 % | 0.31 % | 0.35 % | 0.42 % |
//! | 65537 | 100 | 0.30 % | 0.34 % | 0.36 % | 0.37 % |
//! | 16381 | 3 | 0.02 % | 0.16 % | 0.55 % | 9.4 % |
//! | 16381 | 30 | 0.50 % | 0.63 % | 0.85 % | 1.2 % |
//!
//! The worst are sets in which the skip of one backend is nearly a small multiple of another's (with another series of
//! addresses, 15 % was seen once at 65537). A hash of one backend alone cannot rule that out; random permutations have no such
//! sets (worst 0.5 %), but a median fifteen times as high.
//!
//! What must hold: the same backends give the same table on every controller and in every version, in whatever order they
//! are listed. A flow that no flow table knows survives the move of a VIP only because of that. Hence the hash below is
//! fixed forever.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// A configured backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Where it listens: what it is known by on every controller. Decides its permutation and breaks every tie.
    pub identity: SocketAddr,
    /// Share of the slots, relative to the others; 0 owns none.
    pub weight: u16,
    /// Whether it takes new flows now. If not, it owns no slot, but its place is kept.
    pub present: bool,
}

/// A slot that nobody owns yet.
const FREE: u16 = u16::MAX;

/// Fixed-point scale of the odds.
const ODDS_SCALE: u32 = 1 << 31;

/// Builds the table of `slots` slots; each holds the position in `backends` of its owner.
///
/// Empty if no backend is present with a weight. `slots` should be a prime, as in the paper; for any other number, skips
/// that do not reach every slot are passed over. 65537 slots cost 1 to 2 ms in a release build, also with 1000
/// backends; 5 ms if these have 256 different weights.
///
/// # Panics
/// With 65535 backends or more: a slot is a `u16`. The configuration asks for 100 slots per backend.
#[must_use]
pub fn build(backends: &[Entry], slots: u32) -> Arc<[u16]> {
    assert!(backends.len() < usize::from(FREE), "{} backends do not fit a Maglev table of u16", backends.len());
    let mut walkers = walkers(backends, slots);
    if slots == 0 || walkers.iter().all(|walker| !walker.present) {
        return Arc::new([]);
    }
    let mut table = vec![FREE; slots as usize];
    deal(&mut walkers, &mut table);
    if walkers.iter().any(|walker| !walker.present) {
        table.iter_mut().filter(|owner| !backends[usize::from(**owner)].present).for_each(|owner| *owner = FREE);
        walkers.retain(|walker| walker.present);
        deal(&mut walkers, &mut table);
    }
    table.into()
}

/// Gives every free slot to the walker that comes to it first, until each has its quota.
fn deal(walkers: &mut [Walker], table: &mut [u16]) {
    set_quotas(walkers, table.len() as u32);
    let mut by_weight: BTreeMap<Reverse<u16>, Vec<&mut Walker>> = BTreeMap::new();
    for walker in walkers {
        walker.start_over(table);
        if walker.owned < walker.quota {
            by_weight.entry(Reverse(walker.weight)).or_default().push(walker);
        }
    }
    let mut groups: Vec<Group<'_>> =
        by_weight.into_iter().map(|(weight, walkers)| Group::new(weight.0, walkers, table.len())).collect();
    while let Some(heaviest) = groups.first() {
        let (odds, weight) = (heaviest.odds, heaviest.weight);
        for group in &mut groups {
            while group.odds * weight <= odds * group.weight && !group.walkers.is_empty() {
                group.step(table);
            }
        }
        groups.retain(|group| !group.walkers.is_empty());
    }
}

/// Walkers of one weight: they step at the same times, in the order of identity.
struct Group<'a> {
    weight: u64,
    walkers: Vec<&'a mut Walker>,
    /// Steps taken.
    steps: u32,
    /// `-ln(1 - (steps + 1) / slots)` in fixed point; divided by the weight, the time of the next step. That the odds of
    /// meeting a given slot first go by the weights is a property of exponential times, which these are.
    odds: u64,
}

impl<'a> Group<'a> {
    fn new(weight: u16, walkers: Vec<&'a mut Walker>, slots: usize) -> Self {
        Self { weight: u64::from(weight), walkers, steps: 0, odds: u64::from(ODDS_SCALE / slots as u32) }
    }

    /// Lets each walker take a step; those that reach their quota leave.
    fn step(&mut self, table: &mut [u16]) {
        self.walkers.retain_mut(|walker| walker.step(table) < walker.quota);
        self.steps += 1;
        let unmet = table.len() as u32 - self.steps;
        self.odds += u64::from(ODDS_SCALE.checked_div(unmet).unwrap_or(0));
    }
}

/// A backend while the slots are dealt.
struct Walker {
    /// Its position in the caller's slice.
    position: u16,
    weight: u16,
    present: bool,
    /// Slots it is to own in the end.
    quota: u32,
    /// Slots it owns so far.
    owned: u32,
    /// The slot it took last.
    last: u32,
    /// The first slot of its permutation (the paper's `offset`).
    first: u32,
    /// From each slot of its permutation to the one after it; coprime to the number of slots.
    skip: u32,
    /// The slot it comes to next.
    next: u32,
}

impl Walker {
    /// Goes back to the start of its permutation, and gives up the last slot if it has one more than its quota.
    fn start_over(&mut self, table: &mut [u16]) {
        self.next = self.first;
        if self.owned > self.quota {
            table[self.last as usize] = FREE;
            self.owned -= 1;
        }
    }

    /// Comes to the next slot and takes it if it is free; says how many slots it owns then.
    fn step(&mut self, table: &mut [u16]) -> u32 {
        let slot = self.next;
        let following = u64::from(slot) + u64::from(self.skip);
        let slots = table.len() as u64;
        self.next = (if following >= slots { following - slots } else { following }) as u32;
        let owner = &mut table[slot as usize];
        if *owner == FREE {
            *owner = self.position;
            self.last = slot;
            self.owned += 1;
        }
        self.owned
    }
}

/// Those with weight, in the order of identity, each with its permutation.
fn walkers(backends: &[Entry], slots: u32) -> Vec<Walker> {
    let mut ranked: Vec<(usize, &Entry)> = backends.iter().enumerate().filter(|(_, entry)| entry.weight > 0).collect();
    ranked.sort_by_key(|(position, entry)| (entry.identity, *position));
    let walker = |(position, entry): (usize, &Entry)| {
        let (first, skip) = permutation(entry.identity, slots);
        let (position, weight, present) = (position as u16, entry.weight, entry.present);
        Walker { position, weight, present, quota: 0, owned: 0, last: 0, first, skip, next: first }
    };
    ranked.into_iter().map(walker).collect()
}

/// Whole shares that add up to `slots`, each within one of the exact share: rounded down, and what is left over goes
/// first to those that own that slot already, then by largest remainder, then by identity.
fn set_quotas(walkers: &mut [Walker], slots: u32) {
    let sum: u64 = walkers.iter().map(|walker| u64::from(walker.weight)).sum();
    let mut left = slots;
    let mut order: Vec<(Reverse<bool>, Reverse<u64>, usize)> = Vec::with_capacity(walkers.len());
    for (i, walker) in walkers.iter_mut().enumerate() {
        let share = u64::from(walker.weight) * u64::from(slots);
        walker.quota = (share / sum) as u32;
        left -= walker.quota;
        order.push((Reverse(walker.owned > walker.quota), Reverse(share % sum), i));
    }
    order.sort_unstable();
    for (_, _, i) in order.into_iter().take(left as usize) {
        walkers[i].quota += 1;
    }
}

/// First slot and skip of a backend's permutation (the paper's `offset` and `skip`).
fn permutation(identity: SocketAddr, slots: u32) -> (u32, u32) {
    if slots < 2 {
        return (0, 0);
    }
    let hash = hash(identity);
    let offset = finish(hash ^ OFFSET_SEED) % u64::from(slots);
    let mut skip = finish(hash ^ SKIP_SEED) % u64::from(slots - 1) + 1;
    while gcd(skip, u64::from(slots)) != 1 {
        skip = skip % u64::from(slots - 1) + 1;
    }
    (offset as u32, skip as u32)
}

/// First 64 bits of the fractional part of pi: any constants would do, these never change.
const OFFSET_SEED: u64 = 0x243f_6a88_85a3_08d3;
/// The 64 bits after them.
const SKIP_SEED: u64 = 0x1319_8a2e_0370_7344;

/// FNV-1a, 64 bits, over the address (4 or 16 bytes) and the port, both in network order.
fn hash(identity: SocketAddr) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    let address = match identity.ip() {
        IpAddr::V4(v4) => v4.octets().iter().fold(BASIS, fold),
        IpAddr::V6(v6) => v6.octets().iter().fold(BASIS, fold),
    };
    identity.port().to_be_bytes().iter().fold(address, fold)
}

/// The finalizer of MurmurHash3 (x64): spreads every bit of the input over all of the output.
fn finish(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
