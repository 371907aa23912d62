//! Where views go: stdout, as text or as JSON. A reader that has gone away ends the writing quietly.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::error::CliError;
use super::text::{Paint, printable};
use super::warning::Warning;

/// How this run prints.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
    paint: Paint,
}

impl Output {
    /// JSON or text; in colour if stdout is a terminal that knows it and nobody asked for none.
    pub(super) fn new(json: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let colour = io::stdout().is_terminal() && !dumb && !set("NO_COLOR");
        Self { json, paint: if colour { Paint::Colour } else { Paint::Plain } }
    }

    /// Prints a view: itself as JSON, or what `render` makes of it.
    ///
    /// # Errors
    /// [`CliError::Unwritable`], as for a full disk. A closed pipe is no error.
    pub(super) fn show<T: Serialize>(self, view: &T, render: impl FnOnce(&T, Paint) -> String) -> Result<(), CliError> {
        let text = if self.json {
            // Views are plain data with string keys: they always serialise.
            serde_json::to_string_pretty(view).map(|text| text + "\n").map_err(io::Error::other)
        } else {
            Ok(render(view, self.paint))
        };
        match text.and_then(|text| write_out(&text)) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Unwritable(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Warns on stderr, next to a view on stdout. Programs, which asked for JSON, have the views to read it from.
    pub(super) fn warn(self, warnings: &[Warning]) {
        for warning in warnings.iter().filter(|_| !self.json) {
            // Nobody is left to be warned if stderr is gone.
            let _ = writeln!(io::stderr(), "warning: {}", printable(&warning.text));
        }
    }
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
