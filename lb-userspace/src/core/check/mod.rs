//! What checks say and understand: bytes and answers in, verdicts in an operator's words out. `io::check` brings the bytes.
//!
//! - [`http`]: which answers pass. [`mysql`]: packets of a login and of its questions. [`wsrep`]: which servers are fit.
//! - [`amqp`], [`memcached`]: the few bytes of each that a check speaks.
//!
//! Whatever a server sends is hostile: a length that nothing bears out is an error, never a panic, and nothing that it says
//! reaches a terminal as it is.

pub mod amqp;
pub mod http;
pub mod memcached;
pub mod mysql;
pub mod wsrep;

use std::net::SocketAddr;
use std::time::Duration;

use super::config::model::{Check, CheckKind, Tls};

/// The socket mark (`SO_MARK`) of every connection that a check makes: who balances or redirects connections of this host leaves
/// those alone. The letters "pivc".
pub const MARK: u32 = 0x7069_7663;

/// Longest text of a server that is shown, in characters.
const SHOWN: usize = 160;

/// One attempt at a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where.
    pub target: SocketAddr,
    /// What is sent and expected.
    pub kind: CheckKind,
    /// Whether over TLS, and how.
    pub tls: Option<Tls>,
    /// Longest it may take, every step of it included.
    pub timeout: Duration,
}

impl Attempt {
    /// What a check does to a backend that is bound there.
    #[must_use]
    pub fn of(check: &Check, bound: SocketAddr) -> Self {
        let Check { kind, tls, timeout, .. } = check;
        Self { target: check.target(bound), kind: kind.clone(), tls: tls.clone(), timeout: *timeout }
    }

    /// The type of its check, as the file calls it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.kind.name(self.tls.is_some())
    }
}

/// Something that was said or done in an attempt, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Since the attempt began.
    pub at: Duration,
    /// What.
    pub says: String,
}

/// Bytes of a server as text that is safe to show: one line, not too long.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    // Four bytes a character at most: no need to look at more.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * (SHOWN + 1))]);
    let mut characters = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = characters.by_ref().take(SHOWN).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A duration as people say it: `1 s`, `300 ms`.
#[must_use]
pub fn spoken(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis >= 1000 && millis.is_multiple_of(1000) => format!("{} s", millis / 1000),
        millis => format!("{millis} ms"),
    }
}

/// Takes numbers and pieces off the front of a message; `None` if it is too short.
#[derive(Debug, Clone, Copy)]
struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    /// What comes before the next NUL, which is taken as well.
    fn until_nul(&mut self) -> Option<&'b [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let taken = self.take(end)?;
        self.take(1)?;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_one_line_of_bounded_length() {
        assert_eq!(shown(b" too many\r\n connections\x1b[2J \n"), "too many   connections [2J");
        assert_eq!(shown(&[0xff; 4]), "\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(shown(&[b'x'; 100_000]).chars().count(), SHOWN + 1);
        assert_eq!(shown("é".repeat(SHOWN).as_bytes()).chars().count(), SHOWN);
    }

    #[test]
    fn durations_are_said_as_people_say_them() {
        for (millis, said) in [(1000, "1 s"), (300, "300 ms"), (1500, "1500 ms"), (60_000, "60 s")] {
            assert_eq!(spoken(Duration::from_millis(millis)), said);
        }
    }

    #[test]
    fn a_check_asks_where_it_is_told_to() {
        let bound = SocketAddr::from(([10, 0, 0, 11], 3306));
        let check = Check { port: Some(9200), ..Check::default() };
        assert_eq!(Attempt::of(&check, bound).target, SocketAddr::from(([10, 0, 0, 11], 9200)));
        let check = Check { address: Some([10, 1, 0, 1].into()), ..Check::default() };
        assert_eq!(Attempt::of(&check, bound).target, SocketAddr::from(([10, 1, 0, 1], 3306)));
    }
}
