//! Interfaces: a name from the configuration in, what frames need to know about it out.

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
            Ok(Some(message)) => link(name, &message),
            Ok(None) => Err(self.no_such_interface(name).await?),
            // ERANGE: longer than any interface name may be; EINVAL: empty.
            Err(error) if matches!(error.errno(), Some(libc::ENODEV | libc::ERANGE | libc::EINVAL)) => {
                Err(self.no_such_interface(name).await?)
            }
            Err(error) => Err(error),
        }
    }

    async fn no_such_interface(&self, name: &str) -> Result<NetlinkError, NetlinkError> {
        let links = self.handle.link().get().execute();
        let links: Vec<LinkMessage> =
            links.try_collect().await.map_err(|error| NetlinkError::new("list the interfaces", error))?;
        let present = links.iter().filter_map(|message| name_of(message).map(str::to_owned)).collect();
        Ok(NetlinkError::NoSuchInterface { name: name.to_owned(), present })
    }
}

fn link(asked: &str, message: &LinkMessage) -> Result<Link, NetlinkError> {
    let name = name_of(message).unwrap_or(asked).to_owned();
    let layer = message.header.link_layer_type;
    let mac = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => bytes.as_slice().try_into().ok().map(Mac),
        _ => None,
    });
    let Some(mac) = mac.filter(|_| layer == LinkLayerType::Ether) else {
        return Err(NetlinkError::NotEthernet { name, kind: layer.to_string() });
    };
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
    Ok(Link { index: message.header.index, name, mac, mtu: mtu.unwrap_or_default(), up, kind, xdp_generic })
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
        let found = link("eth0", &message(LinkLayerType::Ether, vec![2, 0, 0, 0, 0, 1])).unwrap();
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        assert_eq!(
            found,
            Link { index: 7, name: "eth0".into(), mac, mtu: 9000, up: false, kind: None, xdp_generic: false }
        );
    }

    #[test]
    fn an_interface_without_ethernet_frames_is_refused() {
        let error = link("lo", &message(LinkLayerType::Loopback, vec![0; 6])).unwrap_err();
        assert!(matches!(error, NetlinkError::NotEthernet { .. }), "{error}");
    }
}
