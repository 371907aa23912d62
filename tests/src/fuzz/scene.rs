//! What the tables hold, as bytes choose it: which VIPs are there and held, which services have which backends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use lb_userspace::core::config::model::{Affinity, Mode, OnDown, Protocol};
use lb_userspace::core::event::{BackendKey, Mac, NextHop};
use lb_userspace::core::plan::{BackendImage, Hold, Image, ServiceImage, VipImage};
use lb_userspace::core::view::BackendState;
use lb_userspace::tables::writer::Endpoint;

use super::input::Input;

/// Index and MAC of the interfaces that are known, in the order of their ports.
pub const INTERFACES: [(u32, &str, [u8; 6]); 2] = [(2, "eth0", [2, 0, 0, 0, 0, 1]), (3, "eth1", [2, 0, 0, 0, 0, 2])];
/// One that programs are not attached to.
pub const UNKNOWN_INTERFACE: u32 = 4;
/// MAC of the other host that holds a VIP, if one does.
pub const HOLDER: [u8; 6] = [2, 0, 0, 3, 0, 1];
/// MAC of another controller.
pub const CONTROLLER: [u8; 6] = [2, 0, 0, 3, 0, 2];
/// This host's address on the first interface.
pub const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 100);

/// The VIPs that may be there.
pub const VIPS: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(10, 200, 5, 1)),
    IpAddr::V4(Ipv4Addr::new(10, 200, 5, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfc00, 5, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfc00, 5, 0, 0, 0, 0, 0, 2)),
];

/// The services that may be there: VIP, port, protocol, and whether clients keep their backend.
const SERVICES: [(usize, u16, Protocol, bool); 10] = [
    (0, 80, Protocol::Tcp, false),
    (0, 53, Protocol::Udp, false),
    (0, 443, Protocol::Tcp, true),
    (1, 80, Protocol::Tcp, false),
    (1, 53, Protocol::Udp, true),
    (2, 80, Protocol::Tcp, false),
    (2, 53, Protocol::Udp, false),
    (2, 443, Protocol::Tcp, true),
    (3, 80, Protocol::Tcp, false),
    (3, 53, Protocol::Udp, true),
];

/// Backends of a family, shared by its services.
const BACKENDS: usize = 3;
/// MAC of a backend's host behind a port.
const fn host_mac(port: usize, number: u8) -> [u8; 6] {
    [2, 0, 0, 1, port as u8, number]
}

/// MACs of all other controllers: backends run on some.
fn controllers() -> impl Iterator<Item = [u8; 6]> {
    let hosts = (0..INTERFACES.len()).flat_map(|port| (0..BACKENDS as u8).map(move |number| host_mac(port, number)));
    hosts.chain([CONTROLLER])
}

/// Whether a MAC is that of another controller.
#[must_use]
pub fn is_controller(mac: &[u8]) -> bool {
    controllers().any(|controller| controller == mac)
}

/// Slots of every selection table.
const SLOTS: usize = 11;

/// A byte for everything that can be chosen, each of which can be changed later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    vips: [u8; VIPS.len()],
    backends: [u8; 2 * BACKENDS],
    services: [u8; SERVICES.len()],
    /// How large the flow table is, what is admitted, the room in front of frames, and whether the first interface is below a
    /// VLAN device: they stay as they are.
    pub fixed: u8,
}

/// A backend in the terms of a frame that leaves for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hop {
    /// Its MAC.
    pub mac: [u8; 6],
    /// The port that leads there: index in [`INTERFACES`].
    pub port: usize,
}

/// A backend of a service in a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend {
    number: u8,
    /// What it may be sent.
    pub state: BackendState,
    /// Whether it keeps its flows though it is down.
    pub keeps: bool,
    /// Whether it is on this host.
    pub local: bool,
    /// Where it is reached, if that is known.
    pub hop: Option<Hop>,
    /// Where it is bound.
    pub bound: SocketAddr,
}

impl Scene {
    /// Chooses all of it.
    pub fn read(input: &mut Input<'_>) -> Self {
        let mut scene = Self {
            vips: [0; VIPS.len()],
            backends: [0; 2 * BACKENDS],
            services: [0; SERVICES.len()],
            fixed: input.byte(),
        };
        // One byte for two VIPs, the others for one thing each.
        for pair in scene.vips.chunks_mut(2) {
            let byte = input.byte();
            pair.copy_from_slice(&[byte & 0xf, byte >> 4]);
        }
        for choice in scene.backends.iter_mut().chain(&mut scene.services) {
            *choice = input.byte();
        }
        scene
    }

    /// Chooses one thing anew.
    pub fn change(&mut self, input: &mut Input<'_>) {
        let (which, choice) = (usize::from(input.byte()), input.byte());
        let choices = self.vips.iter_mut().chain(&mut self.backends).chain(&mut self.services);
        let count = VIPS.len() + 2 * BACKENDS + SERVICES.len();
        choices.skip(which % count).take(1).for_each(|it| *it = choice);
    }

    /// Index of the interface that is below a VLAN device of ours.
    #[must_use]
    pub fn below_vlans(&self) -> Option<u32> {
        (self.fixed & 16 != 0).then_some(INTERFACES[0].0)
    }

    fn has_vip(&self, vip: usize) -> bool {
        self.vips[vip] & 3 != 2
    }

    /// Whether an address is a VIP in the scene, and if, whether this host holds it.
    #[must_use]
    pub fn vip(&self, address: IpAddr) -> Option<bool> {
        let vip = VIPS.iter().position(|vip| *vip == address)?;
        self.has_vip(vip).then_some(self.vips[vip] & 3 != 1)
    }

    /// The port that leads to the host that holds a VIP, if that is known: index in [`INTERFACES`]. It may be out of date.
    #[must_use]
    pub fn way_to_holder(&self, address: IpAddr) -> Option<usize> {
        let vip = VIPS.iter().position(|vip| *vip == address)?;
        match self.vips[vip] >> 2 & 3 {
            1 => Some(0),
            2 => Some(1),
            _ => None,
        }
    }

    /// Services by what identifies them.
    pub fn services(&self) -> impl Iterator<Item = (Endpoint, Vec<Backend>)> + '_ {
        let there = move |(i, (vip, ..)): &(usize, (usize, u16, Protocol, bool))| {
            self.services[*i] & 0xf != 15 && self.has_vip(*vip)
        };
        SERVICES.into_iter().enumerate().filter(there).map(|(i, (vip, port, protocol, _))| {
            ((VIPS[vip], port, protocol), self.backends(i, vip, if protocol == Protocol::Udp { port } else { 8080 }))
        })
    }

    /// The backends of a service.
    #[must_use]
    pub fn service(&self, endpoint: &Endpoint) -> Option<Vec<Backend>> {
        self.services().find(|(there, _)| there == endpoint).map(|(_, backends)| backends)
    }

    fn backends(&self, service: usize, vip: usize, port: u16) -> Vec<Backend> {
        let v6 = VIPS[vip].is_ipv6();
        let (without, keeps) = (self.services[service] >> 4, self.keeps(service));
        let backend = |number: usize| {
            let choice = self.backends[number + if v6 { BACKENDS } else { 0 }];
            let state = match choice & 3 {
                0 => BackendState::Up,
                1 => BackendState::Drain,
                2 => BackendState::Down,
                _ => return None,
            };
            let (local, way_out, number) = (choice & 4 != 0, usize::from(choice >> 4 & 1), number as u8);
            let hop = Hop { mac: host_mac(way_out, number), port: way_out };
            let address: IpAddr = if v6 {
                Ipv6Addr::new(0xfc00, 0x201, 0, 0, 0, 0, 0, u16::from(number) + 1).into()
            } else {
                Ipv4Addr::new(10, 201, 0, number + 1).into()
            };
            let resolved = choice & 8 == 0;
            let bound = SocketAddr::new(address, port);
            Some(Backend { number, state, keeps, local, hop: (resolved && !local).then_some(hop), bound })
        };
        (0..BACKENDS).filter(|number| without >> number & 1 == 0).filter_map(backend).collect()
    }

    /// Whether flows of a service stay with a backend that is down.
    fn keeps(&self, service: usize) -> bool {
        self.services[service] & 8 != 0
    }

    /// What the writer is to write.
    #[must_use]
    pub fn image(&self) -> Image {
        let vips = VIPS.iter().enumerate().filter(|(i, _)| self.has_vip(*i));
        let vips = vips.map(|(_, vip)| VipImage {
            name: vip.to_string(),
            address: *vip,
            interface: INTERFACES[0].1.to_owned(),
            hold: Hold::from(self.vip(*vip) == Some(true)),
            holder: self
                .way_to_holder(*vip)
                .map(|port| NextHop { interface: INTERFACES[port].1.to_owned(), mac: Mac(HOLDER) }),
            speaker: None,
        });
        let services = self.services().map(|(endpoint, backends)| self.service_image(endpoint, &backends));
        Image { services: services.collect(), vips: vips.collect(), controllers: controllers().map(Mac).collect() }
    }

    fn service_image(&self, (vip, port, protocol): Endpoint, backends: &[Backend]) -> ServiceImage {
        let index = SERVICES.iter().position(|it| (VIPS[it.0], it.1, it.2) == (vip, port, protocol));
        let (index, name) = (index.unwrap_or_default(), format!("{vip}-{port}-{}", protocol.name()));
        let taking = |backend: &Backend| match self.services[index] & 3 {
            // The table as the controller deals it, that of a moment ago, and none.
            0 | 3 => backend.state == BackendState::Up,
            1 => true,
            _ => false,
        };
        let positions = || (0..).zip(backends).filter(|(_, backend)| taking(backend)).map(|(i, _)| i);
        let table: Vec<u16> =
            if positions().next().is_none() { Vec::new() } else { positions().collect::<Vec<_>>().repeat(SLOTS) };
        let wide = self.services[index] & 4 != 0;
        let affinity = Affinity {
            timeout: Duration::from_secs(30),
            prefix4: if wide { 24 } else { 32 },
            prefix6: if wide { 64 } else { 128 },
        };
        let backend = |backend: &Backend| BackendImage {
            key: BackendKey { service: name.clone(), backend: backend.number.to_string() },
            address: backend.bound.ip(),
            port: backend.bound.port(),
            mode: Mode::L2,
            local: backend.local,
            state: backend.state,
            drained: false,
            next_hop: backend
                .hop
                .map(|hop| NextHop { interface: INTERFACES[hop.port].1.to_owned(), mac: Mac(hop.mac) }),
        };
        ServiceImage {
            name: name.clone(),
            vip: vip.to_string(),
            port,
            protocol,
            idle_timeout: Duration::from_secs(60),
            affinity: SERVICES[index].3.then_some(affinity),
            on_down: if self.keeps(index) { OnDown::Keep } else { OnDown::Reset },
            backends: backends.iter().map(backend).collect(),
            single: false,
            table: table.into_iter().take(SLOTS).collect(),
        }
    }
}
