//! The desired contents of the kernel tables, in the terms of the configuration: what the controller decides and the
//! map writer carries out.
//!
//! An [`Image`] names things by name; the writer gives them stable indexes, keeps those of what stays, writes what
//! changed in an order in which no packet ever meets a half-written state, and swaps.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::config::model::{Affinity, Mode, OnDown, Protocol};
use super::event::{BackendKey, Mac, NextHop};
use super::view::BackendState;

/// Everything the packet path is to know.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Image {
    /// VIPs, held or not.
    pub vips: Vec<VipImage>,
    /// Services.
    pub services: Vec<ServiceImage>,
    /// MACs of the other controllers: what they send to a VIP was led here by a director.
    pub controllers: BTreeSet<Mac>,
}

/// A VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VipImage {
    /// Name in the configuration.
    pub name: String,
    /// Address.
    pub address: IpAddr,
    /// Interface that carries it.
    pub interface: String,
    /// Whether this host answers for it.
    pub hold: Hold,
    /// Where the host that holds it answers, if that is another one and known.
    pub holder: Option<NextHop>,
    /// The address that the election hears that host from: it is gone by while it is heard. `None`: the host is configured.
    pub speaker: Option<IpAddr>,
}

/// Whether this host answers for a VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It does not.
    No,
    /// It does.
    Yes,
    /// It does while it has a lease, which is the election's to write.
    Elected,
}

impl From<bool> for Hold {
    fn from(held: bool) -> Self {
        if held { Self::Yes } else { Self::No }
    }
}

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceImage {
    /// Name in the configuration.
    pub name: String,
    /// Name of its VIP.
    pub vip: String,
    /// Port on the VIP.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// How long the backend of a flow is remembered after its last packet.
    pub idle_timeout: Duration,
    /// Whether new flows of a client go to the backend of its last one, and for how long.
    pub affinity: Option<Affinity>,
    /// What becomes of the flows of a backend that is down.
    pub on_down: OnDown,
    /// Backends.
    pub backends: Vec<BackendImage>,
    /// Whether one backend has all flows: what any other one has is cut before that one is sent anything.
    pub single: bool,
    /// Maglev table: for each slot the position in `backends`. Empty: no backend takes new flows.
    pub table: Arc<[u16]>,
}

/// A backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendImage {
    /// Its name.
    pub key: BackendKey,
    /// Address the service is bound to on its host.
    pub address: IpAddr,
    /// Port it is bound to there.
    pub port: u16,
    /// How it is reached.
    pub mode: Mode,
    /// Whether it runs on this host.
    pub local: bool,
    /// What it may be sent.
    pub state: BackendState,
    /// Whether its operator has drained it; one that is down may be as well.
    pub drained: bool,
    /// Where it answers, and which interface leads there; `None` while not resolved, and for a local one.
    pub next_hop: Option<NextHop>,
}
