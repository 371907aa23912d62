//! For how long flows and clients are remembered, and how many new ones are.

use std::time::Duration;

use lb_common::wire::pace::WINDOW_SHIFT;

use super::*;
use crate::core::config::model::Affinity;
use BackendState::{Drain, Up};

fn seconds(writer: &Writer, seconds: u64) {
    let now = &writer.memory().now;
    now.set(now.get() + seconds * 1000);
}

fn idle_for(seconds: u64) -> Image {
    let mut image = image(vec![service(80, &[(1, Up), (2, Up)])]);
    image.services[0].idle_timeout = Duration::from_secs(seconds);
    image
}

fn sticky(affinity: Option<Affinity>, backends: &[(u8, BackendState)]) -> Image {
    let mut image = image(vec![service(80, backends)]);
    image.services[0].affinity = affinity;
    image
}

fn affinity(seconds: u64) -> Option<Affinity> {
    Some(Affinity { timeout: Duration::from_secs(seconds), prefix4: 24, prefix6: 56 })
}

/// What the tables say of the service's affinity.
fn written(writer: &Writer) -> Option<lb_common::wire::service::Affinity> {
    lb_common::wire::service::Affinity::unpack(writer.memory().services.get(0).unwrap().affinity.get())
}

#[test]
fn another_idle_timeout_is_in_force_for_the_flows_that_there_are() {
    let mut writer = writer(8, 16);
    writer.apply(&idle_for(60)).unwrap();
    let generation = |writer: &Writer| writer.memory().control_record().generation.get();
    let before = generation(&writer);
    writer.apply(&idle_for(60)).unwrap();
    assert_eq!(generation(&writer), before, "nothing to rewrite");
    let keeps = |writer: &Writer, idle: u64| {
        forwarded(writer, 9, 80, SYN);
        let to = forwarded(writer, 9, 80, ACK);
        seconds(writer, idle);
        let chosen = writer.service_totals(0).chosen;
        forwarded(writer, 9, 80, ACK);
        let kept = writer.service_totals(0).chosen == chosen;
        (kept, to)
    };
    assert!(!keeps(&writer, 100).0);
    writer.apply(&idle_for(600)).unwrap();
    assert_ne!(generation(&writer), before);
    assert!(keeps(&writer, 100).0);
    let (mut adopted, _) = successor(writer.memory);
    let before = generation(&adopted);
    adopted.apply(&idle_for(600)).unwrap();
    assert_eq!(generation(&adopted), before, "it is known to be there");
}

#[test]
fn a_client_keeps_its_backend_while_there_is_affinity() {
    let backends = [(1, Up), (2, Up), (3, Up), (4, Up)];
    let mut writer = writer(8, 16);
    writer.apply(&sticky(affinity(60), &backends)).unwrap();
    assert_eq!(
        written(&writer).map(|affinity| (affinity.prefix, affinity.life)),
        Some((24, CLOCK.ticks(Duration::from_secs(60))))
    );
    let all = |writer: &Writer, clients: std::ops::Range<u16>| {
        let mut backends: Vec<u8> = clients.map(|client| forwarded(writer, client, 80, SYN)).collect();
        backends.sort_unstable();
        backends.dedup();
        backends
    };
    let one = all(&writer, 1..100);
    assert_eq!(one.len(), 1, "one client");
    let drained = backends.map(|(number, state)| (number, if number == one[0] { Drain } else { state }));
    writer.apply(&sticky(affinity(60), &drained)).unwrap();
    let other = all(&writer, 100..200);
    assert!(other.len() == 1 && other != one, "{other:?}, not {one:?}");
    writer.apply(&sticky(affinity(60), &backends)).unwrap();
    assert_eq!(all(&writer, 200..300), other, "it stays where it went");
    writer.apply(&sticky(None, &backends)).unwrap();
    assert_eq!(written(&writer), None);
    assert_eq!(all(&writer, 300..500), [1, 2, 3, 4]);
}

#[test]
fn affinity_is_adopted_and_goes_with_its_service() {
    let backends = [(1, Up)];
    let mut writer = writer(8, 16);
    writer.apply(&sticky(affinity(60), &backends)).unwrap();
    let (mut adopted, _) = successor(writer.memory);
    let before = snapshot(adopted.memory());
    adopted.apply(&sticky(affinity(60), &backends)).unwrap();
    assert_eq!(snapshot(adopted.memory()), before);
    adopted.apply(&sticky(affinity(61), &backends)).unwrap();
    assert_eq!(written(&adopted).map(|affinity| affinity.life), Some(CLOCK.ticks(Duration::from_secs(61))));
    adopted.apply(&image(vec![])).unwrap();
    assert_eq!(written(&adopted), None);
}

#[test]
fn new_flows_beyond_the_limit_are_balanced_and_not_kept() {
    let mut writer = writer(8, 16);
    writer.apply(&image(vec![service(80, &[(1, Up)])])).unwrap();
    let kept = |writer: &Writer, first: u16| {
        (first..first + 100).for_each(|client| _ = forwarded(writer, client, 80, SYN));
        let entries = writer.memory().flows.v4.iter().map(|set| set.flows().count());
        entries.sum::<usize>()
    };
    // Three in each window of 32 ms.
    writer.limit_new_flows(90);
    writer.memory().now.set(1 << 20);
    assert_eq!(kept(&writer, 1000), 3);
    assert_eq!(writer.service_totals(0).limited, 97);
    writer.memory().now.set((1 << 20) + (1 << WINDOW_SHIFT));
    assert_eq!(kept(&writer, 2000), 6);
    writer.limit_new_flows(0);
    assert_eq!(kept(&writer, 3000), 106);
}
