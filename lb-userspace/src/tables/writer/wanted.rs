//! An image in the terms of the directory: by address and port instead of by name.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use lb_common::wire::address::Address;
use lb_common::wire::directory::{Idle, Key};
use lb_common::wire::link::mac48;
use lb_common::wire::vip::Vip;

use super::error::TableError;
use super::{Endpoint, key_of};
use crate::core::plan::{BackendImage, Hold, Image, ServiceImage, VipImage};
use crate::tables::clock::Clock;

/// What the tables are to hold.
pub(super) struct Wanted<'a> {
    /// The VIPs.
    pub(super) vips: HashMap<Address, &'a VipImage>,
    /// MACs of the other controllers.
    pub(super) controllers: BTreeSet<u64>,
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
        let vips = image.vips.iter().map(|vip| (Address::from(vip.address), vip)).collect();
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
        let controllers = image.controllers.iter().map(|mac| mac48(mac.0)).filter(|mac48| *mac48 != 0).collect();
        Ok(Self { vips, controllers, services, idle })
    }

    /// Lease of a VIP, if it is wanted; `None` inside: the election writes it.
    pub(super) fn lease(&self, vip: &Address) -> Option<Option<u64>> {
        self.vips.get(vip).map(|vip| match vip.hold {
            Hold::No => Some(Vip::NOT_HELD),
            Hold::Yes => Some(Vip::HELD),
            Hold::Elected => None,
        })
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
