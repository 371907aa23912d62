//! What became of a program that pivotd ran, in words an operator knows.

use std::fmt;
use std::time::Duration;

use super::config::quote;

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How it ended.
    pub ending: Ending,
    /// How long it took.
    pub took: Duration,
    /// The last line that it wrote to stderr, cut if it is long; empty if there is none.
    pub last_line: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, which was not pivotd's.
    Killed(i32),
    /// It took longer than this, and was killed with all that it had started.
    TimedOut(Duration),
    /// It never began, and why.
    NotRun(String),
}

impl Run {
    /// Whether it did what it was to do.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.ending == Ending::Exited(0)
    }
}

impl fmt::Display for Run {
    /// How it ended and what it said: "exit code 3 (not synced)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ending)?;
        if self.last_line.is_empty() { Ok(()) } else { write!(f, " ({})", self.last_line) }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut(timeout) => write!(f, "killed, as it was not over after {timeout:?}"),
            Self::NotRun(why) => write!(f, "it cannot be run: {why}"),
        }
    }
}

/// A program and its arguments as people type them, in backticks; cut if they are long.
#[must_use]
pub fn called(argv: &[String]) -> String {
    quote(&argv.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_in_words() {
        let run = |ending, said: &str| Run { ending, took: Duration::ZERO, last_line: said.to_owned() };
        for (ending, said, words, passed) in [
            (Ending::Exited(0), "", "exit code 0", true),
            (Ending::Exited(3), "not synced", "exit code 3 (not synced)", false),
            (Ending::Killed(11), "", "killed by signal 11", false),
            (Ending::TimedOut(Duration::from_millis(500)), "", "killed, as it was not over after 500ms", false),
            (Ending::NotRun("no such file".into()), "", "it cannot be run: no such file", false),
        ] {
            let run = run(ending, said);
            assert_eq!((run.to_string().as_str(), run.passed()), (words, passed));
        }
    }

    #[test]
    fn commands_are_called_as_they_are_typed() {
        let argv = |words: &[&str]| called(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(argv(&["/usr/bin/check", "-x"]), "`/usr/bin/check -x`");
        assert_eq!(argv(&["/bin/echo", "\u{1b}[2J"]), "`/bin/echo \\u{1b}[2J`");
    }
}
