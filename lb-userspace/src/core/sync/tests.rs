//! Two hosts, a network that may lose or repeat, and time by hand.

use super::*;
use crate::core::config::model::Protocol;
use crate::core::sync::record::Subject;

const START: Now = Now(Duration::from_secs(1000));

fn address(host: u8) -> IpAddr {
    [10, 0, 0, host].into()
}

fn host(session: u64, others: &[u8]) -> FlowSync {
    let peers = others.iter().map(|host| (format!("c{host}"), address(*host))).collect();
    FlowSync::new(Key::new(b"of all hosts"), session, peers, Duration::ZERO, START)
}

fn after(millis: u64) -> Now {
    Now(START.0 + Duration::from_millis(millis))
}

fn record(port: u16) -> Record {
    Record {
        service: ([10, 0, 0, 100].into(), 80, Protocol::Tcp),
        subject: Subject::Flow(([192, 0, 2, 1], port).into()),
        backend: ([10, 0, 0, 1], 8080).into(),
        closing: false,
        left: Duration::from_secs(60),
    }
}

/// Carries datagrams from one to the other, and their answers back, until nobody has anything to say. What was said of
/// flows.
fn carry(mut outgoing: Vec<Outgoing>, from: (u8, &mut FlowSync), to: (u8, &mut FlowSync), now: Now) -> Vec<Record> {
    let (mut here, mut there) = (from, to);
    let mut said = Vec::new();
    while !outgoing.is_empty() {
        let mut answers = Vec::new();
        for (destination, datagram) in outgoing {
            assert_eq!(destination, address(there.0));
            let (records, answer) = there.1.receive(address(here.0), &datagram, now).unwrap();
            said.extend(records);
            answers.extend(answer);
        }
        outgoing = answers;
        std::mem::swap(&mut here, &mut there);
    }
    said
}

/// Two hosts that know each other.
fn pair() -> (FlowSync, FlowSync) {
    let (mut a, mut b) = (host(71, &[2]), host(72, &[1]));
    let hello = a.tick(START);
    assert_eq!(carry(hello, (1, &mut a), (2, &mut b), START), []);
    assert!(a.standings(START).all(|peer| peer.is_there()) && b.standings(START).all(|peer| peer.is_there()));
    (a, b)
}

#[test]
fn hosts_get_to_know_each_other_and_are_told_everything() {
    let (mut a, mut b) = pair();
    assert!(a.begins_round(START) && b.begins_round(START));
    assert!(!a.begins_round(START));
    let told = a.tell(&[record(1), record(2)]);
    assert_eq!(carry(told, (1, &mut a), (2, &mut b), START), [record(1), record(2)]);
    assert_eq!((a.counters.told, b.counters.heard, b.counters.ignored), (2, 2, 0));
}

#[test]
fn nobody_is_told_of_flows_who_was_not_heard() {
    let mut a = host(71, &[2, 3]);
    assert_eq!(a.tick(START).len(), 2);
    assert_eq!(a.tell(&[record(1)]), []);
    assert_eq!(a.tick(after(999)), []);
    assert_eq!(a.tick(after(1000)).len(), 2);
}

#[test]
fn a_message_that_is_repeated_or_changed_or_a_strangers_is_ignored() {
    let (mut a, mut b) = pair();
    let told = a.tell(&[record(1)]);
    assert_eq!(carry(told.clone(), (1, &mut a), (2, &mut b), START).len(), 1);
    let (_, datagram) = &told[0];
    assert_eq!(b.receive(address(1), datagram, START), Err(Ignored::Replayed));
    assert_eq!(b.receive(address(9), datagram, START), Err(Ignored::Stranger));
    let changed: Vec<u8> = datagram.iter().map(|byte| byte ^ 1).collect();
    assert_eq!(b.receive(address(1), &changed, START), Err(Ignored::Message(MessageError::Foreign)));
    assert_eq!(b.counters.ignored, 3);
}

#[test]
fn what_was_said_to_an_earlier_run_says_nothing_and_the_next_run_is_told_anew() {
    let (mut a, mut b) = pair();
    assert!(a.begins_round(START));
    let old = a.tell(&[record(1)]);
    let mut next = host(99, &[1]);
    // What a says to the earlier run is answered, so that a knows of the next one.
    let now = after(10);
    assert_eq!(carry(old.clone(), (1, &mut a), (2, &mut next), now), []);
    assert!(a.begins_round(now), "the next run knows nothing yet");
    let told = a.tell(&[record(1)]);
    assert_eq!(carry(told, (1, &mut a), (2, &mut next), now), [record(1)]);
    let (records, answer) = next.receive(address(1), &old[0].1, now).unwrap();
    assert_eq!((records, answer), (Vec::new(), None), "answered just now");
    let stale = b.tick(after(1000));
    assert_eq!(a.receive(address(2), &stale[0].1, after(1000)), Err(Ignored::Replayed));
}

#[test]
fn a_change_is_told_at_once_and_again_and_then_now_and_then() {
    let (mut a, _) = pair();
    assert!(a.begins_round(START));
    a.changed(after(100));
    let mut rounds = Vec::new();
    for millis in 100..17_000 {
        if a.begins_round(after(millis)) {
            rounds.push(millis);
        }
    }
    assert_eq!(rounds, [100, 1100, 6100, 11_100, 16_100]);
    let deadline = a.deadline();
    assert!(deadline <= after(17_000), "hellos are due: {deadline:?}");
}

#[test]
fn a_peer_that_falls_silent_is_seen() {
    let (a, _) = pair();
    assert!(a.standings(after(3999)).all(|peer| peer.is_there()));
    assert!(a.standings(after(4000)).all(|peer| !peer.is_there()));
}

#[test]
fn whoever_stays_in_the_configuration_stays_known() {
    let (mut a, _) = pair();
    a.configure(vec![("c3".to_owned(), address(3)), ("c2".to_owned(), address(2))], START);
    let there: Vec<(&str, bool)> = a.standings(START).map(|peer| (peer.name, peer.is_there())).collect();
    assert_eq!(there, [("c3", false), ("c2", true)]);
}

#[test]
fn many_records_take_many_messages() {
    let (mut a, mut b) = pair();
    let records: Vec<Record> = (0..1000).map(record).collect();
    let told = a.tell(&records);
    assert!(told.len() > 10 && told.iter().all(|(_, datagram)| datagram.len() <= message::LONGEST));
    assert_eq!(carry(told, (1, &mut a), (2, &mut b), START), records);
}

/// A pair in which each was told a first round.
fn told_pair() -> (FlowSync, FlowSync) {
    let (mut a, mut b) = pair();
    assert!(a.begins_round(START) && b.begins_round(START));
    let round = [a.tell(&[record(1)]), a.end_round()].concat();
    carry(round, (1, &mut a), (2, &mut b), START);
    let round = [b.tell(&[record(2)]), b.end_round()].concat();
    carry(round, (2, &mut b), (1, &mut a), START);
    assert_eq!(a.is_told_since(START, START), Ok(()));
    (a, b)
}

#[test]
fn whoever_asks_is_told_and_knows_by_the_end_that_it_was_all() {
    let (mut a, mut b) = told_pair();
    let now = after(1000);
    a.ask(now);
    assert_eq!(a.is_told_since(now, now), Err("c2"));
    assert!(!b.begins_round(now) && a.deadline() <= now);
    let asks = a.tick(now);
    assert_eq!(carry(asks, (1, &mut a), (2, &mut b), now), []);
    assert!(b.begins_round(now), "it was asked");
    let flows = b.tell(&[record(1), record(2)]);
    carry(flows, (2, &mut b), (1, &mut a), now);
    assert_eq!(a.is_told_since(now, now), Err("c2"), "there may be more");
    let end = b.end_round();
    carry(end, (2, &mut b), (1, &mut a), now);
    assert_eq!(a.is_told_since(now, now), Ok(()));
    assert_eq!(a.tick(after(1999)), [], "nobody is asked any more");
}

#[test]
fn a_round_of_which_something_was_lost_is_asked_for_again() {
    let (mut a, mut b) = told_pair();
    let now = after(100);
    a.ask(now);
    let asks = a.tick(now);
    carry(asks, (1, &mut a), (2, &mut b), now);
    assert!(b.begins_round(now));
    let lost = b.tell(&[record(1)]);
    assert_eq!(lost.len(), 1);
    let end = b.end_round();
    carry(end, (2, &mut b), (1, &mut a), now);
    assert_eq!(a.is_told_since(now, now), Err("c2"));
    assert_eq!(a.tick(after(349)), []);
    let now = after(350);
    let asks = a.tick(now);
    carry(asks, (1, &mut a), (2, &mut b), now);
    assert!(b.begins_round(now), "it was asked again");
    // Whoever asks while a round is under way is told its end first.
    let asks = a.tick(after(600));
    carry(asks, (1, &mut a), (2, &mut b), after(600));
    assert!(!b.begins_round(after(600)));
    let round = [b.tell(&[record(1)]), b.end_round()].concat();
    carry(round, (2, &mut b), (1, &mut a), after(600));
    assert_eq!(a.is_told_since(after(100), after(600)), Ok(()));
}

#[test]
fn who_is_not_there_is_not_waited_for_and_who_is_there_is() {
    let (mut a, mut b) = told_pair();
    let since = after(1000);
    a.ask(since);
    assert_eq!(a.is_told_since(since, after(2499)), Err("c2"));
    assert_eq!(a.is_told_since(since, after(2500)), Ok(()));
    let hello = b.tick(after(1400));
    carry(hello, (2, &mut b), (1, &mut a), after(1400));
    assert_eq!(a.is_told_since(since, after(5000)), Err("c2"), "it is there, and has told nothing");
}

const BEAT: Duration = Duration::from_millis(100);

/// A host that beats.
fn beating(session: u64, others: &[u8]) -> FlowSync {
    let peers = others.iter().map(|host| (format!("c{host}"), address(*host))).collect();
    FlowSync::new(Key::new(b"of all hosts"), session, peers, BEAT, START)
}

/// Two hosts speak with each other for a while, from one time to another; what the second one finds of the first.
fn speak(a: &mut FlowSync, b: &mut FlowSync, from: u64, to: u64, arrives: bool) -> Vec<(u64, Presence)> {
    let mut found = Vec::new();
    for millis in (from..to).step_by(10) {
        let now = after(millis);
        let (said, back) = (a.tick(now), b.tick(now));
        if arrives {
            carry(said, (1, a), (2, b), now);
            carry(back, (2, b), (1, a), now);
        }
        let _ = a.presence(true, now);
        found.extend(b.presence(true, now).into_iter().map(|presence| (millis, presence)));
    }
    found
}

#[test]
fn a_host_that_beats_is_missed_soon_after_its_last_message_and_heard_again() {
    let (mut a, mut b) = (beating(71, &[2]), beating(72, &[1]));
    let heard = Presence::Heard { host: "c1".to_owned() };
    let found = speak(&mut a, &mut b, 0, 3000, true);
    assert_eq!(found, [(0, heard.clone())], "and not missed while it is heard");
    let found = speak(&mut a, &mut b, 3000, 10_000, false);
    let [(missed, Presence::Silent(silent))] = &found[..] else { panic!("{found:?}") };
    assert!((3250..=3350).contains(missed), "{missed}");
    assert_eq!((silent.host.as_str(), silent.within, silent.alone), ("c1", 2 * BEAT, true));
    assert!(silent.silence >= Duration::from_millis(350) && silent.silence < Duration::from_millis(365));
    // Nobody beats into the void, so it takes up to a second.
    let found = speak(&mut a, &mut b, 10_000, 12_000, true);
    let [(again, Presence::Heard { .. })] = &found[..] else { panic!("{found:?}") };
    assert!(*again <= 11_010, "{again}");
}

#[test]
fn whoever_beats_is_told_to_others_as_often_as_that_and_to_strangers_once_in_a_second() {
    let (mut a, mut b) = (beating(71, &[2, 3]), beating(72, &[1]));
    carry(a.tick(START).into_iter().take(1).collect(), (1, &mut a), (2, &mut b), START);
    let said: Vec<usize> = (1..=10).map(|beat| a.tick(after(100 * beat)).len()).collect();
    assert_eq!(said, [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
}

#[test]
fn a_host_that_says_that_it_stops_is_not_missed_though_a_message_is_lost() {
    let (mut a, mut b) = (beating(71, &[2]), beating(72, &[1]));
    speak(&mut a, &mut b, 0, 1000, true);
    let bye = a.leave();
    assert_eq!(bye.len(), 2);
    carry(bye.into_iter().skip(1).collect(), (1, &mut a), (2, &mut b), after(1000));
    assert_eq!(speak(&mut a, &mut b, 1000, 9000, false), []);
    let mut next = beating(99, &[2]);
    speak(&mut next, &mut b, 9000, 10_000, true);
    let found = speak(&mut next, &mut b, 10_000, 11_000, false);
    assert!(matches!(found[..], [(_, Presence::Silent(_))]), "its next run is missed like any other: {found:?}");
}

#[test]
fn a_host_is_alone_when_it_hears_nobody() {
    let mut hosts = [beating(71, &[2, 3]), beating(72, &[1, 3]), beating(73, &[1, 2])];
    let mut found = Vec::new();
    for millis in (0..2000).step_by(10) {
        let now = after(millis);
        for from in 0..3_u8 {
            for (to, datagram) in hosts[usize::from(from)].tick(now) {
                let to = (1..=3).find(|host| address(*host) == to).unwrap();
                // From a second on, c1 is cut off.
                if millis < 1000 || (from != 0 && to != 1) {
                    let (_, answer) = hosts[usize::from(to) - 1].receive(address(from + 1), &datagram, now).unwrap();
                    if let Some((_, answer)) = answer {
                        let _ = hosts[usize::from(from)].receive(address(to), &answer, now).unwrap();
                    }
                }
            }
        }
        for (host, sync) in hosts.iter_mut().enumerate() {
            let silent = sync.presence(true, now).into_iter().filter_map(|presence| match presence {
                Presence::Silent(silent) => Some((host + 1, silent.host, silent.alone)),
                Presence::Heard { .. } => None,
            });
            found.extend(silent);
        }
    }
    found.sort();
    let expected = [(1, "c2", true), (1, "c3", true), (2, "c1", false), (3, "c1", false)];
    assert_eq!(found, expected.map(|(host, of, alone)| (host, of.to_owned(), alone)));
}

#[test]
fn one_that_does_not_beat_misses_nobody_and_is_not_missed() {
    let (mut a, mut b) = (host(71, &[2]), beating(72, &[1]));
    assert!(matches!(speak(&mut a, &mut b, 0, 1000, true)[..], [(0, Presence::Heard { .. })]));
    assert_eq!(speak(&mut a, &mut b, 1000, 9000, false), []);
    let (mut a, mut b) = (beating(71, &[2]), host(72, &[1]));
    assert_eq!(speak(&mut a, &mut b, 0, 1000, true), []);
    assert_eq!(speak(&mut a, &mut b, 1000, 9000, false), []);
}

#[test]
fn nobody_is_found_to_be_silent_while_messages_wait_to_be_read() {
    let (mut a, mut b) = (beating(71, &[2]), beating(72, &[1]));
    speak(&mut a, &mut b, 0, 1000, true);
    assert_eq!(speak(&mut a, &mut b, 1000, 1200, false), []);
    assert_eq!(b.presence(false, after(1350)), []);
    assert!(matches!(b.presence(true, after(1350))[..], [Presence::Silent(_)]));
    assert_eq!(b.presence(false, after(1450)), [], "it is silent still");
}
