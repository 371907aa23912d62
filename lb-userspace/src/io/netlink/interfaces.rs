//! The Ethernet interfaces that are known: the kernel's messages in, changes out. No I/O.

use std::collections::BTreeMap;

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::LinkMessage;

use super::changes::Change;
use super::links::Link;

/// The known interfaces, by index.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    known: BTreeMap<u32, Link>,
}

impl Interfaces {
    /// Takes in what the kernel says of one interface (RTM_NEWLINK).
    pub(super) fn update(&mut self, message: &LinkMessage) -> Option<Change> {
        if !is_of_the_interface(message) {
            return None;
        }
        let Some(link) = Link::of(message) else {
            // It has become something else, as a bond without members does.
            return self.forget(message.header.index);
        };
        let before = self.known.insert(link.index, link.clone());
        (before.as_ref() != Some(&link)).then_some(Change::Link(link))
    }

    /// Takes in that one is gone (RTM_DELLINK).
    pub(super) fn remove(&mut self, message: &LinkMessage) -> Option<Change> {
        if is_of_the_interface(message) { self.forget(message.header.index) } else { None }
    }

    /// Takes in all that there are.
    pub(super) fn replace(&mut self, messages: &[LinkMessage]) -> Vec<Change> {
        let present: Vec<u32> = messages.iter().map(|message| message.header.index).collect();
        let gone: Vec<u32> = self.known.keys().copied().filter(|index| !present.contains(index)).collect();
        let gone: Vec<Change> = gone.into_iter().filter_map(|index| self.forget(index)).collect();
        gone.into_iter().chain(messages.iter().filter_map(|message| self.update(message))).collect()
    }

    fn forget(&mut self, index: u32) -> Option<Change> {
        self.known.remove(&index).map(|_| Change::LinkGone { index })
    }
}

/// Bridges report their ports by messages of the same types, of their own family: a port that leaves a bridge is a
/// "deleted link" of AF_BRIDGE.
fn is_of_the_interface(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Unspec
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType};

    use super::*;
    use crate::core::event::Mac;

    const ETH0: u32 = 7;

    fn message(index: u32, last_byte_of_mac: u8) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
        let mac = vec![2, 0, 0, 0, 0, last_byte_of_mac];
        message.attributes = vec![LinkAttribute::IfName(format!("eth{index}")), LinkAttribute::Address(mac)];
        message
    }

    fn mac_of(change: Option<Change>) -> Option<Mac> {
        match change? {
            Change::Link(link) => Some(link.mac),
            other => panic!("{other:?}"),
        }
    }

    fn known() -> Interfaces {
        let mut interfaces = Interfaces::default();
        assert_eq!(mac_of(interfaces.update(&message(ETH0, 1))), Some(Mac([2, 0, 0, 0, 0, 1])));
        interfaces
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let mut interfaces = known();
        assert_eq!(interfaces.update(&message(ETH0, 1)), None);
        assert_eq!(mac_of(interfaces.update(&message(ETH0, 2))), Some(Mac([2, 0, 0, 0, 0, 2])));
    }

    #[test]
    fn a_port_that_leaves_a_bridge_is_not_gone() {
        let mut interfaces = known();
        let mut port = message(ETH0, 9);
        port.header.interface_family = AddressFamily::Bridge;
        assert_eq!(interfaces.remove(&port), None);
        assert_eq!(interfaces.update(&port), None, "nor is it told what the bridge says of it");
        assert_eq!(interfaces.remove(&message(ETH0, 1)), Some(Change::LinkGone { index: ETH0 }));
        assert_eq!(interfaces.remove(&message(ETH0, 1)), None, "it was gone");
    }

    #[test]
    fn an_interface_that_is_no_ethernet_any_more_is_gone() {
        let mut interfaces = known();
        let mut other = message(ETH0, 1);
        other.header.link_layer_type = LinkLayerType::None;
        assert_eq!(interfaces.update(&other), Some(Change::LinkGone { index: ETH0 }));
        assert_eq!(interfaces.update(&other), None);
    }

    #[test]
    fn a_new_list_tells_the_difference() {
        let mut interfaces = known();
        interfaces.update(&message(8, 8));
        let changes = interfaces.replace(&[message(8, 8), message(9, 9)]);
        assert_eq!(changes[0], Change::LinkGone { index: ETH0 });
        assert_eq!(mac_of(changes.get(1).cloned()), Some(Mac([2, 0, 0, 0, 0, 9])));
        assert_eq!(changes.len(), 2, "{changes:?}");
    }
}
