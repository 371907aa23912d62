//! A UDP service that is bound to the wildcard address and answers from the address it was asked at, and its client.
//!
//! The service is what pivot asks of one: it learns the address by `IPV6_RECVPKTINFO` and answers from it (RFC 3542,
//! section 6), with no other option set. An answer is one line of JSON ([`Answer`]) and all that was sent.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;
use std::{mem, ptr};

use anyhow::{Context as _, Result, bail};

use super::http::{Answer, unmapped};
use super::node::{Listen, Node};
use super::patience::patient;
use super::pattern;
use super::process::Process;
use super::wait::wait_until;

/// What a client is to send.
#[derive(Debug, Clone, Copy)]
pub struct Datagrams {
    /// Where to.
    pub target: SocketAddr,
    /// The client's address; `None`: the one that the kernel chooses.
    pub from: Option<IpAddr>,
    /// How many.
    pub count: usize,
    /// Bytes in each, at least 8.
    pub size: usize,
    /// Whether all go from one port; else each goes from one of its own.
    pub one_port: bool,
    /// How long each answer is waited for.
    pub wait: Duration,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Echoes {
    /// Answers that were right: with the bytes sent, from the address asked, and the client seen as it is.
    pub answers: Vec<Answer>,
    /// Datagrams without an answer.
    pub lost: usize,
    /// Datagrams answered with an ICMP error "port unreachable".
    pub refused: usize,
    /// What was wrong with other answers.
    pub wrong: Vec<String>,
}

/// Longest wait for an answer that is expected.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest datagram that there is.
const LONGEST: usize = 65_536;

impl Datagrams {
    /// Small ones, each from a port of its own.
    pub fn to(target: impl Into<SocketAddr>, count: usize) -> Self {
        Self { target: target.into(), from: None, count, size: 64, one_port: false, wait: patient(PATIENCE) }
    }

    /// The same of this size.
    #[must_use]
    pub fn sized(self, bytes: usize) -> Self {
        Self { size: bytes, ..self }
    }

    /// The same from this address of the client.
    #[must_use]
    pub fn from(self, address: impl Into<IpAddr>) -> Self {
        Self { from: Some(address.into()), ..self }
    }

    /// The same from one port.
    #[must_use]
    pub fn from_one_port(self) -> Self {
        Self { one_port: true, ..self }
    }

    /// The same, with each answer given up after this time.
    #[must_use]
    pub fn waiting(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    fn run(self) -> Result<Echoes> {
        let mut echoes = Echoes::default();
        let mut socket = self.socket()?;
        for number in 0..self.count as u64 {
            if number > 0 && !self.one_port {
                socket = self.socket()?;
            }
            let mut payload = number.to_be_bytes().to_vec();
            payload.extend(pattern::bytes(self.size.saturating_sub(payload.len())));
            match exchange(&socket, &payload) {
                Ok(answer) => match examine(&answer, &payload, socket.local_addr()?, self.target) {
                    Ok(answer) => echoes.answers.push(answer),
                    Err(error) => echoes.wrong.push(format!("{error:#}")),
                },
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => echoes.refused += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => echoes.lost += 1,
                Err(error) => return Err(error).with_context(|| format!("asking {}", self.target)),
            }
        }
        Ok(echoes)
    }

    /// Connected: an answer from another address than the one asked is lost.
    fn socket(self) -> Result<UdpSocket> {
        let any: IpAddr = if self.target.is_ipv4() { [0, 0, 0, 0].into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let from = SocketAddr::new(self.from.unwrap_or(any), 0);
        let socket = UdpSocket::bind(from).with_context(|| format!("binding to {from}"))?;
        socket.connect(self.target).with_context(|| format!("connecting to {}", self.target))?;
        socket.set_read_timeout(Some(self.wait))?;
        Ok(socket)
    }
}

impl Echoes {
    /// Answers by the backend's name.
    pub fn backends(&self) -> BTreeMap<&str, usize> {
        self.answers.iter().fold(BTreeMap::new(), |mut counts, answer| {
            *counts.entry(answer.name.as_str()).or_default() += 1;
            counts
        })
    }

    /// Datagrams that were not answered rightly.
    pub fn failed(&self) -> usize {
        self.lost + self.refused + self.wrong.len()
    }
}

impl Node {
    /// Starts the service here; returns once it answers.
    pub fn serve_udp(&self, port: u16) -> Result<Process> {
        let mut process = self.spawn_service("serve-udp", &[], Listen::Wildcard, port)?;
        self.run(|| {
            wait_until(Duration::from_secs(10), "the UDP service to answer", || match process.ended()? {
                Some(status) => bail!("{process} ended: {status}{}", process.tail()),
                None => match Datagrams::to((self.address, port), 1).run()?.answers.len() {
                    0 => bail!("no answer"),
                    _ => Ok(()),
                },
            })
        })??;
        Ok(process)
    }

    /// Sends datagrams from this host, one after the other.
    pub fn ask_udp(&self, datagrams: Datagrams) -> Result<Echoes> {
        self.run(|| datagrams.run())?
    }
}

fn exchange(socket: &UdpSocket, payload: &[u8]) -> io::Result<Vec<u8>> {
    socket.send(payload)?;
    let mut answer = vec![0; LONGEST];
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

fn examine(bytes: &[u8], payload: &[u8], client: SocketAddr, target: SocketAddr) -> Result<Answer> {
    let line = bytes.iter().position(|&byte| byte == b'\n').context("an answer without a line")?;
    let (line, rest) = bytes.split_at(line);
    let answer: Answer = serde_json::from_slice(line).context("reading an answer's line")?;
    if rest[1..] != *payload {
        bail!("{} bytes were sent, {} others came back from {}", payload.len(), rest.len() - 1, answer.name);
    }
    if answer.client != client || answer.local != Some(target) {
        bail!("{client} asked {target}, and {} saw {} ask {:?}", answer.name, answer.client, answer.local);
    }
    Ok(answer)
}

/// Serves until the process ends; fails if one of `bind` is no address of IPv6, or cannot be bound.
pub fn serve(name: &str, bind: &[SocketAddr]) -> Result<()> {
    let [SocketAddr::V6(bind)] = bind else {
        bail!("bound to {bind:?}: it takes one address of IPv6 (`::` serves both families)");
    };
    let socket = UdpSocket::bind(bind).with_context(|| format!("binding to {bind}"))?;
    ask_for_own_address(&socket).context("setting IPV6_RECVPKTINFO")?;
    let mut buffer = vec![0; LONGEST];
    loop {
        let (length, client, asked) = receive(&socket, &mut buffer).context("receiving")?;
        let local = unmapped(SocketAddr::new(asked.into(), bind.port()));
        let answer = Answer { name: name.to_owned(), client: unmapped(client.into()), local: Some(local) };
        let mut bytes = serde_json::to_vec(&answer)?;
        bytes.push(b'\n');
        bytes.extend(&buffer[..length]);
        // The client counts it as lost; others are served on.
        if let Err(error) = answer_from(&socket, &bytes, client, asked) {
            eprintln!("answering {client} from {asked}: {error}");
        }
    }
}

/// One control message with an own address (RFC 3542, section 6).
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    info: libc::in6_pktinfo,
}

/// Length of a [`Control`] without the padding at its end.
const CONTROL_LENGTH: usize = mem::offset_of!(Control, info) + size_of::<libc::in6_pktinfo>();

fn ask_for_own_address(socket: &UdpSocket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the value is an int that outlives the call, and its length is given with it.
    let result = unsafe {
        let on = (&raw const on).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, on, length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A datagram's length, where it came from, and the address that it was sent to.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddrV6, Ipv6Addr)> {
    // SAFETY: all of these are plain numbers and pointers, for which zero is a value.
    let (mut name, mut control, mut message): (libc::sockaddr_in6, Control, libc::msghdr) =
        unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
    let mut parts = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    fill(&mut message, &mut name, &mut control, &mut parts);
    // SAFETY: every pointer in the message is to something that outlives the call, with its length beside it.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let told = message.msg_controllen >= CONTROL_LENGTH
        && (control.header.cmsg_level, control.header.cmsg_type) == (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);
    if !told {
        return Err(io::Error::other("the kernel did not tell the address that a datagram was sent to"));
    }
    let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
    let client = SocketAddrV6::new(address, u16::from_be(name.sin6_port), 0, name.sin6_scope_id);
    Ok((length, client, Ipv6Addr::from(control.info.ipi6_addr.s6_addr)))
}

fn answer_from(socket: &UdpSocket, bytes: &[u8], client: SocketAddrV6, own: Ipv6Addr) -> io::Result<()> {
    // SAFETY: all of these are plain numbers and pointers, for which zero is a value.
    let (mut name, mut control, mut message): (libc::sockaddr_in6, Control, libc::msghdr) =
        unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
    name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
    name.sin6_port = client.port().to_be();
    name.sin6_addr.s6_addr = client.ip().octets();
    name.sin6_scope_id = client.scope_id();
    control.header.cmsg_level = libc::IPPROTO_IPV6;
    control.header.cmsg_type = libc::IPV6_PKTINFO;
    control.header.cmsg_len = CONTROL_LENGTH;
    // Interface 0: the one that the route says.
    control.info.ipi6_addr.s6_addr = own.octets();
    let mut parts = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    fill(&mut message, &mut name, &mut control, &mut parts);
    // SAFETY: every pointer in the message is to something that outlives the call, with its length beside it; the
    // kernel reads what they point to, and writes nothing.
    match unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) } {
        sent if sent < 0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn fill(message: &mut libc::msghdr, name: &mut libc::sockaddr_in6, control: &mut Control, parts: &mut libc::iovec) {
    message.msg_namelen = size_of_val(name) as libc::socklen_t;
    message.msg_name = ptr::from_mut(name).cast();
    message.msg_iov = parts;
    message.msg_iovlen = 1;
    message.msg_controllen = size_of_val(control);
    message.msg_control = ptr::from_mut(control).cast();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_with_its_bytes_and_both_ends() {
        let (client, target) = ("10.0.0.1:1000".parse().unwrap(), "10.0.0.100:53".parse().unwrap());
        let other = "10.0.0.2:1000".parse().unwrap();
        let answer = Answer { name: "c1".into(), client, local: Some(target) };
        let bytes = [serde_json::to_vec(&answer).unwrap(), b"\npayload".to_vec()].concat();
        assert_eq!(examine(&bytes, b"payload", client, target).unwrap(), answer);
        assert!(examine(&bytes, b"payloae", client, target).is_err());
        assert!(examine(&bytes, b"payload", other, target).is_err());
        assert!(examine(&bytes, b"payload", client, other).is_err());
    }
}
