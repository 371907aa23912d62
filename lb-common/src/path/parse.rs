//! Stage 1: what the frame is. Lengths are never trusted; ports are never guessed.

use crate::net::bytes::{Be16, Header, Packet};
use crate::net::ethernet::{self, Ethernet, Tag};
use crate::net::forget::forget;
use crate::net::ipv4;
use crate::net::tcp::Tcp;
use crate::net::udp::{self, Udp};
use crate::wire::address::Address;
use crate::wire::directory::Key;

use super::family::{Family, Ip, Part};
use super::verdict::Verdict;

/// What an Ethernet frame carries.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Destination MAC as a 48-bit little-endian number.
    pub destination: u64,
    /// EtherType behind all tags, as it lies in memory.
    pub ethertype: u16,
    /// Where its payload begins: behind at most two VLAN tags, which stay as they are.
    pub l3: u32,
}

/// Reads the Ethernet header and VLAN tags.
///
/// # Errors
/// [`Verdict::Runt`].
#[inline(always)]
pub fn frame<P: Packet>(packet: &P) -> Result<Frame, Verdict> {
    let ethernet = packet.header::<Ethernet>(0).ok_or(Verdict::Runt)?;
    let mut frame =
        Frame { destination: ethernet.destination.mac48(), ethertype: ethernet.ethertype.load(), l3: ethernet::LEN };
    let mut tags = 0;
    while tags < 2 && matches!(frame.ethertype, ethernet::VLAN | ethernet::VLAN_OUTER) {
        frame.ethertype = packet.header::<Tag>(frame.l3).ok_or(Verdict::Runt)?.ethertype.load();
        frame.l3 += ethernet::TAG_LEN;
        tags += 1;
    }
    Ok(frame)
}

/// Whether a frame is of a VLAN, by its outer tag.
#[inline(always)]
#[must_use]
pub fn is_of_vlan<P: Packet>(packet: &P, frame: &Frame) -> bool {
    frame.l3 != ethernet::LEN && packet.header::<Tag>(ethernet::LEN).is_some_and(|tag| tag.vlan() != 0)
}

/// A TCP segment or a UDP datagram: what later stages ask of it. Ports as they lie in memory.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// The IP header.
    pub ip: Ip,
    /// Client's port.
    pub source_port: u16,
    /// Where it goes: address, port and protocol.
    pub key: Key,
    /// TCP flags; 0 for UDP.
    pub flags: u32,
    /// Where the payload begins by what the transport header says; `u32::MAX` if it says that it is shorter than it is.
    pub payload: u32,
    /// Where the payload ends by what the transport header says; for TCP, the IP packet's end.
    pub end: u32,
}

/// Reads the transport header.
///
/// # Errors
/// [`Verdict::NotBalanced`] for a protocol that has no ports, [`Verdict::Runt`].
#[inline(always)]
pub fn message<P: Packet>(packet: &P, ip: &Ip) -> Result<Message, Verdict> {
    let message = |source: u16, destination: u16| Message {
        ip: *ip,
        source_port: source,
        key: Key::new(ip.destination, destination, ip.protocol),
        flags: 0,
        payload: u32::MAX,
        end: ip.end,
    };
    match ip.protocol {
        ipv4::TCP => {
            let tcp = packet.header::<Tcp>(ip.l4).ok_or(Verdict::Runt)?;
            let payload = tcp.header_len().map_or(u32::MAX, |len| ip.l4 + len);
            Ok(Message { flags: u32::from(tcp.flags), payload, ..message(tcp.source.load(), tcp.destination.load()) })
        }
        ipv4::UDP => {
            let udp = packet.header::<Udp>(ip.l4).ok_or(Verdict::Runt)?;
            let length = u32::from(u16::from_be(udp.length.load()));
            let payload = if length < udp::LEN { u32::MAX } else { ip.l4 + udp::LEN };
            let flags = forget(0, length);
            Ok(Message { flags, payload, end: ip.l4 + length, ..message(udp.source.load(), udp.destination.load()) })
        }
        _ => Err(Verdict::NotBalanced),
    }
}

impl Message {
    /// Whether it is TCP; else UDP.
    #[inline(always)]
    #[must_use]
    pub const fn is_tcp(&self) -> bool {
        self.ip.protocol == ipv4::TCP
    }

    /// Whether it has any of these flags.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags as u32 != 0
    }

    /// Whether it opens a connection.
    #[inline(always)]
    #[must_use]
    pub const fn opens(&self) -> bool {
        self.has(Tcp::SYN) && !self.has(Tcp::ACK | Tcp::RST | Tcp::FIN)
    }

    /// Whether it resets one.
    #[inline(always)]
    #[must_use]
    pub const fn resets(&self) -> bool {
        self.has(Tcp::RST)
    }

    /// Whether it opens or ends a connection, in any way.
    #[inline(always)]
    #[must_use]
    pub const fn turns(&self) -> bool {
        self.has(Tcp::SYN | Tcp::FIN | Tcp::RST)
    }

    /// Bytes of TCP payload. Only after [`Message::check`].
    #[inline(always)]
    #[must_use]
    pub fn tcp_payload(&self) -> u32 {
        self.end.saturating_sub(self.payload)
    }

    /// Whether the lengths agree: transport header and payload lie within the IP packet, and that within the frame; and
    /// there is a checksum where one is required. Asked of a service's packets only: the others are the stack's to judge.
    ///
    /// # Errors
    /// [`Verdict::Malformed`], [`Verdict::NoChecksum`].
    #[inline(always)]
    pub fn check<F: Family, P: Packet>(&self, packet: &P) -> Result<(), Verdict> {
        // The first fragment of a datagram has the length of the whole.
        let whole = self.end <= self.ip.end || self.ip.piece.part != Part::WHOLE;
        if self.payload > self.ip.end || !whole || !packet.holds(self.ip.end) {
            return Err(Verdict::Malformed);
        }
        if !F::UDP_CHECKSUM_OPTIONAL && !self.is_tcp() {
            let udp = packet.header::<Udp>(self.ip.l4).ok_or(Verdict::Malformed)?;
            if udp.checksum.load() == 0 {
                return Err(Verdict::NoChecksum);
            }
        }
        Ok(())
    }
}

/// The ports at the start of a TCP or UDP header: what an ICMP error quotes at least.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Ports {
    source: Be16,
    destination: Be16,
}

const _: () = assert!(size_of::<Ports>() == 4 && align_of::<Ports>() == 1);

// SAFETY: byte arrays only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Ports {}

/// What an ICMP error quotes: a packet of a service to a client.
#[derive(Clone, Copy, Debug)]
pub struct Quoted {
    /// The client's address.
    pub client: Address,
    /// The client's port.
    pub client_port: u16,
    /// Where the client sends to.
    pub key: Key,
}

/// Reads what an ICMP error quotes at `l3`: the beginning of a packet that was sent from `sender`.
///
/// # Errors
/// [`Verdict::Quote`] if it quotes nothing of the kind.
#[inline(always)]
pub fn quoted<F: Family, P: Packet>(packet: &P, l3: u32, sender: Address) -> Result<Quoted, Verdict> {
    let ip = F::read(packet, l3).map_err(|_| Verdict::Quote)?;
    if ip.piece.part == Part::LATER || ip.source != sender || !matches!(ip.protocol, ipv4::TCP | ipv4::UDP) {
        return Err(Verdict::Quote);
    }
    let ports = packet.header::<Ports>(ip.l4).ok_or(Verdict::Quote)?;
    Ok(Quoted {
        client: ip.destination,
        client_port: ports.destination.load(),
        key: Key::new(ip.source, ports.source.load(), ip.protocol),
    })
}
