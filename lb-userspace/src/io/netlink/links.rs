//! Interfaces: a name from the configuration in, what frames need to know about it out.

use std::collections::BTreeMap;
use std::iter::successors;

use futures::TryStreamExt as _;
use rtnetlink::packet_route::link::{
    LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, XdpAttached,
};

use super::{Netlink, NetlinkError};
use crate::core::event::Mac;

/// An Ethernet interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Index in this network namespace.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Its own MAC.
    pub mac: Mac,
    /// Longest IP packet it carries, in bytes.
    pub mtu: u32,
    /// Set up by the administrator, and with a carrier.
    pub up: bool,
    /// Driver kind as `ip -d link` shows it ("veth", "bond", "vlan"); `None` for hardware.
    pub kind: Option<String>,
    /// Index of the interface that it is a part of: a bond's leg, a bridge's port.
    pub master: Option<u32>,
    /// Index of the interface whose tagged frames it gets, if it is a VLAN device and that is in the same namespace.
    pub below: Option<u32>,
    /// Whether an XDP program is attached in generic mode, after the driver.
    pub xdp_generic: bool,
}

impl Netlink {
    /// Looks an interface up by name.
    ///
    /// # Errors
    /// [`NetlinkError::NoSuchInterface`] with the names there are; [`NetlinkError::NotEthernet`] (`lo`, tunnels).
    pub async fn link(&self, name: &str) -> Result<Link, NetlinkError> {
        let found = self.handle.link().get().match_name(name).execute().try_next().await;
        let action = || format!("look up interface \"{name}\"");
        match found.map_err(|error| NetlinkError::new(action(), error)) {
            Ok(Some(message)) => Link::of(&message).ok_or_else(|| not_ethernet(name, &message)),
            Ok(None) => Err(self.no_such_interface(name).await?),
            // ERANGE: longer than any interface name may be; EINVAL: empty.
            Err(error) if matches!(error.errno(), Some(libc::ENODEV | libc::ERANGE | libc::EINVAL)) => {
                Err(self.no_such_interface(name).await?)
            }
            Err(error) => Err(error),
        }
    }

    /// Looks an interface up by index.
    ///
    /// # Errors
    /// [`NetlinkError::NotEthernet`]; [`NetlinkError::Refused`] if there is none.
    pub async fn link_at(&self, index: u32) -> Result<Link, NetlinkError> {
        let found = self.handle.link().get().match_index(index).execute().try_next().await;
        let action = || format!("look up interface {index}");
        match found.map_err(|error| NetlinkError::new(action(), error))? {
            Some(message) => Link::of(&message).ok_or_else(|| not_ethernet(&format!("#{index}"), &message)),
            None => Err(NetlinkError::Broken { action: action(), cause: "no answer".to_owned() }),
        }
    }

    /// Indexes of the interfaces that are parts of another one.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub async fn parts_of(&self, index: u32) -> Result<Vec<u32>, NetlinkError> {
        let links = self.links().await?;
        Ok(links.iter().filter_map(Link::of).filter(|link| link.master == Some(index)).map(|link| link.index).collect())
    }

    /// Indexes of the interfaces below a VLAN device, from the next one down to the one that is none.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub async fn below(&self, link: &Link) -> Result<Vec<u32>, NetlinkError> {
        let links = self.links().await?;
        let below: BTreeMap<u32, u32> =
            links.iter().filter_map(Link::of).filter_map(|link| Some((link.index, link.below?))).collect();
        // No more than there are, if one was replaced between two answers.
        Ok(successors(link.below, |index| below.get(index).copied()).take(below.len()).collect())
    }

    /// All interfaces, Ethernet or not.
    pub(in crate::io) async fn links(&self) -> Result<Vec<LinkMessage>, NetlinkError> {
        let links = self.handle.link().get().execute();
        links.try_collect().await.map_err(|error| NetlinkError::new("list the interfaces", error))
    }

    async fn no_such_interface(&self, name: &str) -> Result<NetlinkError, NetlinkError> {
        let links = self.links().await?;
        let present = links.iter().filter_map(|message| name_of(message).map(str::to_owned)).collect();
        Ok(NetlinkError::NoSuchInterface { name: name.to_owned(), present })
    }
}

impl Link {
    /// Whether it is a bond.
    #[must_use]
    pub fn is_bond(&self) -> bool {
        self.kind.as_deref() == Some("bond")
    }

    /// What the kernel says of an interface; `None` if it carries no Ethernet frames.
    pub(super) fn of(message: &LinkMessage) -> Option<Self> {
        if message.header.link_layer_type != LinkLayerType::Ether {
            return None;
        }
        let name = name_of(message)?.to_owned();
        let mac = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Address(bytes) => bytes.as_slice().try_into().ok().map(Mac),
            _ => None,
        })?;
        let mtu = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Mtu(mtu) => Some(*mtu),
            _ => None,
        });
        let kind = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
                LinkInfo::Kind(kind) => Some(kind.to_string()),
                _ => None,
            }),
            _ => None,
        });
        let up = message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
        let xdp_generic = message.attributes.iter().any(|attribute| match attribute {
            LinkAttribute::Xdp(xdp) => xdp.contains(&LinkXdp::Attached(XdpAttached::SocketBuffer)),
            _ => false,
        });
        let master = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Controller(index) => Some(*index).filter(|index| *index != 0),
            _ => None,
        });
        let is_elsewhere =
            message.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::LinkNetNsId(_)));
        let below = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Link(index) => Some(*index).filter(|_| kind.as_deref() == Some("vlan") && !is_elsewhere),
            _ => None,
        });
        let (index, mtu) = (message.header.index, mtu.unwrap_or_default());
        Some(Self { index, name, mac, mtu, up, kind, master, below, xdp_generic })
    }
}

fn not_ethernet(asked: &str, message: &LinkMessage) -> NetlinkError {
    let name = name_of(message).unwrap_or(asked).to_owned();
    NetlinkError::NotEthernet { name, kind: message.header.link_layer_type.to_string() }
}

fn name_of(message: &LinkMessage) -> Option<&str> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(layer: LinkLayerType, mac: Vec<u8>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.link_layer_type = layer;
        message.header.flags = LinkFlags::Up;
        message.attributes =
            vec![LinkAttribute::IfName("eth0".into()), LinkAttribute::Mtu(9000), LinkAttribute::Address(mac)];
        message
    }

    #[test]
    fn a_link_without_carrier_is_not_up() {
        let found = Link::of(&message(LinkLayerType::Ether, vec![2, 0, 0, 0, 0, 1])).unwrap();
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        assert_eq!(
            found,
            Link {
                index: 7,
                name: "eth0".into(),
                mac,
                mtu: 9000,
                up: false,
                kind: None,
                master: None,
                below: None,
                xdp_generic: false
            }
        );
    }

    #[test]
    fn an_interface_without_ethernet_frames_is_refused() {
        let lo = message(LinkLayerType::Loopback, vec![0; 6]);
        assert_eq!(Link::of(&lo), None);
        let error = not_ethernet("lo", &lo);
        assert!(matches!(error, NetlinkError::NotEthernet { .. }), "{error}");
    }
}
