//! How the agents beside the backends of a service are asked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// An endpoint beside every backend of a service that announces what is to become of the backend (`core::agent`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Agent {
    /// Port that is asked, by HTTP.
    pub port: u16,
    /// Address that is asked, if it is not the backend's own.
    pub address: Option<IpAddr>,
    /// Target of the request: begins with `/`.
    pub path: String,
    /// What the request says for `Host`; address and port unless given.
    pub host: Option<String>,
    /// Pause between an answer and the next question.
    pub interval: Duration,
    /// Longest an answer may take.
    pub timeout: Duration,
}

impl Agent {
    /// One at this port, with all else as it is unless given.
    #[must_use]
    pub fn at(port: u16) -> Self {
        let (interval, timeout) = (Duration::from_secs(2), Duration::from_secs(1));
        Self { port, address: None, path: "/".to_owned(), host: None, interval, timeout }
    }

    /// Where the agent of a backend that is bound there is asked.
    #[must_use]
    pub fn target(&self, bound: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.address.unwrap_or(bound.ip()), self.port)
    }
}
