//! VIPs on VLAN devices, and tagged frames at the interface below them.

use pivot_tests::lab::device::{self, Device, VLAN};
use pivot_tests::lab::{Lab, Segment, Topology};

use crate::served::Served;

/// The wire below a VLAN device.
const WIRE: &str = "eth0";

fn lab(device: Device) -> Lab {
    Lab::build(Topology { device, ..Topology::default() }).unwrap()
}

#[test]
fn a_vip_on_a_vlan_device_is_served() {
    on_device(lab(Device::Vlan), "eth0.100");
}

#[test]
fn a_vip_on_a_vlan_within_a_vlan_is_served() {
    on_device(lab(Device::VlanInVlan), "eth0.200.100");
}

#[test]
fn a_vip_on_a_vlan_device_over_a_card_that_takes_tags_off_is_served() {
    let lab = lab(Device::Vlan);
    take_tags_off(&lab);
    on_device(lab, "eth0.100");
}

fn on_device(lab: Lab, interface: &str) {
    let mut served = Served::start(lab, |config| config);
    served.assert_serves();
    // A VLAN device has no XDP of its own.
    assert_eq!(served.interfaces(), [(interface.to_owned(), "generic".to_owned())].into());
    served.assert_warned_of_generic(interface);
}

/// The controllers' wires hand frames over as network cards do that take tags off.
fn take_tags_off(lab: &Lab) {
    for host in lab.hosts() {
        device::tags_in_frames(lab.switch(), &host.name, false).unwrap();
    }
}

#[test]
fn tagged_frames_of_a_vip_are_forwarded_below_its_vlan_device_with_their_tag() {
    let mut lab = lab(Device::Vlan);
    lab.second_segment_on(WIRE).unwrap();
    let served = backends_on_the_second_segment(lab);
    assert_eq!(served.interfaces().get(WIRE).map(String::as_str), Some("native"), "{:?}", served.interfaces());
    let [director, backend] = ["c1", "c2"].map(|host| served.cluster.lab.node(host));
    let before = [director, backend].map(|host| host.counters().unwrap());
    served.assert_serves();
    let [director, backend] = [director.counters().unwrap() - before[0], backend.counters().unwrap() - before[1]];
    // What the director forwards never comes up to its VLAN device, and comes to that of the backend, tagged as it was.
    assert!(backend.rx_packets > 1000 && director.rx_packets > 1000, "{director:?} {backend:?}");
    assert!(served.count("tx-forwarded") > backend.rx_packets / 2, "{}", served.verdicts());
}

#[test]
fn backends_of_a_vip_on_a_vlan_device_may_be_on_the_wire_below_it_whose_card_takes_tags_off() {
    let mut lab = lab(Device::Vlan);
    lab.second_segment_on(WIRE).unwrap();
    take_tags_off(&lab);
    backends_on_the_second_segment(lab).assert_serves();
}

#[test]
fn backends_of_a_vip_may_be_in_a_vlan_on_the_same_wire() {
    let mut lab = lab(Device::Veth);
    let interface = format!("{WIRE}.{VLAN}");
    for host in lab.hosts() {
        device::tags_in_frames(host.netns(), WIRE, true).unwrap();
        device::tags_in_frames(lab.switch(), &host.name, true).unwrap();
        host.netns().ip(&format!("link add link {WIRE} name {interface} type vlan id {VLAN}")).unwrap();
    }
    lab.second_segment_on(&interface).unwrap();
    backends_on_the_second_segment(lab).assert_serves();
}

fn backends_on_the_second_segment(lab: Lab) -> Served {
    Served::start(lab, |config| config.reached_on(Segment::Second))
}
