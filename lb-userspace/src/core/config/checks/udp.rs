//! The options of a UDP check.

use super::super::model::{UdpAnswer, UdpCheck};
use super::super::reader::{Entry, Table};
use super::super::report::Report;
use super::super::suggest::quote;
use super::{both, plain};

pub(super) const KEYS: [&str; 5] = ["send", "send_hex", "expect", "expect_hex", "answer"];

/// What fits into a datagram on any link (RFC 8200, section 5).
const LONGEST: usize = 1232;

/// What was given of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    send: Option<Vec<u8>>,
    expect: Option<UdpAnswer>,
}

/// Reads them; what is left out is as in `base`.
pub(super) fn read(check: &Table<'_>, base: Settings, report: &mut Report<'_>) -> Settings {
    let send = bytes(check, "send", "send_hex", report);
    let answer = check.optional("answer").and_then(|e| e.boolean(report));
    let expect = if answer == Some(false) {
        check.refuse(&["expect", "expect_hex"], "with `answer = false` none is waited for; delete one of them", report);
        Some(UdpAnswer::None)
    } else {
        let containing = bytes(check, "expect", "expect_hex", report).map(UdpAnswer::Containing);
        containing.or(answer.map(|_| UdpAnswer::Any))
    };
    Settings { send: send.or(base.send), expect: expect.or(base.expect) }
}

/// Bytes that are given as a text, or as hexadecimal digits.
fn bytes(check: &Table<'_>, text: &str, hex: &str, report: &mut Report<'_>) -> Option<Vec<u8>> {
    if both(check, text, hex, report) {
        return None;
    }
    match check.optional(text) {
        Some(entry) => in_text(entry, report),
        None => in_hex(check.optional(hex)?, report),
    }
}

fn in_text(entry: Entry<'_>, report: &mut Report<'_>) -> Option<Vec<u8>> {
    let help = format!(
        "write 1 to {LONGEST} bytes, with escapes as in `\"ping\\n\"`; for what is no text there is `send_hex`"
    );
    plain(entry, |text| size(text.len()), &help, report).map(|at| at.value.as_bytes().to_vec())
}

fn in_hex(entry: Entry<'_>, report: &mut Report<'_>) -> Option<Vec<u8>> {
    let fault = |text: &str| match decode(text) {
        None => Some(format!("is {}, which is not in hexadecimal digits", quote(text))),
        Some(bytes) => size(bytes.len()),
    };
    let help = format!("write 1 to {LONGEST} bytes, two digits each, as in `\"00 ff a0\"`");
    plain(entry, fault, &help, report).and_then(|at| decode(at.value))
}

fn size(bytes: usize) -> Option<String> {
    match bytes {
        0 => Some("is empty".to_owned()),
        long if long > LONGEST => Some(format!("has {long} bytes")),
        _ => None,
    }
}

/// Pairs of hexadecimal digits, with blanks between them or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !b" \n\t".contains(byte)).collect();
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()).collect()
}

impl Settings {
    /// `None` if there is nothing to be sent.
    pub(super) fn into_check(self) -> Option<UdpCheck> {
        Some(UdpCheck { send: self.send?, expect: self.expect.unwrap_or(UdpAnswer::Any) })
    }
}
