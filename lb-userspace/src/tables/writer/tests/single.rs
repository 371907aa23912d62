//! Where one backend has all flows: the one before it is cut before the next one gets any, whatever else changes at once.

use proptest::prelude::*;

use super::*;
use crate::tables::writer::plan;
use crate::tables::writer::wanted::Wanted;
use lb_common::wire::backend::Hop;

const PORT: u16 = 3306;

/// Of these backends, this one is the writer.
fn single(backends: &[u8], writer: Option<u8>) -> ServiceImage {
    let state = |number| if Some(number) == writer { BackendState::Up } else { BackendState::Standby };
    let backends: Vec<(u8, BackendState)> = backends.iter().map(|number| (*number, state(*number))).collect();
    ServiceImage { single: true, ..service(PORT, &backends) }
}

/// Backends whose flows go on, by number.
fn open(memory: &TableMemory) -> BTreeSet<u8> {
    let hops = memory.backends.iter().map(|record| Hop::from_word(record.hop.get()));
    hops.filter(|hop| hop.state().keeps_flows()).map(|hop| hop.mac()[5]).collect()
}

/// Brings the tables there step by step; at no instant two backends have flows.
#[track_caller]
fn step_by_step(writer: &mut Writer, image: &Image) {
    let wanted = Wanted::of(image, CLOCK).unwrap();
    let (_, steps) = plan::plan(&writer.books, &writer.memory, CLOCK, &wanted).unwrap();
    for step in &steps {
        step.write(&mut writer.memory);
        let open = open(&writer.memory);
        assert!(open.len() <= 1, "{open:?} have flows after {step:?} of {steps:?}");
        let met: BTreeSet<Mac> = (1..40)
            .map(|client| send(&writer.memory, client, 1, PORT, SYN))
            .filter(|(verdict, _)| *verdict == Verdict::Forwarded)
            .map(|(_, mac)| mac)
            .collect();
        assert!(met.len() <= 1 && met.iter().all(|mac| open.contains(&mac.0[5])), "{met:?} after {step:?}");
    }
    writer.apply(image).unwrap();
}

/// Nothing is waited for, and nothing large is written, while nobody has the flows.
#[test]
fn clients_are_refused_for_some_words_alone() {
    let mut writer = writer(4, 16);
    writer.apply(&image(vec![single(&[1, 2], Some(1))])).unwrap();
    let image = image(vec![single(&[1, 2], Some(2))]);
    let wanted = Wanted::of(&image, CLOCK).unwrap();
    let (_, steps) = plan::plan(&writer.books, &writer.memory, CLOCK, &wanted).unwrap();
    let cut = steps.iter().position(|step| matches!(step, Step::Hop { .. })).unwrap();
    let led = steps.iter().position(|step| matches!(step, Step::Table { .. })).unwrap();
    assert!(cut < led && steps[cut..led].iter().all(|step| matches!(step, Step::Hop { .. })), "{steps:?}");
}

#[test]
fn a_switch_cuts_before_it_opens() {
    let mut writer = writer(4, 16);
    writer.apply(&image(vec![single(&[1, 2, 3], Some(1))])).unwrap();
    assert_eq!(forwarded(&writer, 1000, PORT, SYN), 1);
    assert_eq!(forwarded(&writer, 1000, PORT, ACK), 1);
    step_by_step(&mut writer, &image(vec![single(&[1, 2, 3], Some(2))]));
    assert_eq!(send(writer.memory(), 1000, 1, PORT, ACK).0, Verdict::ResetBackendDown);
    assert_eq!(forwarded(&writer, 1001, PORT, SYN), 2);
    assert_eq!(forwarded(&writer, 1000, PORT, SYN), 2, "a client that comes again");
}

#[test]
fn what_was_spread_is_cut_when_one_has_all() {
    let mut writer = writer(4, 16);
    let all = [1, 2, 3].map(|number| (number, BackendState::Up));
    writer.apply(&image(vec![service(PORT, &all)])).unwrap();
    let before: Vec<u8> = (0..100).map(|client| forwarded(&writer, client, PORT, SYN)).collect();
    writer.apply(&image(vec![single(&[1, 3], Some(3))])).unwrap();
    for (client, number) in (0..100).zip(before) {
        let (verdict, to) = send(writer.memory(), client, 1, PORT, ACK);
        let expected = if number == 3 { Verdict::Forwarded } else { Verdict::ResetBackendDown };
        assert_eq!((verdict, number == 3), (expected, to.0[5] == 3), "{client} of {number}");
    }
    writer.apply(&image(vec![service(PORT, &all)])).unwrap();
    assert!((200..300).map(|client| forwarded(&writer, client, PORT, SYN)).any(|number| number != 3));
}

#[test]
fn a_writer_that_is_not_configured_any_more_keeps_nothing() {
    let mut writer = writer(4, 16);
    writer.apply(&image(vec![single(&[1, 2], Some(1))])).unwrap();
    assert_eq!(forwarded(&writer, 1000, PORT, SYN), 1);
    step_by_step(&mut writer, &image(vec![single(&[2], Some(2))]));
    assert_eq!(send(writer.memory(), 1000, 1, PORT, ACK).0, Verdict::ResetBackendDown);
    step_by_step(&mut writer, &image(vec![single(&[2, 1], Some(1))]));
    assert_eq!(forwarded(&writer, 1001, PORT, SYN), 1);
}

#[test]
fn a_daemon_that_takes_over_finds_the_writer() {
    let mut writer = writer(4, 16);
    writer.apply(&image(vec![single(&[1, 2, 3], Some(2))])).unwrap();
    let (_, adopted) = successor(writer.memory);
    let with_flows: Vec<_> = adopted.iter().filter(|it| it.state != Some(BackendState::Down)).collect();
    assert_eq!(with_flows.iter().map(|it| it.bound.ip().to_string()).collect::<Vec<_>>(), ["10.0.0.2"]);
}

fn services() -> impl Strategy<Value = (Vec<u8>, Option<u8>)> {
    prop::sample::subsequence(vec![1_u8, 2, 3, 4, 5], 1..=5)
        .prop_flat_map(|backends| (Just(backends.clone()), prop::option::weighted(0.8, prop::sample::select(backends))))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn at_no_instant_two_backends_have_flows(services in prop::collection::vec(services(), 1..8), room in 5_u32..16) {
        let mut writer = writer(4, room);
        for (backends, chosen) in services {
            step_by_step(&mut writer, &image(vec![single(&backends, chosen)]));
        }
    }
}
