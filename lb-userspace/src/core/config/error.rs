//! What is wrong with a configuration file, for people ([`Display`](fmt::Display), as rustc prints it) and for programs
//! (`Serialize`).
//!
//! Lines and columns count from 1; columns count characters. An excerpt is safe to print: tabs are expanded, control
//! characters replaced, long lines cut to a window around the place.

use std::fmt;

use serde::Serialize;

/// Every error found in one file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigErrors {
    /// Name of the file, as the caller gave it.
    pub file: String,
    /// The errors; at least one.
    pub errors: Vec<ConfigError>,
    /// How many further errors were left out (a file of garbage has no end of them).
    pub omitted: usize,
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; one past the line's end where something is missing there.
    pub column: usize,
    /// What is wrong: the thing and the value.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// The offending text.
    pub excerpt: Excerpt,
    /// Other places that take part in it, such as the first of two equal names.
    pub related: Vec<Related>,
}

/// Another place that takes part in an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is there.
    pub message: String,
    /// The text there.
    pub excerpt: Excerpt,
}

/// A line of the file, made printable, and what of it is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// The line, or a part of it.
    pub text: String,
    /// Characters of `text` in front of what is meant.
    pub start: usize,
    /// Characters that are meant, at least 1; one past the end of `text` where something is missing there.
    pub length: usize,
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.errors {
            error.render(&self.file, f)?;
            writeln!(f)?;
        }
        let count = self.errors.len() + self.omitted;
        write!(f, "{}: {count} {}", self.file, if count == 1 { "error" } else { "errors" })?;
        if self.omitted > 0 {
            write!(f, ", of which the first {} are shown", self.errors.len())?;
        }
        Ok(())
    }
}

impl ConfigError {
    fn render(&self, file: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.related.iter().map(|related| related.line).fold(self.line, usize::max);
        let gutter = last.to_string().len();
        writeln!(f, "error: {}", self.message)?;
        writeln!(f, "{:gutter$}--> {file}:{}:{}", "", self.line, self.column)?;
        self.excerpt.render(self.line, gutter, '^', "", f)?;
        for related in &self.related {
            writeln!(f, "{:gutter$}::: {file}:{}:{}", "", related.line, related.column)?;
            related.excerpt.render(related.line, gutter, '-', &related.message, f)?;
        }
        match &self.help {
            Some(help) => writeln!(f, "{:gutter$} = help: {help}", ""),
            None => Ok(()),
        }
    }
}

impl Excerpt {
    fn render(&self, line: usize, gutter: usize, mark: char, label: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{line:gutter$} | {}", self.text)?;
        let marks = mark.to_string().repeat(self.length);
        writeln!(f, "{}", format!("{:gutter$} | {:start$}{marks} {label}", "", "", start = self.start).trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, start: usize, length: usize) -> Excerpt {
        Excerpt { text: text.into(), start, length }
    }

    #[test]
    fn errors_print_like_rustc() {
        let errors = ConfigErrors {
            file: "pivot.toml".into(),
            errors: vec![ConfigError {
                line: 12,
                column: 8,
                message: "port taken".into(),
                help: Some("take another".into()),
                excerpt: excerpt("port = 5000", 7, 4),
                related: vec![Related {
                    line: 7,
                    column: 8,
                    message: "first taken here".into(),
                    excerpt: excerpt("port = 5000", 7, 4),
                }],
            }],
            omitted: 0,
        };
        let expected = "\
error: port taken
  --> pivot.toml:12:8
   |
12 | port = 5000
   |        ^^^^
  ::: pivot.toml:7:8
   |
 7 | port = 5000
   |        ---- first taken here
   = help: take another

pivot.toml: 1 error";
        assert_eq!(errors.to_string(), expected);
    }

    #[test]
    fn errors_serialize_with_their_place() {
        let errors = ConfigErrors {
            file: "f".into(),
            errors: vec![ConfigError {
                line: 1,
                column: 2,
                message: "m".into(),
                help: None,
                excerpt: excerpt("ab", 1, 1),
                related: vec![],
            }],
            omitted: 3,
        };
        let json = serde_json::to_value(&errors).expect("plain data");
        assert_eq!(json["errors"][0]["line"], 1);
        assert_eq!(json["errors"][0]["column"], 2);
        assert_eq!(json["errors"][0]["excerpt"]["text"], "ab");
        assert_eq!(json["omitted"], 3);
    }
}
