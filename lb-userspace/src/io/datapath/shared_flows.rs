//! The shared flow table `FLOWS` through the bpf system call.

use std::sync::{Mutex, PoisonError};

use aya::maps::{HashMap, MapData};
use lb_common::wire::flow::{Entry, FlowKey};

use crate::tables::memory::SharedFlows;

/// The kernel's table.
#[derive(Debug)]
pub struct KernelFlows(pub Mutex<HashMap<MapData, FlowKey, u64>>);

impl SharedFlows for KernelFlows {
    fn get(&self, key: &FlowKey) -> Option<Entry> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(key, 0).ok().map(Entry::unpack)
    }

    fn put(&self, key: &FlowKey, entry: Entry) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = map.insert(key, entry.pack(), 0) {
            tracing::warn!(%error, "flow not stored");
        }
    }

    fn list(&self, limit: usize) -> Vec<(FlowKey, Entry)> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An entry that the kernel evicts meanwhile is simply not listed.
        map.iter().filter_map(Result::ok).map(|(key, word)| (key, Entry::unpack(word))).take(limit).collect()
    }
}
