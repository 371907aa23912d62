//! Services, and which of their backends have their flows.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::backends::BackendView;
use crate::core::config::model::{Mode, Protocol};

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Name.
    pub name: String,
    /// Name of its VIP.
    pub vip: String,
    /// Address of its VIP.
    pub address: IpAddr,
    /// Port on the VIP.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Mode.
    pub mode: Mode,
    /// Backends in the order of the configuration.
    pub backends: Vec<BackendView>,
    /// Which of them has all flows, if only one does.
    pub writer: Option<WriterView>,
    /// Whether it has fewer healthy backends than it needs.
    pub below: Option<BelowView>,
    /// Packets of this service balanced by this host.
    pub packets: u64,
    /// Their bytes, Ethernet header included.
    pub bytes: u64,
    /// Flows chosen a backend for (not found in the flow table).
    pub new_flows: u64,
    /// Flows that took the place of another in the flow table which still counted.
    pub evicted: u64,
    /// Flows that found no place there: both their sets were full of established ones.
    pub crowded: u64,
    /// Flows that were not put there as more came than `tables.new_flows` allows.
    pub limited: u64,
}

/// The writer of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterView {
    /// Its name; none if this host's configuration has no such backend.
    pub backend: Option<String>,
    /// Address it is bound to.
    pub address: IpAddr,
    /// Port it is bound to.
    pub port: u16,
    /// Counts the decisions of all hosts; 0: nobody has decided yet, and this is whom this host would begin with.
    pub epoch: u64,
    /// Seconds since this host has known of it.
    pub since_s: u64,
    /// Why it is that one.
    pub why: String,
    /// Whether an operator wanted it.
    pub by_hand: bool,
    /// Whether this host decides, as it holds the VIP.
    pub decided_here: bool,
}

/// A service with too few healthy backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BelowView {
    /// How many there are, drained ones included.
    pub healthy: usize,
    /// How many there are to be.
    pub min_healthy: u32,
    /// What becomes of new flows: `reset`: refused; `keep`: they go to those backends that got them before, down or not.
    pub below_min: String,
}
