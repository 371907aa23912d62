//! Messages between controllers: bytes in and out, each under a key that all of them share.
//!
//! ```text
//!  0       4         5      6       8        16         24         32
//! +-------+---------+------+-------+--------+----------+----------+------+-----+
//! | magic | version | kind | count | sender | receiver | sequence | body | MAC |
//! +-------+---------+------+-------+--------+----------+----------+------+-----+
//! ```
//! Numbers are big-endian. `sender` and `receiver` are [`super::session`]s; `MAC` is HMAC-SHA-256 (RFC 2104), cut to its
//! first 16 bytes, of all before it. The body of a message about flows is groups of records of one service:
//! ```text
//! service: protocol u8, family u8 (4 or 6), port u16, VIP, records u8
//! record:  what u8, client, port u16, backend, port u16, seconds left u32
//! ```
//! That of the end of a round is the sequence of its first message, u64; and that of one about writers is statements:
//! ```text
//! protocol u8, family u8, port u16, VIP, how u8, epoch u64, backend, port u16
//! ```
//! The count of a message that only says that its sender is there is the time between two of them in milliseconds, or 0 if nobody is to
//! go by that.
//!
//! What is read is hostile until its MAC was checked, and may be wrong even then: a length or a number that nothing else
//! bears out is an error, never a panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::record::{Endpoint, Record, Subject};
use crate::core::config::model::Protocol;
use crate::core::writer::{Statement, Term};

const MAGIC: [u8; 4] = *b"pivs";
const VERSION: u8 = 1;
const HEADER: usize = 32;
const MAC: usize = 16;
const HELLO: u8 = 1;
const FLOWS: u8 = 2;
const ASK: u8 = 3;
const DONE: u8 = 4;
const WRITERS: u8 = 5;
const BYE: u8 = 6;
/// Longest message: it passes a link with the smallest MTU of IPv6 (RFC 8200 section 5) in one piece.
pub const LONGEST: usize = 1232;
/// What of it is for the body.
const ROOM: usize = LONGEST - HEADER - MAC;

/// The key that all controllers share.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// Of these bytes, as many as there are.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!());
        mac.update(bytes);
        mac
    }

    /// The authentication code of a message.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; MAC] {
        let code = self.mac(bytes).finalize().into_bytes();
        std::array::from_fn(|byte| code[byte])
    }

    /// Whether a code is that of a message; takes the same time whatever is wrong with it.
    #[must_use]
    pub fn verify(&self, bytes: &[u8], code: &[u8; MAC]) -> bool {
        self.mac(bytes).verify_truncated_left(code).is_ok()
    }
}

/// Nobody sees a key in a log.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The sender's session.
    pub sender: u64,
    /// The session of the receiver, as far as the sender knows it; else 0.
    pub receiver: u64,
    /// Counts the messages of a session.
    pub sequence: u64,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The sender is there.
    Hello {
        /// How often it says so, in milliseconds; 0: it is not to be missed.
        beat: u16,
    },
    /// The sender stops, and is not to be missed.
    Bye,
    /// What the sender knows of flows.
    Flows(Vec<Record>),
    /// The sender may have missed something: what is known of flows is to be told again.
    Ask,
    /// All that the sender knows of flows was told by its messages from this sequence on.
    Done {
        /// The sequence.
        since: u64,
    },
    /// Who the writers of services are, as far as the sender knows.
    Writers(Vec<Statement>),
}

/// Why a message is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Too short, or something else altogether.
    #[error("it is no message of a pivot")]
    Foreign,
    /// Another version.
    #[error("it is of version {0}, and this pivot speaks version 1; run the same pivot on every host")]
    Version(u8),
    /// Signed with another key, or changed on its way.
    #[error("its signature is wrong; is `key` of [cluster] the same on every host?")]
    Signature,
    /// Signed, and wrong all the same.
    #[error("its contents contradict each other")]
    Malformed,
}

/// Writes a message.
#[must_use]
pub fn encode(message: &Message, key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LONGEST);
    let (kind, count) = match &message.body {
        Body::Hello { beat } => (HELLO, usize::from(*beat)),
        Body::Bye => (BYE, 0),
        Body::Flows(records) => (FLOWS, records.len()),
        Body::Ask => (ASK, 0),
        Body::Done { .. } => (DONE, 0),
        Body::Writers(statements) => (WRITERS, statements.len()),
    };
    bytes.extend(MAGIC);
    bytes.extend([VERSION, kind]);
    bytes.extend((count as u16).to_be_bytes());
    for word in [message.sender, message.receiver, message.sequence] {
        bytes.extend(word.to_be_bytes());
    }
    match &message.body {
        Body::Flows(records) => put_groups(records, &mut bytes),
        Body::Done { since } => bytes.extend(since.to_be_bytes()),
        Body::Writers(statements) => statements.iter().for_each(|it| put_statement(it, &mut bytes)),
        Body::Hello { .. } | Body::Bye | Body::Ask => {}
    }
    bytes.extend(key.sign(&bytes));
    bytes
}

/// Reads a message.
///
/// # Errors
/// [`MessageError`]
pub fn decode(bytes: &[u8], key: &Key) -> Result<Message, MessageError> {
    let (signed, code) = bytes.split_last_chunk::<MAC>().ok_or(MessageError::Foreign)?;
    let mut reader = Reader(signed);
    if reader.array()? != MAGIC {
        return Err(MessageError::Foreign);
    }
    let [version, kind] = reader.array()?;
    if version != VERSION {
        return Err(MessageError::Version(version));
    }
    if !key.verify(signed, code) {
        return Err(MessageError::Signature);
    }
    // Whoever has the key sent it: whatever is wrong with it, it is no stranger's.
    contents(kind, reader).map_err(|_| MessageError::Malformed)
}

fn contents(kind: u8, mut reader: Reader<'_>) -> Result<Message, MessageError> {
    let count = reader.u16()?;
    let [sender, receiver, sequence] = [reader.u64()?, reader.u64()?, reader.u64()?];
    let body = match kind {
        HELLO => Body::Hello { beat: count },
        BYE if count == 0 => Body::Bye,
        FLOWS => Body::Flows(groups(&mut reader, count)?),
        ASK if count == 0 => Body::Ask,
        DONE if count == 0 => Body::Done { since: reader.u64()? },
        WRITERS => Body::Writers((0..count).map(|_| statement(&mut reader)).collect::<Result<_, _>>()?),
        _ => return Err(MessageError::Malformed),
    };
    if reader.0.is_empty() { Ok(Message { sender, receiver, sequence, body }) } else { Err(MessageError::Malformed) }
}

/// How many of these records one message has room for: at least one, if there is one.
#[must_use]
pub fn fitting(records: &[Record]) -> usize {
    let (mut room, mut fitting, mut group) = (ROOM, 0, Group::default());
    for record in records {
        let needed = group.needs(record);
        if needed > room {
            break;
        }
        room -= needed;
        fitting += 1;
        group.take(record);
    }
    fitting
}

/// The records of one service that follow each other.
#[derive(Default)]
struct Group {
    service: Option<Endpoint>,
    records: u8,
}

impl Group {
    /// Bytes that a record takes behind these.
    fn needs(&self, record: &Record) -> usize {
        let address = if record.service.0.is_ipv4() { 4 } else { 16 };
        let header = if self.goes_on_with(record) { 0 } else { 5 + address };
        header + 1 + 2 * (address + 2) + 4
    }

    fn goes_on_with(&self, record: &Record) -> bool {
        self.service == Some(record.service) && self.records < u8::MAX
    }

    fn take(&mut self, record: &Record) {
        let goes_on = self.goes_on_with(record);
        *self = Self { service: Some(record.service), records: if goes_on { self.records + 1 } else { 1 } };
    }
}

/// How many statements of writers any message has room for.
pub const STATEMENTS: usize = ROOM / (4 + 16 + 1 + 8 + 16 + 2);
/// Bits of `how`.
const HOLDS: u8 = 1;
const BY_HAND: u8 = 2;

/// Bits of `what`.
const CLIENT: u8 = 1;
const CLOSING: u8 = 2;

fn put_groups(records: &[Record], bytes: &mut Vec<u8>) {
    let mut group = Group::default();
    let mut count = 0;
    for record in records {
        if !group.goes_on_with(record) {
            put_service(record.service, bytes);
            count = bytes.len();
            bytes.push(0);
        }
        group.take(record);
        bytes[count] = group.records;
        put_record(record, bytes);
    }
}

fn put_statement(statement: &Statement, bytes: &mut Vec<u8>) {
    let Statement { service, term, holds } = *statement;
    put_service(service, bytes);
    bytes.push(if holds { HOLDS } else { 0 } | if term.by_hand { BY_HAND } else { 0 });
    bytes.extend(term.epoch.to_be_bytes());
    put_address(term.writer.ip(), bytes);
    bytes.extend(term.writer.port().to_be_bytes());
}

fn put_service((vip, port, protocol): Endpoint, bytes: &mut Vec<u8>) {
    bytes.extend([protocol.number(), if vip.is_ipv4() { 4 } else { 6 }]);
    bytes.extend(port.to_be_bytes());
    put_address(vip, bytes);
}

fn put_record(record: &Record, bytes: &mut Vec<u8>) {
    let (kind, port) = match record.subject {
        Subject::Flow(source) => (0, source.port()),
        Subject::Client(_) => (CLIENT, 0),
    };
    bytes.push(kind | if record.closing { CLOSING } else { 0 });
    put_address(record.subject.address(), bytes);
    bytes.extend(port.to_be_bytes());
    put_address(record.backend.ip(), bytes);
    bytes.extend(record.backend.port().to_be_bytes());
    bytes.extend(u32::try_from(record.left.as_secs()).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_address(address: IpAddr, bytes: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => bytes.extend(address.octets()),
        IpAddr::V6(address) => bytes.extend(address.octets()),
    }
}

fn groups(reader: &mut Reader<'_>, count: u16) -> Result<Vec<Record>, MessageError> {
    let mut records = Vec::with_capacity(usize::from(count).min(LONGEST));
    while !reader.0.is_empty() {
        let (service, family) = service(reader)?;
        for _ in 0..reader.u8()? {
            records.push(record(reader, service, family)?);
        }
    }
    if records.len() == usize::from(count) { Ok(records) } else { Err(MessageError::Malformed) }
}

/// A service, and its family's number.
fn service(reader: &mut Reader<'_>) -> Result<(Endpoint, u8), MessageError> {
    let [protocol, family] = reader.array()?;
    let protocol = [Protocol::Tcp, Protocol::Udp].into_iter().find(|known| known.number() == protocol);
    let protocol = protocol.ok_or(MessageError::Malformed)?;
    let port = reader.u16()?;
    Ok(((reader.address(family)?, port, protocol), family))
}

fn statement(reader: &mut Reader<'_>) -> Result<Statement, MessageError> {
    let (service, family) = service(reader)?;
    let how = reader.u8()?;
    let epoch = reader.u64()?;
    let writer = SocketAddr::new(reader.address(family)?, reader.u16()?);
    if how & !(HOLDS | BY_HAND) != 0 {
        return Err(MessageError::Malformed);
    }
    Ok(Statement { service, term: Term { epoch, writer, by_hand: how & BY_HAND != 0 }, holds: how & HOLDS != 0 })
}

fn record(reader: &mut Reader<'_>, service: Endpoint, family: u8) -> Result<Record, MessageError> {
    let what = reader.u8()?;
    let source = SocketAddr::new(reader.address(family)?, reader.u16()?);
    let backend = SocketAddr::new(reader.address(family)?, reader.u16()?);
    let left = Duration::from_secs(u32::from_be_bytes(reader.array()?).into());
    let subject = match what & CLIENT {
        0 => Subject::Flow(source),
        _ => Subject::Client(source.ip()),
    };
    if what & !(CLIENT | CLOSING) != 0 {
        return Err(MessageError::Malformed);
    }
    Ok(Record { service, subject, backend, closing: what & CLOSING != 0, left })
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(MessageError::Foreign)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8, MessageError> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, MessageError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, MessageError> {
        self.array().map(u64::from_be_bytes)
    }

    fn address(&mut self, family: u8) -> Result<IpAddr, MessageError> {
        match family {
            4 => self.array::<4>().map(|octets| Ipv4Addr::from(octets).into()),
            6 => self.array::<16>().map(|octets| Ipv6Addr::from(octets).into()),
            _ => Err(MessageError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests;
