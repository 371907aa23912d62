//! Interfaces, and the ports that the packet path knows them by.

use super::*;
use BackendState::Up;
use lb_common::path::run::Exit;
use lb_common::wire::link::VLANS;

const SECOND: Mac = Mac([2, 0, 0, 0, 0, 2]);

/// What is known of an interface.
fn link(writer: &Writer, index: u32) -> Port {
    Port::unpack(writer.memory().links.get(index as usize).unwrap().port.get())
}

/// An image whose only backend is reached by this interface.
fn reached_by(interface: &str) -> Image {
    let mut image = image(vec![service(80, &[(1, Up)])]);
    image.services[0].backends[0].next_hop = Some(NextHop { interface: interface.to_owned(), mac: mac(80, 1) });
    image
}

/// How a segment leaves, and from which MAC.
fn leave(writer: &Writer) -> (Exit, u64) {
    let mut frame = segment(1, 1, 80, SYN);
    let exit = run::run(&mut frame, writer.memory(), INTERFACE);
    (exit, frame.header::<Ethernet>(0).unwrap().source.mac48())
}

#[test]
fn interfaces_get_ports_of_their_own_and_keep_them() {
    let mut writer = writer(8, 16);
    assert_eq!(writer.set_link("eth1", 3, SECOND, None), Ok(1));
    assert_eq!(writer.set_link("eth0", INTERFACE, SECOND, None), Ok(0), "another MAC, the same port");
    let expected = Port { mac48: mac48(SECOND.0), number: 0 };
    assert_eq!(link(&writer, INTERFACE), expected);
    assert_eq!(writer.memory().ports.get(0).unwrap().get(), expected.pack());
}

#[test]
fn a_backend_behind_another_interface_is_sent_to_by_its_port() {
    let mut writer = writer(8, 16);
    let port = writer.set_link("eth1", 3, SECOND, None).unwrap();
    writer.apply(&reached_by("eth1")).unwrap();
    assert_eq!(leave(&writer), (Exit { verdict: Verdict::Redirected, port: port.into() }, mac48(SECOND.0)));
    writer.apply(&reached_by("eth0")).unwrap();
    assert_eq!(leave(&writer), (Exit::from(Verdict::Forwarded), mac48(OWN.0)));
}

#[test]
fn a_backend_behind_an_interface_without_a_port_keeps_the_way_it_has() {
    let mut writer = writer(8, 16);
    writer.apply(&reached_by("eth0")).unwrap();
    writer.apply(&reached_by("eth9")).unwrap();
    assert_eq!(leave(&writer).0, Exit::from(Verdict::Forwarded));
}

#[test]
fn ports_are_found_again_after_adoption() {
    let mut writer = writer(8, 16);
    writer.set_link("eth1", 3, SECOND, None).unwrap();
    writer.set_link("eth2", 4, SECOND, None).unwrap();
    writer.remove_link(3);
    let (mut adopted, _) = Writer::adopt(writer.memory, CLOCK, Box::new(|| Ok(())));
    assert_eq!(adopted.set_link("eth3", 5, SECOND, None), Ok(1), "the free one");
    assert_eq!(adopted.set_link("eth2", 4, SECOND, None), Ok(2));
    assert_eq!(adopted.set_link("eth0", INTERFACE, OWN, None), Ok(0));
}

#[test]
fn a_removed_interface_frees_its_port_once_no_backend_is_reached_by_it() {
    let mut writer = writer(8, 16);
    writer.set_link("eth1", 3, SECOND, None).unwrap();
    writer.apply(&reached_by("eth1")).unwrap();
    writer.remove_link(3);
    assert_eq!(link(&writer, 3), Port { mac48: 0, number: 0 });
    assert_eq!(writer.set_link("eth2", 4, OWN, None), Ok(2), "packets to the backend must not leave by another one");
    assert_eq!(writer.set_link("eth1", 5, SECOND, None), Ok(1), "it is back");
    writer.apply(&reached_by("eth0")).unwrap();
    writer.remove_link(5);
    assert_eq!(writer.set_link("eth4", 6, OWN, None), Ok(1));
}

#[test]
fn a_port_that_an_adopted_backend_is_reached_by_is_not_given_to_another_interface() {
    let mut writer = writer(8, 16);
    writer.set_link("eth1", 3, SECOND, None).unwrap();
    writer.apply(&reached_by("eth1")).unwrap();
    writer.remove_link(3);
    let (mut adopted, found) = Writer::adopt(writer.memory, CLOCK, Box::new(|| Ok(())));
    assert_eq!(found[0].next_hop, None, "by which interface is not known any more");
    assert_eq!(adopted.set_link("eth2", 4, OWN, None), Ok(2));
}

#[test]
fn a_frame_that_comes_in_by_a_leg_of_a_bond_is_the_bonds() {
    const LEG_OF_IT: u32 = 7;
    let mut writer = writer(8, 16);
    writer.apply(&reached_by("eth0")).unwrap();
    let by_leg = |writer: &Writer| run::run(&mut segment(1, 1, 80, SYN), writer.memory(), LEG_OF_IT).verdict;
    assert_eq!(by_leg(&writer), Verdict::OtherHost);
    writer.set_leg("eth0", LEG_OF_IT, INTERFACE).unwrap();
    assert_eq!(by_leg(&writer), Verdict::Forwarded, "out of the bond, whichever leg the kernel takes");
    writer.set_link("eth0", INTERFACE, SECOND, None).unwrap();
    assert_eq!(by_leg(&writer), Verdict::Forwarded, "for the MAC that the bond had");
    writer.set_leg("eth0", LEG_OF_IT, INTERFACE).unwrap();
    assert_eq!(by_leg(&writer), Verdict::OtherHost, "the bond has another MAC");
    writer.remove_link(LEG_OF_IT);
    assert_eq!(link(&writer, LEG_OF_IT), Port { mac48: 0, number: 0 });
    let error = writer.set_leg("eth0", u32::MAX, INTERFACE).unwrap_err();
    assert!(error.to_string().contains("\"eth0\""), "{error}");
}

#[test]
fn an_interface_below_a_vlan_device_stays_one_when_its_facts_change_and_until_told() {
    const LEG_OF_IT: u32 = 7;
    let mut writer = writer(8, 16);
    let apart =
        |writer: &Writer, index: u32| writer.memory().links.get(index as usize).unwrap().port.get() & VLANS != 0;
    writer.set_vlans(INTERFACE, true);
    writer.set_link("eth0", INTERFACE, SECOND, None).unwrap();
    writer.set_leg("eth0", LEG_OF_IT, INTERFACE).unwrap();
    assert!(apart(&writer, INTERFACE) && apart(&writer, LEG_OF_IT));
    assert_eq!(link(&writer, INTERFACE), Port { mac48: mac48(SECOND.0), number: 0 });
    assert_eq!(Port::unpack(writer.memory().ports.get(0).unwrap().get()), link(&writer, INTERFACE));
    writer.set_link("eth1", LEG_OF_IT, OWN, None).unwrap();
    assert!(!apart(&writer, LEG_OF_IT), "an interface of its own now");
    writer.set_vlans(INTERFACE, false);
    assert!(!apart(&writer, INTERFACE));
    for stranger in [9, u32::MAX] {
        writer.set_vlans(stranger, true);
    }
    assert_eq!(writer.memory().links.get(9).unwrap().port.get(), 0, "nothing is known of it");
}

#[test]
fn a_leg_is_not_taken_for_its_bond_after_adoption() {
    let mut writer = writer(8, 16);
    for leg in [1, 7] {
        writer.set_leg("eth0", leg, INTERFACE).unwrap();
    }
    writer.apply(&reached_by("eth0")).unwrap();
    let (mut adopted, found) = Writer::adopt(writer.memory, CLOCK, Box::new(|| Ok(())));
    assert_eq!(found[0].next_hop, Some((INTERFACE, mac(80, 1))));
    assert_eq!(adopted.set_link("eth1", 7, SECOND, None), Ok(1), "a leg that is an interface of its own now");
    assert_eq!(adopted.set_link("eth0", INTERFACE, OWN, None), Ok(0));
}

#[test]
fn more_interfaces_than_ports_are_refused_by_name() {
    let mut writer = writer(8, 16);
    for number in 1..MAX_PORTS {
        assert_eq!(writer.set_link(&format!("eth{number}"), 10 + number, OWN, None), Ok(number as u8));
    }
    let error = writer.set_link("last", 9, OWN, None).unwrap_err();
    assert!(error.to_string().contains("\"last\""), "{error}");
    assert_eq!(link(&writer, 9), Port { mac48: 0, number: 0 });
    let error = writer.set_link("eth0", u32::MAX, OWN, None).unwrap_err();
    assert!(error.to_string().contains("\"eth0\" has index 4294967295"), "{error}");
}
