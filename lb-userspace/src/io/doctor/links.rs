//! Interfaces as the kernel lists them: link messages in, what they say of each in plain data out.

use rtnetlink::packet_route::link::{
    InfoBond, InfoData, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, XdpAttached,
};

use crate::core::doctor::interface::{Attached, Bond, Interface, Member};

/// Kinds that carry other hosts' frames by hardware below them.
const OVER_HARDWARE: [&str; 3] = ["bond", "team", "vlan"];

/// All interfaces of the network namespace.
pub(super) struct Links(Vec<LinkMessage>);

impl Links {
    /// Over what the kernel listed.
    pub(super) fn new(messages: Vec<LinkMessage>) -> Self {
        Self(messages)
    }

    /// Names of those that lead to other hosts: hardware, and what is made of it, without the parts. A host that has none
    /// of them is a container: there it is the veths.
    pub(super) fn outward(&self) -> Vec<String> {
        let chosen = |wanted: &dyn Fn(Option<&str>) -> bool| -> Vec<String> {
            let ethernet = self.0.iter().filter(|link| link.header.link_layer_type == LinkLayerType::Ether);
            let whole = ethernet.filter(|link| wanted(kind(link).as_deref()) && !self.is_part(link));
            whole.map(|link| name(link).to_owned()).collect()
        };
        let outward = chosen(&|kind| kind.is_none_or(|kind| OVER_HARDWARE.contains(&kind)));
        if outward.is_empty() { chosen(&|kind| kind == Some("veth")) } else { outward }
    }

    /// Whether it is a member of a bond, or of a team.
    fn is_part(&self, link: &LinkMessage) -> bool {
        self.owner(link).is_some_and(|(_, kind)| matches!(kind.as_str(), "bond" | "team"))
    }

    /// What is said of one: its index, and the rest with everything empty that is not said here.
    ///
    /// # Errors
    /// Why it is of no use, in one line.
    pub(super) fn interface(&self, wanted: &str) -> Result<(u32, Interface), String> {
        let Some(link) = self.0.iter().find(|link| name(link) == wanted) else {
            let present: Vec<&str> = self.0.iter().map(name).take(16).collect();
            return Err(format!("no such interface; this host has {}", present.join(", ")));
        };
        if link.header.link_layer_type != LinkLayerType::Ether {
            return Err(format!("of link type {}: pivot needs an Ethernet interface", link.header.link_layer_type));
        }
        let index = link.header.index;
        let find = |link: &LinkMessage| link.attributes.iter().find_map(lower);
        let interface = Interface {
            name: wanted.to_owned(),
            kind: kind(link),
            enabled: link.header.flags.contains(LinkFlags::Up),
            carrier: link.header.flags.contains(LinkFlags::LowerUp),
            mtu: link.attributes.iter().find_map(mtu).unwrap_or_default(),
            programs: link.attributes.iter().flat_map(programs).collect(),
            bond: bond(link).map(|bond| Bond { members: self.members(index), ..bond }),
            // Of a veth, this is the other end, in whatever namespace.
            lower: find(link).filter(|_| kind(link).as_deref() != Some("veth")).map(|below| self.name_of(below)),
            vlans: self
                .0
                .iter()
                .filter(|upper| kind(upper).as_deref() == Some("vlan") && find(upper) == Some(index))
                .map(|upper| name(upper).to_owned())
                .collect(),
            port_of: self.owner(link),
            ..Interface::default()
        };
        Ok((index, interface))
    }

    /// The bridge, bond or the like that it is a port of: name and kind.
    fn owner(&self, link: &LinkMessage) -> Option<(String, String)> {
        let index = link.attributes.iter().find_map(owner)?;
        let owner = self.0.iter().find(|owner| owner.header.index == index)?;
        Some((name(owner).to_owned(), kind(owner)?))
    }

    fn members(&self, of: u32) -> Vec<Member> {
        let members = self.0.iter().filter(|link| link.attributes.iter().find_map(owner) == Some(of));
        members.map(|link| Member { name: name(link).to_owned(), ..Member::default() }).collect()
    }

    fn name_of(&self, index: u32) -> String {
        let found = self.0.iter().find(|link| link.header.index == index);
        found.map_or_else(|| format!("interface {index} of another namespace"), |link| name(link).to_owned())
    }
}

fn name(link: &LinkMessage) -> &str {
    let names = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    });
    names.unwrap_or_default()
}

fn kind(link: &LinkMessage) -> Option<String> {
    infos(link).find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind.to_string()),
        _ => None,
    })
}

fn infos(link: &LinkMessage) -> impl Iterator<Item = &LinkInfo> {
    link.attributes
        .iter()
        .filter_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => Some(infos),
            _ => None,
        })
        .flatten()
}

fn lower(attribute: &LinkAttribute) -> Option<u32> {
    if let LinkAttribute::Link(index) = attribute { Some(*index) } else { None }
}

fn owner(attribute: &LinkAttribute) -> Option<u32> {
    if let LinkAttribute::Controller(index) = attribute { Some(*index) } else { None }
}

fn mtu(attribute: &LinkAttribute) -> Option<u32> {
    if let LinkAttribute::Mtu(mtu) = attribute { Some(*mtu) } else { None }
}

/// Mode and policy of a bond; its members are said by themselves.
fn bond(link: &LinkMessage) -> Option<Bond> {
    let data = infos(link).find_map(|info| match info {
        LinkInfo::Data(InfoData::Bond(data)) => Some(data),
        _ => None,
    })?;
    let mode =
        data.iter().find_map(|one| if let InfoBond::Mode(mode) = one { Some(mode.to_string()) } else { None })?;
    let hash_policy = data
        .iter()
        .find_map(|one| if let InfoBond::XmitHashPolicy(policy) = one { Some(policy.to_string()) } else { None });
    Some(Bond { mode, hash_policy, members: Vec::new() })
}

/// Programs by their mode. The number without a mode stands for the one program there is; with several, each has its own.
fn programs(attribute: &LinkAttribute) -> Vec<Attached> {
    let LinkAttribute::Xdp(xdp) = attribute else { return Vec::new() };
    let program = |mode, id: u32| Attached { mode, id, name: None, instance: None };
    let mode = xdp.iter().find_map(|one| match one {
        LinkXdp::Attached(XdpAttached::Driver) => Some("native"),
        LinkXdp::Attached(XdpAttached::SocketBuffer) => Some("generic"),
        LinkXdp::Attached(XdpAttached::Hardware) => Some("hardware"),
        _ => None,
    });
    let each = xdp.iter().filter_map(|one| match (one, mode) {
        (LinkXdp::ProgId(id), Some(mode)) => Some(program(mode, *id)),
        (LinkXdp::DrvProgId(id), None) => Some(program("native", *id)),
        (LinkXdp::SkbProgId(id), None) => Some(program("generic", *id)),
        (LinkXdp::HwProgId(id), None) => Some(program("hardware", *id)),
        _ => None,
    });
    each.filter(|program| program.id != 0).collect()
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::link::InfoKind;

    use super::*;

    fn link(index: u32, called: &str, kind: Option<InfoKind>, more: Vec<LinkAttribute>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.link_layer_type = if called == "lo" { LinkLayerType::Loopback } else { LinkLayerType::Ether };
        message.attributes = vec![LinkAttribute::IfName(called.into()), LinkAttribute::Mtu(1500)];
        message.attributes.extend(kind.map(|kind| LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)])));
        message.attributes.extend(more);
        message
    }

    fn host() -> Links {
        Links::new(vec![
            link(1, "lo", None, vec![]),
            link(2, "eno1", None, vec![LinkAttribute::Controller(4)]),
            link(3, "eno2", None, vec![]),
            link(4, "bond0", Some(InfoKind::Bond), vec![]),
            link(5, "bond0.7", Some(InfoKind::Vlan), vec![LinkAttribute::Link(4)]),
            link(6, "br0", Some(InfoKind::Bridge), vec![]),
            link(7, "veth1", Some(InfoKind::Veth), vec![LinkAttribute::Controller(6), LinkAttribute::Link(2)]),
        ])
    }

    #[test]
    fn what_leads_to_other_hosts_is_looked_at_and_parts_are_not() {
        assert_eq!(host().outward(), ["eno2", "bond0", "bond0.7"]);
        let container = Links::new(host().0.into_iter().filter(|link| matches!(name(link), "lo" | "veth1")).collect());
        assert_eq!(container.outward(), ["veth1"]);
    }

    #[test]
    fn interfaces_know_what_they_lie_on_and_are_parts_of() {
        let host = host();
        let (index, bond) = host.interface("bond0").unwrap();
        assert_eq!((index, bond.vlans), (4, vec!["bond0.7".to_owned()]));
        assert_eq!(host.interface("bond0.7").unwrap().1.lower.as_deref(), Some("bond0"));
        let veth = host.interface("veth1").unwrap().1;
        assert_eq!((veth.lower, veth.port_of), (None, Some(("br0".into(), "bridge".into()))));
        assert!(host.interface("lo").unwrap_err().contains("needs an Ethernet interface"));
        assert!(host.interface("eth9").unwrap_err().contains("this host has lo, eno1"));
    }

    #[test]
    fn programs_are_told_by_their_mode() {
        let one = LinkAttribute::Xdp(vec![LinkXdp::Attached(XdpAttached::SocketBuffer), LinkXdp::ProgId(7)]);
        let several = LinkAttribute::Xdp(vec![
            LinkXdp::Attached(XdpAttached::Multiple),
            LinkXdp::DrvProgId(8),
            LinkXdp::HwProgId(9),
        ]);
        let none = LinkAttribute::Xdp(vec![LinkXdp::Attached(XdpAttached::None)]);
        let told = |attribute| programs(attribute).iter().map(|one| (one.mode, one.id)).collect::<Vec<_>>();
        assert_eq!(told(&one), [("generic", 7)]);
        assert_eq!(told(&several), [("native", 8), ("hardware", 9)]);
        assert_eq!(told(&none), []);
    }
}
