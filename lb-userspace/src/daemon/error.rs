//! Why pivotd ends, and what its exit code says.

use std::io;
use std::path::PathBuf;

use crate::core::config::ConfigErrors;
use crate::io::datapath::InterfaceError;
use crate::io::datapath::load::LoadError;
use crate::io::holds::HoldsError;
use crate::io::instance::InstanceError;
use crate::io::netlink::NetlinkError;
use crate::io::preflight::{Problem, ProblemKind};
use crate::io::sync_socket::SyncSocketError;
use crate::tables::writer::TableError;

/// Why pivotd could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}", path = .path.display())]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its contents.
    #[error("{0}")]
    Config(ConfigErrors),
    /// This host is not in it.
    #[error("host {host:?} is not in the configuration (it has {known}): add a [[host]], or start with --host NAME")]
    Host {
        /// Name that was looked for.
        host: String,
        /// Names that are there.
        known: String,
    },
    /// The configuration does not fit this host.
    #[error("{0}")]
    Unfit(String),
    /// Privileges or kernel.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Preflight(Vec<Problem>),
    /// The instance.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// What the operator ordered earlier.
    #[error(transparent)]
    Holds(#[from] HoldsError),
    /// Netlink.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// BPF programs and maps.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An interface.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TableError),
    /// The election's thread.
    #[error("cannot run an election: {source}")]
    Election {
        /// Why.
        source: io::Error,
    },
    /// The socket to other controllers.
    #[error(transparent)]
    Sync(#[from] SyncSocketError),
    /// The kernel's random numbers.
    #[error("the kernel gives no random numbers: {source}")]
    Random {
        /// Why.
        source: io::Error,
    },
    /// The API's socket.
    #[error("cannot listen on {path}: {source}", path = .path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Signals.
    #[error("cannot wait for signals: {source}")]
    Signals {
        /// Why.
        source: io::Error,
    },
    /// What the packet path tells.
    #[error("cannot read what the BPF programs tell of backends: {source}")]
    Refusals {
        /// Why.
        source: io::Error,
    },
    /// A command that had to succeed at start or reload.
    #[error(transparent)]
    Execute(#[from] super::execute::ExecuteError),
}

impl DaemonError {
    /// Exit code of pivotd, listed in its `--help`.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ConfigFile { .. } | Self::Config(_) | Self::Host { .. } | Self::Unfit(_) => 3,
            Self::Netlink(NetlinkError::NoSuchInterface { .. } | NetlinkError::NotEthernet { .. }) => 3,
            Self::Preflight(problems) if problems.iter().any(|p| p.kind == ProblemKind::Kernel) => 5,
            Self::Preflight(_) => 4,
            Self::Instance(InstanceError::Held { .. }) => 6,
            _ => 1,
        }
    }
}
