//! Tables that contradict each other, as no writer leaves them: an abort with a name, never a wild read.

use lb_common::wire::service::Table;
use lb_common::wire::word::Word;
use lb_userspace::tables::memory::TableMemory;

use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{aborted, forwarded_to};
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::scene::up;

in_both_families! {
    a_maglev_table_beyond_the_map_aborts,
    a_known_flow_does_not_ask_the_torn_table,
    only_the_lowest_bit_of_the_directorys_generation_counts,
    a_way_to_a_backend_from_a_newer_pivot_aborts,
}

/// One service, whose new flows go to `a`.
fn balancing_web(on: Net) -> Director {
    director(on.web().with(up("a")))
}

fn table(memory: &TableMemory) -> &Word {
    &memory.services.get(0).expect("the first service has index 0").table
}

fn a_maglev_table_beyond_the_map_aborts(on: Net) {
    for line in [1 << 20, u32::MAX - 8] {
        let mut pivot = balancing_web(on);
        pivot.tampered(|memory| table(memory).set(Table { line, slots: 251 }.pack()));
        pivot.receives(on.syn(), aborted(None));
    }
}

fn a_known_flow_does_not_ask_the_torn_table(on: Net) {
    let mut pivot = balancing_web(on);
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.tampered(|memory| table(memory).set(Table { line: 1 << 20, slots: 251 }.pack()));
    pivot.receives(on.ack(), forwarded_to("a"));
}

fn only_the_lowest_bit_of_the_directorys_generation_counts(on: Net) {
    let mut pivot = balancing_web(on);
    pivot.tampered(|memory| {
        let generation = &memory.control_record().generation;
        generation.set(generation.get() & 1 | 0xdead_beef_0000_0000 | 0x7ffe);
    });
    pivot.receives(on.syn(), forwarded_to("a").chosen());
}

fn a_way_to_a_backend_from_a_newer_pivot_aborts(on: Net) {
    let mut pivot = balancing_web(on);
    pivot.tampered(|memory| {
        let hop = &memory.backends.get(0).expect("the first backend has index 0").hop;
        hop.set(hop.get() | 0x7f << 56);
    });
    pivot.receives(on.syn(), aborted(Some("a")).chosen());
}
