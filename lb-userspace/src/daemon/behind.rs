//! What this host may lack after it took no part in an election for a while, or hung: what other controllers know of flows,
//! and how its backends are by now. Until it has both, it leaves alone whoever holds the VIPs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Daemon;
use crate::core::event::{Event, Now};

/// How long it is waited for. Somebody else serves the VIPs meanwhile, so waiting costs nothing; but what does not come in this
/// time, as from a host that hangs or of a backend that comes and goes, may never come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Groups that fall behind so soon after each other catch up together.
const TOGETHER: Duration = Duration::from_millis(100);

/// What is missing, by group.
#[derive(Debug, Default)]
pub(super) struct Behind(BTreeMap<String, Missing>);

#[derive(Debug)]
struct Missing {
    /// When the election says that this host fell behind, by the election's clock.
    stamp: Now,
    /// What is older than that does not count.
    since: Now,
    /// What is waited for.
    what: String,
}

impl Behind {
    /// What a group waits for, if it does.
    pub(super) fn of(&self, group: &str) -> Option<&str> {
        self.0.get(group).map(|missing| missing.what.as_str())
    }

    /// When waiting ends, whatever is missing.
    pub(super) fn deadline(&self) -> Option<Now> {
        self.0.values().map(|missing| Now(missing.since.0 + PATIENCE)).min()
    }
}

impl Daemon {
    /// Takes in since when this host may lack something for a group, by the election's clock; `None`: it lacks nothing.
    pub(super) async fn fall_behind(&mut self, group: &str, stamp: Option<Now>) {
        let Behind(missing) = &mut self.behind;
        let Some(stamp) = stamp else {
            missing.remove(group);
            return;
        };
        if missing.get(group).is_some_and(|known| known.stamp == stamp) {
            return;
        }
        let now = Now(self.began.elapsed());
        let together = missing.values().map(|known| known.since).find(|since| now.0 - since.0 < TOGETHER);
        let since = together.unwrap_or(now);
        missing.insert(group.to_owned(), Missing { stamp, since, what: String::new() });
        if together.is_none() {
            if let Some(syncer) = &mut self.syncer {
                syncer.ask(now);
            }
            let commands = self.controller.handle(Event::Recheck, now);
            self.executor.execute_all(commands).await;
        }
        self.catch_up();
    }

    /// Tells the election which groups lack nothing any more.
    pub(super) fn catch_up(&mut self) {
        let (now, Some(elections)) = (Now(self.began.elapsed()), &self.elections) else { return };
        let (controller, syncer) = (&self.controller, &self.syncer);
        self.behind.0.retain(|group, missing| {
            let flows = || syncer.as_ref().map_or(Ok(()), |syncer| syncer.is_told_since(missing.since, now));
            let checks = || {
                let late = controller.unchecked_since(missing.since);
                late.map_or(Ok(()), |backend| Err(format!("how backend {backend} is")))
            };
            match flows().and_then(|()| checks()) {
                Err(what) if now.0 < missing.since.0 + PATIENCE => {
                    missing.what = what;
                    true
                }
                late => {
                    if let Err(what) = late {
                        let waited = PATIENCE.as_secs();
                        tracing::warn!(
                            "group {group}: this host may take over though it did not learn in {waited} s {what}"
                        );
                    }
                    elections.catch_up(group, missing.stamp);
                    false
                }
            }
        });
    }
}
