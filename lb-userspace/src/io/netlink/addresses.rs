//! VIPs on interfaces, and which addresses an interface reaches without a router.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt as _;
use rtnetlink::AddressMessageBuilder;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};

use super::{Netlink, NetlinkError, PROTOCOL};

impl Netlink {
    /// Adds an address to an interface; it may be there already.
    pub async fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> Result<(), NetlinkError> {
        self.add(index, address, prefix, None).await.or_else(|error| error.unless(&[libc::EEXIST]))
    }

    /// The same with a label, which IPv6 does not have: there it means nothing. The address may be there already, with the same
    /// label or another.
    ///
    /// The kernel changes no label. So the address is put there a second time, with another prefix length, while the one with
    /// the old label is replaced: at no time is it gone.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub async fn add_labelled(&self, index: u32, address: IpAddr, prefix: u8, label: &str) -> Result<(), NetlinkError> {
        let label = Some(label).filter(|_| address.is_ipv4());
        match self.add(index, address, prefix, label).await {
            Err(error) if error.errno() == Some(libc::EEXIST) => {}
            other => return other,
        }
        let Some(label) = label else { return Ok(()) };
        let addresses = self.addresses(index).await?;
        let is_it = |it: &&AddressMessage| own_side(it) == Some(address) && it.header.prefix_len == prefix;
        let labelled = AddressAttribute::Label(label.to_owned());
        if addresses.iter().find(is_it).is_some_and(|it| it.attributes.contains(&labelled)) {
            return Ok(());
        }
        let other = if prefix == 32 { 31 } else { 32 };
        self.add_address(index, address, other).await?;
        self.remove_address(index, address, prefix).await?;
        self.add(index, address, prefix, Some(label)).await?;
        self.remove_address(index, address, other).await
    }

    async fn add(&self, index: u32, address: IpAddr, prefix: u8, label: Option<&str>) -> Result<(), NetlinkError> {
        let mut request = self.handle.address().add(index, address, prefix);
        mark_as_vip(request.message_mut(), address);
        request.message_mut().attributes.extend(label.map(|label| AddressAttribute::Label(label.to_owned())));
        request
            .execute()
            .await
            .map_err(|error| NetlinkError::new(format!("add {address}/{prefix} to interface {index}"), error))
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

    /// Whether an interface has an address.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub async fn has_address(&self, index: u32, address: IpAddr) -> Result<bool, NetlinkError> {
        Ok(self.addresses(index).await?.iter().filter_map(own_side).any(|own| own == address))
    }

    /// The addresses of an interface that are no VIPs, in the kernel's order: IPv4, then IPv6 from global to link-local.
    ///
    /// `vips` are all that are known. From Linux 5.18 on those that are not known any more are told by their `proto` as well.
    pub async fn own_addresses(&self, index: u32, vips: &[IpAddr]) -> Result<Vec<IpAddr>, NetlinkError> {
        let vip = AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL));
        let addresses = self.addresses(index).await?;
        let own = addresses.iter().filter(|message| !message.attributes.contains(&vip));
        Ok(own.filter_map(own_side).filter(|address| !vips.contains(address)).collect())
    }

    /// The link-local IPv6 address of an interface, if it has one that may be used.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub async fn link_local(&self, index: u32) -> Result<Option<Ipv6Addr>, NetlinkError> {
        let addresses = self.addresses(index).await?;
        let usable = addresses.iter().filter(|message| {
            !message.header.flags.intersects(AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed)
        });
        Ok(usable.filter_map(own_side).find_map(|address| match address {
            IpAddr::V6(address) => Some(address).filter(Ipv6Addr::is_unicast_link_local),
            IpAddr::V4(_) => None,
        }))
    }

    /// Whether an interface reaches an address without a router: the address lies within one of its prefixes.
    pub async fn on_link(&self, index: u32, address: IpAddr) -> Result<bool, NetlinkError> {
        Ok(self.addresses(index).await?.iter().any(|message| covers(message, address)))
    }

    async fn addresses(&self, index: u32) -> Result<Vec<AddressMessage>, NetlinkError> {
        let addresses = self.handle.address().get().set_link_index_filter(index).execute();
        let list = |error| NetlinkError::new(format!("list the addresses of interface {index}"), error);
        addresses.try_collect().await.map_err(list)
    }
}

/// What tells a VIP from a node address: global scope and our `proto`; and what keeps it from becoming the source of this
/// host's own traffic to the segment: no prefix route, and for IPv6, which prefers the source that has most bits in
/// common with the destination, a preferred lifetime of 0 ("deprecated"). No duplicate address detection (IPv6): it
/// would delay the VIP by a second, and lose it for good if its former holder still answered.
fn mark_as_vip(message: &mut AddressMessage, address: IpAddr) {
    let nodad = if address.is_ipv6() { AddressFlags::Nodad } else { AddressFlags::empty() };
    message.header.scope = AddressScope::Universe;
    message.attributes.push(AddressAttribute::Flags(AddressFlags::Noprefixroute | nodad));
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
    if address.is_ipv6() {
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_preferred = 0;
        lifetimes.ifa_valid = u32::MAX; // for ever
        message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
}

/// The interface's own address: IFA_LOCAL where there is one; IPv6 has it on point-to-point links only.
fn own_side(message: &AddressMessage) -> Option<IpAddr> {
    let attributes = message.attributes.iter();
    attributes.fold(None, |found, attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        AddressAttribute::Address(address) => found.or(Some(*address)),
        _ => found,
    })
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
    fn the_own_side_of_a_point_to_point_link_is_told_from_the_other() {
        let (own, other): (IpAddr, IpAddr) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        let mut message = AddressMessage::default();
        assert_eq!(own_side(&message), None);
        message.attributes = vec![AddressAttribute::Address(own)];
        assert_eq!(own_side(&message), Some(own));
        message.attributes = vec![AddressAttribute::Address(other), AddressAttribute::Local(own)];
        assert_eq!(own_side(&message), Some(own));
        message.attributes.reverse();
        assert_eq!(own_side(&message), Some(own));
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
