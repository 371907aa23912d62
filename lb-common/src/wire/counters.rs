//! Counters: one cache line per CPU and service, per CPU and backend, and one number per CPU and verdict.
//!
//! Each counter has one row for each CPU and a last one, in which user space keeps what records counted that now stand for
//! something else. A packet that is sent to a backend is counted in the backend's line alone: packets of the service and
//! of the verdict are the sums over backends and what is counted here.

use super::word::Word;

/// Element of `SERVICE_COUNTERS`, indexed by row * services + service.
#[repr(C, align(64))]
#[derive(Debug, Default, Clone)]
pub struct ServiceCounters {
    /// Packets that were not sent to a backend.
    pub packets: Word,
    /// Their bytes, from the Ethernet header to the end of the IP packet.
    pub bytes: Word,
    /// Flows for which a backend was chosen: they were not in the flow table.
    pub chosen: Word,
    /// Flows that were put into the flow table in place of another that still counted.
    pub evicted: Word,
    /// Flows not put into the flow table: both their sets are full of established ones.
    pub crowded: Word,
    /// Flows not put into the flow table: more came than this CPU takes in.
    pub limited: Word,
    /// Zero.
    pub padding: [u64; 2],
}

/// Element of `BACKEND_COUNTERS`, indexed by row * backends + backend.
#[repr(C, align(64))]
#[derive(Debug, Default, Clone)]
pub struct BackendCounters {
    /// Packets sent to it out of the interface that they came in by.
    pub forwarded: Word,
    /// Packets sent to it out of another interface.
    pub redirected: Word,
    /// Packets passed up to it, on its own host.
    pub local: Word,
    /// The bytes of all these, from the Ethernet header to the end of the IP packet.
    pub bytes: Word,
    /// Flows chosen for it.
    pub flows: Word,
    /// Connections steered to its socket, on its own host.
    pub steered: Word,
    /// Zero.
    pub padding: [u64; 2],
}

const _: () = assert!(size_of::<ServiceCounters>() == 64 && size_of::<BackendCounters>() == 64);
