//! pivot and keepalived elect one holder between them, whichever of them it is.
//!
//! Who holds the VIP is what a client hears when it asks for it on the segment; what pivot thinks has to agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::frame::NeighbourKind;
use pivot_tests::lab::wait_until;

use super::adverts::Adverts;
use super::dialect::{BETTER, Dialect, PATIENT, Rank, SECRET, V2, V3, V3_IPV6, WORSE};
use super::pair::{KEEPALIVED, PIVOT, Pair};

/// Makes a test of each dialect from functions of a [`Dialect`].
macro_rules! in_every_dialect {
    ($($name:ident),+ $(,)?) => { $(
        mod $name {
            use super::*;

            #[test]
            fn v2() {
                super::$name(V2);
            }

            #[test]
            fn v2_with_a_password() {
                super::$name(V2.with(SECRET));
            }

            #[test]
            fn v2_unicast() {
                super::$name(V2.unicast());
            }

            #[test]
            fn v2_unicast_with_a_password() {
                super::$name(V2.unicast().with(SECRET));
            }

            #[test]
            fn v3() {
                super::$name(V3);
            }

            #[test]
            fn v3_unicast() {
                super::$name(V3.unicast());
            }

            #[test]
            fn v3_ipv6() {
                super::$name(V3_IPV6);
            }

            #[test]
            fn v3_ipv6_unicast() {
                super::$name(V3_IPV6.unicast());
            }
        }
    )+ };
}

in_every_dialect!(
    keepalived_takes_over_from_a_killed_pivot_and_lets_it_come_back,
    pivot_takes_over_from_a_killed_keepalived_and_lets_it_come_back,
    a_pivot_that_stops_hands_over_at_once,
    a_keepalived_that_stops_hands_over_at_once,
    a_patient_pivot_leaves_a_worse_keepalived_alone,
    a_patient_keepalived_leaves_a_worse_pivot_alone,
);

fn keepalived_takes_over_from_a_killed_pivot_and_lets_it_come_back(dialect: Dialect) {
    let mut pair = Pair::pivot_first(dialect, BETTER, WORSE);
    let pivot = Adverts::of(&pair.lab, PIVOT);
    pivot.await_more(8);
    pair.await_holder(PIVOT);
    pair.pivot.kill9().unwrap();
    let silent = pivot.all().len();
    pair.await_answers(&[KEEPALIVED]);
    assert_eq!(pivot.all().len(), silent, "a pivot that was killed still speaks");
    pair.pivot.restart().unwrap();
    pair.await_holder(PIVOT);
}

fn pivot_takes_over_from_a_killed_keepalived_and_lets_it_come_back(dialect: Dialect) {
    let mut pair = Pair::keepalived_first(dialect, WORSE, BETTER);
    pair.await_holder(KEEPALIVED);
    pair.keepalived.kill9().unwrap();
    pair.keepalived.remove_vips().unwrap();
    pair.await_holder(PIVOT);
    pair.keepalived.restart().unwrap();
    pair.await_holder(KEEPALIVED);
}

fn a_pivot_that_stops_hands_over_at_once(dialect: Dialect) {
    let mut pair = Pair::pivot_first(dialect, BETTER, WORSE);
    let [pivot, keepalived] = [PIVOT, KEEPALIVED].map(|host| Adverts::of(&pair.lab, host));
    pivot.await_more(4);
    pair.pivot.stop().unwrap();
    pair.await_answers(&[KEEPALIVED]);
    assert_handed_over(dialect, &pivot, &keepalived);
    pair.pivot.restart().unwrap();
    pair.await_holder(PIVOT);
}

fn a_keepalived_that_stops_hands_over_at_once(dialect: Dialect) {
    let mut pair = Pair::keepalived_first(dialect, WORSE, BETTER);
    let [pivot, keepalived] = [PIVOT, KEEPALIVED].map(|host| Adverts::of(&pair.lab, host));
    pair.await_holder(KEEPALIVED);
    keepalived.await_more(1);
    pair.keepalived.stop().unwrap();
    pair.await_holder(PIVOT);
    assert_handed_over(dialect, &keepalived, &pivot);
    pair.keepalived.restart().unwrap();
    pair.await_holder(KEEPALIVED);
}

/// One has resigned, and the other one spoke up in less than half the time that it takes to find out by itself.
fn assert_handed_over(dialect: Dialect, from: &Adverts, to: &Adverts) {
    let resigned = from.all().into_iter().find(|said| said.priority() == Some(0));
    let resigned = resigned.unwrap_or_else(|| panic!("nobody resigned: {:?}", from.priorities()));
    let successor = to.all().into_iter().find(|said| said.at > resigned.at).unwrap();
    let took = successor.at - resigned.at;
    println!("{dialect:?}: {took:?} from the resignation to the successor's first message");
    assert!(took < dialect.advert() * 3 / 2, "{took:?} from the resignation to the successor's first message");
}

fn a_patient_pivot_leaves_a_worse_keepalived_alone(dialect: Dialect) {
    let mut pair = Pair::keepalived_first(dialect, PATIENT, WORSE);
    let [pivot, keepalived] = [PIVOT, KEEPALIVED].map(|host| Adverts::of(&pair.lab, host));
    pair.await_known_holder(KEEPALIVED);
    keepalived.await_more(8);
    assert!(pivot.all().is_empty(), "it has claimed the VIP: {:?}", pivot.priorities());
    pair.keepalived.kill9().unwrap();
    pair.keepalived.remove_vips().unwrap();
    pair.await_holder(PIVOT);
}

fn a_patient_keepalived_leaves_a_worse_pivot_alone(dialect: Dialect) {
    let mut pair = Pair::pivot_first(dialect, WORSE, PATIENT);
    let [pivot, keepalived] = [PIVOT, KEEPALIVED].map(|host| Adverts::of(&pair.lab, host));
    pivot.await_more(8);
    pair.await_holder(PIVOT);
    assert!(keepalived.all().is_empty(), "it has claimed the VIP: {:?}", keepalived.priorities());
    pair.pivot.kill9().unwrap();
    pair.await_answers(&[KEEPALIVED]);
}

/// While nothing gets through between them both hold the VIP, as with any VRRP; afterwards the better one does. If that is
/// pivot, clients that believed keepalived are told: at once if it spoke last, and else with the next announcement, as it
/// steps down without a word.
fn a_cut_ends_with_one_holder(dialect: Dialect, ranks: [Rank; 2], better: &str) {
    let pair = Pair::pivot_first(dialect, ranks[0], ranks[1]);
    pair.await_holder(better);
    pair.lab.set_cut(&[PIVOT, KEEPALIVED], true).unwrap();
    pair.await_answers(&[PIVOT, KEEPALIVED]);
    pair.lab.set_cut(&[PIVOT, KEEPALIVED], false).unwrap();
    pair.await_holder(better);
    if better == PIVOT {
        await_announcement(&pair, PIVOT);
    }
}

/// Waits until a client hears a host announce the VIP.
fn await_announcement(pair: &Pair, host: &str) {
    let (client, mac) = (pair.lab.node("client"), pair.lab.node(host).mac);
    let (vip, heard) = (pair.dialect.family.vip(), Arc::<AtomicBool>::default());
    let hears = Arc::clone(&heard);
    let _capture = Capture::start(client.netns(), client.interface, move |frame| {
        let word = frame.neighbour().filter(|word| word.kind == NeighbourKind::Announcement);
        hears.fetch_or(word.is_some_and(|word| word.target == vip && word.mac == mac), Ordering::Relaxed)
    })
    .unwrap();
    wait_until(Duration::from_secs(10), &format!("{host} to announce {vip}"), || {
        if heard.load(Ordering::Relaxed) { Ok(()) } else { Err("silence") }
    })
    .unwrap();
}

#[test]
fn after_a_cut_a_better_pivot_holds_on_and_is_announced() {
    a_cut_ends_with_one_holder(V3, [BETTER, WORSE], PIVOT);
}

#[test]
fn after_a_cut_a_better_pivot_holds_on_and_is_announced_over_ipv6() {
    a_cut_ends_with_one_holder(V3_IPV6, [BETTER, WORSE], PIVOT);
}

#[test]
fn after_a_cut_a_worse_pivot_makes_way() {
    a_cut_ends_with_one_holder(V3, [WORSE, BETTER], KEEPALIVED);
}

#[test]
fn after_a_cut_a_worse_pivot_makes_way_over_ipv6() {
    a_cut_ends_with_one_holder(V3_IPV6, [WORSE, BETTER], KEEPALIVED);
}

/// Routers whose passwords differ do not hear each other: both hold the VIP, and pivot says why.
fn strangers(pivot: Dialect, keepalived: Dialect) {
    let mut pair = Pair::pivot_first(pivot, BETTER, WORSE);
    let host = pair.lab.node(KEEPALIVED).clone();
    pair.keepalived.stop().unwrap();
    let adverts = Adverts::of(&pair.lab, KEEPALIVED);
    pair.keepalived = host.keepalived(keepalived.keepalived(&pair.lab, &host, WORSE)).unwrap();
    pair.await_answers(&[PIVOT, KEEPALIVED]);
    // What it cannot believe makes keepalived put off its own next message: it may say no more than that it took over.
    Adverts::of(&pair.lab, PIVOT).await_more(4);
    assert!(pair.pivot.status().unwrap().vips[0].held);
    pair.keepalived.stop().unwrap();
    pair.await_answers(&[PIVOT]);
    let said = adverts.priorities();
    assert!(said.len() >= 2 && said.ends_with(&[0]), "keepalived said {said:?}");
    let log = pair.pivot.whole_log();
    let ignored = format!("from {} is ignored: its password is not this host's", host.address_in(pivot.family));
    assert_eq!(log.matches(&ignored).count(), 1, "{log}");
}

#[test]
fn a_keepalived_with_another_password_is_not_heard() {
    strangers(V2.with(SECRET), V2.with("another"));
}

#[test]
fn a_keepalived_without_a_password_is_not_heard() {
    strangers(V2.unicast().with(SECRET), V2.unicast());
}

#[test]
fn a_keepalived_with_a_password_is_not_heard_where_none_is_wanted() {
    strangers(V2, V2.with(SECRET));
}
