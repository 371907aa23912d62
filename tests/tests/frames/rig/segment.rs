//! Frames with TCP segments, built by etherparse: headers and checksums that owe nothing to the code under test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv6Header, TcpHeader};
use lb_userspace::core::event::Mac;

use super::scene::{OWN_MAC, VIP};

/// MAC of the router that clients' packets come from.
pub(crate) const ROUTER_MAC: Mac = Mac([2, 0, 0, 9, 0, 1]);
/// The client of most cases.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// Its port.
const CLIENT_PORT: u16 = 40_000;
/// Length of the Ethernet header.
pub(crate) const ETHERNET: usize = 14;

/// A frame, and what a reader would say of it.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// Who speaks to whom, if it has a TCP segment.
    pub(crate) parties: Option<Parties>,
}

/// Sender and addressee of a TCP segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parties {
    pub(crate) client: SocketAddr,
    pub(crate) service: SocketAddr,
    /// Whether the segment resets the connection.
    pub(crate) resets: bool,
}

/// A TCP segment in a frame, to be built up. Unless told otherwise it goes from [`CLIENT`] to port 80 of the VIP, with
/// sequence number 1000 and, where it acknowledges, acknowledgment number 2000.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    ethernet: Ethernet2Header,
    ip: Ipv4Header,
    client: SocketAddr,
    service: SocketAddr,
    tcp: TcpHeader,
    payload: Vec<u8>,
    edits: Vec<Edit>,
}

#[derive(Debug, Clone)]
enum Edit {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

/// Opens a connection.
pub(crate) fn syn() -> Segment {
    segment(|tcp| tcp.syn = true)
}

/// Acknowledges, and no more.
pub(crate) fn ack() -> Segment {
    segment(|tcp| tcp.ack = true)
}

/// Carries this many bytes.
pub(crate) fn data(len: usize) -> Segment {
    Segment { payload: (0..len).map(|i| i as u8).collect(), ..segment(|tcp| (tcp.ack, tcp.psh) = (true, true)) }
}

/// Closes the sender's half.
pub(crate) fn fin() -> Segment {
    segment(|tcp| (tcp.ack, tcp.fin) = (true, true))
}

/// Resets the connection.
pub(crate) fn rst() -> Segment {
    segment(|tcp| tcp.rst = true)
}

/// With these flags and no others.
pub(crate) fn segment(flags: impl FnOnce(&mut TcpHeader)) -> Segment {
    let mut tcp = TcpHeader::new(0, 0, 1000, 64_240);
    flags(&mut tcp);
    tcp.acknowledgment_number = if tcp.ack { 2000 } else { 0 };
    Segment {
        ethernet: Ethernet2Header { source: ROUTER_MAC.0, destination: OWN_MAC.0, ether_type: EtherType::IPV4 },
        ip: Ipv4Header { time_to_live: 61, identification: 0x1234, dont_fragment: true, ..Ipv4Header::default() },
        client: (CLIENT, CLIENT_PORT).into(),
        service: (VIP, 80).into(),
        tcp,
        payload: Vec::new(),
        edits: Vec::new(),
    }
}

/// A frame that is no TCP segment.
pub(crate) fn raw(bytes: Vec<u8>) -> Frame {
    Frame { bytes, parties: None }
}

/// The reset that answers a segment from `client` to `service`: RFC 9293 section 3.10.7.1 gives the numbers.
pub(crate) fn reset(to: Mac, parties: &Parties, sequence: u32, acknowledgment: Option<u32>) -> Vec<u8> {
    let mut reset = segment(|tcp| (tcp.rst, tcp.ack) = (true, acknowledgment.is_some()));
    reset.ethernet = Ethernet2Header { source: OWN_MAC.0, destination: to.0, ether_type: EtherType::IPV4 };
    (reset.ip.time_to_live, reset.ip.identification) = (64, 0);
    (reset.client, reset.service) = (parties.service, parties.client);
    (reset.tcp.sequence_number, reset.tcp.acknowledgment_number) = (sequence, acknowledgment.unwrap_or(0));
    reset.tcp.window_size = 0;
    Frame::from(reset).bytes
}

impl Segment {
    /// From another client.
    pub(crate) fn from(self, client: impl Into<SocketAddr>) -> Self {
        Self { client: client.into(), ..self }
    }

    /// From another port of the same client.
    pub(crate) fn at_port(self, port: u16) -> Self {
        self.from((CLIENT, port))
    }

    /// To another address and port.
    pub(crate) fn to(self, service: impl Into<SocketAddr>) -> Self {
        Self { service: service.into(), ..self }
    }

    /// To another host's MAC.
    pub(crate) fn for_mac(mut self, mac: [u8; 6]) -> Self {
        self.ethernet.destination = mac;
        self
    }

    /// With a change to the IPv4 header; its length and checksum are made to fit.
    pub(crate) fn ip(mut self, change: impl FnOnce(&mut Ipv4Header)) -> Self {
        change(&mut self.ip);
        self
    }

    /// With a change to the TCP header; its length and checksum are made to fit.
    pub(crate) fn tcp(mut self, change: impl FnOnce(&mut TcpHeader)) -> Self {
        change(&mut self.tcp);
        self
    }

    /// As a fragment of a packet.
    pub(crate) fn fragment(self, eighths: u16, more: bool) -> Self {
        self.ip(|ip| {
            ip.fragment_offset = IpFragOffset::try_new(eighths).expect("13 bits");
            (ip.more_fragments, ip.dont_fragment) = (more, false);
        })
    }

    /// With so many words of IP options, all of them "no operation".
    pub(crate) fn ip_options(self, words: usize) -> Self {
        self.ip(|ip| ip.options = vec![1; 4 * words].as_slice().try_into().expect("0 to 10 words"))
    }

    /// With so many words of TCP options, all of them "no operation".
    pub(crate) fn tcp_options(self, words: usize) -> Self {
        self.tcp(|tcp| tcp.set_options_raw(&vec![1; 4 * words]).expect("0 to 10 words"))
    }

    /// With so many bytes of payload.
    pub(crate) fn payload(self, len: usize) -> Self {
        Self { payload: (0..len).map(|i| i as u8).collect(), ..self }
    }

    /// The finished frame says `bytes` at `offset`, whatever is right.
    pub(crate) fn saying(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.edits.push(Edit::Bytes(offset, bytes.to_vec()));
        self
    }

    /// The IP header says this total length, whatever is right.
    pub(crate) fn saying_total_length(self, len: usize) -> Self {
        self.saying(ETHERNET + 2, &u16::try_from(len).expect("16 bits").to_be_bytes())
    }

    /// The TCP header says that it has this many words, whatever is right.
    pub(crate) fn saying_data_offset(self, words: u8) -> Self {
        let offset = ETHERNET + self.ip.header_len() + 12;
        self.saying(offset, &[words << 4])
    }

    /// The finished frame is cut, or padded with zeros, to this length.
    pub(crate) fn frame_of(mut self, len: usize) -> Self {
        self.edits.push(Edit::Length(len));
        self
    }

    /// The headers as they lie on the wire, before the TCP header.
    fn network(&mut self) -> (Vec<u8>, u16) {
        match (self.client.ip(), self.service.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => self.ipv4(source, destination),
            (IpAddr::V6(source), IpAddr::V6(destination)) => self.ipv6(source, destination),
            (source, destination) => panic!("{source} and {destination} are of two families"),
        }
    }

    fn ipv4(&mut self, source: Ipv4Addr, destination: Ipv4Addr) -> (Vec<u8>, u16) {
        (self.ip.source, self.ip.destination) = (source.octets(), destination.octets());
        if self.ip.protocol == IpNumber::default() {
            self.ip.protocol = IpNumber::TCP;
        }
        self.ip.set_payload_len(self.tcp.header_len() + self.payload.len()).expect("16 bits");
        self.ip.header_checksum = self.ip.calc_header_checksum();
        (self.ip.to_bytes().to_vec(), self.tcp.calc_checksum_ipv4(&self.ip, &self.payload).expect("16 bits"))
    }

    fn ipv6(&mut self, source: Ipv6Addr, destination: Ipv6Addr) -> (Vec<u8>, u16) {
        self.ethernet.ether_type = EtherType::IPV6;
        let ip = Ipv6Header {
            payload_length: (self.tcp.header_len() + self.payload.len()) as u16,
            next_header: IpNumber::TCP,
            hop_limit: 61,
            source: source.octets(),
            destination: destination.octets(),
            ..Ipv6Header::default()
        };
        (ip.to_bytes().to_vec(), self.tcp.calc_checksum_ipv6(&ip, &self.payload).expect("16 bits"))
    }
}

impl From<Segment> for Frame {
    fn from(mut segment: Segment) -> Self {
        (segment.tcp.source_port, segment.tcp.destination_port) = (segment.client.port(), segment.service.port());
        let (network, checksum) = segment.network();
        segment.tcp.checksum = checksum;
        let mut bytes = segment.ethernet.to_bytes().to_vec();
        bytes.extend(network);
        bytes.extend(segment.tcp.to_bytes());
        bytes.extend(&segment.payload);
        for edit in &segment.edits {
            match edit {
                Edit::Bytes(offset, with) => bytes[*offset..offset + with.len()].copy_from_slice(with),
                Edit::Length(len) => bytes.resize(*len, 0),
            }
        }
        let parties = Parties { client: segment.client, service: segment.service, resets: segment.tcp.rst };
        Self { bytes, parties: Some(parties) }
    }
}
