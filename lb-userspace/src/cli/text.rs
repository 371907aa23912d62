//! Text for a terminal: what stands out, and columns that line up. Nothing that came from elsewhere gets to send the
//! terminal a control sequence.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether colour may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Words alone.
    Plain,
    /// ANSI colours on top of the words.
    Colour,
}

/// What a piece of text is to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// A heading.
    Heading,
    /// As it should be.
    Good,
    /// Worth a look.
    Notable,
    /// Broken.
    Bad,
}

impl Paint {
    /// The text in the colour of its tone.
    pub fn apply(self, tone: Tone, text: &str) -> String {
        let code = match (self, tone) {
            (Self::Plain, _) | (_, Tone::Plain) => return text.to_owned(),
            (Self::Colour, Tone::Heading) => "1",
            (Self::Colour, Tone::Good) => "32",
            (Self::Colour, Tone::Notable) => "33",
            (Self::Colour, Tone::Bad) => "1;31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// The text with every control character replaced, so that it is one line and cannot steer a terminal.
pub fn printable(text: &str) -> Cow<'_, str> {
    replace_controls(text, |_| false)
}

/// The same for text of several lines, which may also be indented by tabs.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    replace_controls(text, |c| matches!(c, '\n' | '\t'))
}

/// One field of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A field that stands out as its tone says.
    pub fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { text: printable(text.as_ref()).into_owned(), tone }
    }

    /// The same with more behind it.
    pub fn and(self, more: &str) -> Self {
        Self { text: self.text + &printable(more), tone: self.tone }
    }

    /// The field alone, outside of any table.
    pub fn render(&self, paint: Paint) -> String {
        paint.apply(self.tone, &self.text)
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Rows whose fields line up: words to the left, numbers to the right, two spaces between, none at the end of a line.
#[derive(Debug)]
pub struct Table {
    indent: usize,
    columns: Vec<Column>,
    lines: Vec<Line>,
}

/// Heading and side of a column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    heading: &'static str,
    right: bool,
}

/// A column of words.
pub const fn words(heading: &'static str) -> Column {
    Column { heading, right: false }
}

/// A column of numbers.
pub const fn numbers(heading: &'static str) -> Column {
    Column { heading, right: true }
}

#[derive(Debug)]
enum Line {
    Row(Vec<Cell>),
    Free(String),
}

impl Table {
    /// A table that begins with its headings, each line after `indent` spaces.
    pub fn new(indent: usize, columns: &[Column]) -> Self {
        let headings = columns.iter().map(|column| Cell::new(Tone::Heading, column.heading)).collect();
        Self { indent, columns: columns.to_vec(), lines: vec![Line::Row(headings)] }
    }

    /// Adds a row: one field per column.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len(), "a row has one field per column");
        self.lines.push(Line::Row(cells.into()));
    }

    /// Adds a line of its own between the rows, written as it is.
    pub fn line(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Free(text.into()));
    }

    /// The whole table, each line ended.
    pub fn render(&self, paint: Paint) -> String {
        self.render_lines(&self.lines, paint)
    }

    /// The same without its headings.
    pub fn render_rows(&self, paint: Paint) -> String {
        self.render_lines(&self.lines[1..], paint)
    }

    fn render_lines(&self, lines: &[Line], paint: Paint) -> String {
        let widths = self.widths();
        let mut out = String::new();
        for line in lines {
            match line {
                Line::Free(text) => out.push_str(text),
                Line::Row(cells) => self.render_row(&mut out, cells, &widths, paint),
            }
            out.push('\n');
        }
        out
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.columns.len()];
        for line in &self.lines {
            if let Line::Row(cells) = line {
                widths.iter_mut().zip(cells).for_each(|(width, cell)| *width = cell.width().max(*width));
            }
        }
        widths
    }

    fn render_row(&self, out: &mut String, cells: &[Cell], widths: &[usize], paint: Paint) {
        let mut gap = self.indent;
        for ((cell, column), width) in cells.iter().zip(&self.columns).zip(widths) {
            let slack = width - cell.width();
            let (before, after) = if column.right { (slack, 0) } else { (0, slack) };
            if !cell.text.is_empty() {
                let _ = write!(out, "{:1$}{2}", "", gap + before, paint.apply(cell.tone, &cell.text));
                gap = 0;
            }
            gap += if cell.text.is_empty() { width + 2 } else { after + 2 };
        }
    }
}

fn replace_controls(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |c: char| c.is_control() && !keep(c);
    if text.contains(bad) { Cow::Owned(text.replace(bad, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_spaces() {
        let mut table = Table::new(2, &[words("NAME"), numbers("COUNT"), words("LAST")]);
        table.row(["a".into(), "1".into(), "".into()]);
        table.line("between");
        table.row(["longer".into(), "123456".into(), "end".into()]);
        table.row(["".into(), "7".into(), "end".into()]);
        let expected =
            "  NAME     COUNT  LAST\n  a            1\nbetween\n  longer  123456  end\n               7  end\n";
        assert_eq!(table.render(Paint::Plain), expected);
    }

    #[test]
    fn colour_does_not_move_columns() {
        let mut table = Table::new(0, &[words("A"), words("B")]);
        table.row([Cell::new(Tone::Bad, "DOWN"), "x".into()]);
        table.row([Cell::new(Tone::Good, "up"), "y".into()]);
        let coloured = table.render(Paint::Colour);
        assert!(coloured.contains("\x1b[1;31mDOWN\x1b[0m  x\n") && coloured.contains("\x1b[32mup\x1b[0m    y\n"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\x1b[2J\nb"), "a\u{fffd}[2J\u{fffd}b");
        assert_eq!(printable_lines("a\n\tb\r"), "a\n\tb\u{fffd}");
    }
}
