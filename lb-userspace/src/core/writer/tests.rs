//! One host: which events change the writer, and which do not.

use super::*;
use crate::core::config::model::Protocol;

const START: Now = Now(Duration::from_secs(1000));

pub(super) fn place(backend: u8) -> SocketAddr {
    ([10, 0, 0, backend], 3306).into()
}

fn after(seconds: u64) -> Now {
    Now(START.0 + Duration::from_secs(seconds))
}

/// c1, c2, c3: the one whose number is among these is not fit.
fn order(unfit: &[u8]) -> Vec<Candidate<'static>> {
    let fit = |number| if unfit.contains(&number) { Err("is down".into()) } else { Ok(()) };
    let named = [(1, "c1"), (2, "c2"), (3, "c3")];
    named.map(|(number, name)| Candidate { place: place(number), name, fit: fit(number) }).into()
}

fn says(epoch: u64, writer: u8, holds: bool) -> Statement {
    let service = ([10, 0, 0, 100].into(), 3306, Protocol::Tcp);
    Statement { service, term: Term { epoch, writer: place(writer), by_hand: false }, holds }
}

fn holder(failback: Failback) -> Writer {
    let mut writer = Writer::new(None, START);
    writer.configure(failback);
    writer.hold(true, START);
    assert!(writer.judge(&order(&[]), START).is_some_and(|change| change.to == place(1)));
    writer
}

/// Epoch and number of the writer.
fn known(writer: &Writer) -> (u64, u8) {
    let term = writer.term().unwrap();
    let numbers = 1..=9;
    (term.epoch, numbers.into_iter().find(|number| place(*number) == term.writer).unwrap())
}

#[test]
fn the_holder_begins_with_the_first_that_is_fit() {
    let mut writer = Writer::new(None, START);
    writer.hold(true, START);
    let change = writer.judge(&order(&[1]), START).unwrap();
    assert_eq!((change.from, change.to, change.epoch), (None, place(2), 1));
    assert_eq!(known(&writer), (1, 2));
    assert_eq!(writer.judge(&order(&[1]), after(1)), None);
    assert_eq!(known(&writer), (1, 2), "a decision is made once");
}

#[test]
fn if_nobody_is_fit_at_first_the_first_of_all_is_named() {
    let mut writer = Writer::new(None, START);
    writer.hold(true, START);
    writer.judge(&order(&[1, 2, 3]), START);
    assert_eq!(known(&writer), (1, 1));
    writer.judge(&order(&[1, 2]), after(1));
    assert_eq!(known(&writer), (2, 3));
}

#[test]
fn the_next_one_takes_over_from_one_that_is_unfit_and_keeps_it() {
    let mut writer = holder(Failback::Never);
    let change = writer.judge(&order(&[1]), after(1)).unwrap();
    assert_eq!(change, Change { from: Some(place(1)), to: place(2), epoch: 2, why: "c1 is down".into() });
    assert_eq!(writer.judge(&order(&[]), after(2)), None, "nothing goes back");
    assert_eq!(writer.deadline(), None);
    assert_eq!(writer.judge(&order(&[1, 2, 3]), after(3)), None, "nobody else is fit");
    assert_eq!(known(&writer), (2, 2));
    assert_eq!(writer.judge(&order(&[1, 3]), after(4)), None, "the last one comes back first");
    assert_eq!(writer.since(), (after(1), "c1 is down"));
}

#[test]
fn flows_go_back_when_the_first_has_been_fit_for_long_enough() {
    let mut writer = holder(Failback::After(Duration::from_secs(10)));
    writer.judge(&order(&[1, 2]), after(1));
    assert_eq!((known(&writer), writer.deadline()), ((2, 3), None));
    assert_eq!(writer.judge(&order(&[1]), after(5)), None);
    assert_eq!(writer.deadline(), Some(after(15)));
    assert_eq!(writer.judge(&order(&[1, 2]), after(9)), None, "what it was fit for does not count any more");
    assert_eq!(writer.judge(&order(&[]), after(10)), None);
    assert_eq!(writer.judge(&order(&[]), after(19)), None);
    let change = writer.judge(&order(&[]), after(20)).unwrap();
    assert_eq!((change.to, change.why.as_str()), (place(1), "c1 comes first, and has been fit for 10 s"));
    assert_eq!(writer.deadline(), None);

    let mut at_once = holder(Failback::After(Duration::ZERO));
    at_once.judge(&order(&[1]), after(1));
    assert_eq!(at_once.judge(&order(&[]), after(2)).map(|change| change.to), Some(place(1)));
}

#[test]
fn an_operator_moves_it_to_one_that_is_fit_and_it_stays_there() {
    let mut writer = holder(Failback::After(Duration::ZERO));
    assert_eq!(writer.give_to(place(2), &order(&[2]), after(1)), Err(Refusal::Unfit("is down".into())));
    assert_eq!(writer.give_to(place(9), &order(&[]), after(1)), Err(Refusal::Unfit("is not configured".into())));
    let change = writer.give_to(place(2), &order(&[]), after(1)).unwrap().unwrap();
    assert_eq!((change.to, change.epoch), (place(2), 2));
    assert_eq!(writer.give_to(place(2), &order(&[]), after(2)), Ok(None));
    assert_eq!((writer.judge(&order(&[]), after(100)), writer.deadline()), (None, None));
    writer.judge(&order(&[2]), after(101));
    assert_eq!(known(&writer), (3, 1));
    assert!(!writer.term().unwrap().by_hand);

    let mut other = Writer::new(None, START);
    other.judge(&order(&[]), START);
    assert_eq!(other.give_to(place(2), &order(&[]), after(1)), Err(Refusal::NotHolder));
}

#[test]
fn who_does_not_hold_the_vip_follows_later_decisions_and_makes_none() {
    let mut writer = Writer::new(None, START);
    writer.configure(Failback::After(Duration::ZERO));
    writer.judge(&order(&[]), START);
    assert_eq!(known(&writer), (0, 1), "what it would begin with");
    writer.judge(&order(&[1]), after(1));
    assert_eq!(known(&writer), (0, 2), "while nobody has decided");
    let change = writer.hear(&says(7, 3, true), ("c1", true), &order(&[1]), after(2)).unwrap();
    assert_eq!((change.to, change.epoch, change.why.as_str()), (place(3), 7, "as c1 says"));
    assert_eq!(writer.judge(&order(&[3]), after(3)), None, "it is not this host's to decide");
    assert_eq!(writer.hear(&says(6, 2, true), ("c1", true), &order(&[]), after(3)), None);
    assert_eq!(writer.hear(&says(7, 3, true), ("c1", true), &order(&[]), after(3)), None);
    assert_eq!(known(&writer), (7, 3));
    assert!(writer.hear(&says(7, 2, true), ("c3", false), &order(&[]), after(3)).is_some(), "the first in the order");
    assert!(writer.hear(&says(8, 2, false), ("c3", false), &order(&[]), after(3)).is_none());
    assert_eq!(known(&writer), (8, 2));
}

#[test]
fn the_next_holder_keeps_a_fit_writer_and_replaces_one_that_is_not() {
    let mut writer = Writer::new(None, START);
    writer.judge(&order(&[]), START);
    writer.hear(&says(7, 3, true), ("c1", true), &order(&[]), after(1));
    let mut other = writer.clone();
    writer.hold(true, after(2));
    assert_eq!(writer.judge(&order(&[]), after(2)), None);
    assert_eq!(known(&writer), (7, 3));
    other.hold(true, after(2));
    assert_eq!(other.judge(&order(&[3]), after(2)).map(|change| (change.to, change.epoch)), Some((place(1), 8)));
}

#[test]
fn a_new_holder_takes_in_what_it_had_missed() {
    let mut writer = holder(Failback::Never);
    assert!(writer.hear(&says(7, 3, false), ("c2", false), &order(&[]), after(1)).is_some());
    assert_eq!(known(&writer), (7, 3));
    let mut again = holder(Failback::Never);
    assert_eq!(again.hear(&says(7, 3, false), ("c2", false), &order(&[3]), after(1)), None, "but not an unfit one");
    assert_eq!(known(&again), (8, 1));
}

#[test]
fn a_holder_that_serves_keeps_its_writer_above_what_was_decided_elsewhere() {
    let mut writer = holder(Failback::Never);
    assert_eq!(writer.hear(&says(12, 3, true), ("c2", false), &order(&[]), after(10)), None);
    assert_eq!(known(&writer), (13, 1));
    assert_eq!(writer.hear(&says(15, 1, false), ("c2", false), &order(&[]), after(10)), None);
    assert_eq!(known(&writer), (15, 1), "the same one: nothing is to be told of");
}

#[test]
fn of_two_that_go_on_saying_that_they_hold_the_vip_the_first_decides() {
    let (mut writer, mut first) = (holder(Failback::Never), holder(Failback::Never));
    first.give_to(place(2), &order(&[]), after(9)).unwrap();
    for second in 10..60 {
        let now = after(second);
        let said = |writer: &Writer| Statement { term: writer.term().unwrap(), ..says(0, 1, true) };
        first.hear(&said(&writer), ("c2", false), &order(&[]), now);
        let change = writer.hear(&said(&first), ("c1", true), &order(&[]), now);
        assert_eq!(change.is_some(), second == 20, "{second}");
    }
    assert_eq!(known(&writer), known(&first));
}

#[test]
fn what_an_earlier_pivotd_left_is_kept_until_more_is_known() {
    let mut writer = Writer::new(Some(place(2)), START);
    writer.hold(true, START);
    assert_eq!(writer.judge(&order(&[]), START), None);
    assert_eq!(known(&writer), (1, 2));
    assert_eq!(writer.hear(&says(7, 2, false), ("c3", false), &order(&[]), after(1)), None);
    assert_eq!(known(&writer), (7, 2));
}

#[test]
fn a_writer_that_is_not_configured_any_more_is_replaced() {
    let mut writer = holder(Failback::Never);
    let change = writer.judge(&order(&[])[1..], after(1)).unwrap();
    assert_eq!((change.to, change.why.as_str()), (place(2), "10.0.0.1:3306 is not configured any more"));
}
