//! Interfaces that have to run XDP in generic mode although their drivers can do better.
//!
//! A frame that a driver handed to XDP can leave only by interfaces whose drivers take frames from XDP. A VLAN device, a
//! macvlan, a bridge do not: what comes in natively and should leave there is lost without a word. In generic mode a frame
//! leaves by any interface.

use std::collections::{BTreeMap, BTreeSet};

use super::attach::XdpKind;
use crate::core::plan::Image;

/// What matters of an interface that programs are attached to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// Its index.
    pub(super) index: u32,
    /// Indexes of the interfaces below it, if it is a VLAN device.
    pub(super) below: &'a [u32],
    /// How XDP runs there.
    pub(super) xdp: XdpKind,
    /// Whether it runs in generic mode on another one's account, not for want of a driver that can do better.
    pub(super) held_back: bool,
}

impl Facts<'_> {
    /// Whether its driver has no native XDP: then it takes no frames from there either.
    fn is_closed(self) -> bool {
        self.xdp == XdpKind::Generic && !self.held_back
    }
}

/// The interfaces that are to be held back from now on, and on whose account: packets come in by them that may have to
/// leave by another one that is closed, for a backend or for another host that holds the VIP. One without programs is among them, one that runs in generic mode anyhow is not.
///
/// Packets to a VIP come in by its interface. If that is a VLAN device, the interface below sees them first, and does not
/// know them for what they are if the hardware has taken the tag off.
pub(super) fn held_back(image: &Image, interfaces: &BTreeMap<String, Facts<'_>>) -> BTreeMap<String, String> {
    let mut held_back = BTreeMap::new();
    for vip in &image.vips {
        let services = image.services.iter().filter(|service| service.vip == vip.name);
        let backends = services.flat_map(|service| &service.backends).filter_map(|backend| backend.next_hop.as_ref());
        let exits: BTreeSet<&String> = backends.chain(&vip.holder).map(|hop| &hop.interface).collect();
        let below = interfaces.get(&vip.interface).map_or(&[][..], |carrier| carrier.below);
        let below = interfaces.iter().filter(|(_, facts)| below.contains(&facts.index)).map(|(name, _)| name);
        for entry in below.chain([&vip.interface]) {
            if interfaces.get(entry).is_some_and(|facts| facts.xdp == XdpKind::Generic) {
                continue;
            }
            let is_closed = |exit: &&String| *exit != entry && interfaces.get(*exit).is_some_and(|it| it.is_closed());
            if let Some(exit) = exits.iter().copied().find(is_closed) {
                held_back.insert(entry.clone(), exit.clone());
            }
        }
    }
    held_back
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::config::model::{Mode, OnDown, Protocol};
    use crate::core::event::{BackendKey, Mac, NextHop};
    use crate::core::plan::{BackendImage, Hold, ServiceImage, VipImage};
    use crate::core::view::BackendState;

    /// A VIP on an interface, and a backend that another leads to.
    fn image(carrier: &str, exit: &str) -> Image {
        let vip = VipImage {
            name: "v".into(),
            address: [10, 0, 0, 9].into(),
            interface: carrier.into(),
            hold: Hold::Yes,
            holder: None,
            speaker: None,
        };
        let backend = BackendImage {
            key: BackendKey { service: "s".into(), backend: "b".into() },
            address: [10, 0, 0, 1].into(),
            port: 80,
            mode: Mode::L2,
            local: false,
            state: BackendState::Up,
            drained: false,
            next_hop: Some(NextHop { interface: exit.into(), mac: Mac([2; 6]) }),
        };
        let service = ServiceImage {
            name: "s".into(),
            vip: "v".into(),
            port: 80,
            protocol: Protocol::Tcp,
            idle_timeout: Duration::from_secs(1),
            affinity: None,
            on_down: OnDown::Reset,
            backends: vec![backend],
            single: false,
            table: Vec::new().into(),
        };
        Image { vips: vec![vip], services: vec![service], ..Image::default() }
    }

    /// Two native ones, and a VLAN device over the first.
    fn interfaces() -> BTreeMap<String, Facts<'static>> {
        let native = |index| Facts { index, below: &[], xdp: XdpKind::Native, held_back: false };
        let vlan = Facts { index: 4, below: &[2], xdp: XdpKind::Generic, held_back: false };
        [("eth0", native(2)), ("eth1", native(3)), ("eth0.5", vlan)]
            .map(|(name, facts)| (name.to_owned(), facts))
            .into()
    }

    fn names(carrier: &str, exit: &str) -> Vec<String> {
        held_back(&image(carrier, exit), &interfaces()).into_keys().collect()
    }

    #[test]
    fn who_sends_by_an_interface_without_native_xdp_is_held_back() {
        assert_eq!(names("eth1", "eth0.5"), ["eth1"]);
        assert_eq!(names("eth0", "eth0.5"), ["eth0"]);
        assert_eq!(held_back(&image("eth1", "eth0.5"), &interfaces())["eth1"], "eth0.5");
    }

    #[test]
    fn so_is_who_passes_packets_on_by_one() {
        let mut image = image("eth1", "eth1");
        image.vips[0].holder = Some(NextHop { interface: "eth0.5".into(), mac: Mac([2; 6]) });
        assert_eq!(held_back(&image, &interfaces()).into_keys().collect::<Vec<_>>(), ["eth1"]);
    }

    #[test]
    fn so_is_who_sees_frames_of_a_vlan_before_its_device() {
        assert_eq!(names("eth0.5", "eth0.5"), ["eth0"]);
    }

    #[test]
    fn nobody_else_is() {
        for (carrier, exit) in [("eth0", "eth0"), ("eth0", "eth1"), ("eth0.5", "eth0"), ("eth1", "unknown")] {
            assert_eq!(names(carrier, exit), Vec::<String>::new(), "{carrier} {exit}");
        }
    }

    #[test]
    fn an_interface_that_is_to_come_is_held_back_before_it_is_there() {
        assert_eq!(names("eth7", "eth0.5"), ["eth7"]);
    }

    #[test]
    fn one_that_is_held_back_is_open_to_others_and_is_not_held_back_again() {
        let mut interfaces = interfaces();
        let held_back = Facts { xdp: XdpKind::Generic, held_back: true, ..interfaces["eth0"] };
        interfaces.insert("eth0".into(), held_back);
        assert!(super::held_back(&image("eth0", "eth0.5"), &interfaces).is_empty());
        assert!(super::held_back(&image("eth1", "eth0"), &interfaces).is_empty());
    }

    #[test]
    fn one_without_native_xdp_is_never_held_back_and_stays_closed() {
        let mut interfaces = interfaces();
        let closed = Facts { xdp: XdpKind::Generic, ..interfaces["eth1"] };
        interfaces.insert("eth1".into(), closed);
        assert!(super::held_back(&image("eth1", "eth0.5"), &interfaces).is_empty());
        assert_eq!(super::held_back(&image("eth0", "eth1"), &interfaces).into_keys().collect::<Vec<_>>(), ["eth0"]);
    }
}
