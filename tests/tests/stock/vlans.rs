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
fn backends_of_a_vip_on_a_vlan_device_may_be_on_the_wire_below_it() {
    let mut lab = lab(Device::Vlan);
    lab.second_segment_on(WIRE).unwrap();
    let served = backends_on_the_second_segment(lab);
    assert_eq!(served.interfaces().get(WIRE).map(String::as_str), Some("native"), "{:?}", served.interfaces());
    let backend = served.cluster.lab.node("c2");
    let before = backend.counters().unwrap();
    served.assert_serves();
    let came_tagged = backend.counters().unwrap() - before;
    // What comes tagged to the wire is the VLAN device's; it leaves for the backend as the wire's own.
    assert!(served.count("pass-vlan-device") > 1000, "{}", served.verdicts());
    assert!(served.count("redirect-forwarded") > came_tagged.rx_packets, "{came_tagged:?} {}", served.verdicts());
}

#[test]
fn backends_of_a_vip_on_a_vlan_device_may_be_in_the_vlan_and_on_the_wire_below_it() {
    for tags_off in [false, true] {
        let mut lab = lab(Device::Vlan);
        lab.second_segment_on(WIRE).unwrap();
        if tags_off {
            take_tags_off(&lab);
        }
        let served = Served::start(lab, |config| match config.services.last() {
            Some(service) if service.name.starts_with("streams") => config.reached_on(Segment::Second),
            _ => config,
        });
        served.assert_serves();
    }
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
