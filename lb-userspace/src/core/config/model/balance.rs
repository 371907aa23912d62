//! How the flows of a service are spread over its backends, or that one of them has all.

use crate::core::writer::Failback;

/// How the flows of a service are spread over its backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// By a hash of each flow (Maglev), according to their weights.
    #[default]
    Hash,
    /// They are not: one backend, the writer, has all of them; the next one in the order of the file takes over from it. Such a
    /// service has no affinity and no slow start.
    Single {
        /// Whether they go back to a backend that comes first in the order.
        failback: Failback,
    },
}
