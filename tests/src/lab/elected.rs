//! A cluster that elects who holds its VIP, and the service on hosts that stay alive while others get into trouble.

use std::time::Duration;

use anyhow::Result;

use super::cluster::{BACKEND_PORT, Cluster, HOLDER, SERVICE_PORT};
use super::config::ConfigText;
use super::family::Family;
use super::realtime;
use super::topology::Lab;
use super::wait::wait_until;

/// Hosts that the service runs on: not the one that is elected first, whose agent may end with its pivotd.
pub const ALIVE: [&str; 2] = ["c2", "c3"];

/// What pivotd logs when its host becomes the holder.
const PROMOTED: &str = "role=\"holder\"";

impl Cluster {
    /// Three controllers that elect the holder with adverts this far apart; returns once c1, the best of them, is elected.
    pub fn elected(family: Family, advert: Duration) -> Result<Self> {
        Self::elected_by(family, &format!("advert = \"{}ms\"", advert.as_millis()))
    }

    /// The same with a group of these lines.
    pub fn elected_by(family: Family, lines: &str) -> Result<Self> {
        let lab = Lab::new()?;
        let mut config =
            ConfigText::new(&lab, HOLDER).of(family).service("web", SERVICE_PORT, BACKEND_PORT, &ALIVE).elected(lines);
        for service in &mut config.services {
            // They are well: on a busy machine a check may think otherwise.
            service.check = "{ type = \"none\" }".to_owned();
        }
        let cluster = Self::start(lab, config, |host| {
            let server = host.serve_http(BACKEND_PORT)?;
            realtime::raise(&server)?;
            Ok(server)
        })?;
        cluster.await_holder(HOLDER)?;
        Ok(cluster)
    }

    /// How often a host has become the holder so far, by the logs of all pivotds. Those that run are given the time to write
    /// what they know.
    pub fn promotions(&self) -> Result<usize> {
        for (host, daemon) in self.daemons.iter().filter(|(_, daemon)| daemon.listens()) {
            wait_until(Duration::from_secs(10), &format!("the log of {host} to be written"), || {
                let view = daemon.vips().map_err(|error| format!("{error:#}"))?;
                let taken: u64 = view.groups.iter().map(|group| group.counters.takeovers).sum();
                let told = daemon.whole_log().matches(PROMOTED).count() as u64;
                if told >= taken { Ok(()) } else { Err(format!("{told} of {taken}")) }
            })?;
        }
        let of = |host: &String| Ok(self.lab.pivotd_log(host)?.matches(PROMOTED).count());
        self.daemons.keys().map(of).sum()
    }
}
