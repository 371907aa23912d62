//! What the election has to know of one group on this host: the configuration, an interface and addresses in, an instance
//! of VRRP out.

use std::net::IpAddr;

use crate::core::config::Config;
use crate::core::config::model::Group;
use crate::core::vrrp::Instance;
use crate::core::vrrp::advert::Shape;
use crate::core::vrrp::rules::{Rival, Rules};
use crate::io::netlink::Link;

/// A group, and all that its election needs on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    /// The virtual router.
    pub(crate) instance: Instance,
    /// The interface by which it speaks.
    pub(crate) link: Link,
    /// Its VIPs: addresses, indexes in the tables, and the interfaces that carry them.
    pub(crate) vips: Vec<(IpAddr, u16, Link)>,
    /// Hosts by the addresses that they may speak from.
    pub(crate) hosts: Vec<(IpAddr, String)>,
}

/// The virtual router of a group on a host that speaks from `own`; `None` if the configuration lacks the host.
pub(crate) fn instance(config: &Config, group: &Group, host: &str, own: IpAddr) -> Option<Instance> {
    let place = config.hosts.iter().position(|known| known.name == host)?;
    let others = config.hosts.iter().zip(&group.priorities).filter(|(other, _)| other.name != host);
    let rival = |(other, priority): (&crate::core::config::model::Host, &u8)| Rival {
        addresses: other.addresses.clone(),
        priority: *priority,
    };
    let peer = |other: &crate::core::config::model::Host| other.address_for(own);
    let peers = others.clone().filter_map(|(other, _)| peer(other));
    Some(Instance {
        group: group.name.as_str().into(),
        interface: group.interface.clone(),
        vrid: group.id,
        rules: Rules {
            version: group.version,
            priority: *group.priorities.get(place)?,
            interval: group.advert,
            preempt: group.preempt,
            preempt_delay: group.preempt_delay,
            catches_up: true,
            lease: group.lease,
            own,
            announce_again: group.announce_again,
            announce_every: group.announce_every,
            duplicate_check: group.duplicate_check,
            rivals: others.clone().map(rival).collect(),
        },
        shape: Shape { password: group.password, pseudo_header: group.pseudo_header },
        addresses: config.vips_of(group).map(|vip| vip.address).filter(|vip| vip.is_ipv4() == own.is_ipv4()).collect(),
        peers: if group.unicast { peers.collect() } else { Vec::new() },
        key: config.cluster.as_ref().filter(|_| group.signed).map(|cluster| cluster.key.clone()),
    })
}

/// Hosts by the addresses that they may speak from.
pub(crate) fn hosts(config: &Config) -> Vec<(IpAddr, String)> {
    let addresses = config.hosts.iter().flat_map(|host| host.addresses.iter().map(|it| (*it, host.name.clone())));
    addresses.collect()
}
