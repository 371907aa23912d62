//! What a host serves as a director, counted in its pinned maps: also while its pivotd hangs, or is dead.

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use lb_common::wire::counters::BackendCounters;
use lb_common::wire::word::Word;
use lb_userspace::tables::region::Region;

use super::topology::Lab;

impl Lab {
    /// Packets for its VIPs that a host has sent to a backend, or handed to one of its own, since the maps were made.
    pub fn served(&self, host: &str) -> Result<u64> {
        let pin = self.bpffs().join("pivot").join(host).join("BACKEND_COUNTERS");
        let read = || -> Result<u64> {
            let map = MapData::from_pin(&pin)?;
            let records = Region::<BackendCounters>::mapped(map.fd(), map.info()?.max_entries() as usize)?;
            let sent = |counters: &BackendCounters| {
                [&counters.forwarded, &counters.redirected, &counters.local].map(Word::get).iter().sum::<u64>()
            };
            Ok(records.iter().map(sent).sum())
        };
        read().with_context(|| format!("reading {}", pin.display()))
    }
}
