//! Frames with IP packets of either family, built by etherparse: headers and checksums that owe nothing to the code under
//! test.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    EtherType, Ethernet2Header, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpFragOffset, IpNumber, Ipv4Header,
    Ipv6Header, TcpHeader, UdpHeader,
};
use lb_userspace::core::config::model::Protocol;
use lb_userspace::core::event::Mac;

use super::net::Net;
use super::reading::{Frame, Piece, Reading};
use super::scene::{DIRECTOR_MAC, OWN_MAC, mac_of};

/// MAC of the router that clients' packets come from.
pub(crate) const ROUTER_MAC: Mac = Mac([2, 0, 0, 9, 0, 1]);
/// Port of the client.
pub(crate) const CLIENT_PORT: u16 = 40_000;
/// Length of the Ethernet header.
pub(crate) const ETHERNET: usize = 14;
/// Tag protocol identifier of 802.1Q.
pub(crate) const VLAN: u16 = 0x8100;
/// Tag protocol identifier of 802.1ad, the outer tag of QinQ.
pub(crate) const QINQ: u16 = 0x88a8;

/// What an IP packet carries.
#[derive(Debug, Clone)]
enum Transport {
    Tcp(Box<TcpHeader>),
    /// With this length and this checksum, whatever is right.
    Udp(Option<u16>, Option<u16>),
    /// Type, code, and the four bytes behind the checksum.
    Icmp(u8, u8, [u8; 4]),
    /// No header of its own: the payload is all of it.
    Bare(u8),
}

/// An IP packet in a frame, to be built up. Unless told otherwise it goes from the family's client to port 80 of its VIP,
/// with sequence number 1000 and, where it acknowledges, acknowledgment number 2000.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    ethernet: Ethernet2Header,
    tags: Vec<(u16, u16)>,
    v4: Ipv4Header,
    v6: Ipv6Header,
    /// Type and bytes of each; the type of the next header is put in.
    extensions: Vec<(u8, Vec<u8>)>,
    piece: Option<Piece>,
    client: SocketAddr,
    service: SocketAddr,
    transport: Transport,
    payload: Vec<u8>,
    edits: Vec<Edit>,
}

#[derive(Debug, Clone)]
enum Edit {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

impl Net {
    /// Opens a connection.
    pub(crate) fn syn(self) -> Segment {
        self.segment(|tcp| tcp.syn = true)
    }

    /// Acknowledges, and no more.
    pub(crate) fn ack(self) -> Segment {
        self.segment(|tcp| tcp.ack = true)
    }

    /// Carries this many bytes.
    pub(crate) fn data(self, len: usize) -> Segment {
        self.segment(|tcp| (tcp.ack, tcp.psh) = (true, true)).payload(len)
    }

    /// Closes the sender's half.
    pub(crate) fn fin(self) -> Segment {
        self.segment(|tcp| (tcp.ack, tcp.fin) = (true, true))
    }

    /// Resets the connection.
    pub(crate) fn rst(self) -> Segment {
        self.segment(|tcp| tcp.rst = true)
    }

    /// With these flags and no others.
    pub(crate) fn segment(self, flags: impl FnOnce(&mut TcpHeader)) -> Segment {
        let mut tcp = TcpHeader::new(0, 0, 1000, 64_240);
        flags(&mut tcp);
        tcp.acknowledgment_number = if tcp.ack { 2000 } else { 0 };
        self.packet(80, Transport::Tcp(Box::new(tcp)))
    }

    /// A datagram to port 53 with this many bytes.
    pub(crate) fn datagram(self, len: usize) -> Segment {
        self.packet(53, Transport::Udp(None, None)).payload(len)
    }

    /// A control message to the VIP.
    pub(crate) fn icmp(self, kind: u8, code: u8, rest: [u8; 4]) -> Segment {
        self.packet(0, Transport::Icmp(kind, code, rest))
    }

    /// A packet of another protocol to the VIP, or a fragment without a transport header.
    pub(crate) fn bare(self, protocol: u8, len: usize) -> Segment {
        self.packet(0, Transport::Bare(protocol)).payload(len)
    }

    fn packet(self, port: u16, transport: Transport) -> Segment {
        let ether_type = match self {
            Self::V4 => EtherType::IPV4,
            Self::V6 => EtherType::IPV6,
        };
        Segment {
            ethernet: Ethernet2Header { source: ROUTER_MAC.0, destination: OWN_MAC.0, ether_type },
            tags: Vec::new(),
            v4: Ipv4Header { time_to_live: 61, identification: 0x1234, dont_fragment: true, ..Ipv4Header::default() },
            v6: Ipv6Header { hop_limit: 61, ..Ipv6Header::default() },
            extensions: Vec::new(),
            piece: None,
            client: (self.client(), CLIENT_PORT).into(),
            service: self.at(port),
            transport,
            payload: Vec::new(),
            edits: Vec::new(),
        }
    }
}

/// Any bytes of this length: a whole number of repetitions is unlikely to look right elsewhere.
pub(crate) fn filling(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

impl Segment {
    /// The family.
    pub(crate) fn net(&self) -> Net {
        Net::of(self.service.ip())
    }

    /// Who sends it.
    pub(crate) fn client(&self) -> SocketAddr {
        self.client
    }

    /// To whom.
    pub(crate) fn service(&self) -> SocketAddr {
        self.service
    }

    /// From another client.
    pub(crate) fn from(self, client: impl Into<SocketAddr>) -> Self {
        Self { client: client.into(), ..self }
    }

    /// From another port of the same client.
    pub(crate) fn at_port(self, port: u16) -> Self {
        let client = self.client.ip();
        self.from((client, port))
    }

    /// From another host of the clients' network.
    pub(crate) fn by(self, host: u8) -> Self {
        let (net, port) = (self.net(), self.client.port());
        self.from((net.host(host), port))
    }

    /// To another address and port.
    pub(crate) fn to(self, service: impl Into<SocketAddr>) -> Self {
        Self { service: service.into(), ..self }
    }

    /// To another port of the VIP.
    pub(crate) fn for_port(self, port: u16) -> Self {
        let vip = self.service.ip();
        self.to((vip, port))
    }

    /// The other way: from the service to the client.
    pub(crate) fn answered(self) -> Self {
        Self { client: self.service, service: self.client, ..self }
    }

    /// To another host's MAC.
    pub(crate) fn for_mac(mut self, mac: [u8; 6]) -> Self {
        self.ethernet.destination = mac;
        self
    }

    /// From another host's MAC.
    pub(crate) fn by_mac(mut self, mac: [u8; 6]) -> Self {
        self.ethernet.source = mac;
        self
    }

    /// From another controller, as a director sends it.
    pub(crate) fn directed(self) -> Self {
        self.by_mac(DIRECTOR_MAC.0)
    }

    /// From the host of a backend, which hands it back.
    pub(crate) fn returned_by(self, backend: &str) -> Self {
        self.by_mac(mac_of(backend).0).returned()
    }

    /// As something else than IP: handed back.
    pub(crate) fn returned(mut self) -> Self {
        self.ethernet.ether_type = EtherType(self.net().returned());
        self
    }

    /// In a VLAN: behind the tags that are there, one more of this identifier and VLAN.
    pub(crate) fn tagged(mut self, identifier: u16, vlan: u16) -> Self {
        self.tags.push((identifier, vlan));
        self
    }

    /// With a change to the IPv4 header; its length and checksum are made to fit.
    pub(crate) fn v4(mut self, change: impl FnOnce(&mut Ipv4Header)) -> Self {
        change(&mut self.v4);
        self
    }

    /// With a change to the IPv6 header; its length is made to fit.
    pub(crate) fn v6(mut self, change: impl FnOnce(&mut Ipv6Header)) -> Self {
        change(&mut self.v6);
        self
    }

    /// With one more IPv6 extension header: `bytes` begin with its length field.
    pub(crate) fn extension(mut self, kind: u8, bytes: &[u8]) -> Self {
        self.extensions.push((kind, bytes.to_vec()));
        self
    }

    /// With one more IPv6 extension header of so many units of eight bytes, at most 32.
    pub(crate) fn options6(self, kind: u8, units: u8) -> Self {
        // All of it is one option that pads (RFC 8200 section 4.2).
        let len = 8 * usize::from(units);
        let mut bytes = vec![units - 1, 1, (len - 4) as u8];
        bytes.resize(len - 1, 0);
        self.extension(kind, &bytes)
    }

    /// As a fragment of the packet with this identification.
    pub(crate) fn fragment(mut self, id: u32, eighths: u16, more: bool) -> Self {
        self.piece = Some(Piece { eighths, more, id });
        self
    }

    /// With a change to the TCP header; its length and checksum are made to fit.
    pub(crate) fn tcp(mut self, change: impl FnOnce(&mut TcpHeader)) -> Self {
        let Transport::Tcp(tcp) = &mut self.transport else { panic!("no TCP segment: {:?}", self.transport) };
        change(tcp);
        self
    }

    /// With so many words of IPv4 options, all of them "no operation".
    pub(crate) fn ip_options(self, words: usize) -> Self {
        self.v4(|ip| ip.options = vec![1; 4 * words].as_slice().try_into().expect("0 to 10 words"))
    }

    /// With so many words of TCP options, all of them "no operation".
    pub(crate) fn tcp_options(self, words: usize) -> Self {
        self.tcp(|tcp| tcp.set_options_raw(&vec![1; 4 * words]).expect("0 to 10 words"))
    }

    /// With so many bytes of payload.
    pub(crate) fn payload(self, len: usize) -> Self {
        self.carrying(filling(len))
    }

    /// With this payload.
    pub(crate) fn carrying(self, payload: Vec<u8>) -> Self {
        Self { payload, ..self }
    }

    /// The UDP header says this length, whatever is right.
    pub(crate) fn saying_udp_length(self, length: u16) -> Self {
        let Transport::Udp(_, checksum) = self.transport else { panic!("no datagram: {:?}", self.transport) };
        Self { transport: Transport::Udp(Some(length), checksum), ..self }
    }

    /// The UDP header says this checksum, whatever is right.
    pub(crate) fn saying_udp_checksum(self, checksum: u16) -> Self {
        let Transport::Udp(length, _) = self.transport else { panic!("no datagram: {:?}", self.transport) };
        Self { transport: Transport::Udp(length, Some(checksum)), ..self }
    }

    /// The finished frame says `bytes` at `offset`, whatever is right.
    pub(crate) fn saying(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.edits.push(Edit::Bytes(offset, bytes.to_vec()));
        self
    }

    /// The IP header says that so many bytes follow it, whatever is right. Without options.
    pub(crate) fn saying_ip_payload(self, len: usize) -> Self {
        let l3 = self.l3();
        let (at, value) = match self.net() {
            Net::V4 => (l3 + 2, len + 20),
            Net::V6 => (l3 + 4, len),
        };
        self.saying(at, &u16::try_from(value).expect("16 bits").to_be_bytes())
    }

    /// The TCP header says that it has this many words, whatever is right.
    pub(crate) fn saying_data_offset(self, words: u8) -> Self {
        let offset = self.l4() + 12;
        self.saying(offset, &[words << 4])
    }

    /// The finished frame is cut, or padded with zeros, to this length.
    pub(crate) fn frame_of(mut self, len: usize) -> Self {
        self.edits.push(Edit::Length(len));
        self
    }

    /// The IP packet alone.
    pub(crate) fn packet(self) -> Vec<u8> {
        let l3 = self.l3();
        Frame::from(self).bytes[l3..].to_vec()
    }

    fn l3(&self) -> usize {
        ETHERNET + 4 * self.tags.len()
    }

    /// Where the transport header begins.
    pub(crate) fn l4(&self) -> usize {
        match self.net() {
            Net::V4 => self.l3() + self.v4.header_len(),
            Net::V6 => {
                let extensions: usize = self.extensions.iter().map(|(_, bytes)| bytes.len() + 1).sum();
                self.l3() + 40 + extensions + if self.piece.is_some() { 8 } else { 0 }
            }
        }
    }

    fn protocol(&self) -> u8 {
        match &self.transport {
            Transport::Tcp(_) => IpNumber::TCP.0,
            Transport::Udp(..) => IpNumber::UDP.0,
            Transport::Icmp(..) => self.net().icmp_number(),
            Transport::Bare(protocol) => *protocol,
        }
    }

    /// Everything behind the IP headers, with its checksum.
    fn transport(&self) -> Vec<u8> {
        let payload = &self.payload;
        let header: Vec<u8> = match (&self.transport, self.client.ip(), self.service.ip()) {
            (Transport::Bare(_), ..) => Vec::new(),
            (Transport::Tcp(tcp), source, destination) => {
                let mut tcp = tcp.clone();
                (tcp.source_port, tcp.destination_port) = (self.client.port(), self.service.port());
                tcp.checksum = match (source, destination) {
                    (IpAddr::V4(a), IpAddr::V4(b)) => tcp.calc_checksum_ipv4_raw(a.octets(), b.octets(), payload),
                    (IpAddr::V6(a), IpAddr::V6(b)) => tcp.calc_checksum_ipv6_raw(a.octets(), b.octets(), payload),
                    _ => panic!("{source} and {destination} are of two families"),
                }
                .expect("short enough");
                tcp.to_bytes().to_vec()
            }
            (Transport::Udp(length, checksum), source, destination) => {
                let (client, service) = (self.client.port(), self.service.port());
                let length = length.unwrap_or((8 + payload.len()) as u16);
                let mut udp = UdpHeader { source_port: client, destination_port: service, length, checksum: 0 };
                udp.checksum = checksum.unwrap_or_else(|| {
                    match (source, destination) {
                        (IpAddr::V4(a), IpAddr::V4(b)) => udp.calc_checksum_ipv4_raw(a.octets(), b.octets(), payload),
                        (IpAddr::V6(a), IpAddr::V6(b)) => udp.calc_checksum_ipv6_raw(a.octets(), b.octets(), payload),
                        _ => panic!("{source} and {destination} are of two families"),
                    }
                    .expect("short enough")
                });
                udp.to_bytes().to_vec()
            }
            (Transport::Icmp(kind, code, rest), source, destination) => {
                icmp_header((*kind, *code, *rest), source, destination, payload)
            }
        };
        [&header, payload.as_slice()].concat()
    }

    fn network(&self, behind: usize) -> Vec<u8> {
        match (self.client.ip(), self.service.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut ip = self.v4.clone();
                (ip.source, ip.destination) = (source.octets(), destination.octets());
                ip.protocol = IpNumber(self.protocol());
                if let Some(piece) = self.piece {
                    ip.fragment_offset = IpFragOffset::try_new(piece.eighths).expect("13 bits");
                    (ip.more_fragments, ip.dont_fragment) = (piece.more, false);
                    ip.identification = piece.id as u16;
                }
                ip.set_payload_len(behind).expect("16 bits");
                ip.header_checksum = ip.calc_header_checksum();
                ip.to_bytes().to_vec()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.network6(source.octets(), destination.octets(), behind)
            }
            (source, destination) => panic!("{source} and {destination} are of two families"),
        }
    }

    fn network6(&self, source: [u8; 16], destination: [u8; 16], behind: usize) -> Vec<u8> {
        let mut headers = self.extensions.clone();
        if let Some(piece) = self.piece {
            let offset = piece.eighths << 3 | u16::from(piece.more);
            headers.push((44, [&[0][..], &offset.to_be_bytes(), &piece.id.to_be_bytes()].concat()));
        }
        let kinds: Vec<u8> = headers.iter().map(|(kind, _)| *kind).chain([self.protocol()]).collect();
        let chain: Vec<u8> =
            headers.iter().zip(&kinds[1..]).flat_map(|((_, bytes), next)| [&[*next][..], bytes].concat()).collect();
        let mut ip = self.v6.clone();
        ip.payload_length = u16::try_from(chain.len() + behind).expect("16 bits");
        (ip.source, ip.destination, ip.next_header) = (source, destination, IpNumber(kinds[0]));
        [ip.to_bytes().as_slice(), &chain].concat()
    }

    fn reading(&self) -> Reading {
        let (protocol, flags) = match &self.transport {
            Transport::Tcp(tcp) => (Some(Protocol::Tcp), [tcp.syn, tcp.fin, tcp.rst]),
            Transport::Udp(..) => (Some(Protocol::Udp), [false; 3]),
            Transport::Bare(6) => (Some(Protocol::Tcp), [false; 3]),
            Transport::Bare(17) => (Some(Protocol::Udp), [false; 3]),
            Transport::Icmp(..) | Transport::Bare(_) => (None, [false; 3]),
        };
        let piece = self.piece.filter(|piece| piece.eighths > 0 || piece.more);
        let [syn, fin, rst] = flags;
        let (l3, l4) = (self.l3(), self.l4());
        Reading { client: self.client, service: self.service, protocol, syn, fin, rst, piece, l3, l4 }
    }
}

/// The header of a control message with its checksum.
pub(crate) fn icmp_header(
    (type_u8, code_u8, bytes5to8): (u8, u8, [u8; 4]),
    source: IpAddr,
    destination: IpAddr,
    body: &[u8],
) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let kind = Icmpv6Type::Unknown { type_u8, code_u8, bytes5to8 };
            Icmpv6Header::with_checksum(kind, a.octets(), b.octets(), body).expect("short enough").to_bytes().to_vec()
        }
        _ => {
            let kind = Icmpv4Type::Unknown { type_u8, code_u8, bytes5to8 };
            Icmpv4Header::with_checksum(kind, body).to_bytes().to_vec()
        }
    }
}

impl From<Segment> for Frame {
    fn from(segment: Segment) -> Self {
        let transport = segment.transport();
        let network = segment.network(transport.len());
        let ethernet = segment.ethernet.to_bytes();
        let mut bytes = ethernet[..12].to_vec();
        for (identifier, vlan) in &segment.tags {
            bytes.extend(identifier.to_be_bytes());
            bytes.extend(vlan.to_be_bytes());
        }
        bytes.extend(&ethernet[12..]);
        bytes.extend(network);
        bytes.extend(transport);
        for edit in &segment.edits {
            match edit {
                Edit::Bytes(offset, with) => bytes[*offset..offset + with.len()].copy_from_slice(with),
                Edit::Length(len) => bytes.resize(*len, 0),
            }
        }
        Self { bytes, reading: Some(segment.reading()) }
    }
}
