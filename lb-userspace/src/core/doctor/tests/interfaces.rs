//! The interface as such, and its offloads.

use super::*;

#[test]
fn an_interface_without_a_carrier_is_warned_of() {
    let (level, _, remedy) = after(|facts| facts.interfaces[0].enabled = false, "eth0 link");
    assert_eq!((level, remedy.as_str()), (Level::Warning, "ip link set eth0 up"));
    let (level, _, remedy) = after(|facts| facts.interfaces[0].carrier = false, "eth0 link");
    assert!(level == Level::Warning && remedy.starts_with("look after the cable"), "{remedy}");
}

#[test]
fn one_queue_for_several_cpus_is_noted_with_the_command_that_helps() {
    let queues = |rx, most, combined| {
        move |facts: &mut Facts| facts.interfaces[0].queues = Some(Queues { rx, tx: rx, most, combined })
    };
    let (level, _, remedy) = after(queues(1, 8, true), "eth0 queues");
    assert_eq!((level, remedy.as_str()), (Level::Note, "ethtool -L eth0 combined 4"));
    assert_eq!(after(queues(1, 2, false), "eth0 queues").2, "ethtool -L eth0 rx 2");
    assert_eq!(after(queues(1, 1, true), "eth0 queues").2, "");
    assert_eq!(after(queues(2, 8, true), "eth0 queues").0, Level::Ok);
    let single = |facts: &mut Facts| {
        facts.cpus = 1;
        queues(1, 8, true)(facts);
    };
    assert_eq!(after(single, "eth0 queues").0, Level::Ok);
}

#[test]
fn merged_frames_are_warned_of() {
    let (level, _, remedy) = after(|facts| facts.interfaces[0].offloads.lro = Some(true), "eth0 lro");
    assert_eq!((level, remedy.as_str()), (Level::Warning, "ethtool -K eth0 lro off"));
}

#[test]
fn tags_taken_off_matter_below_a_vlan_device_only() {
    let on = |facts: &mut Facts| facts.interfaces[0].offloads.rx_vlan = Some(true);
    assert_eq!(after(on, "eth0 rxvlan").0, Level::Ok);
    let below = |facts: &mut Facts| {
        on(facts);
        facts.interfaces[0].vlans = vec!["eth0.7".into()];
    };
    let (level, text, remedy) = after(below, "eth0 rxvlan");
    assert_eq!((level, remedy.as_str()), (Level::Warning, "ethtool -K eth0 rxvlan off"));
    assert!(text.contains("eth0.7"), "{text}");
}

#[test]
fn offloads_of_a_bond_are_those_of_its_members() {
    let bonded = |facts: &mut Facts| {
        let mut bond = bond("802.3ad", "layer2");
        // A bond itself says so whatever its members do.
        bond.offloads.lro = Some(true);
        bond.vlans = vec!["eth0.7".into()];
        for member in bond.bond.iter_mut().flat_map(|bond| &mut bond.members) {
            member.offloads = Offloads { lro: Some(false), rx_vlan: Some(true), ..Offloads::default() };
        }
        facts.interfaces = vec![bond];
    };
    let (level, text, _) = after(bonded, "eth0 lro");
    assert_eq!((level, text.as_str()), (Level::Ok, "off for eno1, eno2"));
    let (level, text, remedy) = after(bonded, "eth0 rxvlan");
    assert!(level == Level::Warning && text.starts_with("on for eno1, eno2, below eth0.7: "), "{text}");
    assert_eq!(remedy, "ethtool -K eno1 rxvlan off; ethtool -K eno2 rxvlan off");
}

#[test]
fn what_has_no_xdp_of_its_own_has_no_offloads_that_matter() {
    let mut facts = well();
    facts.interfaces[0].kind = Some("vlan".into());
    facts.interfaces[0].offloads = Offloads { lro: Some(true), rx_vlan: Some(true), ..Offloads::default() };
    let found = diagnose(facts).findings;
    assert!(found.iter().all(|finding| !finding.name.ends_with("lro") && !finding.name.ends_with("rxvlan")));
}

#[test]
fn a_member_of_a_bond_is_not_the_one_to_name() {
    let port = |kind: &'static str| {
        move |facts: &mut Facts| facts.interfaces[0].port_of = Some((format!("{kind}0"), kind.into()))
    };
    let (level, _, remedy) = after(port("bond"), "eth0 port");
    assert_eq!((level, remedy.as_str()), (Level::Warning, "name bond0 as the VIP's interface"));
    assert_eq!(after(port("bridge"), "eth0 port").0, Level::Note);
}

#[test]
fn unfinished_checksums_matter_on_a_veth_only() {
    let veth = |facts: &mut Facts| facts.interfaces[0].kind = Some("veth".into());
    assert_eq!(after(veth, "eth0 checksums").0, Level::Note);
    assert!(diagnose(well()).findings.iter().all(|finding| finding.name != "eth0 checksums"));
}
