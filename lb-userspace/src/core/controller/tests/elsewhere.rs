//! Other hosts: where those are that hold a VIP, and which MACs are controllers'.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::elections::{elected, grouped, holder};
use super::{Rig, config, hop, node, outline};
use crate::core::config::model::Holder;
use crate::core::election::{Peer, Role};
use crate::core::event::{Event, Mac, NextHop};

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

fn seen(address: IpAddr, next_hop: NextHop) -> Event {
    Event::Neighbour { address, next_hop: Some(next_hop) }
}

/// The way to the holder of the VIP, as the tables say.
fn way(rig: &Rig) -> Option<NextHop> {
    rig.image.vips[0].holder.clone()
}

#[test]
fn every_other_host_is_looked_for_and_backends_first() {
    let mut config = config();
    config.hosts[1].addresses.push("fd00::2".parse().unwrap());
    config.services.iter_mut().for_each(|service| service.backends.retain(|backend| backend.host != "c2"));
    let mut rig = Rig::new();
    let commands = outline(&rig.configure(config.clone()));
    assert_eq!(commands[commands.len() - 3..], ["resolve 10.0.0.3", "look for 10.0.0.2", "look for fd00::2"]);
    config.services.clear();
    assert!(outline(&rig.configure(config.clone())).contains(&"look for 10.0.0.3".to_owned()), "for less than before");
    config.hosts.truncate(2);
    assert!(outline(&rig.configure(config)).contains(&"forget 10.0.0.3".to_owned()));
}

#[test]
fn a_configured_holder_is_where_its_address_answers() {
    let mut rig = Rig::on("c2", Vec::new());
    rig.configure(config());
    assert_eq!((way(&rig), rig.image.controllers.len()), (None, 0));
    assert_eq!(outline(&rig.handle(seen(node("c1"), hop("eth0", 1)))), ["tables"]);
    assert_eq!(rig.image.vips[0].speaker, None, "it need not be heard");
    rig.handle(seen(node("c3"), hop("eth1", 3)));
    assert_eq!((way(&rig), &rig.image.controllers), (Some(hop("eth0", 1)), &BTreeSet::from([mac(1), mac(3)])));
    rig.handle(Event::Neighbour { address: node("c1"), next_hop: None });
    assert_eq!(way(&rig), Some(hop("eth0", 1)), "a passing loss of ARP");
    rig.handle(seen(node("c1"), hop("eth0", 9)));
    assert_eq!((way(&rig), &rig.image.controllers), (Some(hop("eth0", 9)), &BTreeSet::from([mac(3), mac(9)])));
    let mut ours = config();
    ours.vips[0].holder = Holder::Host("c2".to_owned());
    rig.configure(ours);
    assert_eq!(way(&rig), None, "this host holds it");
}

#[test]
fn the_way_to_an_elected_holder_is_there_at_once_and_gone_when_it_is() {
    let mut rig = Rig::new();
    rig.configure(grouped());
    rig.handle(seen(node("c2"), hop("eth0", 2)));
    rig.handle(seen(node("c3"), hop("eth0", 3)));
    assert_eq!(way(&rig), None);
    assert_eq!(outline(&rig.handle(elected(Role::Backup, Some("c2")))), ["tables"]);
    assert_eq!((way(&rig), rig.image.vips[0].speaker), (Some(hop("eth0", 2)), Some(node("c2"))));
    rig.handle(elected(Role::Backup, Some("c3")));
    assert_eq!((way(&rig), rig.image.vips[0].speaker), (Some(hop("eth0", 3)), Some(node("c3"))));
    rig.handle(elected(Role::Backup, None));
    assert_eq!((way(&rig), rig.image.vips[0].speaker), (None, None), "nobody knows");
    rig.handle(elected(Role::Backup, Some("c3")));
    let commands = outline(&rig.handle(elected(Role::Holder, None)));
    assert_eq!((commands[0].as_str(), way(&rig)), ("tables", None));
}

#[test]
fn the_interface_that_carries_the_vip_is_the_way_if_it_leads_there() {
    let mut config = config();
    config.hosts[0].addresses = vec![node("c1"), "fd00::1".parse().unwrap()];
    let mut rig = Rig::on("c2", Vec::new());
    rig.configure(config);
    rig.handle(seen(node("c1"), hop("eth1", 11)));
    assert_eq!(way(&rig), Some(hop("eth1", 11)), "better than none");
    rig.handle(seen("fd00::1".parse().unwrap(), hop("eth0", 1)));
    assert_eq!(way(&rig), Some(hop("eth0", 1)));
    assert_eq!(rig.image.controllers, BTreeSet::from([mac(1), mac(11)]));
}

#[test]
fn a_holder_that_speaks_from_a_link_local_address_is_looked_for_on_its_segment_and_known_by_its_mac() {
    let mut rig = Rig::new();
    rig.configure(grouped());
    rig.handle(seen(node("c2"), hop("eth0", 2)));
    let local: IpAddr = "fe80::2".parse().unwrap();
    let says = |holder| Event::Elected {
        group: "control".to_owned(),
        role: Role::Backup,
        holder: Some(Peer { address: holder, name: None }),
    };
    assert_eq!(outline(&rig.handle(says(local))), ["look for fe80::2%eth0"]);
    assert_eq!((way(&rig), holder(&rig).0), (None, Some("fe80::2".to_owned())));
    rig.handle(seen(local, hop("eth1", 7)));
    assert_eq!(way(&rig), None, "another host has that address on another segment");
    rig.handle(seen(local, hop("eth0", 2)));
    assert_eq!((way(&rig), holder(&rig).0), (Some(hop("eth0", 2)), Some("c2".to_owned())));
    let commands = outline(&rig.handle(says("fe80::3".parse().unwrap())));
    assert_eq!(commands, ["tables", "look for fe80::3%eth0", "forget fe80::2%eth0"]);
    assert_eq!(way(&rig), None);
}

#[test]
fn macs_of_an_earlier_pivotd_are_believed_until_every_other_host_was_seen() {
    let mut rig = Rig::new();
    rig.controller = rig.controller.clone().with_controllers(BTreeSet::from([mac(77)]));
    rig.configure(config());
    assert_eq!(rig.image.controllers, BTreeSet::from([mac(77)]));
    rig.handle(seen(node("c2"), hop("eth0", 2)));
    assert_eq!(rig.image.controllers, BTreeSet::from([mac(2), mac(77)]));
    rig.handle(seen(node("c3"), hop("eth0", 3)));
    assert_eq!(rig.image.controllers, BTreeSet::from([mac(2), mac(3)]));
}
