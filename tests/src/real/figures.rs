//! What the story came to, service by service, and which promises that breaks.

use std::collections::BTreeMap;

use serde::Serialize;

/// What `pivot-demo --real --json` prints.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figures {
    /// By name in pivot's configuration.
    pub services: BTreeMap<String, ServiceFigures>,
}

/// One service.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceFigures {
    /// Operations over all backends, with nothing in their way.
    pub ops: usize,
    /// Those that failed.
    pub failed: usize,
    /// Whether the servers saw the client's address, and no other.
    pub client_address_seen: bool,
    /// What each backend did of it, in the service's own unit (operations or connections).
    pub backends: BTreeMap<String, usize>,
    /// What the clients said to the first failures.
    pub errors: Vec<String>,
    /// One backend ended.
    pub after_kill: AfterKill,
}

/// A backend ended while clients went on.
#[derive(Debug, Clone, Serialize)]
pub struct AfterKill {
    /// Its host.
    pub backend: String,
    /// From its end until pivot showed it down, in milliseconds.
    pub detect_ms: u128,
    /// Operations tried in that time; those to the dead backend must fail.
    pub ops_until_detection: usize,
    /// Those that failed.
    pub failed_until_detection: usize,
    /// Operations begun after it.
    pub ops: usize,
    /// Those that failed.
    pub failed_after_detection: usize,
    /// What the clients said to the first failures after the detection.
    pub errors: Vec<String>,
}

impl Figures {
    /// Promises that these figures break, in words; none of them if all is well.
    pub fn broken_promises(&self) -> Vec<String> {
        self.services.iter().flat_map(|(name, figures)| figures.broken_promises(name)).collect()
    }
}

impl ServiceFigures {
    fn broken_promises(&self, name: &str) -> impl Iterator<Item = String> {
        let Self { ops, failed, backends, errors, after_kill, .. } = self;
        let promises = [
            (
                *failed == 0,
                format!("{name}: {failed} of {ops} operations failed with nothing in their way: {errors:?}"),
            ),
            (self.client_address_seen, format!("{name}: the servers saw another address than the client's, or nobody")),
            (
                ["c1", "c2", "c3"].iter().all(|host| backends.contains_key(*host)),
                format!("{name}: not every backend did its part: {backends:?}"),
            ),
            (
                after_kill.failed_after_detection == 0 && after_kill.ops > 0,
                format!("{name}: operations failed after the dead backend was known to be: {after_kill:?}"),
            ),
        ];
        promises.into_iter().filter(|(kept, _)| !kept).map(|(_, broken)| broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> ServiceFigures {
        let after_kill = AfterKill {
            backend: "c2".to_owned(),
            detect_ms: 900,
            ops_until_detection: 30,
            failed_until_detection: 10,
            ops: 50,
            failed_after_detection: 0,
            errors: Vec::new(),
        };
        ServiceFigures {
            ops: 100,
            failed: 0,
            client_address_seen: true,
            backends: ["c1", "c2", "c3"].map(|host| (host.to_owned(), 33)).into(),
            errors: Vec::new(),
            after_kill,
        }
    }

    #[test]
    fn failures_before_detection_break_no_promise() {
        assert_eq!(good().broken_promises("mysql").count(), 0);
    }

    #[test]
    fn every_broken_promise_is_named() {
        let breaks: [fn(&mut ServiceFigures); 4] = [
            |figures| figures.failed = 1,
            |figures| figures.client_address_seen = false,
            |figures| assert!(figures.backends.remove("c3").is_some()),
            |figures| figures.after_kill.failed_after_detection = 1,
        ];
        for (number, broken) in breaks.iter().enumerate() {
            let mut figures = good();
            broken(&mut figures);
            assert_eq!(figures.broken_promises("mysql").count(), 1, "number {number}");
        }
    }
}
