//! Counters: one cache line per CPU and service, per CPU and backend, and one number per CPU and verdict.

use super::word::Word;

/// Element of `SERVICE_COUNTERS`, indexed by CPU * services + service.
#[repr(C, align(64))]
#[derive(Debug, Default, Clone)]
pub struct ServiceCounters {
    /// Packets balanced.
    pub packets: Word,
    /// Their bytes, Ethernet header included.
    pub bytes: Word,
    /// Flows for which a backend was chosen: in neither flow table.
    pub chosen: Word,
    /// Flows found in the shared table, not in this CPU's cache.
    pub recalled: Word,
    /// Zero.
    pub padding: [u64; 4],
}

/// Element of `BACKEND_COUNTERS`, indexed by CPU * backends + backend.
#[repr(C, align(64))]
#[derive(Debug, Default, Clone)]
pub struct BackendCounters {
    /// Packets sent to it.
    pub packets: Word,
    /// Their bytes, Ethernet header included.
    pub bytes: Word,
    /// Flows chosen for it.
    pub flows: Word,
    /// Connections steered to its socket, on its own host.
    pub steered: Word,
    /// Zero.
    pub padding: [u64; 4],
}

const _: () = assert!(size_of::<ServiceCounters>() == 64 && size_of::<BackendCounters>() == 64);
