//! The frame that a question is about, as a client or its router would send it.

use lb_common::host::Frame;
use lb_common::net::bytes::{Be16, Header, Packet};
use lb_common::net::ethernet::{self, Ethernet, Mac};
use lb_common::net::tcp::{self, Tcp};
use lb_common::net::udp::{self, Udp};
use lb_common::path::family::{Family, V4, V6};
use lb_common::wire::address::Address;

use crate::core::config::model::Protocol;
use crate::core::explain::Question;

/// A sender on the segment, of no vendor: 02 stands for "administered locally".
const SENDER: u64 = u64::from_le_bytes([2, 0, 0, 0, 0, 0xfe, 0, 0]);

/// The frame, to a MAC.
pub(super) fn build(question: &Question, to: u64) -> Frame {
    if question.destination.is_ipv4() {
        build_of::<V4>(question, to, ethernet::IPV4)
    } else {
        build_of::<V6>(question, to, ethernet::IPV6)
    }
}

fn build_of<F: Family>(question: &Question, to: u64, ethertype: u16) -> Frame {
    let payload = match question.protocol {
        Protocol::Tcp => tcp::LEN,
        Protocol::Udp => udp::LEN,
    };
    let l4 = ethernet::LEN + F::LEN;
    let mut frame = Frame(vec![0; (l4 + payload) as usize]);
    let mac = |number| {
        let mut mac = Mac::default();
        mac.set_mac48(number);
        mac
    };
    let ethernet = Ethernet { destination: mac(to), source: mac(SENDER), ethertype: Be16::from_raw(ethertype) };
    put(&mut frame, 0, ethernet);
    let (source, destination) = (Address::from(question.source.ip()), Address::from(question.destination.ip()));
    let ip = F::header(source, destination, question.protocol.number(), payload as u16);
    put(&mut frame, ethernet::LEN, ip);
    let ports = (Be16::new(question.source.port()), Be16::new(question.destination.port()));
    match question.protocol {
        Protocol::Tcp => with(&mut frame, l4, |tcp: &mut Tcp| {
            (tcp.source, tcp.destination) = ports;
            (tcp.offset, tcp.flags, tcp.window) = (0x50, question.flags, Be16::new(0xffff));
        }),
        // The path looks whether there is a checksum, not at what it is.
        Protocol::Udp => with(&mut frame, l4, |udp: &mut Udp| {
            (udp.source, udp.destination) = ports;
            (udp.length, udp.checksum) = (Be16::new(udp::LEN as u16), Be16::new(0xffff));
        }),
    }
    frame
}

fn put<T: Header>(frame: &mut Frame, at: u32, header: T) {
    with(frame, at, |place| *place = header);
}

/// The frame was made with room for every header.
fn with<T: Header>(frame: &mut Frame, at: u32, write: impl FnOnce(&mut T)) {
    if let Some(header) = frame.header_mut(at) {
        write(header);
    }
}
