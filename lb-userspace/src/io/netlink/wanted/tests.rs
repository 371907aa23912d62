//! The watch's decisions, at times of the tests' choice.

use rtnetlink::packet_route::neighbour::NeighbourCacheInfo;

use super::*;

const KEY: Key = Key { index: 3, address: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)) };
const MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
const OTHER_MAC: Mac = Mac([2, 0, 0, 0, 0, 3]);
const TICKS: u64 = 100;
const SECOND: Duration = Duration::from_secs(1);

fn message(state: NeighbourState) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = KEY.index;
    message.header.state = state;
    message.attributes.push(NeighbourAttribute::Destination(KEY.address.into()));
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(MAC.0.to_vec()));
    message
}

fn entry(state: NeighbourState) -> Entry {
    Entry::of(&message(state), TICKS)
}

fn wanted(now: Instant) -> Wanted {
    let mut wanted = Wanted::default();
    assert!(wanted.insert(KEY, now));
    wanted
}

fn neighbour(mac: Option<Mac>) -> Option<Neighbour> {
    Some(Neighbour { index: KEY.index, address: KEY.address, mac })
}

/// What the task does when the time of [`Wanted::next`] has come, if the kernel's entry is still `entry`.
fn look(wanted: &mut Wanted, entry: Entry, now: Instant) -> Option<Kick> {
    let key = wanted.take(now)?;
    wanted.update(key, entry, now);
    wanted.kick(key, now)
}

#[test]
fn a_mac_counts_while_the_kernel_would_use_it() {
    use NeighbourState::{Delay, Failed, Incomplete, Noarp, None, Permanent, Probe, Reachable, Stale};
    for state in [Reachable, Stale, Delay, Probe, Permanent, Noarp] {
        assert_eq!(entry(state).mac, Some(MAC), "{state}");
    }
    for state in [Failed, Incomplete, None] {
        assert_eq!(entry(state).mac, Option::None, "{state}");
    }
}

#[test]
fn the_kernels_times_are_read_in_its_ticks() {
    let mut message = message(NeighbourState::Reachable);
    let mut times = NeighbourCacheInfo::parse(&[0; 16]).unwrap();
    times.confirmed = 250;
    message.attributes.push(NeighbourAttribute::CacheInfo(times));
    assert_eq!(Entry::of(&message, 100).confirmed, Duration::from_millis(2500));
    assert_eq!(Entry::of(&message, 1000).confirmed, Duration::from_millis(250));
}

#[test]
fn only_a_change_of_the_mac_is_reported() {
    let now = Instant::now();
    let mut wanted = wanted(now);
    let mut update = |entry| wanted.update(KEY, entry, now);
    assert_eq!(update(entry(NeighbourState::Incomplete)), None);
    assert_eq!(update(entry(NeighbourState::Reachable)), neighbour(Some(MAC)));
    assert_eq!(update(entry(NeighbourState::Stale)), None);
    assert_eq!(update(Entry { mac: Some(OTHER_MAC), ..entry(NeighbourState::Stale) }), neighbour(Some(OTHER_MAC)));
}

#[test]
fn a_mac_holds_until_the_segment_was_asked_and_nobody_answered() {
    let now = Instant::now();
    for lost in [Entry::default(), entry(NeighbourState::Failed)] {
        let mut wanted = wanted(now);
        assert_eq!(wanted.update(KEY, entry(NeighbourState::Reachable), now), neighbour(Some(MAC)));
        assert_eq!(wanted.update(KEY, lost, now), None);
        assert_eq!(look(&mut wanted, lost, now), Some(Kick::Resolve));
        assert_eq!(wanted.update(KEY, entry(NeighbourState::Incomplete), now), None);
        assert_eq!(wanted.update(KEY, entry(NeighbourState::Failed), now), neighbour(None));
        assert_eq!(wanted.update(KEY, Entry::default(), now), None);
    }
}

#[test]
fn the_same_address_on_another_segment_is_not_reported() {
    let now = Instant::now();
    let elsewhere = Key { index: KEY.index + 1, ..KEY };
    assert_eq!(wanted(now).update(elsewhere, entry(NeighbourState::Reachable), now), None);
}

#[test]
fn an_unknown_address_is_resolved_at_once_and_a_dead_one_at_intervals() {
    let now = Instant::now();
    let mut wanted = wanted(now);
    assert_eq!(look(&mut wanted, Entry::default(), now), Some(Kick::Resolve));
    wanted.update(KEY, entry(NeighbourState::Incomplete), now);
    wanted.update(KEY, entry(NeighbourState::Failed), now + 3 * SECOND);
    assert_eq!(wanted.next(), Some(now + VERIFY));
    assert_eq!(look(&mut wanted, entry(NeighbourState::Failed), now + VERIFY), Some(Kick::Resolve));
}

#[test]
fn a_stale_entry_is_verified_at_once() {
    let now = Instant::now();
    let mut wanted = wanted(now);
    wanted.update(KEY, entry(NeighbourState::Reachable), now);
    let then = now + SECOND;
    wanted.update(KEY, entry(NeighbourState::Stale), then);
    assert_eq!(wanted.next(), Some(then));
    assert_eq!(look(&mut wanted, entry(NeighbourState::Stale), then), Some(Kick::Verify));
    assert_eq!(look(&mut wanted, entry(NeighbourState::Stale), then + SECOND), None, "twice in a second");
}

#[test]
fn an_entry_that_nothing_confirms_is_verified() {
    let now = Instant::now();
    let mut wanted = wanted(now);
    wanted.update(KEY, entry(NeighbourState::Reachable), now);
    assert_eq!(wanted.next(), Some(now + VERIFY));
    let long_ago = Entry { confirmed: VERIFY, ..entry(NeighbourState::Reachable) };
    assert_eq!(look(&mut wanted, long_ago, now + VERIFY), Some(Kick::Verify));
}

#[test]
fn an_entry_that_traffic_confirms_is_left_alone() {
    let now = Instant::now();
    let mut wanted = wanted(now);
    wanted.update(KEY, entry(NeighbourState::Reachable), now);
    let lately = Entry { confirmed: 2 * SECOND, ..entry(NeighbourState::Reachable) };
    let then = now + VERIFY;
    assert_eq!(look(&mut wanted, lately, then), None);
    assert_eq!(wanted.next(), Some(then + VERIFY - 2 * SECOND));
}

#[test]
fn a_neighbour_that_stops_answering_is_searched_for_at_once() {
    let now = Instant::now();
    let mut wanted = wanted(now);
    wanted.update(KEY, entry(NeighbourState::Stale), now);
    assert_eq!(look(&mut wanted, entry(NeighbourState::Stale), now), Some(Kick::Verify));
    wanted.update(KEY, entry(NeighbourState::Probe), now);
    let then = now + 3 * SECOND;
    wanted.update(KEY, entry(NeighbourState::Failed), then);
    assert_eq!(look(&mut wanted, entry(NeighbourState::Failed), then), Some(Kick::Resolve));
}

#[test]
fn what_the_kernel_is_at_already_is_not_kicked() {
    use NeighbourState::{Delay, Incomplete, Probe};
    let now = Instant::now();
    for state in [Incomplete, Delay, Probe] {
        assert_eq!(look(&mut wanted(now), entry(state), now), None, "{state}");
    }
}

#[test]
fn what_belongs_to_others_is_never_kicked() {
    let mut learned = message(NeighbourState::Stale);
    learned.header.flags = NeighbourFlags::ExtLearned;
    let mut managed = message(NeighbourState::Stale);
    managed.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
    let messages = [message(NeighbourState::Permanent), message(NeighbourState::Noarp), learned, managed];
    let now = Instant::now();
    for message in messages {
        let mut wanted = wanted(now);
        for n in 0..4 {
            assert_eq!(look(&mut wanted, Entry::of(&message, TICKS), now + n * VERIFY), None, "{message:?}");
        }
    }
}

#[test]
fn a_thousand_addresses_are_kicked_one_after_the_other_and_in_time() {
    let start = Instant::now();
    let mut wanted = Wanted::default();
    for n in 0..1000_u32 {
        wanted.insert(Key { index: 3, address: std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into() }, start);
    }
    let mut kicks: BTreeMap<Key, Vec<Instant>> = BTreeMap::new();
    let mut last: Option<Instant> = None;
    while let Some(now) = wanted.next().filter(|next| *next < start + 4 * VERIFY) {
        let key = wanted.take(now).unwrap();
        wanted.update(key, Entry::default(), now);
        assert_eq!(wanted.kick(key, now), Some(Kick::Resolve));
        assert!(last.is_none_or(|last| now - last >= GAP), "a burst");
        last = Some(now);
        kicks.entry(key).or_default().push(now);
    }
    assert_eq!(kicks.len(), 1000);
    for times in kicks.values() {
        assert_eq!(times.len(), 4);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == VERIFY));
    }
}

#[test]
fn a_forgotten_address_is_not_looked_at() {
    let now = Instant::now();
    let mut wanted = wanted(now);
    wanted.remove(KEY);
    assert_eq!(wanted.next(), None);
    assert_eq!(wanted.take(now), None);
}

#[test]
fn a_lasting_refusal_is_told_once() {
    let now = Instant::now();
    let mut wanted = wanted(now);
    assert!(wanted.first_refusal(KEY));
    wanted.update(KEY, Entry::default(), now);
    assert!(!wanted.first_refusal(KEY));
    wanted.update(KEY, entry(NeighbourState::Reachable), now);
    assert!(wanted.first_refusal(KEY));
}

#[test]
fn a_message_without_an_ip_address_is_about_nobody() {
    let mut message = message(NeighbourState::Reachable);
    message.attributes.clear();
    assert_eq!(Key::of(&message), None);
}
