//! Which answers to an HTTP request pass: by status code, and by what the body contains.

use std::fmt;
use std::ops::RangeInclusive;

use crate::core::config::model::HttpCheck;

/// Status codes: ranges of them, in the order that they were given in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

/// Lowest and highest there can be (RFC 9110, section 15).
const CODES: RangeInclusive<u16> = 100..=599;

impl Default for StatusSet {
    /// Those of success and of redirection.
    fn default() -> Self {
        Self(vec![200..=299, 300..=399])
    }
}

impl StatusSet {
    /// Of these ranges.
    #[must_use]
    pub fn new(ranges: Vec<RangeInclusive<u16>>) -> Self {
        Self(ranges)
    }

    /// Reads one item: `200`, `2xx`, `200-299`; `None` if it is none of these, or there are no such codes.
    #[must_use]
    pub fn read(text: &str) -> Option<RangeInclusive<u16>> {
        if let Some(class) = text.strip_suffix("xx") {
            return match class.as_bytes() {
                [digit @ b'1'..=b'5'] => {
                    let first = u16::from(digit - b'0') * 100;
                    Some(first..=first + 99)
                }
                _ => None,
            };
        }
        let code = |text: &str| {
            let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten().filter(|code| CODES.contains(code))
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (code(first)?, code(last)?);
        (first <= last).then_some(first..=last)
    }

    /// Whether a code is one of them.
    #[must_use]
    pub fn contains(&self, code: u16) -> bool {
        self.0.iter().any(|range| range.contains(&code))
    }
}

impl fmt::Display for StatusSet {
    /// `2xx or 3xx`, `200, 204 or 300-302`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.0.iter().enumerate() {
            let separator = match place {
                0 => "",
                _ if place + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            let (first, last) = (range.start(), range.end());
            match (first % 100, last - first) {
                (0, 99) => write!(f, "{separator}{}xx", first / 100)?,
                (_, 0) => write!(f, "{separator}{first}")?,
                _ => write!(f, "{separator}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// Whether an answer passes by its status code.
///
/// # Errors
/// What was expected instead.
pub fn judge_status(check: &HttpCheck, code: u16) -> Result<String, String> {
    if check.expect_status.contains(code) {
        return Ok(format!("HTTP {code}"));
    }
    Err(format!("HTTP {code}, expected {}", check.expect_status))
}

/// Whether a body contains what it must.
///
/// # Errors
/// What it lacks. `whole` says whether this is all of the body.
pub fn judge_body(expected: &str, body: &[u8], whole: bool) -> Result<(), String> {
    if contains(body, expected.as_bytes()) {
        return Ok(());
    }
    let part = if whole { String::new() } else { format!(", in its first {} bytes", body.len()) };
    Err(format!("the body does not contain \"{}\"{part}", super::shown(expected.as_bytes())))
}

/// Whether bytes are somewhere in others.
#[must_use]
pub fn contains(hay: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expect_status: StatusSet) -> HttpCheck {
        HttpCheck {
            method: "GET".into(),
            path: "/".into(),
            host: None,
            headers: Vec::new(),
            expect_status,
            expect_body: None,
        }
    }

    #[test]
    fn codes_are_read_one_by_one_by_class_and_by_range() {
        for (text, range) in [("200", 200..=200), ("2xx", 200..=299), ("400-403", 400..=403), ("599", 599..=599)] {
            assert_eq!(StatusSet::read(text), Some(range), "{text}");
        }
        for text in
            ["", "20", "2000", "6xx", "0xx", "xx", "2x", "99", "600", "403-400", "200-", "-200", "+20", "２００"]
        {
            assert_eq!(StatusSet::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_refused_answer_says_what_was_expected() {
        let default = check(StatusSet::default());
        assert_eq!(judge_status(&default, 204), Ok("HTTP 204".into()));
        assert_eq!(judge_status(&default, 302), Ok("HTTP 302".into()));
        assert_eq!(judge_status(&default, 503), Err("HTTP 503, expected 2xx or 3xx".into()));
        assert_eq!(judge_status(&default, 199), Err("HTTP 199, expected 2xx or 3xx".into()));
        let few = check(StatusSet::new(vec![200..=200, 401..=401, 300..=302]));
        assert_eq!(judge_status(&few, 400), Err("HTTP 400, expected 200, 401 or 300-302".into()));
    }

    #[test]
    fn a_body_is_searched_for_bytes() {
        assert_eq!(judge_body("synced", b"node is synced.", true), Ok(()));
        assert_eq!(judge_body("synced", b"", true), Err("the body does not contain \"synced\"".into()));
        let cut = judge_body("synced", b"node", false);
        assert_eq!(cut, Err("the body does not contain \"synced\", in its first 4 bytes".into()));
        assert!(contains(b"\xff\0\xfe", b"\0\xfe") && !contains(b"ab", b"abc") && contains(b"", b""));
    }
}
