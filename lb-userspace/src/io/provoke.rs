//! A segment that makes a TCP client speak: who is at either end in, a packet to the client out.
//!
//! Only the client knows the sequence numbers of its connection, and only a reset that has them counts (RFC 5961 section 3).
//! A segment whose numbers are wrong is answered by an ACK that bears the right ones (RFC 9293 section 3.10.7.4, RFC 5961
//! section 5); that comes to the VIP, and the packet path answers it as the flow's state is: by a reset if it was cut. A
//! client that knows of no such connection answers by a reset, which nobody answers; one that is still opening it sends its
//! SYN again. No data is ever carried, so a segment whose numbers happen to fit does nothing.
//!
//! The packet goes the kernel's way to the client, by its routes and neighbours, so it also reaches clients behind routers
//! and those that are controllers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use lb_common::host::Frame;
use lb_common::net::bytes::{Be16, Be32, Packet as _};
use lb_common::net::checksum::Sum;
use lb_common::net::ipv4;
use lb_common::net::tcp::{self, Tcp};
use lb_common::path::family::{Family, V4, V6, pseudo_header};
use lb_common::wire::address::Address;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with};

/// Should the numbers fit by chance, the client may send this much.
const WINDOW: u16 = 1024;
/// "No operation" twice, timestamps of 10 bytes (RFC 7323 section 3.2).
const TIMESTAMPS: [u8; 4] = [1, 1, 8, 10];

/// How a segment is made: stacks that have agreed on timestamps differ in what they make of one without, and of an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Without a timestamp: what Linux answers, whatever was agreed on.
    Plain,
    /// With this one. Of two that are 2^31 apart, one is not old.
    Stamped(u32),
}

/// Sends them.
#[derive(Debug)]
pub struct Provoker {
    v4: io::Result<OwnedFd>,
    v6: io::Result<OwnedFd>,
    /// Another one in each segment.
    number: u32,
}

impl Provoker {
    /// In the network namespace of the calling thread; `seed`: where the numbers begin. A family for which there is no socket says so
    /// when it is asked to send.
    #[must_use]
    pub fn open(seed: u32) -> Self {
        // A raw socket of this protocol takes whole packets, with any source (raw(7)), and receives none.
        let open = |family| -> io::Result<OwnedFd> {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            Ok(socket_with(family, SocketType::RAW, flags, Some(ipproto::RAW))?)
        };
        Self { v4: open(AddressFamily::INET), v6: open(AddressFamily::INET6), number: seed }
    }

    /// Sends a segment of the connection between `client` and `vip` to the client.
    ///
    /// # Errors
    /// What the kernel says; [`io::ErrorKind::WouldBlock`] if there is no room just now.
    pub fn provoke(&mut self, vip: SocketAddr, client: SocketAddr, form: Form) -> io::Result<()> {
        // Numbers far apart from each other: one that is by chance within the client's window is not the next time.
        self.number = self.number.wrapping_add(0x9e37_79b9);
        let (socket, packet) = match (vip.ip(), client.ip()) {
            (IpAddr::V4(_), IpAddr::V4(_)) => (&self.v4, packet::<V4>(vip, client, self.number, form)),
            (IpAddr::V6(_), IpAddr::V6(_)) => (&self.v6, packet::<V6>(vip, client, self.number, form)),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let packet = packet.ok_or(io::ErrorKind::InvalidInput)?;
        let socket = socket.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        // The port of a raw socket's address is none of the packet's.
        sendto(socket, &packet, SendFlags::empty(), &SocketAddr::new(client.ip(), 0))?;
        Ok(())
    }
}

/// A whole packet.
fn packet<F: Family>(vip: SocketAddr, client: SocketAddr, number: u32, form: Form) -> Option<Vec<u8>> {
    let (from, to) = (Address::from(vip.ip()), Address::from(client.ip()));
    let options = match form {
        Form::Plain => Vec::new(),
        // The other side's is answered by none: 0.
        Form::Stamped(stamp) => [&TIMESTAMPS[..], &stamp.to_be_bytes(), &[0; 4]].concat(),
    };
    let length = tcp::LEN as u16 + options.len() as u16;
    let header = Tcp {
        source: Be16::new(vip.port()),
        destination: Be16::new(client.port()),
        sequence: Be32::new(number),
        acknowledgment: Be32::new(number.rotate_left(16)),
        offset: (length as u8 / 4) << 4,
        flags: Tcp::ACK,
        window: Be16::new(WINDOW),
        checksum: Be16::new(0),
        urgent: Be16::new(0),
    };
    let mut packet = Frame([vec![0; (F::LEN + tcp::LEN) as usize], options].concat());
    *packet.header_mut(0)? = F::header(from, to, ipv4::TCP, length);
    *packet.header_mut(F::LEN)? = header;
    let words = packet.0[F::LEN as usize..].chunks_exact(2).map(|word| u16::from_ne_bytes([word[0], word[1]]));
    let sum = words.fold(pseudo_header(from, to, ipv4::TCP, length), Sum::word);
    *packet.header_mut(F::LEN)? = Tcp { checksum: sum.checksum(), ..header };
    Some(packet.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    /// What another implementation reads in a packet: its TCP header, after both checksums were found to be right.
    fn read(packet: &[u8]) -> (IpAddr, IpAddr, etherparse::TcpHeader) {
        let sliced = etherparse::SlicedPacket::from_ip(packet).unwrap();
        let Some(etherparse::TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("{packet:x?}") };
        assert!(tcp.payload().is_empty());
        let header = tcp.to_header();
        match sliced.net.unwrap() {
            etherparse::NetSlice::Ipv4(ip) => {
                let ip = ip.header().to_header();
                assert_eq!(usize::from(ip.total_len), packet.len());
                assert_eq!(header.calc_checksum_ipv4(&ip, &[]).unwrap(), header.checksum);
                (IpAddr::from(ip.source), IpAddr::from(ip.destination), header)
            }
            etherparse::NetSlice::Ipv6(ip) => {
                let ip = ip.header().to_header();
                assert_eq!(usize::from(ip.payload_length) + 40, packet.len());
                assert_eq!(header.calc_checksum_ipv6(&ip, &[]).unwrap(), header.checksum);
                (IpAddr::from(ip.source), IpAddr::from(ip.destination), header)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_segment_is_a_bare_ack_between_the_vip_and_the_client() {
        let pairs = [("10.0.0.100:80", "10.9.8.7:40000"), ("[fd00::100]:443", "[2001:db8::7]:65535")];
        for (vip, client) in pairs.map(|(vip, client)| (at(vip), at(client))) {
            for form in [Form::Plain, Form::Stamped(0x8765_4321)] {
                let packet = match vip {
                    SocketAddr::V4(_) => packet::<V4>(vip, client, 0xdead_beef, form),
                    SocketAddr::V6(_) => packet::<V6>(vip, client, 0xdead_beef, form),
                };
                let (source, destination, tcp) = read(&packet.unwrap());
                assert_eq!((source, destination), (vip.ip(), client.ip()));
                assert_eq!((tcp.source_port, tcp.destination_port), (vip.port(), client.port()));
                assert_eq!((tcp.sequence_number, tcp.acknowledgment_number), (0xdead_beef, 0xbeef_dead));
                assert!(tcp.ack && !tcp.syn && !tcp.rst && !tcp.fin && !tcp.psh && !tcp.urg);
                let stamp = match form {
                    Form::Plain => None,
                    Form::Stamped(stamp) => Some(Ok(etherparse::TcpOptionElement::Timestamp(stamp, 0))),
                };
                let stamps = tcp.options_iterator().filter(|it| *it != Ok(etherparse::TcpOptionElement::Noop));
                assert_eq!(stamps.collect::<Vec<_>>(), stamp.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
