//! What this host knew of flows that another one forwards from now on.
//!
//! That one tells what it knows, again and again. What it does not tell of any more is over, or goes where the tables say; so it
//! must not count here for hours and lead a later flow of the same client and port astray.

use std::collections::HashSet;
use std::time::Duration;

use lb_common::wire::flow::{Kind, Owner, Set, Tag, Ticks, unpack4, unpack6};

use crate::tables::clock::Clock;
use crate::tables::memory::Flows;
use crate::tables::region::Region;
use lb_common::wire::address::Address;

/// Has what is known of the flows of these services, by their indexes, count for `at_most` from now. Some milliseconds for a
/// million flows.
pub fn fade(flows: &Flows, clock: Clock, services: &HashSet<u16>, at_most: Duration) {
    let (now, span) = (clock.now(), clock.ticks(at_most));
    fade_family(&flows.v4, services, now, span, unpack4);
    fade_family(&flows.v6, services, now, span, unpack6);
}

fn fade_family<const KEY: usize, const WAYS: usize>(
    sets: &Region<Set<KEY, WAYS>>,
    services: &HashSet<u16>,
    now: Ticks,
    span: u32,
    unpack: fn([u64; KEY]) -> (Address, u32, Owner),
) {
    for (key, entry, cell) in sets.iter().flat_map(Set::flows) {
        let (_, _, owner) = unpack(key);
        let is_theirs = match owner.kind() {
            Kind::Flow { service } | Kind::Client { service } => services.contains(&service),
            Kind::Fragments { .. } => false,
        };
        let tag = entry.tag();
        if is_theirs && tag.until().left(now) > span {
            // What a packet has changed meanwhile stays.
            cell.replace(entry.word(), entry.tagged(Tag::new(tag.seal(), tag.stage(), now.after(span))).word());
        }
    }
}
