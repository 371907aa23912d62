//! Which way the kernel would send a packet: a destination in, an interface and a gateway out.
//!
//! The answer is the kernel's own (`ip route get`): rules, metrics, multipath and redirects are in it. It holds until
//! something changes ([`super::Netlink::changes`]).

use std::net::IpAddr;

use futures::TryStreamExt as _;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType, RouteVia};

use super::{Netlink, NetlinkError};

/// The way to a destination that is not this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Index of the interface it leads out of.
    pub index: u32,
    /// The router on that interface; `None` if the destination is a neighbour itself. An IPv4 destination may have an
    /// IPv6 one (RFC 5549); an IPv6 one may be link-local.
    pub gateway: Option<IpAddr>,
}

impl Netlink {
    /// The way to a destination; `None` if there is none, or if it is this host, a group or a broadcast address.
    pub async fn route_to(&self, address: IpAddr) -> Result<Option<Route>, NetlinkError> {
        if address.is_multicast() || address.is_unspecified() {
            return Ok(None);
        }
        let found = self.handle.route().get(question(address)).execute().try_next().await;
        match found.map_err(|error| NetlinkError::new(format!("look up the route to {address}"), error)) {
            Ok(message) => Ok(message.as_ref().and_then(route)),
            Err(error) if error.errno().is_some_and(is_no_route) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn question(address: IpAddr) -> RouteMessage {
    let (family, length) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    let mut message = RouteMessage::default();
    message.header =
        RouteHeader { address_family: family, destination_prefix_length: length, ..RouteHeader::default() };
    message.attributes = vec![RouteAttribute::Destination(address.into())];
    message
}

/// What the kernel says if no route matches, and for IPv4 also if one of type unreachable, prohibit or blackhole does.
fn is_no_route(errno: i32) -> bool {
    matches!(errno, libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL)
}

fn route(message: &RouteMessage) -> Option<Route> {
    if message.header.kind != RouteType::Unicast {
        return None;
    }
    let index = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })?;
    let gateway = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(v4)) | RouteAttribute::Via(RouteVia::Inet(v4)) => {
            Some(IpAddr::V4(*v4))
        }
        RouteAttribute::Gateway(RouteAddress::Inet6(v6)) | RouteAttribute::Via(RouteVia::Inet6(v6)) => {
            Some(IpAddr::V6(*v6))
        }
        _ => None,
    });
    Some(Route { index, gateway })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: RouteType, attributes: Vec<RouteAttribute>) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.kind = kind;
        message.attributes = attributes;
        message
    }

    #[test]
    fn a_gateway_may_be_of_the_other_family() {
        let (v4, v6) = ("10.0.0.254".parse().unwrap(), "fe80::1".parse().unwrap());
        let gateways = [
            (RouteAttribute::Gateway(RouteAddress::Inet(v4)), IpAddr::V4(v4)),
            (RouteAttribute::Gateway(RouteAddress::Inet6(v6)), IpAddr::V6(v6)),
            (RouteAttribute::Via(RouteVia::Inet6(v6)), IpAddr::V6(v6)),
        ];
        for (attribute, gateway) in gateways {
            let message = answer(RouteType::Unicast, vec![RouteAttribute::Oif(7), attribute]);
            assert_eq!(route(&message), Some(Route { index: 7, gateway: Some(gateway) }));
        }
    }

    #[test]
    fn only_a_way_to_another_host_counts() {
        let kinds = [RouteType::Local, RouteType::Broadcast, RouteType::Multicast, RouteType::Unreachable];
        for kind in kinds {
            assert_eq!(route(&answer(kind, vec![RouteAttribute::Oif(7)])), None, "{kind:?}");
        }
        let onward = answer(RouteType::Unicast, vec![RouteAttribute::Oif(7)]);
        assert_eq!(route(&onward), Some(Route { index: 7, gateway: None }));
        assert_eq!(route(&answer(RouteType::Unicast, vec![])), None, "it leads nowhere");
    }
}
