//! What becomes of flows while images come and go.

use super::*;
use crate::tables::memory::{BackendTotals, ServiceTotals};
use BackendState::{Down, Drain, Up};

/// Opens flows and returns the backend of each.
fn open(writer: &Writer, clients: std::ops::Range<u16>, port: u16) -> Vec<u8> {
    clients.map(|client| forwarded(writer, client, port, SYN)).collect()
}

#[test]
fn a_table_deals_each_slot_to_the_backend_that_the_image_says() {
    // A backend that is down when its service is new, in every position.
    for down in 1..=3 {
        let mut writer = writer(8, 16);
        let states = [1, 2, 3].map(|number| (number, if number == down { Down } else { Up }));
        writer.apply(&image(vec![service(80, &states)])).unwrap();
        let mut seen = open(&writer, 1..400, 80);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [1, 2, 3].into_iter().filter(|number| *number != down).collect::<Vec<_>>());
    }
}

#[test]
fn the_local_backend_is_found_beside_one_that_is_down() {
    let mut writer = writer(8, 16);
    let mut backends = [(1, Down), (2, Up), (3, Up)].map(|(number, state)| backend(80, number, state));
    backends[2].local = true;
    writer.apply(&image(vec![service_on(1, 80, backends.to_vec())])).unwrap();
    let local = writer.backend_index(0, SocketAddr::new(Ipv4Addr::new(10, 0, 0, 3).into(), 80));
    let record = writer.memory().services.get(0).unwrap();
    assert_eq!(lb_common::wire::service::Local::unpack(record.local.get()).index(), local);
}

#[test]
fn flows_keep_their_backend_while_others_are_added_and_removed() {
    let mut writer = writer(8, 16);
    writer.apply(&image(vec![service(80, &[(1, Up), (2, Up), (3, Up)])])).unwrap();
    let before = open(&writer, 1..300, 80);
    let images: [&[(u8, BackendState)]; 4] =
        [&[(1, Up), (2, Up), (3, Up), (4, Up), (5, Up)], &[(5, Up), (3, Up), (2, Up)], &[(2, Up)], &[(6, Up), (7, Up)]];
    for backends in images {
        writer.apply(&image(vec![service(80, backends)])).unwrap();
        for (client, before) in (1..).zip(&before) {
            assert_eq!(forwarded(&writer, client, 80, ACK), *before, "{backends:?}");
        }
        let allowed: Vec<u8> = backends.iter().map(|(number, _)| *number).collect();
        assert!(open(&writer, 1000..1300, 80).iter().all(|number| allowed.contains(number)), "{backends:?}");
    }
}

#[test]
fn a_backend_that_goes_down_and_comes_back_loses_only_its_own_flows() {
    let mut writer = writer(8, 16);
    let up = image(vec![service(80, &[(1, Up), (2, Up)])]);
    writer.apply(&up).unwrap();
    let before = open(&writer, 1..100, 80);
    writer.apply(&image(vec![service(80, &[(1, Down), (2, Up)])])).unwrap();
    for (client, before) in (1..).zip(&before) {
        let (verdict, _) = send(writer.memory(), client, 1, 80, ACK);
        assert_eq!(verdict, if *before == 1 { Verdict::ResetBackendDown } else { Verdict::Forwarded });
    }
    assert!(open(&writer, 1000..1100, 80).iter().all(|number| *number == 2));
    writer.apply(&up).unwrap();
    assert!(open(&writer, 2000..2100, 80).contains(&1));
}

#[test]
fn a_drained_backend_keeps_its_flows_and_gets_no_new_ones() {
    let mut writer = writer(8, 16);
    writer.apply(&image(vec![service(80, &[(1, Up), (2, Up)])])).unwrap();
    let before = open(&writer, 1..100, 80);
    writer.apply(&image(vec![service(80, &[(1, Drain), (2, Up)])])).unwrap();
    let after: Vec<u8> = (1..100).map(|client| forwarded(&writer, client, 80, ACK)).collect();
    assert_eq!(before, after);
    assert!(open(&writer, 1000..1100, 80).iter().all(|number| *number == 2));
}

#[test]
fn a_service_without_a_healthy_backend_resets_and_recovers() {
    let mut writer = writer(8, 16);
    writer.apply(&image(vec![service(80, &[(1, Up)])])).unwrap();
    writer.apply(&image(vec![service(80, &[(1, Down)])])).unwrap();
    assert_eq!(send(writer.memory(), 5, 1, 80, SYN).0, Verdict::ResetNoBackend);
    writer.apply(&image(vec![service(80, &[(1, Up)])])).unwrap();
    assert_eq!(forwarded(&writer, 5, 80, SYN), 1);
}

#[test]
fn a_removed_backend_that_is_added_again_is_the_same_to_its_flows() {
    let mut writer = writer(8, 16);
    writer.apply(&image(vec![service(80, &[(1, Up), (2, Up)])])).unwrap();
    let before = open(&writer, 1..100, 80);
    writer.apply(&image(vec![service(80, &[(2, Up)])])).unwrap();
    writer.apply(&image(vec![service(80, &[(1, Up), (2, Up)])])).unwrap();
    let after: Vec<u8> = (1..100).map(|client| forwarded(&writer, client, 80, ACK)).collect();
    assert_eq!(before, after);
    // Other backends could have had its record since, if it were still taken for one that has left.
    assert!(writer.books.leaving.is_empty());
}

#[test]
fn a_record_that_is_used_again_never_gets_its_predecessors_flows() {
    // Room for two: a third takes the record of the one that has left.
    let mut writer = writer(8, 2);
    writer.apply(&image(vec![service(80, &[(1, Up), (2, Up)])])).unwrap();
    let before = open(&writer, 1..100, 80);
    assert!(writer.memory().backend_totals(0).packets() > 0);
    let counted = |writer: &Writer| (writer.service_totals(0), writer.memory().verdict_packets(Verdict::Forwarded));
    let counts = counted(&writer);
    writer.apply(&image(vec![service(80, &[(2, Up)])])).unwrap();
    writer.apply(&image(vec![service(80, &[(2, Up), (3, Drain)])])).unwrap();
    assert_eq!(writer.memory().backend_totals(0), BackendTotals::default(), "counts of the predecessor");
    assert_eq!(counted(&writer), counts, "what it counted for others stays");
    assert!(before.contains(&1));
    for client in 1..100 {
        assert_eq!(forwarded(&writer, client, 80, ACK), 2, "backend 3 takes no flow of backend 1");
    }
}

#[test]
fn a_service_that_takes_anothers_record_gets_none_of_its_flows() {
    let mut writer = writer(8, 16);
    writer.apply(&image(vec![service(80, &[(1, Up)])])).unwrap();
    open(&writer, 1..100, 80);
    writer.apply(&image(vec![])).unwrap();
    assert_eq!(send(writer.memory(), 1, 1, 80, ACK).0, Verdict::NotService);
    writer.apply(&image(vec![service(81, &[(2, Up), (3, Up)])])).unwrap();
    assert_eq!(writer.service_index(&endpoint(81)), Some(0), "the record is used again");
    assert_eq!(writer.service_totals(0), ServiceTotals::default());
    for client in 1..100 {
        assert!([2, 3].contains(&forwarded(&writer, client, 81, ACK)));
    }
}

#[test]
fn backends_that_left_first_make_room_first() {
    let mut writer = writer(8, 4);
    let states = |numbers: &[u8]| image(vec![service(80, &numbers.iter().map(|n| (*n, Up)).collect::<Vec<_>>())]);
    for numbers in [&[1_u8, 2, 3][..], &[2, 3], &[3], &[3, 4], &[3, 4, 5]] {
        writer.apply(&states(numbers)).unwrap();
    }
    let bound = |number| SocketAddr::new(Ipv4Addr::new(10, 0, 0, number).into(), 80);
    assert_eq!(writer.backend_index(0, bound(1)), None, "gone: its record was needed");
    assert!(writer.backend_index(0, bound(2)).is_some(), "left later");
}

#[test]
fn a_mac_that_is_not_known_yet_does_not_erase_the_one_that_is() {
    let mut writer = writer(8, 16);
    let known = image(vec![service(80, &[(1, Up)])]);
    writer.apply(&known).unwrap();
    let mut unknown = known;
    unknown.services[0].backends[0].next_hop = None;
    writer.apply(&unknown).unwrap();
    assert_eq!(forwarded(&writer, 1, 80, SYN), 1);
}

#[test]
fn a_vip_that_is_given_up_is_not_served_and_one_that_is_won_is() {
    let mut writer = writer(8, 16);
    let mut image = image(vec![service(80, &[(1, Up)])]);
    image.vips[0].hold = Hold::No;
    writer.apply(&image).unwrap();
    assert_eq!(send(writer.memory(), 1, 1, 80, SYN).0, Verdict::HolderUnknown);
    image.vips[0].hold = Hold::Yes;
    writer.apply(&image).unwrap();
    assert_eq!(forwarded(&writer, 1, 80, SYN), 1);
    image.vips[0].hold = Hold::No;
    writer.apply(&image).unwrap();
    assert_eq!(send(writer.memory(), 1, 1, 80, ACK).0, Verdict::HolderUnknown);
}
