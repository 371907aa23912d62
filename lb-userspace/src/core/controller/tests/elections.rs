//! VIPs whose holder the hosts elect: the election has the leases and announces, the controller the addresses.

use std::time::Duration;

use super::{Rig, VIP, config, node, outline};
use crate::core::config::Config;
use crate::core::config::model::{Group, Holder, Hooks};
use crate::core::election::{Peer, Role};
use crate::core::event::Event;
use crate::core::plan::Hold;
use crate::core::vrrp::advert::Version;

/// The usual configuration, with its VIP in a group.
pub(super) fn grouped() -> Config {
    let mut config = config();
    config.groups.push(Group {
        name: "control".to_owned(),
        id: 51,
        interface: "eth0".to_owned(),
        version: Version::V3,
        advert: Duration::from_secs(1),
        lease: Duration::from_millis(2500),
        priorities: vec![250, 240, 230],
        preempt: true,
        preempt_delay: Duration::ZERO,
        unicast: false,
        signed: false,
        password: None,
        pseudo_header: true,
        announce_again: Duration::from_secs(5),
        announce_every: Duration::ZERO,
        duplicate_check: Duration::ZERO,
        track: Vec::new(),
        hooks: Hooks::default(),
    });
    config.vips[0].holder = Holder::Group("control".to_owned());
    config
}

pub(super) fn elected(role: Role, holder: Option<&str>) -> Event {
    let peer = |host: &str| Peer { address: node(host), name: Some(host.to_owned()) };
    Event::Elected { group: "control".to_owned(), role, holder: holder.map(peer) }
}

pub(super) fn holder(rig: &Rig) -> (Option<String>, bool) {
    let (vips, _) = rig.controller.view(rig.now);
    (vips[0].holder.clone(), vips[0].held)
}

#[test]
fn an_elected_vip_is_nobodys_until_it_is_elected() {
    let mut rig = Rig::new();
    let commands = outline(&rig.configure(grouped()));
    assert!(!commands.iter().any(|line| line.contains("+address") || line.contains("announce")), "{commands:?}");
    assert_eq!(rig.image.vips[0].hold, Hold::Elected);
    assert_eq!(holder(&rig), (None, false));
}

#[test]
fn its_address_comes_and_goes_with_the_election_and_the_tables_stay() {
    let mut rig = Rig::new();
    rig.configure(grouped());
    let address = format!("address {VIP}/32 eth0");
    assert_eq!(outline(&rig.handle(elected(Role::Holder, None))), [format!("+{address}")]);
    assert_eq!(holder(&rig), (Some("c1".to_owned()), true));
    assert_eq!(outline(&rig.handle(elected(Role::Holder, None))), [""; 0]);
    assert_eq!(outline(&rig.handle(elected(Role::Backup, Some("c2")))), [format!("-{address}")]);
    assert_eq!(holder(&rig), (Some("c2".to_owned()), false));
    assert_eq!(outline(&rig.handle(elected(Role::Fault, None))), [""; 0]);
    assert_eq!(holder(&rig), (None, false));
}

#[test]
fn a_reload_leaves_what_was_elected_alone_and_a_static_holder_ends_it() {
    let mut rig = Rig::new();
    rig.configure(grouped());
    drop(rig.handle(elected(Role::Holder, None)));
    assert_eq!(outline(&rig.configure(grouped())), [""; 0]);
    let mut other = config();
    other.vips[0].holder = Holder::Host("c2".to_owned());
    assert_eq!(outline(&rig.configure(other)), ["tables".to_owned(), format!("-address {VIP}/32 eth0")]);
    assert_eq!(rig.image.vips[0].hold, Hold::No);
    assert_eq!(holder(&rig), (Some("c2".to_owned()), false));
}
