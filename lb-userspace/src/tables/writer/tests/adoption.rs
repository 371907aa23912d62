//! Taking over tables that an earlier daemon wrote.

use super::*;
use BackendState::{Down, Drain, Up};
use lb_common::wire::backend::Backend;

fn written() -> (Writer, Image) {
    let mut writer = writer(8, 16);
    writer.apply(&image(vec![service(80, &[(1, Up), (2, Up), (3, Up)])])).unwrap();
    let image = image(vec![service(80, &[(1, Up), (2, Drain), (4, Down)]), service(81, &[(1, Up)]), service(82, &[])]);
    writer.apply(&image).unwrap();
    (writer, image)
}

#[test]
fn adopting_and_applying_the_same_image_writes_nothing() {
    let (writer, image) = written();
    let before = snapshot(writer.memory());
    let (mut adopted, _) = successor(writer.memory);
    assert_eq!(snapshot(adopted.memory()), before);
    adopted.apply(&image).unwrap();
    assert_eq!(snapshot(adopted.memory()), before);
    // Nor does a writer that has written it all itself.
    let (_, steps) = plan::plan(&adopted.books, &adopted.memory, CLOCK, &Wanted::of(&image, CLOCK).unwrap()).unwrap();
    assert_eq!(steps, []);
}

#[test]
fn adopting_tells_what_every_backend_may_be_sent() {
    let (writer, _) = written();
    let (_, mut adopted) = successor(writer.memory);
    adopted.sort_by_key(|backend| (backend.service.1, backend.bound));
    let number = |backend: &Adopted| backend.bound.to_string().as_bytes()[7] - b'0';
    assert!(adopted.iter().all(|b| b.next_hop == Some((INTERFACE, mac(b.service.1, number(b))))));
    let found: Vec<_> = adopted.iter().map(|b| (b.service, b.bound.to_string(), b.state)).collect();
    let expected = [
        (endpoint(80), "10.0.0.1:80", Some(Up)),
        (endpoint(80), "10.0.0.2:80", Some(Drain)),
        (endpoint(80), "10.0.0.3:80", None),
        (endpoint(80), "10.0.0.4:80", Some(Down)),
        (endpoint(81), "10.0.0.1:81", Some(Up)),
    ];
    assert_eq!(found, expected.map(|(service, bound, state)| (service, bound.to_owned(), state)));
}

#[test]
fn macs_are_kept_until_the_successor_knows_better() {
    let (writer, mut image) = written();
    let before = snapshot(writer.memory());
    let (mut adopted, _) = Writer::adopt(writer.memory, CLOCK, Box::new(|| Ok(())));
    let macs: Vec<_> = image.services[0].backends.iter_mut().map(|backend| backend.next_hop.take()).collect();
    adopted.apply(&image).unwrap();
    assert_eq!(snapshot(adopted.memory()), before);
    image.services[0].backends[0].next_hop = macs[1].clone();
    adopted.apply(&image).unwrap();
    assert_eq!(snapshot(adopted.memory()), before, "it is not known yet by which port to leave");
    adopted.set_link("eth0", INTERFACE, OWN, None).unwrap();
    adopted.apply(&image).unwrap();
    assert_eq!(send(adopted.memory(), 1, 1, 80, SYN).1, macs[1].as_ref().unwrap().mac);
}

#[test]
fn a_backend_that_had_left_keeps_its_flows_and_makes_room_when_asked() {
    let mut writer = writer(8, 2);
    writer.apply(&image(vec![service(80, &[(1, Up), (2, Up)])])).unwrap();
    let before: Vec<u8> = (1..100).map(|client| forwarded(&writer, client, 80, SYN)).collect();
    let image_of_two = image(vec![service(80, &[(2, Up)])]);
    writer.apply(&image_of_two).unwrap();
    let (mut adopted, _) = successor(writer.memory);
    adopted.apply(&image_of_two).unwrap();
    let after: Vec<u8> = (1..100).map(|client| forwarded(&adopted, client, 80, ACK)).collect();
    assert_eq!(before, after);
    adopted.apply(&image(vec![service(80, &[(2, Up), (3, Up)])])).unwrap();
    for client in 1..100 {
        assert!([2, 3].contains(&forwarded(&adopted, client, 80, ACK)), "2 kept, or chosen anew");
    }
}

#[test]
fn services_of_a_protocol_that_is_not_known_go_like_any_other() {
    let (mut writer, image) = written();
    let known = writer.memory.directory.iter().position(|slot| slot.service == 1).unwrap();
    let sctp = Slot { l4: (132 << 16) | (writer.memory.directory.get(known).unwrap().l4 & 0xffff), ..Slot::EMPTY };
    let slot = *writer.memory.directory.get(known).unwrap();
    writer.memory.directory.write(known, Slot { l4: sctp.l4, ..slot });
    let (mut adopted, found) = successor(writer.memory);
    assert!(found.iter().all(|backend| backend.service.1 != 81));
    adopted.apply(&image).unwrap();
    assert_ne!(adopted.service_index(&endpoint(81)), Some(1), "its record was in use until the directory changed");
    assert_eq!(forwarded(&adopted, 1, 81, SYN), 1);
}

#[test]
fn a_table_that_lies_nowhere_is_replaced() {
    let (writer, image) = written();
    let table = lb_common::wire::service::Table { line: u32::MAX, slots: u32::MAX };
    writer.memory.services.get(0).unwrap().table.set(table.pack());
    let (mut adopted, _) = successor(writer.memory);
    adopted.apply(&image).unwrap();
    assert_eq!(forwarded(&adopted, 1, 80, SYN), 1);
}

#[test]
fn records_that_nothing_leads_to_are_free() {
    let (writer, image) = written();
    // Of a service that was taken away but for its backends.
    let orphan = Backend { address: Address::from(IpAddr::from([10, 0, 0, 9])), ..Backend::default() };
    orphan.identity.set(lb_common::wire::backend::Identity { generation: 7, port: 0, service: 5 }.pack());
    orphan.hop.set(
        lb_common::wire::backend::Hop::new(
            [1; 6],
            lb_common::wire::backend::State::Up,
            lb_common::wire::backend::Way::L2,
            0,
        )
        .word(),
    );
    let mut writer = writer;
    writer.memory.backends.write(9, orphan);
    writer.memory.vips.get(3).unwrap().lease.set(u64::MAX);
    writer.memory.vips.get(3).unwrap().elsewhere.set(u64::MAX);
    let (mut adopted, found) = successor(writer.memory);
    assert_eq!(found.len(), 5);
    adopted.apply(&image).unwrap();
    assert_eq!(adopted.memory.backends.get(9).unwrap().hop.get(), 0);
    assert_eq!(adopted.memory.vips.get(3).unwrap().lease.get(), 0);
    assert_eq!(adopted.memory.vips.get(3).unwrap().elsewhere.get(), 0);
    assert_eq!(adopted.books.backend_indexes.free(), 16 - 5);
}

/// Whose word it is that drains, the hop does not tell: an agent's is not remembered.
#[test]
fn a_drain_that_is_not_its_operators_is_not_found_as_his() {
    let (writer, mut image) = written();
    image.services[0].backends.iter_mut().for_each(|backend| backend.drained = false);
    let (mut adopted, _) = successor(writer.memory);
    adopted.apply(&image).unwrap();
    let (_, found) = successor(adopted.memory);
    let states = found.iter().map(|backend| (backend.state, backend.drained));
    assert!(states.clone().any(|(state, _)| state == Some(Drain)) && states.clone().all(|(_, drained)| !drained));
}

#[test]
fn a_drain_is_found_again_of_a_backend_that_is_down_until_it_is_undone() {
    let (writer, mut image) = written();
    image.services[0].backends[2].drained = true;
    let drained = |found: &[Adopted]| {
        let drained = found.iter().filter(|backend| backend.drained);
        drained.map(|backend| (backend.bound.to_string(), backend.state)).collect::<Vec<_>>()
    };
    let (mut adopted, found) = successor(writer.memory);
    assert_eq!(drained(&found), [("10.0.0.2:80".to_owned(), Some(Drain))]);
    adopted.apply(&image).unwrap();
    let (mut adopted, found) = successor(adopted.memory);
    assert_eq!(drained(&found), [("10.0.0.2:80".to_owned(), Some(Drain)), ("10.0.0.4:80".to_owned(), Some(Down))]);
    assert_eq!(send(adopted.memory(), 1, 1, 80, SYN).0, Verdict::Forwarded);
    image.services[0].backends[2].drained = false;
    adopted.apply(&image).unwrap();
    let (_, found) = successor(adopted.memory);
    assert_eq!(drained(&found), [("10.0.0.2:80".to_owned(), Some(Drain))]);
}
