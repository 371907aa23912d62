//! What the tables hold, in the words of a case: services at addresses, backends by name.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lb_userspace::core::config::model::{Mode, Protocol};
use lb_userspace::core::event::{BackendKey, Mac};
use lb_userspace::core::plan::{BackendImage, Image, ServiceImage, VipImage};
use lb_userspace::core::view::BackendState;

/// MAC of the host under test, on the interface that frames come in by.
pub(crate) const OWN_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// Its address there.
pub(crate) const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 201, 0, 100);
/// The VIP of most cases.
pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(10, 200, 5, 1);
/// Another one.
pub(crate) const OTHER_VIP: Ipv4Addr = Ipv4Addr::new(10, 200, 5, 2);
/// Slots of every Maglev table here.
const SLOTS: usize = 251;

/// A service, to be built up.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    at: SocketAddr,
    backends: Vec<Backend>,
    takers: Option<Vec<&'static str>>,
}

/// A backend of a service. Its name is a letter, which tells its address, its MAC and its port.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    name: &'static str,
    state: BackendState,
    local: bool,
    resolved: bool,
}

/// Everything in the tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene {
    vips: BTreeMap<IpAddr, bool>,
    services: Vec<Service>,
}

/// Port 80 of the VIP.
pub(crate) fn web() -> Service {
    service((VIP, 80))
}

/// Port 3306 of the VIP.
pub(crate) fn database() -> Service {
    service((VIP, 3306))
}

/// A service at an address and port, without backends.
pub(crate) fn service(at: impl Into<SocketAddr>) -> Service {
    Service { at: at.into(), backends: Vec::new(), takers: None }
}

/// A healthy backend.
pub(crate) const fn up(name: &'static str) -> Backend {
    Backend { name, state: BackendState::Up, local: false, resolved: true }
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
pub(crate) fn bound(backend: &str) -> SocketAddr {
    SocketAddr::from(([10, 201, 0, number(backend)], 8080))
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
        Self { resolved: false, ..self }
    }

    fn image(&self, service: &str) -> BackendImage {
        BackendImage {
            key: BackendKey { service: service.to_owned(), backend: self.name.to_owned() },
            address: bound(self.name).ip(),
            port: bound(self.name).port(),
            mode: Mode::L2,
            local: self.local,
            state: self.state,
            mac: (self.resolved && !self.local).then(|| mac_of(self.name)),
        }
    }
}

impl Service {
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
        let name = self.at.to_string();
        ServiceImage {
            vip: self.at.ip().to_string(),
            port: self.at.port(),
            protocol: Protocol::Tcp,
            backends: self.backends.iter().map(|backend| backend.image(&name)).collect(),
            table: table.into(),
            name,
        }
    }
}

impl Scene {
    /// This host holds a VIP, as it does every VIP of a service unless told otherwise.
    pub(crate) fn holding(mut self, vip: Ipv4Addr) -> Self {
        self.vips.insert(vip.into(), true);
        self
    }

    /// This host does not hold a VIP.
    pub(crate) fn not_holding(mut self, vip: Ipv4Addr) -> Self {
        self.vips.insert(vip.into(), false);
        self
    }

    /// Whether there is a service here, of a VIP that this host holds.
    pub(crate) fn serves(&self, at: SocketAddr) -> bool {
        self.vips.get(&at.ip()) == Some(&true) && self.services.iter().any(|service| service.at == at)
    }

    /// What the writer is to write.
    pub(crate) fn image(&self) -> Image {
        let vip =
            |(address, held): (&IpAddr, &bool)| VipImage { name: address.to_string(), address: *address, held: *held };
        Image {
            vips: self.vips.iter().map(vip).collect(),
            services: self.services.iter().map(Service::image).collect(),
        }
    }
}

impl From<Vec<Service>> for Scene {
    fn from(services: Vec<Service>) -> Self {
        Self { vips: services.iter().map(|service| (service.at.ip(), true)).collect(), services }
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
