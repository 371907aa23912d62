//! A TCP service that moves bytes whose order is known, and its client.
//!
//! A connection begins with an [`Order`]: a letter and a number, nine bytes. The service then tells in one line of JSON
//! who it is and whom it sees ([`Answer`]), and
//! - sends as many bytes of the pattern ([`pattern`]), or
//! - takes in as many, and says in one more line what came ([`Received`]), or
//! - sends every byte back, until the client closes.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::http::{Answer, unmapped};
use super::node::{Listen, Node};
use super::patience::patient;
use super::pattern;
use super::process::Process;

/// What the service is to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Send this many bytes of the pattern.
    Download(u64),
    /// Take in this many, and look at them.
    Upload(u64),
    /// Send back what comes.
    Echo,
}

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Bytes that came.
    pub bytes: u64,
    /// Place of the first one that is not the pattern's.
    pub wrong_at: Option<u64>,
}

/// Longest silence of the other side, in any step, before a transfer counts as broken.
///
/// Longer than the retransmissions that follow on an ICMP error that a router held back (at most one a second).
const SILENCE: Duration = Duration::from_secs(10);

/// Bytes written or read at a time.
const CHUNK: usize = 128 * 1024;

impl Order {
    fn to_bytes(self) -> [u8; 9] {
        let (letter, number) = match self {
            Self::Download(bytes) => (b'D', bytes),
            Self::Upload(bytes) => (b'U', bytes),
            Self::Echo => (b'E', 0),
        };
        let mut bytes = [letter; 9];
        bytes[1..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    fn from_bytes([letter, number @ ..]: [u8; 9]) -> Option<Self> {
        let number = u64::from_be_bytes(number);
        match letter {
            b'D' => Some(Self::Download(number)),
            b'U' => Some(Self::Upload(number)),
            b'E' => Some(Self::Echo),
            _ => None,
        }
    }
}

impl Node {
    /// Starts the service here, bound to all addresses of the host; returns once it accepts connections.
    pub fn serve_stream(&self, port: u16) -> Result<Process> {
        self.serve("serve-stream", Listen::Addresses, port)
    }

    /// Has the service send `bytes` to this host. An error unless they all came, each in its place.
    pub fn download(&self, target: impl Into<SocketAddr>, bytes: u64) -> Result<Answer> {
        let target = target.into();
        self.run(|| {
            let (mut stream, answer) = give(target, Order::Download(bytes))?;
            let received = examine(&mut stream, bytes).context("downloading")?;
            as_sent(received, bytes)?;
            Ok(answer)
        })?
    }

    /// Sends `bytes` to the service. An error unless it says that they all came, each in its place.
    pub fn upload(&self, target: impl Into<SocketAddr>, bytes: u64) -> Result<Answer> {
        let target = target.into();
        self.run(|| {
            let (mut stream, answer) = give(target, Order::Upload(bytes))?;
            send(stream.get_mut(), bytes).context("uploading")?;
            as_sent(line(&mut stream)?, bytes)?;
            Ok(answer)
        })?
    }
}

/// Opens a connection and gives an order; returns what can be read next, and who answered.
///
/// An error if the service sees another client than the one that asks.
pub(super) fn give(target: SocketAddr, order: Order) -> Result<(BufReader<TcpStream>, Answer)> {
    let silence = patient(SILENCE);
    let mut stream = TcpStream::connect_timeout(&target, silence).with_context(|| format!("connecting to {target}"))?;
    stream.set_read_timeout(Some(silence))?;
    stream.set_write_timeout(Some(silence))?;
    stream.set_nodelay(true)?;
    stream.write_all(&order.to_bytes()).context("giving an order")?;
    let own = stream.local_addr()?;
    let mut stream = BufReader::with_capacity(CHUNK, stream);
    let answer: Answer = line(&mut stream)?;
    if answer.client != own {
        bail!("{} sees {} where {own} asks", answer.name, answer.client);
    }
    Ok((stream, answer))
}

/// Serves until the process ends; fails only if one of `bind` cannot be bound.
pub fn serve(name: &str, bind: &[SocketAddr]) -> Result<()> {
    let listen = |bind: &SocketAddr| TcpListener::bind(bind).with_context(|| format!("binding to {bind}"));
    let listeners = bind.iter().map(listen).collect::<Result<Vec<_>>>()?;
    thread::scope(|scope| {
        for listener in &listeners {
            scope.spawn(move || {
                for stream in listener.incoming().flatten() {
                    let name = name.to_owned();
                    thread::spawn(move || {
                        // The client sees how it ended; others go on.
                        if let Err(error) = carry_out(&name, stream) {
                            eprintln!("{error:#}");
                        }
                    });
                }
            });
        }
    });
    Ok(())
}

fn carry_out(name: &str, stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let client = unmapped(stream.peer_addr()?);
    let answer = Answer { name: name.to_owned(), client, local: stream.local_addr().ok().map(unmapped) };
    let mut stream = BufReader::with_capacity(CHUNK, stream);
    let mut order = [0; 9];
    match stream.read(&mut order[..1])? {
        // A health check.
        0 => return Ok(()),
        _ => stream.read_exact(&mut order[1..])?,
    }
    let order = Order::from_bytes(order).with_context(|| format!("{client} gives no order: {order:?}"))?;
    tell(stream.get_mut(), &answer)?;
    match order {
        Order::Download(bytes) => send(stream.get_mut(), bytes)?,
        Order::Upload(bytes) => {
            let received = examine(&mut stream, bytes)?;
            tell(stream.get_mut(), &received)?;
        }
        Order::Echo => echo(&mut stream)?,
    }
    Ok(())
}

fn send(stream: &mut TcpStream, bytes: u64) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut sent = 0;
    while sent < bytes {
        let chunk = &mut buffer[..usize::try_from(bytes - sent).unwrap_or(CHUNK).min(CHUNK)];
        pattern::fill(sent, chunk);
        stream.write_all(chunk)?;
        sent += chunk.len() as u64;
    }
    Ok(())
}

fn examine(stream: &mut impl Read, bytes: u64) -> io::Result<Received> {
    let (mut buffer, mut scratch) = (vec![0; CHUNK], Vec::new());
    let mut received = Received { bytes: 0, wrong_at: None };
    let mut stream = stream.take(bytes);
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(received);
        }
        let difference = pattern::first_difference(received.bytes, &buffer[..length], &mut scratch);
        received.wrong_at = received.wrong_at.or(difference);
        received.bytes += length as u64;
    }
}

fn echo(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => stream.get_mut().write_all(&buffer[..length])?,
        }
    }
}

fn as_sent(received: Received, bytes: u64) -> Result<()> {
    if received != (Received { bytes, wrong_at: None }) {
        bail!("{bytes} bytes were sent, and not received: {received:?}");
    }
    Ok(())
}

fn tell(stream: &mut TcpStream, what: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.write_all(&line).context("answering")
}

fn line<T: DeserializeOwned>(stream: &mut BufReader<TcpStream>) -> Result<T> {
    let mut line = String::new();
    stream.read_line(&mut line).context("waiting for an answer")?;
    serde_json::from_str(&line).with_context(|| format!("reading an answer: {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        for order in [Order::Download(1 << 33), Order::Upload(7), Order::Echo] {
            assert_eq!(Order::from_bytes(order.to_bytes()), Some(order));
        }
        assert_eq!(Order::from_bytes(*b"GET / HTT"), None);
    }

    #[test]
    fn a_transfer_tells_where_it_went_wrong() {
        let mut bytes = pattern::bytes(300_000);
        let whole = examine(&mut &bytes[..], 300_000).unwrap();
        assert_eq!(whole, Received { bytes: 300_000, wrong_at: None });
        assert!(as_sent(whole, 300_000).is_ok() && as_sent(whole, 300_001).is_err());
        bytes[200_000] ^= 1;
        let wrong = examine(&mut &bytes[..], 300_000).unwrap();
        assert_eq!(wrong, Received { bytes: 300_000, wrong_at: Some(200_000) });
        assert!(as_sent(wrong, 300_000).is_err());
    }
}
