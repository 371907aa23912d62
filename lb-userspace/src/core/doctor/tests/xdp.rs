//! XDP: whose program is there, whether it may run in the driver, and how long frames may be.

use super::super::interface::{Attached, DIRECTORS};
use super::*;

const NONE: DriverXdp = DriverXdp { native: false, redirect: false, target: false, several_buffers: false };

/// What is found about native XDP on a kernel, after a change of the interface.
#[track_caller]
fn native(kernel: (u32, u32), change: impl FnOnce(&mut Interface)) -> (Level, String, String) {
    let mut facts = on_kernel(kernel.0, kernel.1);
    change(&mut facts.interfaces[0]);
    told(found(facts, "eth0 native XDP"))
}

fn program(name: Option<&str>, instance: Option<&str>) -> Attached {
    Attached { mode: "native", id: 7, name: name.map(str::to_owned), instance: instance.map(str::to_owned) }
}

#[test]
fn bits_are_read_as_the_kernel_has_them() {
    assert_eq!(DriverXdp::of(0), NONE);
    assert_eq!(DriverXdp::of(0b1), DriverXdp { native: true, ..NONE });
    assert_eq!(DriverXdp::of(0b110_0111), ALL);
    assert_eq!(DriverXdp::of(0b10_0000), DriverXdp { several_buffers: true, ..NONE });
}

#[test]
fn another_program_is_a_problem_and_pivots_own_is_none() {
    let attached = |one: Attached| after(|facts| facts.interfaces[0].programs = vec![one], "eth0 XDP program");
    let (level, text, remedy) = attached(program(Some("xdp_pass"), None));
    assert_eq!(level, Level::Problem);
    assert!(text.starts_with("xdp_pass (id 7, native)") && remedy.contains("xdp off"), "{text} {remedy}");
    assert!(attached(program(Some(""), None)).1.starts_with("a program without a name (id 7, native)"));
    // A pin of that name, of a pivotd in another namespace perhaps, makes a stranger no friend.
    assert_eq!(attached(program(Some("xdp_pass"), Some("pivot"))).0, Level::Problem);
    let ours = attached(program(Some("pivot_xdp"), Some("pivot")));
    assert_eq!(ours, (Level::Ok, "pivot's own, of instance pivot, native".into(), String::new()));
    for director in DIRECTORS {
        assert_eq!(attached(program(Some(director), None)).0, Level::Ok);
    }
    assert_eq!(attached(program(None, Some("pivot"))).0, Level::Ok);
    let (level, _, remedy) = attached(program(None, None));
    assert!(level == Level::Note && remedy.starts_with("run it again with sudo"), "{remedy}");
}

#[test]
fn a_driver_that_tells_is_believed() {
    assert_eq!(native((6, 3), |_| {}), (Level::Ok, "ice runs it".into(), String::new()));
    let (level, text, _) = native((6, 3), |card| card.xdp = Some(NONE));
    assert_eq!(level, Level::Warning);
    assert!(text.starts_with("ice says that it has none: pivot runs there in generic mode"), "{text}");
    let (level, text, _) = native((6, 3), |card| card.xdp = Some(DriverXdp { redirect: false, ..ALL }));
    assert!(level == Level::Note && text.contains("does not redirect"), "{text}");
}

#[test]
fn a_driver_that_does_not_tell_is_tried_when_pivotd_attaches() {
    let (level, text, remedy) = native((6, 1), |_| {});
    assert_eq!(level, Level::Note);
    assert!(text.contains("tried when pivotd attaches") && remedy.contains("pivot status"), "{text} {remedy}");
    let ours = native((6, 1), |card| card.programs = vec![program(Some("pivot_xdp"), None)]);
    assert_eq!(ours.0, Level::Ok);
}

#[test]
fn what_is_made_of_other_interfaces_has_no_driver() {
    for kind in ["vlan", "bridge", "macvlan", "dummy"] {
        let (level, text, _) = native((6, 12), |card| card.kind = Some(kind.into()));
        assert!(level == Level::Warning && text.contains("generic mode"), "{kind}: {text}");
    }
    let on_top = |card: &mut Interface| {
        card.kind = Some("vlan".into());
        card.lower = Some("eno1".into());
    };
    let (_, _, remedy) = native((6, 12), on_top);
    assert!(remedy.contains("eno1"), "{remedy}");
}

#[test]
fn a_bond_has_it_from_5_15_in_some_modes() {
    let level = |kernel, mode, policy| native(kernel, |card| *card = Interface { xdp: None, ..bond(mode, policy) }).0;
    assert_eq!(level((5, 14), "active-backup", "layer2"), Level::Warning);
    assert_eq!(level((5, 15), "active-backup", "layer2"), Level::Note);
    assert_eq!(level((6, 1), "802.3ad", "layer3+4"), Level::Note);
    assert_eq!(level((6, 1), "802.3ad", "vlan+srcmac"), Level::Warning);
    assert_eq!(level((6, 1), "balance-alb", "layer2"), Level::Warning);
    let told = |xdp, mode| native((6, 12), |card| *card = Interface { xdp: Some(xdp), ..bond(mode, "layer2") });
    assert_eq!(told(ALL, "802.3ad").0, Level::Ok);
    assert!(told(NONE, "802.3ad").1.starts_with("not all members have it (eno1 ice, eno2)"));
    let empty = |card: &mut Interface| {
        *card = bond("802.3ad", "layer2");
        card.bond.iter_mut().for_each(|bond| bond.members.clear());
    };
    assert_eq!(native((6, 12), empty).1, "the bond has no members");
    assert!(told(NONE, "balance-tlb").1.starts_with("a bond of mode balance-tlb has none"));
}

#[test]
fn long_frames_need_room_in_a_page_or_several_buffers() {
    let mtu = |kernel: (u32, u32), mtu, xdp| {
        let mut facts = on_kernel(kernel.0, kernel.1);
        (facts.interfaces[0].mtu, facts.interfaces[0].xdp) = (mtu, xdp);
        told(found(facts, "eth0 mtu"))
    };
    let one_buffer = DriverXdp { several_buffers: false, ..ALL };
    assert_eq!(mtu((6, 12), 1500, Some(one_buffer)).0, Level::Ok);
    assert_eq!(mtu((6, 12), 3506, Some(one_buffer)).0, Level::Ok);
    let (level, text, remedy) = mtu((6, 12), 9000, Some(one_buffer));
    assert_eq!(level, Level::Warning);
    assert!(text.starts_with("9000: more than the 3506") && remedy.starts_with("ip link set eth0 mtu 3506"), "{text}");
    assert_eq!(mtu((6, 12), 9000, Some(ALL)).0, Level::Ok);
    assert_eq!(mtu((6, 1), 9000, None).0, Level::Note);
    assert_eq!(mtu((5, 10), 9000, None).0, Level::Warning);
    // A larger page has room for them.
    let mut facts = on_kernel(5, 10);
    (facts.interfaces[0].mtu, facts.page) = (9000, 65536);
    assert_eq!(found(facts, "eth0 mtu").level, Level::Ok);
}

#[test]
fn the_other_end_of_a_veth_has_to_look_for_what_is_sent() {
    let veth = |kernel: (u32, u32), xdp| {
        let mut facts = on_kernel(kernel.0, kernel.1);
        (facts.interfaces[0].kind, facts.interfaces[0].xdp) = (Some("veth".into()), xdp);
        facts
    };
    assert_eq!(found(veth((6, 12), Some(ALL)), "eth0 other end").level, Level::Ok);
    let (level, text, _) = told(found(veth((6, 12), Some(DriverXdp { target: false, ..ALL })), "eth0 other end"));
    assert!(level == Level::Warning && text.contains("is lost"), "{text}");
    assert_eq!(found(veth((6, 1), None), "eth0 other end").level, Level::Note);
    assert_eq!(found(veth((6, 1), None), "eth0 native XDP").level, Level::Ok);
    assert_eq!(found(veth((6, 12), Some(NONE)), "eth0 native XDP").level, Level::Warning);
}
