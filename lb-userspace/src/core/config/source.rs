//! The text of a file, and where in it a byte range lies.
//!
//! Byte ranges enter, lines, columns and excerpts leave. Any range is accepted, also one past the end or inside a
//! character: it is moved to the nearest place in front of it.

use std::ops::Range;

use super::error::Excerpt;

/// Characters of a line that an excerpt shows.
const WINDOW: usize = 160;
/// Of these, how many in front of the place, when the line is cut.
const LEAD: usize = 60;
const TAB: &str = "    ";

/// Bytes of the file.
pub(super) type Span = Range<usize>;

/// The text of a file.
#[derive(Debug)]
pub(super) struct Source<'t> {
    text: &'t str,
    /// Where each line starts.
    lines: Vec<usize>,
    /// Numbers of the lines that are a `[header]`, or look like one.
    headers: Vec<usize>,
}

/// A place in the file as people name it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: usize,
    /// In characters, from 1.
    pub(super) column: usize,
    pub(super) excerpt: Excerpt,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let numbered = (1..).zip(text.split('\n'));
        let headers =
            numbered.filter(|(_, line)| line.trim_start().starts_with('[')).map(|(number, _)| number).collect();
        Self { text, lines, headers }
    }

    /// Line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|&start| start <= offset)
    }

    pub(super) fn place(&self, span: &Span) -> Place {
        let number = self.line(span.start.min(self.text.len()));
        let first = self.lines[number - 1];
        let line = self.line_text(number);
        let clamp = |offset: usize| line.floor_char_boundary(offset.saturating_sub(first));
        let (start, end) = (clamp(span.start), clamp(span.end.max(span.start)));
        let before = line[..start].chars().count();
        let marked = line[start..end].chars().count().max(1);
        Place { line: number, column: before + 1, excerpt: excerpt(line, before, marked) }
    }

    /// The section a byte lies in: the line of its `[header]`, from 1, and the first key of that header.
    /// In front of the first header: line 0 and no key.
    pub(super) fn section(&self, offset: usize) -> (usize, &'t str) {
        let before = self.headers.partition_point(|&number| number <= self.line(offset));
        let Some(&number) = before.checked_sub(1).and_then(|last| self.headers.get(last)) else { return (0, "") };
        let header = self.line_text(number).trim_start_matches(['[', ' ', '\t']);
        (number, header.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or(""))
    }

    /// A line, from 1, without its end.
    fn line_text(&self, number: usize) -> &'t str {
        let start = self.lines[number - 1];
        let end = self.lines.get(number).map_or(self.text.len(), |next| next - 1);
        let line = &self.text[start..end];
        line.strip_suffix('\r').unwrap_or(line)
    }
}

/// Makes a line printable; `before` and `marked` are in characters of the line.
fn excerpt(line: &str, before: usize, marked: usize) -> Excerpt {
    let cut = line.len() > WINDOW && line.chars().nth(WINDOW).is_some();
    let skipped = if cut { before.saturating_sub(LEAD) } else { 0 };
    let mut text = String::from(if skipped > 0 { "…" } else { "" });
    let mut width = text.chars().count();
    let (mut start, mut length) = (width, 0);
    let mut rest = line.chars().enumerate().skip(skipped);
    for (index, character) in rest.by_ref().take(WINDOW) {
        let from = width;
        match character {
            '\t' => text.push_str(TAB),
            control if control.is_control() => text.push('\u{fffd}'),
            other => text.push(other),
        }
        width += if character == '\t' { TAB.len() } else { 1 };
        if index < before {
            start = width;
        } else if index < before + marked {
            length += width - from;
        }
    }
    if rest.next().is_some() {
        text.push('…');
    }
    Excerpt { text, start, length: length.max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, span: Span) -> (usize, usize, String) {
        let place = Source::new(text).place(&span);
        let Excerpt { text, start, length } = place.excerpt;
        let marked: String = text.chars().skip(start).take(length).collect();
        (place.line, place.column, marked)
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(place("é = 1\nü = xyz\n", 12..15), (2, 5, "xyz".into()));
    }

    #[test]
    fn a_line_ends_before_its_carriage_return() {
        assert_eq!(place("a = 1\r\nb\r\n", 4..7), (1, 5, "1".into()));
        assert_eq!(place("a =\r\n", 4..4), (1, 4, String::new()));
    }

    #[test]
    fn a_span_over_lines_marks_its_first() {
        assert_eq!(place("a = [\n1,\n]", 4..10), (1, 5, "[".into()));
    }

    #[test]
    fn places_past_the_end_or_inside_a_character_are_moved_into_the_text() {
        assert_eq!(place("ab", 90..99), (1, 3, String::new()));
        assert_eq!(place("", 0..0), (1, 1, String::new()));
        assert_eq!(place("aé", 2..3), (1, 2, "é".into()));
    }

    #[test]
    fn tabs_are_expanded_and_control_characters_replaced() {
        assert_eq!(place("\tkey\u{1b}[2J = 1", 1..4), (1, 2, "key".into()));
        assert_eq!(Source::new("\tk\u{1b}").place(&(1..2)).excerpt.text, "    k\u{fffd}");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{} here {}", "x".repeat(1000), "y".repeat(1000));
        let place = Source::new(&text).place(&(1001..1005));
        let Excerpt { text, start, length } = place.excerpt;
        assert_eq!(place.column, 1002);
        assert_eq!(text.chars().skip(start).take(length).collect::<String>(), "here");
        assert_eq!(text.chars().count(), WINDOW + 2);
        assert!(text.starts_with("…x") && text.ends_with("y…"));
    }

    #[test]
    fn sections_are_found_by_their_headers() {
        let text = "a = 1\n[[host]]\nname = 1\n  [ defaults.check ]\nrise = 1";
        let source = Source::new(text);
        assert_eq!(source.section(0), (0, ""));
        assert_eq!(source.section(text.find("name").expect("is there")), (2, "host"));
        assert_eq!(source.section(text.len()), (4, "defaults"));
    }
}
