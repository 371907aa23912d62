//! The packets of a MySQL or MariaDB connection, as far as a check speaks them: greeting, login, questions, farewell.
//!
//! ```text
//!  0         3     4
//! +---------+-----+---------+
//! | length  | seq | payload |     protocol 4.1; numbers are little-endian
//! +---------+-----+---------+
//! ```
//! How passwords are proved is `mysql_common`'s affair: this is about what is around that.

use super::{Cursor, shown};

/// Bytes in front of a payload.
pub const HEAD: usize = 4;
/// Largest payload that is read: none that a check asks for comes near.
pub const LARGEST: usize = 64 * 1024;
/// Ends a connection in good order.
pub const QUIT: &[u8] = &[0x01];
/// The account that a check without one names: it need not exist.
pub const NOBODY: &str = "pivot";

const QUERY: u8 = 0x03;
const OK: u8 = 0x00;
const MORE: u8 = 0x01;
const EOF: u8 = 0xfe;
const ERR: u8 = 0xff;
const NULL: u8 = 0xfb;
/// Bytes of the server's nonce.
const NONCE: usize = 20;

const LONG_PASSWORD: u32 = 1;
const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const SECURE_CONNECTION: u32 = 1 << 15;
const PLUGIN_AUTH: u32 = 1 << 19;
/// Without these no server of this century is.
const NEEDED: u32 = PROTOCOL_41 | SECURE_CONNECTION;
const UTF8: u8 = 33;
/// Longest packet that we say we take.
const MAX_PACKET: u32 = 1 << 24;

/// The first packet of a server that takes the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Version, as the server says it.
    pub version: String,
    /// Number of the connection.
    pub connection: u32,
    /// What the password's proof is made with.
    pub nonce: Vec<u8>,
    /// How the server would like it to be proved.
    pub plugin: Vec<u8>,
    capabilities: u32,
}

/// An error that a server sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error {code}: {message}")]
pub struct Refusal {
    /// Its number.
    pub code: u16,
    /// Its text, safe to show.
    pub message: String,
}

/// Why a server is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MysqlError {
    /// It says no.
    #[error("the server refuses: {0}")]
    Refused(#[from] Refusal),
    /// It says something else.
    #[error("{0}")]
    Malformed(String),
}

/// An answer to a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Ok,
    /// The proof goes on.
    More(Vec<u8>),
    /// It is to be proved in another way.
    Switch {
        /// Which.
        plugin: Vec<u8>,
        /// With this.
        challenge: Vec<u8>,
    },
}

/// Length of a payload, and its number in the sequence.
///
/// # Errors
/// If it is longer than any that is waited for.
pub fn head(bytes: [u8; HEAD]) -> Result<(usize, u8), MysqlError> {
    let [a, b, c, sequence] = bytes;
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    if length > LARGEST {
        return Err(MysqlError::Malformed(format!("answered \"{}\", which is no MySQL", shown(&bytes))));
    }
    Ok((length, sequence))
}

/// A packet of this payload, which is shorter than [`LARGEST`].
#[must_use]
pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
    [&[a, b, c, sequence], payload].concat()
}

/// Reads a server's first packet.
///
/// # Errors
/// [`MysqlError::Refused`] if it takes no connection from here, and why.
pub fn greeting(payload: &[u8]) -> Result<Greeting, MysqlError> {
    if let Some(refusal) = refusal(payload) {
        return Err(refusal.into());
    }
    let (Some(&first), Some(greeting)) = (payload.first(), parse_greeting(payload)) else {
        return Err(MysqlError::Malformed(format!("greets with \"{}\", which is no MySQL", shown(payload))));
    };
    if first != 10 {
        return Err(MysqlError::Malformed(format!("speaks protocol {first} of MySQL, expected 10")));
    }
    if greeting.capabilities & NEEDED != NEEDED {
        let message = format!("{} does not speak protocol 4.1 of MySQL", greeting.version);
        return Err(MysqlError::Malformed(message));
    }
    Ok(greeting)
}

fn parse_greeting(payload: &[u8]) -> Option<Greeting> {
    let mut cursor = Cursor(payload);
    cursor.byte()?;
    let version = shown(cursor.until_nul()?);
    let connection = u32::from_le_bytes(cursor.take(4)?.try_into().ok()?);
    let mut nonce = cursor.take(8)?.to_vec();
    cursor.take(1)?;
    let low = cursor.take(2)?;
    // Collation and status.
    cursor.take(3)?;
    let high = cursor.take(2)?;
    let capabilities = u32::from_le_bytes([low[0], low[1], high[0], high[1]]);
    let length = usize::from(cursor.byte()?);
    cursor.take(10)?;
    if capabilities & SECURE_CONNECTION != 0 {
        // At least 13 with their NUL, whatever the length says.
        nonce.extend(cursor.take(length.saturating_sub(8).max(13))?);
    }
    nonce.resize(NONCE, 0);
    let plugin = match capabilities & PLUGIN_AUTH {
        0 => b"mysql_native_password".to_vec(),
        // Some servers leave its NUL out.
        _ => cursor.0.split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
    };
    Some(Greeting { version, connection, nonce, plugin, capabilities })
}

impl Greeting {
    /// Whether it takes TLS.
    #[must_use]
    pub fn offers_tls(&self) -> bool {
        self.capabilities & SSL != 0
    }

    /// Asks for TLS: its handshake follows.
    #[must_use]
    pub fn tls_request(&self) -> Vec<u8> {
        self.response_head(true)
    }

    /// Names an account, with the first step of its proof.
    #[must_use]
    pub fn login(&self, user: &str, proof: &[u8], plugin: &[u8], tls: bool) -> Vec<u8> {
        let mut payload = self.response_head(tls);
        payload.extend(user.bytes().filter(|byte| *byte != 0));
        payload.push(0);
        // No proof comes near 255 bytes; one that did would be refused, not cut.
        payload.push(u8::try_from(proof.len()).unwrap_or(0));
        payload.extend(proof);
        if self.capabilities & PLUGIN_AUTH != 0 {
            payload.extend(plugin);
            payload.push(0);
        }
        payload
    }

    fn response_head(&self, tls: bool) -> Vec<u8> {
        let ours = NEEDED | LONG_PASSWORD | (self.capabilities & PLUGIN_AUTH) | if tls { SSL } else { 0 };
        let mut payload = ours.to_le_bytes().to_vec();
        payload.extend(MAX_PACKET.to_le_bytes());
        payload.push(UTF8);
        payload.extend([0; 23]);
        payload
    }
}

/// Reads an answer to a login.
///
/// # Errors
/// [`MysqlError::Refused`] if the account does not get in.
pub fn reply(payload: &[u8]) -> Result<Reply, MysqlError> {
    if let Some(refusal) = refusal(payload) {
        return Err(refusal.into());
    }
    match payload {
        [OK, ..] => Ok(Reply::Ok),
        [MORE, data @ ..] => Ok(Reply::More(data.to_vec())),
        [EOF, rest @ ..] if !rest.is_empty() => {
            let mut cursor = Cursor(rest);
            let plugin = cursor.until_nul().unwrap_or(rest).to_vec();
            let challenge = cursor.0.strip_suffix(&[0]).unwrap_or(cursor.0).to_vec();
            Ok(Reply::Switch { plugin, challenge })
        }
        [EOF] => Err(MysqlError::Malformed("the account has a password of MySQL 4.0, which is not supported".into())),
        _ => Err(unexpected(payload)),
    }
}

/// A question.
#[must_use]
pub fn query(text: &str) -> Vec<u8> {
    [&[QUERY], text.as_bytes()].concat()
}

/// The answer to a question of two columns, packet by packet: names with their values.
#[derive(Debug, Default)]
pub struct Rows {
    /// What is still to come.
    stage: Stage,
    /// What came.
    pub pairs: Vec<(String, String)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Count,
    Columns,
    Rows,
}

/// Most rows that are taken.
const MOST_ROWS: usize = 64;

impl Rows {
    /// Takes in a packet; `true` if it was the last.
    ///
    /// # Errors
    /// [`MysqlError::Refused`] if the question is not answered.
    pub fn take(&mut self, payload: &[u8]) -> Result<bool, MysqlError> {
        if let Some(refusal) = refusal(payload) {
            return Err(refusal.into());
        }
        let ends = payload.first() == Some(&EOF) && payload.len() < 9;
        match self.stage {
            Stage::Count if payload == [2] => self.stage = Stage::Columns,
            Stage::Count => return Err(unexpected(payload)),
            Stage::Columns if ends => self.stage = Stage::Rows,
            Stage::Columns => {}
            Stage::Rows if ends => return Ok(true),
            Stage::Rows => {
                let mut cursor = Cursor(payload);
                let pair = cursor.text().and_then(|name| Some((name, cursor.text()?)));
                self.pairs.push(pair.ok_or_else(|| unexpected(payload))?);
                if self.pairs.len() > MOST_ROWS {
                    return Err(MysqlError::Malformed(format!("answers with more than {MOST_ROWS} rows")));
                }
            }
        }
        Ok(false)
    }
}

impl Cursor<'_> {
    /// A length-encoded string; what is NULL is empty.
    fn text(&mut self) -> Option<String> {
        let length = match self.byte()? {
            NULL => 0,
            0xfc => u16::from_le_bytes(self.take(2)?.try_into().ok()?).into(),
            long if long > NULL => return None,
            short => usize::from(short),
        };
        self.take(length).map(shown)
    }
}

/// What a packet says if it is an error. In front of a login it has no state (`#28000`).
fn refusal(payload: &[u8]) -> Option<Refusal> {
    let [ERR, a, b, rest @ ..] = payload else { return None };
    let text = match rest {
        [b'#', _, _, _, _, _, text @ ..] => text,
        text => text,
    };
    Some(Refusal { code: u16::from_le_bytes([*a, *b]), message: shown(text) })
}

fn unexpected(payload: &[u8]) -> MysqlError {
    MysqlError::Malformed(format!("answered \"{}\", which was not asked for", shown(payload)))
}

#[cfg(test)]
mod tests;
