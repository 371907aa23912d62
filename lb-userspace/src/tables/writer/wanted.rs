//! An image in the terms of the directory: by address and port instead of by name.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use lb_common::wire::address::Address;
use lb_common::wire::directory::{Idle, Key};
use lb_common::wire::vip::Vip;

use super::error::TableError;
use super::{Endpoint, key_of};
use crate::core::plan::{BackendImage, Image, ServiceImage};
use crate::tables::clock::Clock;

/// What the tables are to hold.
pub(super) struct Wanted<'a> {
    /// Lease of each VIP.
    pub(super) vips: HashMap<Address, u64>,
    /// Services in the order of the image.
    pub(super) services: Vec<(Key, &'a ServiceImage)>,
    /// For how long idle flows of each service are remembered.
    idle: HashMap<Key, Idle>,
}

impl<'a> Wanted<'a> {
    /// What an image asks for.
    ///
    /// # Errors
    /// [`TableError::Image`] for a service whose VIP is not in it.
    pub(super) fn of(image: &'a Image, clock: Clock) -> Result<Self, TableError> {
        let lease = |held| if held { Vip::HELD } else { Vip::NOT_HELD };
        let vips = image.vips.iter().map(|vip| (Address::from(vip.address), lease(vip.held))).collect();
        let addresses: HashMap<&str, IpAddr> = image.vips.iter().map(|vip| (vip.name.as_str(), vip.address)).collect();
        let key = |service: &'a ServiceImage| match addresses.get(service.vip.as_str()) {
            Some(address) => Ok((key_of(&endpoint(service, *address)), service)),
            None => Err(TableError::Image {
                service: service.name.clone(),
                fault: format!("has VIP {:?}, which the image lacks", service.vip),
            }),
        };
        let services = image.services.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let idle = |service: &ServiceImage| {
            clock.idle(service.idle_timeout, service.affinity.as_ref().map(|affinity| affinity.timeout))
        };
        let idle = services.iter().map(|(key, service)| (*key, idle(service))).collect();
        Ok(Self { vips, services, idle })
    }

    /// For how long idle flows of a service are remembered.
    pub(super) fn idle(&self, key: &Key) -> Option<Idle> {
        self.idle.get(key).copied()
    }

    /// Whether it has a service.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.idle.contains_key(key)
    }
}

/// Where a backend is bound: what it is known by within its service.
pub(super) fn bound(backend: &BackendImage) -> SocketAddr {
    SocketAddr::new(backend.address, backend.port)
}

fn endpoint(service: &ServiceImage, vip: IpAddr) -> Endpoint {
    (vip, service.port, service.protocol)
}
