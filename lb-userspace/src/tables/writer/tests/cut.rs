//! Backends whose flows are cut, and the connections that end by it.

use std::collections::BTreeSet;

use super::*;
use crate::tables::fallen::{Connection, Walk};
use BackendState::{Down, Drain, Maint, Up};

const FIN: u8 = 0x01;
const RST: u8 = 0x04;

/// A host whose packet path tells the time that its writer tells.
fn host() -> Writer {
    let writer = writer(8, 32);
    writer.memory().now.set(CLOCK.jiffies());
    writer
}

fn vips() -> BTreeSet<IpAddr> {
    BTreeSet::from([vip_address(1).into()])
}

fn web(backends: &[(u8, BackendState)]) -> Image {
    image(vec![service(80, backends)])
}

fn keeping(backends: &[(u8, BackendState)]) -> Image {
    image(vec![ServiceImage { on_down: OnDown::Keep, ..service(80, backends) }])
}

/// Client ports of the connections of these backends that were cut.
fn cut(writer: &Writer, backends: &BTreeSet<u16>) -> Vec<(u16, bool)> {
    let mut walk = Walk::new(writer.fallen(backends, &vips()));
    let mut found = Vec::new();
    while walk.step(writer.memory(), CLOCK, 100, &mut found) {}
    let mut ports: Vec<(u16, bool)> = found.iter().map(|it| (it.client.port(), it.established)).collect();
    ports.sort_unstable();
    let there =
        |it: &Connection| it.vip == (vip_address(1), 80).into() && it.client.ip() == IpAddr::from([10, 9, 9, 9]);
    assert!(found.iter().all(there), "{found:?}");
    ports
}

/// Opens connections from client ports 1 on; those that were given this backend.
fn connect(writer: &Writer, clients: u16, to: u8) -> Vec<(u16, bool)> {
    let connect = |client: &u16| {
        let backend = forwarded(writer, *client, 80, SYN);
        assert_eq!(forwarded(writer, *client, 80, ACK), backend);
        backend == to
    };
    (1..=clients).filter(connect).map(|client| (client, true)).collect()
}

#[test]
fn the_connections_of_a_backend_that_went_down_are_found_and_no_others() {
    let mut here = host();
    here.apply(&web(&[(1, Up), (2, Up), (3, Up)])).unwrap();
    assert_eq!(here.take_cut(), BTreeSet::new());
    let theirs = connect(&here, 500, 2);
    assert!(theirs.len() > 50);
    here.apply(&web(&[(1, Up), (2, Down), (3, Drain)])).unwrap();
    let fallen = here.take_cut();
    assert_eq!(fallen.len(), 1);
    assert_eq!(cut(&here, &fallen), theirs);
    assert_eq!((here.take_cut(), here.cut_on(&vips())), (BTreeSet::new(), fallen.clone()), "said once, and true still");

    here.apply(&web(&[(1, Up), (2, Up), (3, Drain)])).unwrap();
    assert_eq!(cut(&here, &fallen), [], "it has come back");
    assert_eq!(here.take_cut(), BTreeSet::new());
    here.apply(&web(&[(1, Up), (2, Down), (3, Drain)])).unwrap();
    assert_eq!(cut(&here, &here.cut_on(&vips())), theirs, "they went on");
}

#[test]
fn connections_of_a_backend_in_maintenance_are_cut_also_where_those_of_one_that_is_down_are_kept() {
    let mut here = host();
    here.apply(&keeping(&[(1, Up), (2, Up), (3, Up)])).unwrap();
    let theirs = connect(&here, 500, 2);
    here.apply(&keeping(&[(1, Up), (2, Down), (3, Up)])).unwrap();
    assert_eq!(here.take_cut(), BTreeSet::new());
    here.apply(&keeping(&[(1, Up), (2, Maint), (3, Up)])).unwrap();
    let fallen = here.take_cut();
    assert_eq!(cut(&here, &fallen), theirs);
}

#[test]
fn how_far_a_connection_has_come_is_said_and_one_that_its_client_has_reset_is_left_out() {
    let mut here = host();
    here.apply(&web(&[(1, Up)])).unwrap();
    connect(&here, 3, 1);
    forwarded(&here, 2, 80, RST);
    forwarded(&here, 3, 80, FIN | ACK);
    forwarded(&here, 4, 80, SYN);
    here.apply(&web(&[(1, Down)])).unwrap();
    let fallen = here.take_cut();
    assert_eq!(cut(&here, &fallen), [(1, true), (3, true), (4, false)]);
}

#[test]
fn a_service_that_keeps_flows_cuts_none_until_it_does_not_keep_them() {
    let mut here = host();
    here.apply(&keeping(&[(1, Up), (2, Up)])).unwrap();
    let theirs = connect(&here, 100, 2);
    here.apply(&keeping(&[(1, Up), (2, Down)])).unwrap();
    assert_eq!((here.take_cut(), here.cut_on(&vips())), (BTreeSet::new(), BTreeSet::new()));
    assert_eq!(forwarded(&here, theirs[0].0, 80, ACK), 2);
    here.apply(&web(&[(1, Up), (2, Down)])).unwrap();
    let fallen = here.take_cut();
    assert_eq!(cut(&here, &fallen), theirs);
}

#[test]
fn a_kept_backend_is_a_down_one_to_whoever_takes_over() {
    let mut here = host();
    here.apply(&keeping(&[(1, Up), (2, Up)])).unwrap();
    let theirs = connect(&here, 100, 2);
    here.apply(&keeping(&[(1, Up), (2, Down)])).unwrap();
    let (mut next, adopted) = successor(here.memory);
    let states: Vec<_> = adopted.iter().map(|backend| backend.state).collect();
    assert!(states.contains(&Some(Up)) && states.contains(&Some(Down)), "{states:?}");
    next.apply(&keeping(&[(1, Up), (2, Down)])).unwrap();
    assert_eq!(forwarded(&next, theirs[0].0, 80, ACK), 2);
    assert_eq!(next.take_cut(), BTreeSet::new());
}

#[test]
fn nothing_is_found_of_vips_that_are_not_held_or_of_a_backend_that_took_the_place_of_another() {
    let mut here = writer(8, 2);
    here.memory().now.set(CLOCK.jiffies());
    here.apply(&web(&[(1, Up), (2, Up)])).unwrap();
    connect(&here, 100, 2);
    here.apply(&web(&[(1, Up), (2, Down)])).unwrap();
    let fallen = here.take_cut();
    assert!(!cut(&here, &fallen).is_empty());
    assert_eq!(here.fallen(&fallen, &BTreeSet::from([vip_address(2).into()])), HashMap::new());
    assert_eq!(here.cut_on(&BTreeSet::new()), BTreeSet::new());
    // Room for two: the next one takes its place.
    here.apply(&web(&[(1, Up)])).unwrap();
    here.apply(&web(&[(1, Up), (3, Down)])).unwrap();
    assert_eq!(here.take_cut(), BTreeSet::new(), "it never had any");
    assert_eq!(cut(&here, &fallen), []);
}
