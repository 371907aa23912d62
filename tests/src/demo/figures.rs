//! All figures of a demo, and which of pivot's promises they break.

use std::collections::BTreeMap;

use serde::Serialize;

use super::steps::{AfterDrain, AfterKill, DaemonKilled, DirectReturn, Restarted, Spread};

/// What `pivot-demo --json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Requests sent while nothing was in their way, before and after the events.
    pub requests: usize,
    /// Those without an answer.
    pub failed: usize,
    /// Answers by backend.
    pub backends: BTreeMap<String, usize>,
    /// Whether the services saw the client's own address and port.
    pub client_address_seen: bool,
    /// Whether answers bypass the director.
    pub direct_return: DirectReturn,
    /// A service killed.
    pub after_kill: AfterKill,
    /// A backend drained.
    pub after_drain: AfterDrain,
    /// The holder's daemon killed.
    pub daemon_killed: DaemonKilled,
    /// And started again.
    pub restarted: Restarted,
}

impl Figures {
    /// Adds another undisturbed run to the totals.
    pub fn add(&mut self, run: &Spread) {
        self.requests += run.requests;
        self.failed += run.failed;
        self.client_address_seen &= run.client_address_seen;
        for (backend, answers) in &run.backends {
            *self.backends.entry(backend.clone()).or_default() += answers;
        }
    }

    /// Promises that these figures break, in words; none of them if all is well.
    pub fn broken_promises(&self) -> Vec<String> {
        let Self { after_kill, after_drain, daemon_killed, restarted, direct_return, .. } = self;
        let all_answered = ["c1", "c2", "c3"].iter().all(|host| self.backends.contains_key(*host));
        let promises = [
            (self.failed == 0, format!("{} requests failed with nothing in their way", self.failed)),
            (all_answered, format!("not every backend answered: {:?}", self.backends)),
            (self.client_address_seen, "a service saw another address than the client's".to_owned()),
            (
                direct_return.proved && direct_return.failed == 0,
                format!("answers passed the director: {direct_return:?}"),
            ),
            (
                after_kill.failed_after_detection == 0 && after_kill.failed_elsewhere == 0,
                format!("a killed service failed other connections than its own: {after_kill:?}"),
            ),
            (
                after_drain.failed == 0 && after_drain.new_to_drained == 0 && after_drain.open_connection_kept,
                format!("a drained backend lost or won connections: {after_drain:?}"),
            ),
            (daemon_killed.failed == 0, format!("requests failed without the daemon: {daemon_killed:?}")),
            (
                restarted.failed == 0 && restarted.adopted && restarted.open_connections_kept,
                format!("the daemon's restart was noticed: {restarted:?}"),
            ),
        ];
        promises.into_iter().filter(|(kept, _)| !kept).map(|(_, broken)| broken).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Figures {
        let backends = [("c1".to_owned(), 1), ("c2".to_owned(), 1), ("c3".to_owned(), 1)].into();
        Figures {
            requests: 3,
            failed: 0,
            backends,
            client_address_seen: true,
            direct_return: DirectReturn { answered_bytes: 10, director_received_bytes: 1, failed: 0, proved: true },
            after_kill: AfterKill {
                failed: 7,
                detect_ms: 300,
                failed_after_detection: 0,
                failed_elsewhere: 0,
                requests: 100,
            },
            after_drain: AfterDrain { failed: 0, open_connection_kept: true, new_to_drained: 0, requests: 100 },
            daemon_killed: DaemonKilled { failed: 0, requests: 100 },
            restarted: Restarted { failed: 0, adopted: true, open_connections_kept: true, requests: 100 },
        }
    }

    #[test]
    fn failures_before_detection_break_no_promise() {
        assert_eq!(good().broken_promises(), Vec::<String>::new());
    }

    #[test]
    fn every_broken_promise_is_named() {
        let breaks: [fn(&mut Figures); 8] = [
            |figures| figures.failed = 1,
            |figures| figures.backends.retain(|host, _| host != "c2"),
            |figures| figures.client_address_seen = false,
            |figures| figures.direct_return.proved = false,
            |figures| figures.after_kill.failed_after_detection = 1,
            |figures| figures.after_drain.open_connection_kept = false,
            |figures| figures.daemon_killed.failed = 1,
            |figures| figures.restarted.adopted = false,
        ];
        for (number, broken) in breaks.iter().enumerate() {
            let mut figures = good();
            broken(&mut figures);
            assert_eq!(figures.broken_promises().len(), 1, "number {number}");
        }
    }
}
