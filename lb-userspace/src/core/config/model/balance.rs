//! How the flows of a service are spread over its backends, or that one of them has all.

use crate::core::writer::Failback;

/// How the flows of a service are spread over its backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// By a hash of each flow (Maglev), according to their weights.
    #[default]
    Hash,
    /// They are not: one backend, the writer, has all of them; the next one in the order of the file takes over from it. Such a
    /// service has no affinity.
    Single {
        /// Whether they go back to a backend that comes first in the order.
        failback: Failback,
        /// What becomes of new flows while no backend is fit.
        no_writer: NoWriter,
    },
}

/// What becomes of new flows while no backend is fit to be the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoWriter {
    /// They are refused.
    #[default]
    Reset,
    /// The last writer gets them, unless its operator has drained it.
    Last,
}

impl NoWriter {
    /// As the file calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Last => "last",
        }
    }
}
