//! How the command line fails: for each failure its exit code, its line on stderr, and its JSON.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::target::Target;
use super::text::printable_lines;
use crate::api::client::ClientError;
use crate::api::error::ApiError;
use crate::api::wire::DEFAULT_INSTANCE;

/// Done.
pub(super) const OK: u8 = 0;
/// Refused or failed.
pub(super) const FAILED: u8 = 1;
/// Wrong usage.
pub(super) const USAGE: u8 = 2;
/// pivotd is not running.
pub(super) const NOT_RUNNING: u8 = 3;
/// No permission to use its socket.
pub(super) const DENIED: u8 = 4;
/// `status --exit-code`: something to warn of.
pub(super) const DEGRADED: u8 = 5;

/// Why a command did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// It was not understood.
    #[error("{0}")]
    Usage(String),
    /// There is no daemon.
    #[error("{line}: start it with {}", start_command(.instance.as_deref()))]
    NotRunning { line: String, instance: Option<String> },
    /// The daemon could not be asked.
    #[error(transparent)]
    Client(ClientError),
    /// What was asked for was refused, by the daemon or here.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// Standard output cannot be written, for another reason than that nobody reads it.
    #[error("cannot write to standard output: {0}")]
    Unwritable(std::io::Error),
    /// This host cannot be looked at.
    #[error("cannot look at this host: {0}")]
    Blind(String),
    /// The system has nothing to run us with.
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
}

impl CliError {
    /// A client's error, said to someone who wanted to reach `target`.
    pub(super) fn from_client(error: ClientError, target: &Target) -> Self {
        match error {
            ClientError::Refused(error) => Self::Refused(error),
            ClientError::NotRunning { .. } => {
                Self::NotRunning { line: error.to_string(), instance: target.instance.clone() }
            }
            other => Self::Client(other),
        }
    }

    /// Says it on stderr; what the process is to exit with.
    pub(super) fn report(&self, json: bool) -> ExitCode {
        let message = self.to_string();
        // The report on a configuration says of each of its errors that it is one.
        let prefix = if message.starts_with("error: ") { "" } else { "error: " };
        let line = if json { self.to_json().to_string() } else { format!("{prefix}{}", printable_lines(&message)) };
        // Nobody is left to be told if stderr is gone.
        let _ = writeln!(std::io::stderr(), "{}", line.trim_end());
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::NotRunning { .. } => NOT_RUNNING,
            Self::Client(ClientError::Denied { .. }) => DENIED,
            Self::Client(_)
            | Self::Refused(_)
            | Self::Unreadable { .. }
            | Self::Unwritable(_)
            | Self::Blind(_)
            | Self::Runtime(_) => FAILED,
        }
    }

    fn to_json(&self) -> Value {
        let (kind, details) = match self {
            Self::Refused(error) => (error.kind.as_str(), error.details.as_slice()),
            Self::Usage(_) => ("usage", [].as_slice()),
            Self::NotRunning { .. } => ("not_running", [].as_slice()),
            Self::Client(ClientError::Denied { .. }) => ("permission_denied", [].as_slice()),
            Self::Client(ClientError::Silent { .. } | ClientError::Full { .. } | ClientError::Cut { .. }) => {
                ("no_answer", [].as_slice())
            }
            Self::Client(_) => ("connection", [].as_slice()),
            Self::Unreadable { .. } => ("unreadable", [].as_slice()),
            Self::Unwritable(_) | Self::Blind(_) | Self::Runtime(_) => ("internal", [].as_slice()),
        };
        json!({"error": {"kind": kind, "message": self.to_string(), "details": details}})
    }
}

impl From<clap::Error> for CliError {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error.to_string().trim_start_matches("error: ").trim_end().to_owned())
    }
}

/// The command that starts the daemon of this instance.
fn start_command(instance: Option<&str>) -> String {
    match instance {
        Some(DEFAULT_INSTANCE) => "'systemctl start pivotd' or 'pivotd --config FILE'".into(),
        Some(name) => format!("'pivotd --instance {name} --config FILE'"),
        None => "'pivotd --config FILE'".into(),
    }
}
