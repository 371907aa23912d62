//! The words of an agent's answer, as HAProxy's agent-check has them (its configuration manual, `agent-check`; `process_chk_agent`
//! in its `check.c`).
//!
//! In: the bytes of a body. Out: what its first line says, or why that is not understood: then nothing of it counts. An answer is
//! hostile: what is repeated of it is one line of bounded length.

use std::fmt;

use crate::core::check::shown;
use crate::core::order::Weight;

/// As much of a body is looked at: a line that is longer is none.
pub const LINE: usize = 4096;

/// The largest part of the configured weight, in percent: what makes 256 of 1.
const MOST_PERCENT: u16 = 25_600;

/// What one answer says; of each kind of word, the last one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whether the backend is to have flows.
    pub admin: Option<Admin>,
    /// Whether it is able to.
    pub operation: Option<Operation>,
    /// Which part of its configured weight it is to have.
    pub weight: Option<Weight>,
    /// What was said that means nothing to pivot, for people.
    pub ignored: Option<String>,
}

/// An administrative word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admin {
    /// As usual.
    Ready,
    /// It keeps its flows and takes no new ones.
    Drain,
    /// It has no flows at all, and is not checked.
    Maint,
}

/// A word about how it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Well, if the checks say so, too.
    Up,
    /// Not, whatever the checks say.
    Down(Down),
}

/// That a backend is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// By which word.
    word: &'static str,
    /// What stands behind the sharp; may be empty.
    reason: String,
}

/// Words for down. They mean the same, and are shown as they were said; `failed` is not HAProxy's, and what people write.
const DOWN: [&str; 4] = ["down", "stopped", "failed", "fail"];

impl Heard {
    /// Reads a body, or as much of it as [`LINE`] and one byte more.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let end = body.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(body.len());
        let line = &body[..end];
        if line.len() > LINE {
            return Err(format!("its answer has no line of at most {LINE} bytes"));
        }
        let (words, reason) = match line.iter().position(|byte| *byte == b'#') {
            Some(sharp) => (&line[..sharp], shown(&line[sharp + 1..])),
            None => (line, String::new()),
        };
        let mut words = words.split(|byte| b" \t,".contains(byte)).filter(|word| !word.is_empty()).peekable();
        if words.peek().is_none() {
            return Err("its answer begins with an empty line".to_owned());
        }
        words.try_fold(Self::default(), |heard, word| heard.with(word, &reason))
    }

    fn with(mut self, word: &[u8], reason: &str) -> Result<Self, String> {
        let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        if let Some(admin) = [Admin::Ready, Admin::Drain, Admin::Maint].into_iter().find(|admin| is(admin.word())) {
            self.admin = Some(admin);
        } else if is("up") {
            self.operation = Some(Operation::Up);
        } else if let Some(word) = DOWN.into_iter().find(|down| is(down)) {
            self.operation = Some(Operation::Down(Down { word, reason: reason.to_owned() }));
        } else if let Some(percent) = percent(word) {
            self.weight = Some(Weight::Percent(percent));
        } else if word.get(..8).is_some_and(|key| key.eq_ignore_ascii_case(b"maxconn:")) {
            self.ignored = Some(shown(word));
        } else {
            return Err(format!(
                "it says \"{}\", which is no word of an agent: up, down, stopped, failed, ready, drain, maint, 0% to {MOST_PERCENT}%",
                shown(word)
            ));
        }
        Ok(self)
    }
}

/// `50` of `50%`; what is more than the most is the most, as with HAProxy.
fn percent(word: &[u8]) -> Option<u16> {
    let digits = word.strip_suffix(b"%").filter(|digits| !digits.is_empty())?;
    let value = |digit: &u8| digit.is_ascii_digit().then(|| u16::from(digit - b'0'));
    let add = |sum: u16, digit: &u8| Some(sum.saturating_mul(10).saturating_add(value(digit)?));
    digits.iter().try_fold(0_u16, add).map(|percent| percent.min(MOST_PERCENT))
}

impl Admin {
    /// As it is said.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// `down (disk is full)`; `stopped`.
impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => f.write_str(self.word),
            reason => write!(f, "{} ({reason})", self.word),
        }
    }
}

/// `ready, up, 50%`. What is ignored is left out; `nothing` if that is all.
impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.admin.map(|admin| admin.word().to_owned()),
            self.operation.as_ref().map(|operation| match operation {
                Operation::Up => "up".to_owned(),
                Operation::Down(down) => down.to_string(),
            }),
            self.weight.map(|weight| weight.to_string()),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        if words.is_empty() { f.write_str("nothing") } else { f.write_str(&words.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &[u8]) -> Result<String, String> {
        Heard::read(body).map(|heard| heard.to_string())
    }

    #[test]
    fn words_are_understood_as_haproxy_does() {
        for (body, heard) in [
            ("up\n", "up"),
            ("UP", "up"),
            ("ready", "ready"),
            ("drain\r\n", "drain"),
            ("maint", "maint"),
            ("75%", "75%"),
            ("0%", "0%"),
            ("256%", "256%"),
            ("007%", "7%"),
            ("99999999999999999999%", "25600%"),
            ("ready up,\t50% \n", "ready, up, 50%"),
            ("  ,,up", "up"),
            ("50% up 20%", "up, 20%"),
            ("drain ready", "ready"),
            ("down up", "up"),
            ("up\ndown\n", "up"),
            ("up\rdown", "up"),
            ("down", "down"),
            ("stopped", "stopped"),
            ("fail", "fail"),
            ("Failed", "failed"),
            ("down # disk is full\n", "down (disk is full)"),
            ("down#disk\n", "down (disk)"),
            ("down 10% #a # b\n", "down (a # b), 10%"),
            ("down #\n", "down"),
            ("up # all is well", "up"),
            ("maxconn:30 up", "up"),
            ("MaxConn:30", "nothing"),
        ] {
            assert_eq!(read(body.as_bytes()), Ok(heard.to_owned()), "{body:?}");
        }
    }

    #[test]
    fn what_is_of_no_use_is_ignored_and_said() {
        let heard = Heard::read(b"up maxconn:30").unwrap();
        assert_eq!((heard.ignored.as_deref(), heard.operation), (Some("maxconn:30"), Some(Operation::Up)));
    }

    #[test]
    fn what_is_not_understood_counts_for_nothing_and_is_repeated_in_part() {
        let unknown = |word: &str| format!("it says \"{word}\", which is no word of an agent: ");
        for (body, word) in [
            (&b"drain halfway"[..], "halfway"),
            (b"50", "50"),
            (b"%", "%"),
            (b"+5%", "+5%"),
            (b"-5%", "-5%"),
            (b"1.5%", "1.5%"),
            (b"5%%", "5%%"),
            (b"upp", "upp"),
            (b"maxcon:3", "maxcon:3"),
            (b"<html>", "<html>"),
            (b"{\"state\":\"up\"}", "{\"state\":\"up\"}"),
            (b"\x1b[2Jup", " [2Jup"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"up\0", "up "),
            ("drain\u{a0}".as_bytes(), "drain"),
        ] {
            let said = read(body).unwrap_err();
            assert!(said.starts_with(&unknown(word)), "{said}");
        }
        for body in [&b""[..], b"\n", b"\r\nup", b" , \t", b"# down", b" #\n"] {
            assert_eq!(read(body), Err("its answer begins with an empty line".into()), "{body:?}");
        }
        let long = read(&[b'x'; LINE]).unwrap_err();
        assert!(long.len() < 400, "{long}");
        assert_eq!(read(&[b' '; LINE + 1]), Err("its answer has no line of at most 4096 bytes".into()));
        let many = "up ".repeat(LINE / 3);
        assert_eq!(read(many.as_bytes()), Ok("up".into()));
        let reason = format!("down # {}", "x".repeat(LINE - 10));
        assert!(read(reason.as_bytes()).is_ok_and(|heard| heard.len() < 200));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_and_shown_on_one_line(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (Ok(said) | Err(said)) = read(&body);
            prop_assert!(said.chars().count() < 400 && !said.contains(char::is_control), "{said:?}");
        }

        #[test]
        fn words_survive_what_separates_them(words in proptest::collection::vec("(up|drain|maint|ready|[0-9]{1,3}%|down)", 1..8), gap in "[ \t,]{1,4}") {
            prop_assert!(read(words.join(&gap).as_bytes()).is_ok());
        }
    }
}
