//! Tables that contradict each other, as no writer leaves them: an abort with a name, never a wild read.

use lb_common::wire::service::Table;
use lb_common::wire::word::Word;
use lb_userspace::tables::memory::TableMemory;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{aborted, forwarded_to};
use crate::frames::rig::scene::{up, web};
use crate::frames::rig::segment::{ack, syn};

/// One service, whose new flows go to `a`.
fn balancing_web() -> Director {
    director(web().with(up("a")))
}

fn table(memory: &TableMemory) -> &Word {
    &memory.services.get(0).expect("the first service has index 0").table
}

#[test]
fn a_maglev_table_beyond_the_map_aborts() {
    for line in [1 << 20, u32::MAX - 8] {
        let mut pivot = balancing_web();
        pivot.tampered(|memory| table(memory).set(Table { line, slots: 251 }.pack()));
        pivot.receives(syn(), aborted(None));
    }
}

#[test]
fn a_known_flow_does_not_ask_the_torn_table() {
    let mut pivot = balancing_web();
    pivot.receives(syn(), forwarded_to("a").chosen());
    pivot.tampered(|memory| table(memory).set(Table { line: 1 << 20, slots: 251 }.pack()));
    pivot.receives(ack(), forwarded_to("a"));
}

#[test]
fn only_the_lowest_bit_of_the_directorys_generation_counts() {
    let mut pivot = balancing_web();
    pivot.tampered(|memory| {
        let generation = &memory.control_record().generation;
        generation.set(generation.get() & 1 | 0xdead_beef_0000_0000 | 0x7ffe);
    });
    pivot.receives(syn(), forwarded_to("a").chosen());
}

#[test]
fn a_way_to_a_backend_from_a_newer_pivot_aborts() {
    let mut pivot = balancing_web();
    pivot.tampered(|memory| {
        let hop = &memory.backends.get(0).expect("the first backend has index 0").hop;
        hop.set(hop.get() | 0x7f << 56);
    });
    pivot.receives(syn(), aborted(Some("a")).chosen());
}
