//! Text to a TOML tree, also if the text is not quite TOML: what is broken is reported, the rest is still read.
//!
//! The toml crate recovers from most errors by itself, but gives up at a line that is only a key. Such lines are
//! blanked out, byte by byte, so that every other place stays where it was.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, Error};

use super::report::Problem;
use super::source::Span;
use super::suggest::quote;

/// How the toml crate calls the error after which it reads no further.
const GIVES_UP: &str = "key with no value";

/// Finds what is not TOML in a text. Returns the text to read on with, of equal length, and the errors.
pub(super) fn check(text: &str) -> (Cow<'_, str>, Vec<Problem>) {
    let (_, mut errors) = DeTable::parse_recoverable(text);
    let mut readable = Cow::Borrowed(text);
    let stops: Vec<Span> = errors.iter().filter(|e| e.message().starts_with(GIVES_UP)).map(place).collect();
    if !stops.is_empty() {
        readable = Cow::Owned(blank_lines(text, &stops));
        errors.extend(DeTable::parse_recoverable(&readable).1);
    }
    errors.sort_by_key(|error| place(error).start);
    let mut problems: Vec<Problem> = without_echoes(&errors, text).map(|error| explain(error, text)).collect();
    problems.dedup_by(|next, first| next.starts_where(first));
    (readable, problems)
}

/// Errors in the order of the text, without those that only follow from another one on their line: every error there
/// about something missing but the first, and all that come after such a one.
fn without_echoes<'e>(errors: &'e [Error], text: &str) -> impl Iterator<Item = &'e Error> {
    let mut last: Option<(usize, bool)> = None;
    errors.iter().filter(move |error| {
        let span = place(error);
        let about_missing = span.is_empty();
        let same_line =
            last.filter(|(end, _)| text.get(*end..span.start).is_some_and(|between| !between.contains('\n')));
        let echo = same_line.is_some_and(|(_, after_missing)| about_missing || after_missing);
        if !echo {
            last = Some((span.start, about_missing));
        }
        !echo
    })
}

/// The tree of a text that [`check`] returned.
pub(super) fn tree(readable: &str) -> Spanned<DeTable<'_>> {
    DeTable::parse_recoverable(readable).0
}

fn place(error: &Error) -> Span {
    error.span().unwrap_or_default()
}

/// Replaces the lines of these places by spaces.
fn blank_lines(text: &str, places: &[Span]) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut places = places.iter().map(|place| place.start).peekable();
    for line in text.split_inclusive('\n') {
        let end = blanked.len() + line.len();
        let mut broken = false;
        while places.next_if(|&place| place < end || end == text.len()).is_some() {
            broken = true;
        }
        if broken {
            blanked.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            blanked.push_str(line);
        }
    }
    blanked
}

/// Words for the errors that operators make most; the crate's own for the others.
fn explain(error: &Error, text: &str) -> Problem {
    let span = place(error);
    let found = text.get(span.clone()).unwrap_or("").trim();
    let message = error.message();
    if message.starts_with(GIVES_UP) {
        return Problem::at(&span, "a key without a value").help("write `key = value`");
    }
    if message == "duplicate key" {
        return if line_before(text, &span).trim_start().starts_with('[') {
            Problem::at(&span, format!("the section {} is given twice", quote(found)))
                .help("hosts, VIPs and services have double brackets, as in `[[host]]`; other sections occur once")
        } else {
            Problem::at(&span, format!("the key {} is given twice", quote(found))).help("keep one of the two")
        };
    }
    let unquoted = message.starts_with("string values must be quoted");
    if unquoted && found.is_empty() {
        return Problem::at(&span, "a value is missing after `=`");
    }
    if let Some(word) = bare_word(text, &span).filter(|_| unquoted || message.starts_with("invalid ")) {
        return Problem::at(&word, format!("{} is not a value", quote(&text[word.clone()])))
            .help("text, addresses and durations are written in quotes, as in `\"c1\"`, `\"10.0.0.11\"` and `\"2s\"`");
    }
    let problem = Problem::at(&span, format!("not valid TOML: {message}"));
    if message.starts_with("missing comma") {
        return problem.help("add a comma, or close the bracket in a line above");
    }
    problem
}

fn line_before<'t>(text: &'t str, span: &Span) -> &'t str {
    text.get(..span.start).and_then(|before| before.rsplit('\n').next()).unwrap_or("")
}

/// The unquoted word around a place, if it stands where a value does: after `=`, `,` or `[`.
fn bare_word(text: &str, span: &Span) -> Option<Span> {
    let ends = |c: char| c.is_whitespace() || "=,[]{}\"'#".contains(c);
    let before = line_before(text, span);
    let start = before.rfind(ends).map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
    let after = text.get(span.start..)?;
    let word = span.start - (before.len() - start)..span.start + after.find(ends).unwrap_or(after.len());
    let is_value = before[..start].trim_end().ends_with(['=', ',', '[']) && !before.trim_start().starts_with('[');
    (is_value && !word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_text_is_read_as_it_is() {
        let (readable, problems) = check("a = 1\n[[b]]\nc = 2\n");
        assert!(matches!(readable, Cow::Borrowed(_)));
        assert!(problems.is_empty());
    }

    #[test]
    fn the_text_after_a_bare_key_is_read() {
        for text in ["a 4\nb = 1", "a\r\nb = 1", "é\nb = 1", "a: 4\nb = 1", "b = 1\na"] {
            let (readable, problems) = check(text);
            assert_eq!(readable.len(), text.len(), "{text:?}");
            assert_eq!(problems.len(), 1, "{text:?} {problems:?}");
            assert!(tree(&readable).get_ref().contains_key("b"), "{text:?}");
        }
    }

    #[test]
    fn every_bare_key_is_an_error() {
        let (_, problems) = check("a 4\nb = 1\nc 5\nd = x\ne");
        assert_eq!(problems.len(), 4, "{problems:?}");
    }

    #[test]
    fn words_without_quotes_are_marked_whole() {
        for word in ["nova", "internal", "true1", "10.0.0.11", "2s", "500ms", "10.0.0.0/24", "c-1", "0é"] {
            for text in
                [format!("a = {word}"), format!("a = [\"b\", {word} ] # c"), format!("a = {{ b = {word}}}\nc = 1")]
            {
                let (_, problems) = check(&text);
                let said: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
                assert_eq!(said.len(), 1, "{text:?} {said:?}");
                assert!(said[0].contains(&format!("`{word}` is not a value")), "{text:?} {said:?}");
            }
        }
    }

    #[test]
    fn an_unclosed_bracket_gives_one_error_a_line() {
        let (_, problems) = check("a = [\"b\", {c = 1}\n[d]\ne = 1000\n");
        assert_eq!(problems.len(), 2, "{problems:?}");
        let (_, problems) = check("a = [ b, c ]");
        assert_eq!(problems.len(), 2, "two words without quotes are two errors: {problems:?}");
    }
}
