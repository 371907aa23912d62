//! VIPs that other hosts hold: what becomes of packets for them, and that none of them goes round in circles.

use super::*;
use BackendState::Up;
use lb_common::path::run::Exit;
use lb_common::wire::controllers::{LINES, PLACES, lines_of};
use lb_common::wire::vip::{Belief, speaker};

const CLIENT: Mac = Mac([2, 0, 0, 0, 0, 9]);
const HOLDER: Mac = Mac([2, 0, 0, 0, 7, 1]);
const THIRD: Mac = Mac([2, 0, 0, 0, 7, 2]);
const SECOND: Mac = Mac([2, 0, 0, 0, 0, 2]);

/// An image whose VIP another host holds, by this interface if it is known.
fn held_elsewhere(interface: Option<&str>, controllers: &[Mac]) -> Image {
    let mut image = image(vec![service(80, &[(1, Up)])]);
    image.vips[0].hold = Hold::No;
    image.vips[0].holder = interface.map(|interface| NextHop { interface: interface.to_owned(), mac: HOLDER });
    image.controllers = controllers.iter().copied().collect();
    image
}

/// What becomes of a segment from a MAC that comes in by an interface, and the MACs that it has then: destination, source.
fn meets(writer: &Writer, from: Mac, interface: u32) -> (Exit, [Mac; 2]) {
    let mut frame = segment(1, 1, 80, SYN);
    let own = writer.memory().links.get(interface as usize).unwrap().port.get();
    frame.0[..6].copy_from_slice(&own.to_le_bytes()[..6]);
    frame.0[6..12].copy_from_slice(&from.0);
    let exit = run::run(&mut frame, writer.memory(), interface);
    (exit, [0, 6].map(|at| Mac(std::array::from_fn(|i| frame.0[at + i]))))
}

fn verdict(writer: &Writer, from: Mac) -> Verdict {
    meets(writer, from, INTERFACE).0.verdict
}

#[test]
fn what_a_client_sends_goes_to_the_holder_and_what_a_controller_sends_is_delivered() {
    let mut writer = writer(8, 16);
    writer.apply(&held_elsewhere(Some("eth0"), &[THIRD])).unwrap();
    assert_eq!(meets(&writer, CLIENT, INTERFACE), (Exit::from(Verdict::PassedOn), [HOLDER, OWN]));
    assert_eq!(verdict(&writer, THIRD), Verdict::NotHeld);
    assert_eq!(verdict(&writer, HOLDER), Verdict::NotHeld, "a director is a controller, known as one or not");
    assert_eq!(writer.memory().verdict_packets(Verdict::PassedOn), 1);
}

#[test]
fn while_nobody_knows_the_holder_clients_get_nothing() {
    let mut writer = writer(8, 16);
    writer.apply(&held_elsewhere(None, &[THIRD])).unwrap();
    assert_eq!(verdict(&writer, CLIENT), Verdict::HolderUnknown);
    assert_eq!(verdict(&writer, Mac([0; 6])), Verdict::HolderUnknown, "no place of the table is a MAC of zeros");
    assert_eq!(verdict(&writer, THIRD), Verdict::NotHeld);
    writer.apply(&held_elsewhere(Some("eth0"), &[])).unwrap();
    assert_eq!([CLIENT, THIRD].map(|from| verdict(&writer, from)), [Verdict::PassedOn; 2]);
    writer.apply(&held_elsewhere(None, &[])).unwrap();
    assert_eq!([CLIENT, THIRD].map(|from| verdict(&writer, from)), [Verdict::HolderUnknown; 2]);
}

#[test]
fn a_lease_that_ran_out_makes_no_difference_and_one_that_runs_makes_all() {
    let mut writer = writer(8, 16);
    let mut image = held_elsewhere(Some("eth0"), &[]);
    image.vips[0].hold = Hold::Elected;
    writer.apply(&image).unwrap();
    let (now, lease) = (writer.memory().now.get(), |writer: &Writer, until| {
        writer.memory().vips.get(0).unwrap().lease.set(until);
    });
    lease(&writer, now);
    assert_eq!(verdict(&writer, CLIENT), Verdict::PassedOn);
    lease(&writer, now + 1);
    assert_eq!(verdict(&writer, CLIENT), Verdict::Forwarded);
}

#[test]
fn an_elected_holder_is_gone_by_while_it_is_the_one_that_was_heard() {
    let mut writer = writer(8, 16);
    let now = writer.memory().now.get();
    let [first, second]: [IpAddr; 2] = [[10, 0, 0, 12], [10, 0, 0, 13]].map(IpAddr::from);
    let by = |from| {
        let mut image = held_elsewhere(Some("eth0"), &[THIRD]);
        (image.vips[0].hold, image.vips[0].speaker) = (Hold::Elected, Some(from));
        image
    };
    let hears = |writer: &Writer, from: IpAddr, until| {
        let belief = Belief { speaker: speaker(from.into()), until };
        writer.memory().vips.get(0).unwrap().belief.set(belief.pack());
    };
    writer.apply(&by(first)).unwrap();
    assert_eq!(verdict(&writer, CLIENT), Verdict::HolderUnknown);
    hears(&writer, first, now + 1);
    assert_eq!([CLIENT, THIRD].map(|from| verdict(&writer, from)), [Verdict::PassedOn, Verdict::NotHeld]);
    // The election knows of the next one before the tables do.
    hears(&writer, second, now + 1);
    assert_eq!(verdict(&writer, CLIENT), Verdict::HolderUnknown);
    writer.apply(&by(second)).unwrap();
    assert_eq!(verdict(&writer, CLIENT), Verdict::PassedOn);
    hears(&writer, second, now);
    assert_eq!(verdict(&writer, CLIENT), Verdict::HolderUnknown);
    writer.apply(&held_elsewhere(Some("eth0"), &[])).unwrap();
    assert_eq!(verdict(&writer, CLIENT), Verdict::PassedOn, "one that is configured has no lease");
}

#[test]
fn the_holder_may_be_behind_another_interface_and_what_comes_in_by_that_is_delivered() {
    let mut writer = writer(8, 16);
    writer.set_link("eth1", 3, SECOND, None).unwrap();
    writer.apply(&held_elsewhere(Some("eth1"), &[])).unwrap();
    let beyond = Exit { verdict: Verdict::PassedOnBeyond, port: 1 };
    assert_eq!(meets(&writer, CLIENT, INTERFACE), (beyond, [HOLDER, SECOND]));
    assert_eq!(meets(&writer, CLIENT, 3).0.verdict, Verdict::NotHeld, "clients find the VIP on the other segment");
}

#[test]
fn interfaces_that_get_ports_later_are_taken_in_then() {
    let mut writer = Writer::new(TableMemory::heap(&sizes(8, 16), CLOCK), CLOCK, Box::new(|| Ok(())));
    writer.apply(&held_elsewhere(Some("eth1"), &[])).unwrap();
    writer.set_link("eth0", INTERFACE, OWN, None).unwrap();
    assert_eq!(verdict(&writer, CLIENT), Verdict::HolderUnknown);
    writer.set_link("eth1", 3, SECOND, None).unwrap();
    assert_eq!(verdict(&writer, CLIENT), Verdict::PassedOnBeyond);
    writer.remove_link(3);
    assert_eq!(writer.set_link("eth2", 4, OWN, None), Ok(2), "what is passed on must not leave by another one");
}

#[test]
fn a_successor_takes_over_where_vips_are_and_who_the_controllers_are() {
    let mut writer = writer(8, 16);
    writer.set_link("eth1", 3, SECOND, None).unwrap();
    let mut image = held_elsewhere(Some("eth1"), &[THIRD, CLIENT]);
    image.vips[0].speaker = Some([10, 0, 0, 12].into());
    writer.apply(&image).unwrap();
    let before = snapshot(&writer.memory);
    let (mut adopted, _) = Writer::adopt(writer.memory, CLOCK, Box::new(|| Ok(())));
    assert_eq!(adopted.controllers(), image.controllers);
    // Its interfaces are not known yet.
    adopted.apply(&image).unwrap();
    assert_eq!(snapshot(&adopted.memory), before);
    adopted.set_link("eth1", 3, SECOND, None).unwrap();
    adopted.set_link("eth0", INTERFACE, OWN, None).unwrap();
    adopted.apply(&image).unwrap();
    assert_eq!(snapshot(&adopted.memory), before);
}

#[test]
fn what_is_not_where_it_belongs_in_the_table_of_controllers_is_cleared() {
    let writer = writer(8, 16);
    let mac = mac48(THIRD.0);
    let [first, second] = lines_of(mac);
    assert_ne!(first, second);
    let stray = (0..LINES).find(|line| ![first, second].contains(line)).unwrap();
    let place =
        |memory: &TableMemory, line: u32, place: usize| memory.controllers.get(line as usize).unwrap().0[place].get();
    for line in [first, second, stray] {
        writer.memory.controllers.get(line as usize).unwrap().0[3].set(mac);
    }
    let (mut adopted, _) = successor(writer.memory);
    assert_eq!(adopted.controllers(), BTreeSet::from([THIRD]));
    adopted.apply(&held_elsewhere(None, &[THIRD])).unwrap();
    let left = [first, second, stray].map(|line| place(&adopted.memory, line, 3) == mac);
    assert_eq!(left.iter().filter(|left| **left).count(), 1);
    assert!(!left[2]);
}

#[test]
fn a_vip_that_goes_leaves_nothing_to_its_successor() {
    let mut writer = writer(8, 16);
    let mut image = held_elsewhere(Some("eth0"), &[]);
    image.vips[0].speaker = Some([10, 0, 0, 12].into());
    writer.apply(&image).unwrap();
    writer.apply(&Image::default()).unwrap();
    assert!(writer.memory.vips.iter().all(|vip| vip.elsewhere.get() == 0 && vip.speaker.get() == 0));
}

#[test]
fn controllers_that_stay_are_not_moved_and_too_many_are_refused_by_number() {
    let mac = |number: u32| {
        let [a, b, c, d] = number.to_be_bytes();
        Mac([2, 1, a, b, c, d])
    };
    let of = |numbers: std::ops::Range<u32>| {
        let mut image = held_elsewhere(None, &[]);
        image.controllers = numbers.map(mac).collect();
        image
    };
    let mut writer = writer(8, 16);
    for numbers in [0..200, 50..250, 200..300] {
        writer.apply(&of(numbers.clone())).unwrap();
        assert_eq!(writer.controllers(), numbers.clone().map(mac).collect());
        let delivered = |number: &u32| verdict(&writer, mac(*number)) == Verdict::NotHeld;
        assert_eq!((0..400).filter(delivered).collect::<Vec<_>>(), numbers.collect::<Vec<_>>());
    }
    let before = snapshot(&writer.memory);
    let many = LINES * PLACES as u32 + 1;
    let error = writer.apply(&of(0..many)).unwrap_err();
    assert!(error.to_string().starts_with("513 MACs of other hosts do not fit into a table of 512"), "{error}");
    assert_eq!(snapshot(&writer.memory), before);
}

/// Hosts of one cluster, each with a backend of the service. What each believes is any of what it may.
struct Hosts(Vec<Writer>);

impl Hosts {
    const COUNT: u8 = 3;

    fn mac(host: u8) -> Mac {
        Mac([2, 0, 0, 0, 3, host])
    }

    /// `beliefs`: whether each of them holds the VIP, and who it thinks does.
    fn new(beliefs: &[(bool, Option<u8>)]) -> Self {
        let host = |(own, (holds, holder)): (u8, &(bool, Option<u8>))| {
            let mut writer = Writer::new(TableMemory::heap(&sizes(2, 8), CLOCK), CLOCK, Box::new(|| Ok(())));
            writer.set_link("eth0", INTERFACE, Self::mac(own), None).unwrap();
            let next_hop = |host| NextHop { interface: "eth0".to_owned(), mac: Self::mac(host) };
            let backend = |host| BackendImage {
                local: host == own,
                next_hop: (host != own).then(|| next_hop(host)),
                ..backend(80, host + 1, Up)
            };
            let mut image = image(vec![service_on(1, 80, (0..Self::COUNT).map(backend).collect())]);
            image.vips[0].hold = Hold::from(*holds);
            image.vips[0].holder = holder.map(next_hop);
            image.controllers = (0..Self::COUNT).filter(|host| *host != own).map(Self::mac).collect();
            writer.apply(&image).unwrap();
            writer
        };
        Self((0..).zip(beliefs).map(host).collect())
    }

    /// The verdicts that a client's segment meets from host to host, the first of which it is sent to.
    fn journey(&self, client: u16, first: u8) -> Vec<Verdict> {
        let mut frame = segment(client, 1, 80, SYN);
        frame.0[..6].copy_from_slice(&Self::mac(first).0);
        let (mut at, mut verdicts) = (first, Vec::new());
        while verdicts.len() < 10 {
            let verdict = run::run(&mut frame, self.0[usize::from(at)].memory(), INTERFACE).verdict;
            verdicts.push(verdict);
            match verdict {
                Verdict::PassedOn | Verdict::Forwarded => at = frame.0[5],
                _ => break,
            }
        }
        verdicts
    }
}

#[test]
fn two_hosts_that_take_each_other_for_the_holder_send_nothing_back_and_forth() {
    let hosts = Hosts::new(&[(false, Some(1)), (false, Some(0)), (false, None)]);
    assert_eq!(hosts.journey(1, 0), [Verdict::PassedOn, Verdict::NotHeld]);
    assert_eq!(hosts.journey(1, 1), [Verdict::PassedOn, Verdict::NotHeld]);
    assert_eq!(hosts.journey(1, 2), [Verdict::HolderUnknown]);
}

#[test]
fn whatever_hosts_believe_a_frame_is_passed_on_once_at_most_and_its_journey_ends() {
    let beliefs = |own: u8| {
        let holders = [None].into_iter().chain((0..Hosts::COUNT).filter(move |host| *host != own).map(Some));
        holders.flat_map(|holder| [(false, holder), (true, holder)])
    };
    for (a, b, c) in beliefs(0).flat_map(|a| beliefs(1).flat_map(move |b| beliefs(2).map(move |c| (a, b, c)))) {
        let hosts = Hosts::new(&[a, b, c]);
        for (client, first) in (1..4).flat_map(|client| (0..Hosts::COUNT).map(move |first| (client, first))) {
            let verdicts = hosts.journey(client, first);
            let passed = verdicts.iter().filter(|verdict| **verdict == Verdict::PassedOn).count();
            // On to the holder, to the backend, and up.
            assert!(passed <= 1 && verdicts.len() <= 3, "{verdicts:?} of {a:?}, {b:?}, {c:?}");
            let [.., last] = verdicts[..] else { panic!("no verdict") };
            let ends = [Verdict::Local, Verdict::NotHeld, Verdict::HolderUnknown];
            assert!(ends.contains(&last), "{verdicts:?} of {a:?}, {b:?}, {c:?}");
        }
    }
}
