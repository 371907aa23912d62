//! Agents, which announce what is to become of backends.

use serde::{Deserialize, Serialize};

/// The agent of a backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    /// Where it is asked: `http://10.0.0.12:9999/`.
    pub url: String,
    /// What stands of all that it has said (`drain, 50%`); none: nothing, the backend is as it is without.
    pub in_force: Option<String>,
    /// By which word of these the backend is down, whatever its checks say (`down (disk is full)`); none: by none.
    pub down: Option<String>,
    /// Its last answer that was understood (`ready, 50%`); none: there was none yet.
    pub says: Option<String>,
    /// Seconds since that.
    pub said_s: Option<f64>,
    /// What of that means nothing to pivot (`maxconn:30`).
    pub ignored: Option<String>,
    /// Why the last question was not answered, or the answer not understood; none: it was.
    pub error: Option<String>,
    /// Seconds until the next question; none: it is under way.
    pub next_s: Option<f64>,
}
