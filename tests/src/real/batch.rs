//! What came of some operations by real clients, and what the servers saw of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Errors that a batch keeps word for word.
const ERRORS_KEPT: usize = 5;

/// Operations of one service, counted. Clients written in Python print one as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Operations tried.
    pub ops: usize,
    /// Those that the client got no, or a wrong, answer to.
    pub failed: usize,
    /// By backend, what it did of them; in the service's own unit (operations or connections).
    pub backends: BTreeMap<String, usize>,
    /// The same by client address, as the *servers* saw it.
    pub clients: BTreeMap<IpAddr, usize>,
    /// What the clients said to the first failures.
    pub errors: Vec<String>,
}

impl Batch {
    /// Counts one failed operation.
    pub(super) fn fail(&mut self, error: impl Into<String>) {
        self.ops += 1;
        self.failed += 1;
        if self.errors.len() < ERRORS_KEPT {
            self.errors.push(error.into());
        }
    }

    /// Counts one operation that a backend did for a client.
    pub(super) fn succeed(&mut self, backend: &str, client: IpAddr) {
        self.ops += 1;
        self.saw(backend, client);
    }

    /// Notes whom a backend saw.
    pub(super) fn saw(&mut self, backend: &str, client: IpAddr) {
        *self.backends.entry(backend.to_owned()).or_default() += 1;
        *self.clients.entry(client).or_default() += 1;
    }

    /// Whether the servers saw something, and nobody but this client.
    pub fn saw_only(&self, client: IpAddr) -> bool {
        self.clients.keys().eq([&client])
    }
}

impl AddAssign for Batch {
    fn add_assign(&mut self, other: Self) {
        self.ops += other.ops;
        self.failed += other.failed;
        for (backend, count) in other.backends {
            *self.backends.entry(backend).or_default() += count;
        }
        for (client, count) in other.clients {
            *self.clients.entry(client).or_default() += count;
        }
        let room = ERRORS_KEPT.saturating_sub(self.errors.len());
        self.errors.extend(other.errors.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 200));
    const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 11));

    #[test]
    fn the_client_is_seen_only_if_no_other_address_is() {
        let mut batch = Batch::default();
        assert!(!batch.saw_only(CLIENT));
        batch.succeed("c1", CLIENT);
        assert!(batch.saw_only(CLIENT));
        batch.succeed("c1", PROXY);
        assert!(!batch.saw_only(CLIENT));
    }

    #[test]
    fn batches_add_up() {
        let (mut sum, mut more) = (Batch::default(), Batch::default());
        sum.succeed("c1", CLIENT);
        more.succeed("c1", CLIENT);
        more.succeed("c2", CLIENT);
        more.fail("refused");
        sum += more;
        assert_eq!((sum.ops, sum.failed, &sum.errors[..]), (4, 1, &["refused".to_owned()][..]));
        assert_eq!(sum.backends, BTreeMap::from([("c1".to_owned(), 2), ("c2".to_owned(), 1)]));
        assert_eq!(sum.clients, BTreeMap::from([(CLIENT, 3)]));
    }
}
