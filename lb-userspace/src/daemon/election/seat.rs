//! What the election has to know of one group on this host: the configuration, an interface and addresses in, an instance
//! of VRRP out.

use std::net::IpAddr;

use crate::core::config::Config;
use crate::core::config::model::Group;
use crate::core::event::Now;
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

/// VIPs, by their indexes, that have left a group since, each with the end of the lease that this host has on the group that it
/// joined: `None` if it joined none, or one that this host does not hold.
pub(super) fn moved<'a>(
    before: impl IntoIterator<Item = &'a Seat>,
    after: &[Seat],
    lease: impl Fn(&str) -> Option<Now>,
) -> Vec<(u16, Option<Now>)> {
    let group_of = |vip: u16| {
        let seat = after.iter().find(|seat| seat.vips.iter().any(|(_, index, _)| *index == vip));
        seat.map(|seat| &*seat.instance.group)
    };
    let before = before.into_iter().flat_map(|seat| seat.vips.iter().map(|(_, vip, _)| (&*seat.instance.group, *vip)));
    let left = before.map(|(group, vip)| (group, group_of(vip), vip)).filter(|(group, now, _)| *now != Some(*group));
    left.map(|(_, joined, vip)| (vip, joined.and_then(&lease))).collect()
}

/// Hosts by the addresses that they may speak from.
pub(crate) fn hosts(config: &Config) -> Vec<(IpAddr, String)> {
    let addresses = config.hosts.iter().flat_map(|host| host.addresses.iter().map(|it| (*it, host.name.clone())));
    addresses.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::event::Mac;
    use crate::core::vrrp::advert::Version;

    /// A group, and the indexes of its VIPs.
    fn seat(group: &str, vips: &[u16]) -> Seat {
        let own = IpAddr::from([10, 0, 0, 1]);
        let link = Link {
            index: 2,
            name: "eth0".to_owned(),
            mac: Mac([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            up: true,
            kind: None,
            master: None,
            below: None,
            xdp_generic: false,
        };
        let rules = Rules {
            version: Version::V3,
            priority: 100,
            interval: Duration::from_secs(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            catches_up: false,
            duplicate_check: Duration::ZERO,
            lease: Duration::from_millis(2500),
            own,
            announce_again: Duration::from_secs(5),
            announce_every: Duration::ZERO,
            rivals: Vec::new(),
        };
        let instance = Instance {
            group: group.into(),
            interface: link.name.clone(),
            vrid: 51,
            rules,
            shape: Shape::default(),
            addresses: Vec::new(),
            peers: Vec::new(),
            key: None,
        };
        let vips = vips.iter().map(|vip| ([10, 0, 1, *vip as u8].into(), *vip, link.clone())).collect();
        Seat { instance, link, vips, hosts: Vec::new() }
    }

    #[test]
    fn a_vip_that_leaves_a_group_goes_by_the_lease_of_the_one_that_it_joins() {
        let before = [seat("held", &[1, 2, 3, 4]), seat("other", &[5]), seat("gone", &[6])];
        let after = [seat("other", &[5, 2]), seat("held", &[1]), seat("new", &[6]), seat("second", &[7, 3])];
        let until = Now(Duration::from_secs(9));
        let lease = |group: &str| ["held", "second"].contains(&group).then_some(until);
        let moved = moved(&before, &after, lease);
        assert_eq!(moved, [(2, None), (3, Some(until)), (4, None), (6, None)]);
    }

    #[test]
    fn what_stays_and_what_is_new_has_not_moved() {
        let (before, after) = ([seat("held", &[1])], [seat("held", &[1, 2]), seat("new", &[3])]);
        assert_eq!(moved(&before, &after, |_| None), []);
        assert_eq!(moved(&[], &after, |_| None), [], "an earlier pivotd may have left a lease on it");
    }
}
