//! What the tables hold, in the words of a case: services at addresses, backends by name.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use lb_userspace::core::config::model::{Affinity, Mode, OnDown, Protocol};
use lb_userspace::core::event::{BackendKey, Mac, NextHop};
use lb_userspace::core::plan::{BackendImage, Hold, Image, ServiceImage, VipImage};
use lb_userspace::core::view::BackendState;

use super::net::Net;

/// The interface that frames come in by: its name to the writer.
pub(crate) const HERE: &str = "here";
/// Another interface.
pub(crate) const BEYOND: &str = "beyond";
/// MAC of the host under test, on the interface that frames come in by.
pub(crate) const OWN_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// Its MAC on the other one.
pub(crate) const BEYOND_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
/// MAC of another host, which holds what this one does not.
pub(crate) const HOLDER_MAC: Mac = Mac([2, 0, 0, 3, 0, 1]);
/// MAC of another controller.
pub(crate) const DIRECTOR_MAC: Mac = Mac([2, 0, 0, 3, 0, 2]);
/// Its IPv4 address on the first.
pub(crate) const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 100);
/// How long an idle flow is remembered, unless a case says otherwise.
pub(crate) const IDLE: Duration = Duration::from_secs(300);
/// For how long it may take at most, see `Clock::idle`.
pub(crate) const MOST_IDLE: Duration = Duration::from_millis(300_000 / 16 * 17);
/// Slots of every Maglev table here.
const SLOTS: usize = 251;

/// A service, to be built up.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    at: SocketAddr,
    protocol: Protocol,
    idle: Duration,
    affinity: Option<Affinity>,
    on_down: OnDown,
    backends: Vec<Backend>,
    takers: Option<Vec<&'static str>>,
}

/// A backend of a service. Its name is a letter, which tells its address, its MAC and its port.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    name: &'static str,
    state: BackendState,
    local: bool,
    interface: Option<&'static str>,
}

/// Who holds a VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    This,
    /// The one of [`HOLDER_MAC`], which this interface leads to.
    Another(&'static str),
    Unknown,
}

/// Everything in the tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene {
    vips: BTreeMap<IpAddr, Holder>,
    services: Vec<Service>,
}

impl Net {
    /// TCP port 80 of the VIP.
    pub(crate) fn web(self) -> Service {
        service(self.at(80))
    }

    /// TCP port 3306 of the VIP.
    pub(crate) fn database(self) -> Service {
        service(self.at(3306))
    }

    /// UDP port 53 of the VIP.
    pub(crate) fn names(self) -> Service {
        service(self.at(53)).udp()
    }
}

/// A TCP service at an address and port, without backends.
pub(crate) fn service(at: SocketAddr) -> Service {
    let (protocol, on_down) = (Protocol::Tcp, OnDown::Reset);
    Service { at, protocol, idle: IDLE, affinity: None, on_down, backends: Vec::new(), takers: None }
}

/// A healthy backend.
pub(crate) const fn up(name: &'static str) -> Backend {
    Backend { name, state: BackendState::Up, local: false, interface: Some(HERE) }
}

/// One that keeps its flows and takes no new ones.
pub(crate) const fn drained(name: &'static str) -> Backend {
    Backend { state: BackendState::Drain, ..up(name) }
}

/// One that failed its checks.
pub(crate) const fn down(name: &'static str) -> Backend {
    Backend { state: BackendState::Down, ..up(name) }
}

/// Nothing but VIPs, to be added.
pub(crate) fn nothing() -> Scene {
    Scene::default()
}

/// The MAC of the backend of this name.
pub(crate) fn mac_of(backend: &str) -> Mac {
    Mac([2, 0, 0, 1, 0, number(backend)])
}

/// Where the backend of this name is bound.
pub(crate) fn bound(net: Net, backend: &str) -> SocketAddr {
    SocketAddr::new(net.node(number(backend)), 8080)
}

/// `a` is 1, `b` is 2, ...
fn number(backend: &str) -> u8 {
    match backend.as_bytes() {
        [letter @ b'a'..=b'z'] => letter - b'a' + 1,
        _ => panic!("backends are named a to z, not {backend:?}"),
    }
}

impl Backend {
    /// Its name.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// The same on the host under test.
    pub(crate) const fn here(self) -> Self {
        Self { local: true, ..self }
    }

    /// The same while its MAC is not known.
    pub(crate) const fn unresolved(self) -> Self {
        Self { interface: None, ..self }
    }

    /// The same behind the other interface.
    pub(crate) const fn beyond(self) -> Self {
        Self { interface: Some(BEYOND), ..self }
    }

    fn image(&self, service: &str, net: Net) -> BackendImage {
        let next_hop = |interface: &str| NextHop { interface: interface.to_owned(), mac: mac_of(self.name) };
        BackendImage {
            key: BackendKey { service: service.to_owned(), backend: self.name.to_owned() },
            address: bound(net, self.name).ip(),
            port: bound(net, self.name).port(),
            mode: Mode::L2,
            local: self.local,
            state: self.state,
            drained: self.state == BackendState::Drain,
            next_hop: self.interface.filter(|_| !self.local).map(next_hop),
        }
    }
}

impl Service {
    /// The same over UDP.
    pub(crate) fn udp(self) -> Self {
        Self { protocol: Protocol::Udp, ..self }
    }

    /// Idle flows are remembered for this long.
    pub(crate) fn idle(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// Clients that have this many bits of their address in common keep their backend for so long.
    pub(crate) fn affine(self, prefix: u8, timeout: Duration) -> Self {
        Self { affinity: Some(Affinity { timeout, prefix4: prefix, prefix6: prefix }), ..self }
    }

    /// Backends that are down keep their flows.
    pub(crate) fn keeping(self) -> Self {
        Self { on_down: OnDown::Keep, ..self }
    }

    /// With one more backend.
    pub(crate) fn with(mut self, backend: Backend) -> Self {
        self.backends.push(backend);
        self
    }

    /// Its table names these backends, in turn, instead of all healthy ones; none: no backend takes new flows.
    pub(crate) fn new_flows_to(mut self, takers: impl IntoIterator<Item = &'static str>) -> Self {
        self.takers = Some(takers.into_iter().collect());
        self
    }

    fn image(&self) -> ServiceImage {
        let healthy = || self.backends.iter().filter(|b| b.state == BackendState::Up).map(|b| b.name).collect();
        let takers: Vec<&str> = self.takers.clone().unwrap_or_else(healthy);
        let position = |name: &&str| self.backends.iter().position(|b| b.name == *name).expect("a taker is a backend");
        let positions: Vec<u16> = takers.iter().map(|name| position(name) as u16).collect();
        let table: Vec<u16> = positions.iter().copied().cycle().take(SLOTS).collect();
        let name = service_name(self.at, self.protocol);
        let net = Net::of(self.at.ip());
        ServiceImage {
            vip: self.at.ip().to_string(),
            port: self.at.port(),
            protocol: self.protocol,
            idle_timeout: self.idle,
            affinity: self.affinity,
            on_down: self.on_down,
            backends: self.backends.iter().map(|backend| backend.image(&name, net)).collect(),
            single: false,
            table: table.into(),
            name,
        }
    }
}

/// What a service is called.
pub(crate) fn service_name(at: SocketAddr, protocol: Protocol) -> String {
    format!("{at}/{}", protocol.name())
}

impl Scene {
    /// This host holds a VIP, as it does every VIP of a service unless told otherwise.
    pub(crate) fn holding(mut self, vip: IpAddr) -> Self {
        self.vips.insert(vip, Holder::This);
        self
    }

    /// This host does not hold a VIP, and does not know who does.
    pub(crate) fn not_holding(mut self, vip: IpAddr) -> Self {
        self.vips.insert(vip, Holder::Unknown);
        self
    }

    /// Another host holds a VIP, which this interface leads to.
    pub(crate) fn passing_on(mut self, vip: IpAddr, interface: &'static str) -> Self {
        self.vips.insert(vip, Holder::Another(interface));
        self
    }

    /// Whether this host holds this VIP.
    pub(crate) fn holds(&self, vip: IpAddr) -> bool {
        self.vips.get(&vip) == Some(&Holder::This)
    }

    /// The interface that leads to the host that holds this VIP, if that is another one and known.
    pub(crate) fn way_to_holder(&self, vip: IpAddr) -> Option<&'static str> {
        match self.vips.get(&vip) {
            Some(Holder::Another(interface)) => Some(interface),
            _ => None,
        }
    }

    /// Whether there is a service here.
    pub(crate) fn serves(&self, at: SocketAddr, protocol: u8) -> bool {
        self.services.iter().any(|service| service.at == at && service.protocol.number() == protocol)
    }

    /// What the writer is to write.
    pub(crate) fn image(&self) -> Image {
        let vip = |(address, holder): (&IpAddr, &Holder)| VipImage {
            name: address.to_string(),
            address: *address,
            interface: HERE.to_owned(),
            hold: Hold::from(*holder == Holder::This),
            holder: match holder {
                Holder::Another(interface) => Some(NextHop { interface: (*interface).to_owned(), mac: HOLDER_MAC }),
                Holder::This | Holder::Unknown => None,
            },
            speaker: None,
        };
        let backends = self.services.iter().flat_map(|service| &service.backends);
        Image {
            vips: self.vips.iter().map(vip).collect(),
            services: self.services.iter().map(Service::image).collect(),
            controllers: backends.map(|backend| mac_of(backend.name)).chain([DIRECTOR_MAC]).collect(),
        }
    }
}

impl From<Vec<Service>> for Scene {
    fn from(services: Vec<Service>) -> Self {
        Self { vips: services.iter().map(|service| (service.at.ip(), Holder::This)).collect(), services }
    }
}

impl<const N: usize> From<[Service; N]> for Scene {
    fn from(services: [Service; N]) -> Self {
        Self::from(services.to_vec())
    }
}

impl From<Service> for Scene {
    fn from(service: Service) -> Self {
        Self::from([service])
    }
}
