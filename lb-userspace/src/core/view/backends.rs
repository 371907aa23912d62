//! Backends, and what state they are in.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::agents::AgentView;

/// State of a backend as the operator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendState {
    /// Takes new flows.
    Up,
    /// The same, but came up a short while ago, and has not its whole share yet.
    Starting,
    /// Healthy, keeps its flows, takes no new ones.
    Drain,
    /// Failed its checks, or its agent says so: its flows are reset, or kept, as its service says.
    Down,
    /// In maintenance, as ordered or as its agent says: its flows are reset, and it is not checked.
    Maint,
    /// Healthy, but another one is the writer: any flows of it are reset.
    Standby,
}

impl BackendState {
    /// Whether it takes new flows.
    #[must_use]
    pub fn takes_flows(self) -> bool {
        matches!(self, Self::Up | Self::Starting)
    }
}

/// One backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackendView {
    /// `service/backend`.
    pub id: String,
    /// Name within the service.
    pub name: String,
    /// Name of the service.
    pub service: String,
    /// Host it runs on.
    pub host: String,
    /// Address it is bound to.
    pub address: IpAddr,
    /// Port it is bound to.
    pub port: u16,
    /// Configured weight.
    pub weight: u16,
    /// Weight that it has now, ordered, announced or on its way up, if that is another one.
    pub weight_now: Option<u16>,
    /// What its operator ordered it to be, if anything: `maintenance, drained, weight 50%`.
    pub ordered: Option<String>,
    /// What its agent says, if it has one.
    pub agent: Option<AgentView>,
    /// State.
    pub state: BackendState,
    /// Epoch of the decision that made it the writer of its service, if it is that.
    pub writer: Option<u64>,
    /// Health counter: 0 ..= rise+fall-1.
    pub health: u32,
    /// Top of the health counter.
    pub health_top: u32,
    /// What the last check said ("ok in 0.3 ms: HTTP 200", "connection refused", "not checked yet").
    pub last_check: String,
    /// Type of its checks, as the configuration calls it.
    pub check_type: Option<String>,
    /// How long the last check took, in milliseconds.
    pub check_ms: Option<f64>,
    /// Seconds since it ended.
    pub checked_s: Option<f64>,
    /// Seconds until the next one; `None` if it is under way, or there is none.
    pub next_check_s: Option<f64>,
    /// Seconds since the state last changed.
    pub since_s: u64,
    /// MAC it is reached at; `None` if not resolved, or if it is this host.
    pub mac: Option<String>,
    /// Interface that leads there; `None` as for the MAC.
    pub interface: Option<String>,
    /// Whether it runs on this host.
    pub local: bool,
    /// Share of the service's new flows, 0.0..=1.0.
    pub share: f64,
    /// Packets sent to it by this host.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl BackendView {
    /// Weight that it has now.
    #[must_use]
    pub fn weight_in_force(&self) -> u16 {
        self.weight_now.unwrap_or(self.weight)
    }
}
