//! VIPs on interfaces, and which addresses an interface reaches without a router.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt as _;
use rtnetlink::AddressMessageBuilder;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope};

use super::{Netlink, NetlinkError, PROTOCOL};

impl Netlink {
    /// Adds an address to an interface; it may be there already.
    pub async fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> Result<(), NetlinkError> {
        let mut request = self.handle.address().add(index, address, prefix);
        mark_as_vip(request.message_mut(), address);
        request.execute().await.or_else(|error| {
            let action = format!("add {address}/{prefix} to interface {index}");
            NetlinkError::new(action, error).unless(&[libc::EEXIST])
        })
    }

    /// Removes an address from an interface; it, or the interface, may be gone already.
    pub async fn remove_address(&self, index: u32, address: IpAddr, prefix: u8) -> Result<(), NetlinkError> {
        let message = match address {
            IpAddr::V4(v4) => AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(v4, prefix).build(),
            IpAddr::V6(v6) => AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(v6, prefix).build(),
        };
        self.handle.address().del(message).execute().await.or_else(|error| {
            let action = format!("remove {address}/{prefix} from interface {index}");
            NetlinkError::new(action, error).unless(&[libc::EADDRNOTAVAIL, libc::ENODEV])
        })
    }

    /// Removes an address from whatever interface it is on, with whatever prefix; it may be on none.
    pub async fn remove_address_anywhere(&self, address: IpAddr) -> Result<(), NetlinkError> {
        let list = |error| NetlinkError::new(format!("look for address {address}"), error);
        let found = self.handle.address().get().set_address_filter(address).execute();
        let found: Vec<AddressMessage> = found.try_collect().await.map_err(list)?;
        for message in found {
            self.remove_address(message.header.index, address, message.header.prefix_len).await?;
        }
        Ok(())
    }

    /// The first IPv4 address of an interface that is no VIP; `None` if it has none.
    pub async fn own_address(&self, index: u32) -> Result<Option<IpAddr>, NetlinkError> {
        let list = |error| NetlinkError::new(format!("list the addresses of interface {index}"), error);
        let addresses = self.handle.address().get().set_link_index_filter(index).execute();
        let addresses: Vec<AddressMessage> = addresses.try_collect().await.map_err(list)?;
        let vip = AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL));
        let own = addresses.iter().filter(|message| !message.attributes.contains(&vip));
        Ok(own.flat_map(|message| &message.attributes).find_map(|attribute| match attribute {
            AddressAttribute::Local(address @ IpAddr::V4(_)) => Some(*address),
            _ => None,
        }))
    }

    /// Whether an interface reaches an address without a router: the address lies within one of its prefixes.
    pub async fn on_link(&self, index: u32, address: IpAddr) -> Result<bool, NetlinkError> {
        let addresses = self.handle.address().get().set_link_index_filter(index).execute();
        let addresses: Vec<AddressMessage> = addresses
            .try_collect()
            .await
            .map_err(|error| NetlinkError::new(format!("list the addresses of interface {index}"), error))?;
        Ok(addresses.iter().any(|message| covers(message, address)))
    }
}

/// What tells a VIP from a node address: global scope and our `proto` (kernels before 5.18 ignore it); no prefix route,
/// so that a VIP with a short prefix cannot take the node address's place as the source of this host's own traffic to
/// the segment; no duplicate address detection (IPv6), which would delay it.
fn mark_as_vip(message: &mut AddressMessage, address: IpAddr) {
    let nodad = if address.is_ipv6() { AddressFlags::Nodad } else { AddressFlags::empty() };
    message.header.scope = AddressScope::Universe;
    message.attributes.push(AddressAttribute::Flags(AddressFlags::Noprefixroute | nodad));
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
}

/// Whether the prefix of an interface's address contains `address`. IFA_ADDRESS is the prefix's side of a
/// point-to-point link, and the interface's own address otherwise.
fn covers(message: &AddressMessage, address: IpAddr) -> bool {
    let prefix = message.header.prefix_len;
    message.attributes.iter().any(|attribute| match attribute {
        AddressAttribute::Address(own) => same_prefix(*own, address, prefix),
        _ => false,
    })
}

fn same_prefix(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differing = u32::from(a) ^ u32::from(b);
            differing.leading_zeros() >= u32::from(prefix)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differing = u128::from(a) ^ u128::from(b);
            differing.leading_zeros() >= u32::from(prefix)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vip_carries_our_protocol_number() {
        let mut message = AddressMessage::default();
        mark_as_vip(&mut message, "10.0.0.9".parse().unwrap());
        assert!(message.attributes.contains(&AddressAttribute::Protocol(AddressProtocol::Other(112))));
    }

    #[test]
    fn a_prefix_holds_its_addresses_and_no_others() {
        let cases = [
            ("10.0.0.1", "10.0.0.254", 24, true),
            ("10.0.0.1", "10.0.1.1", 24, false),
            ("10.0.0.1", "10.0.0.1", 32, true),
            ("10.0.0.1", "10.0.0.2", 32, false),
            ("10.0.0.1", "192.0.2.1", 0, true),
            ("fd00::1", "fd00::ffff", 64, true),
            ("fd00::1", "fd00:0:0:1::1", 64, false),
            ("fd00::1", "10.0.0.1", 0, false),
        ];
        for (a, b, prefix, expected) in cases {
            assert_eq!(same_prefix(a.parse().unwrap(), b.parse().unwrap(), prefix), expected, "{a}/{prefix} {b}");
        }
    }
}
