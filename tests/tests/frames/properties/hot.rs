//! The short way decides nothing otherwise than the long way would, word for word: on the host build alone.

use std::cell::Cell;
use std::slice;

use lb_common::path::{hot, run};
use lb_common::wire::word::Word;
use lb_userspace::core::config::model::TableSizes;
use lb_userspace::tables::memory::TableMemory;
use lb_userspace::tables::region::Region;
use proptest::collection::vec;
use proptest::prelude::prop_assert_eq;
use proptest::test_runner::TestRunner;

use super::any::{frame, scene, seeded};
use crate::frames::rig::side::{Host, Side, TABLES};

/// A table in which flows meet.
const SMALL: TableSizes = TableSizes { flows: 32, ..TABLES };
/// Jiffies from one frame to the next: time goes on, so that flows grow old.
const PACE: u64 = 40;

#[test]
fn whatever_the_short_way_decides_the_long_way_decides_too() {
    let (short, all) = (Cell::new(0_u32), Cell::new(0_u32));
    let sequences = (vec(scene(), 1..4), vec(frame(), 1..120));
    let result = TestRunner::new(seeded(400)).run(&sequences, |(scenes, frames)| {
        let mut host = Host::new(&SMALL);
        let turn = frames.len() / scenes.len() + 1;
        for (i, frame) in frames.iter().enumerate() {
            if i % turn == 0 {
                host.writer_mut().apply(&scenes[i / turn].image()).expect("small enough");
            }
            // Each frame three times: the later ones find what the first one left.
            for again in 0..3 {
                let now = (1 << 20) + PACE * i as u64 + again;
                let before = snapshot(host.memory());
                let mut hot_exit = None;
                let (_, left) = host.enter(
                    |packet, tables, interface| {
                        hot_exit = hot::run(packet, tables, interface);
                        hot_exit.unwrap_or_else(|| lb_common::path::verdict::Verdict::NotIp.into())
                    },
                    frame,
                    now,
                );
                let ran = snapshot(host.memory());
                restore(host.memory(), &before);
                let (long_exit, meant) = host.enter(run::long, frame, now);
                match hot_exit {
                    Some(exit) => {
                        prop_assert_eq!(exit, long_exit);
                        prop_assert_eq!(left, meant);
                        prop_assert_eq!(ran, snapshot(host.memory()));
                    }
                    None => {
                        prop_assert_eq!(&left, frame, "what takes the long way is as it was");
                        prop_assert_eq!(ran, before, "and has left no trace");
                    }
                }
                short.set(short.get() + u32::from(hot_exit.is_some()));
                all.set(all.get() + 1);
            }
        }
        Ok(())
    });
    println!("{} of {} frames went the short way", short.get(), all.get());
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(short.get() > all.get() / 50, "the short way was hardly taken");
}

/// Every word that a packet may change.
fn words(memory: &TableMemory) -> impl Iterator<Item = &Word> {
    region(&memory.flows.v4)
        .iter()
        .chain(region(&memory.flows.v6))
        .chain(region(&memory.paces))
        .chain(region(&memory.verdicts))
        .chain(region(&memory.service_counters))
        .chain(region(&memory.backend_counters))
}

/// The words of records that are made of nothing else, but for padding, which nobody changes.
fn region<T>(region: &Region<T>) -> &[Word] {
    let first: *const T = region.get(0).expect("no table is empty");
    // SAFETY: the records lie one after the other, each a whole number of aligned words, and live as long as the region.
    unsafe { slice::from_raw_parts(first.cast(), region.len() * size_of::<T>() / size_of::<Word>()) }
}

fn snapshot(memory: &TableMemory) -> Vec<u64> {
    words(memory).map(Word::get).collect()
}

fn restore(memory: &TableMemory, to: &[u64]) {
    for (word, to) in words(memory).zip(to).filter(|(word, to)| word.get() != **to) {
        word.set(*to);
    }
}
