//! `local` routes: with one, this host accepts a VIP's packets without owning the address.

use std::net::IpAddr;

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType};

use super::{Netlink, NetlinkError, PROTOCOL};

/// The routing table of what is delivered to this host (`RT_TABLE_LOCAL`).
const LOCAL_TABLE: u8 = 255;

/// The index that `lo` has in every network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;

/// Our routes' metric. The kernel's own local route, which comes and goes with the address, has 0: the two are then
/// different routes, either can be added and removed without the other, and the kernel's is the one that is used.
const METRIC: u32 = 112;

impl Netlink {
    /// Adds `local ADDRESS dev lo table local`; it may be there already. IPv6 wants `lo` to be up, and the address there as
    /// well: a UDP service could not name a VIP as the source of its answers otherwise (`IPV6_PKTINFO` asks for an address
    /// of this host; `IP_PKTINFO` is content with the route). Solicitations for it stay unanswered, as it is not on the
    /// interface that they come in by.
    pub async fn add_local_route(&self, address: IpAddr) -> Result<(), NetlinkError> {
        if address.is_ipv6() {
            self.add_address(LOOPBACK, address, 128).await?;
        }
        self.handle.route().add(local_route(address)).execute().await.or_else(|error| {
            NetlinkError::new(format!("add a local route for {address}"), error).unless(&[libc::EEXIST])
        })
    }

    /// Removes the route that [`Self::add_local_route`] added, and only that; it may be gone already.
    pub async fn remove_local_route(&self, address: IpAddr) -> Result<(), NetlinkError> {
        if address.is_ipv6() {
            self.remove_address(LOOPBACK, address, 128).await?;
        }
        self.handle.route().del(local_route(address)).execute().await.or_else(|error| {
            NetlinkError::new(format!("remove the local route for {address}"), error).unless(&[libc::ESRCH])
        })
    }
}

fn local_route(address: IpAddr) -> RouteMessage {
    let (family, length) = match address {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family,
        destination_prefix_length: length,
        table: LOCAL_TABLE,
        protocol: RouteProtocol::Other(PROTOCOL),
        scope: RouteScope::Host,
        kind: RouteType::Local,
        ..RouteHeader::default()
    };
    message.attributes = vec![
        RouteAttribute::Destination(address.into()),
        RouteAttribute::Oif(LOOPBACK),
        RouteAttribute::Priority(METRIC),
    ];
    message
}
