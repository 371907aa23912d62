//! What fits, what does not, and what that costs.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use BackendState::Up;

fn services(ports: std::ops::Range<u16>) -> Vec<ServiceImage> {
    ports.map(|port| service(port, &[(1, Up), (2, Up), (3, Up)])).collect()
}

#[track_caller]
fn assert_refused(writer: &mut Writer, image: &Image, expected: &str) {
    let (before, names) = (snapshot(writer.memory()), writer.names().services.clone());
    let error = writer.apply(image).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert_eq!(snapshot(writer.memory()), before);
    assert_eq!(writer.names().services, names);
}

#[test]
fn an_image_that_does_not_fit_changes_nothing() {
    let mut writer = writer(4, 8);
    let good = image(vec![service(80, &[(1, Up), (2, Up)]), service(81, &[(1, Up)])]);
    writer.apply(&good).unwrap();

    let many = |count: u8| (1..=count).map(|number| (number, Up)).collect::<Vec<_>>();
    assert_refused(&mut writer, &image(services(80..200)), "121 services");
    assert_refused(&mut writer, &image(vec![service(80, &many(9))]), "9 backends");
    // It fits alone, but not beside what it replaces.
    let others: Vec<_> = (11..=18).map(|number| (number, Up)).collect();
    assert_refused(&mut writer, &image(vec![service(80, &others), service(82, &[])]), "10 backends");
    let mut wide = service(82, &[(1, Up)]);
    wide.table = vec![0; 65_537].into();
    assert_refused(&mut writer, &image(vec![service(80, &[(1, Up), (3, Up)]), wide]), "\"1:82\"");
    let mut vipless = good.clone();
    vipless.services[1].vip = "nowhere".to_owned();
    assert_refused(&mut writer, &vipless, "nowhere");
    let mut absurd = good.clone();
    absurd.services[0].table = vec![0, 2].into();
    assert_refused(&mut writer, &absurd, "backend 2 of 2");

    writer.apply(&good).unwrap();
    assert!([1, 2].contains(&forwarded(&writer, 1, 80, SYN)));
}

#[test]
fn all_services_of_default_tables_are_swapped_for_others() {
    let tables = TableSizes { maglev: SLOTS, flows: 1024, ..TableSizes::default() };
    let mut writer = on(TableMemory::heap(&Sizes::of(&tables, 1), CLOCK));
    for first in [1000, 2000, 1000] {
        writer.apply(&image(services(first..first + 255))).unwrap();
        for port in first..first + 255 {
            forwarded(&writer, 7, port, SYN);
        }
        assert_eq!(send(writer.memory(), 7, 1, 3000 - first, SYN).0, Verdict::NotService);
    }
}

#[test]
fn all_vips_are_swapped_for_others() {
    let mut writer = writer(8, 8);
    for range in [1..=4_u8, 5..=8, 1..=4] {
        let on_vip = |number| service_on(number, 80, vec![backend(80, number, Up)]);
        let vips = range.clone().map(vip).collect();
        writer.apply(&Image { vips, services: range.clone().map(on_vip).collect(), ..Image::default() }).unwrap();
        for number in range {
            assert_eq!(send(writer.memory(), 7, number, 80, SYN), (Verdict::Forwarded, mac(80, number)));
        }
    }
}

#[test]
fn all_backends_are_swapped_for_others_service_by_service() {
    // 16 records: four services of three backends each leave four to start with.
    let mut writer = writer(4, 16);
    for first in [1, 11, 21] {
        let states = [0, 1, 2].map(|i| (first + i, Up));
        writer.apply(&image((80..83).map(|port| service(port, &states)).collect())).unwrap();
        for client in 1..100 {
            assert!((first..first + 3).contains(&forwarded(&writer, client + u16::from(first) * 100, 81, SYN)));
        }
    }
}

#[test]
fn packets_are_waited_for_a_few_times_however_many_services_change() {
    let waits = Rc::new(Cell::new(0));
    let counter = waits.clone();
    let grace = move || {
        counter.set(counter.get() + 1);
        Ok(())
    };
    let mut writer = Writer::new(TableMemory::heap(&sizes(10_001, 60_000), CLOCK), CLOCK, Box::new(grace));
    writer.set_link("eth0", INTERFACE, OWN, None).unwrap();
    writer.apply(&image(services(1..10_001))).unwrap();
    assert_eq!(waits.take(), 1, "first image");

    let fewer: Vec<_> = (1..10_001).map(|port| service(port, &[(1, Up), (2, Up)])).collect();
    writer.apply(&image(fewer)).unwrap();
    assert!(waits.take() <= 9, "an eighth of the tables at a time");

    writer.apply(&image(services(10_001..20_001))).unwrap();
    assert!(waits.take() <= 12, "all services swapped for others");
    forwarded(&writer, 1, 20_000, SYN);

    let mut one = services(10_001..20_001);
    one[5] = service(one[5].port, &[(1, Up), (2, BackendState::Down), (3, Up)]);
    writer.apply(&image(one)).unwrap();
    assert_eq!(waits.take(), 1, "one backend goes down");
}

#[test]
fn what_waiting_interrupted_is_done_by_the_next_call() {
    let fail = Rc::new(Cell::new(false));
    let failing = fail.clone();
    let grace = move || if failing.get() { Err("no".to_owned()) } else { Ok(()) };
    let mut writer = Writer::new(TableMemory::heap(&sizes(8, 16), CLOCK), CLOCK, Box::new(grace));
    writer.set_link("eth0", INTERFACE, OWN, None).unwrap();
    writer.apply(&image(vec![service(80, &[(1, Up), (2, Up)])])).unwrap();

    fail.set(true);
    let next = image(vec![service(80, &[(2, Up)]), service(81, &[(3, Up)])]);
    assert_eq!(writer.apply(&next), Err(TableError::Grace("no".to_owned())));
    assert_eq!(forwarded(&writer, 1, 80, SYN), 2, "half-way is good for packets");
    fail.set(false);
    writer.apply(&next).unwrap();
    assert_eq!(forwarded(&writer, 1, 81, SYN), 3);
}
