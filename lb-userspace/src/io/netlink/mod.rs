//! Addresses, routes, links and neighbours over rtnetlink, in the network namespace the process is in.
//!
//! What enters: requests of the daemon. What leaves: the kernel's state, and changes of neighbours, interfaces and
//! routes as they happen.
//! What must hold: every request may be repeated (adding what is there and removing what is not are no errors), and
//! only what pivot added is removed: its routes and addresses carry [`PROTOCOL`].

mod addresses;
mod changes;
mod interfaces;
mod links;
mod neighbours;
mod route_to;
mod routes;
mod wanted;

use std::io;

use rtnetlink::packet_core::ErrorMessage;

pub use changes::Change;
pub use links::Link;
pub use neighbours::{Neighbour, Resolver};
pub use route_to::Route;

/// `proto` of every route and address that pivot adds, so that `ip route` and `ip address` show whose it is.
/// 112 is VRRP's IP protocol number; no routing daemon has registered it (see `/etc/iproute2/rt_protos`).
pub const PROTOCOL: u8 = 112;

/// A connection to the kernel's routing tables. Clones share it; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct Netlink {
    handle: rtnetlink::Handle,
}

impl Netlink {
    /// Opens the connection in the calling thread's network namespace, and spawns its task on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn connect() -> Result<Self, NetlinkError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(NetlinkError::Socket)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket, hence no request.
    #[error("cannot open a netlink socket: {0}")]
    Socket(io::Error),
    /// The operator named an interface that this host lacks.
    #[error("no such interface: \"{name}\"; this host has {}", listing(present))]
    NoSuchInterface {
        /// What was asked for.
        name: String,
        /// What there is.
        present: Vec<String>,
    },
    /// The operator named an interface on which there are no Ethernet frames.
    #[error("interface \"{name}\" has link type {kind}: pivot needs an Ethernet interface, with a MAC address")]
    NotEthernet {
        /// The interface.
        name: String,
        /// What it is, as `ip link` calls it.
        kind: String,
    },
    /// The kernel said no.
    #[error("the kernel refused to {action}: {cause}{}", way_out(cause))]
    Refused {
        /// What was asked for.
        action: String,
        /// Its answer.
        cause: io::Error,
    },
    /// The connection's task is gone, or it got an answer that is none.
    #[error("cannot {action}: the netlink connection broke ({cause}); restart pivotd")]
    Broken {
        /// What was asked for.
        action: String,
        /// What came instead of an answer.
        cause: String,
    },
}

impl NetlinkError {
    fn new(action: impl Into<String>, error: rtnetlink::Error) -> Self {
        match error {
            rtnetlink::Error::NetlinkError(message) => Self::refused(action, &message),
            other => Self::Broken { action: action.into(), cause: other.to_string() },
        }
    }

    fn refused(action: impl Into<String>, message: &ErrorMessage) -> Self {
        Self::Refused { action: action.into(), cause: message.to_io() }
    }

    /// The kernel's error number, if it was the kernel that said no.
    fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { cause, .. } => cause.raw_os_error(),
            _ => None,
        }
    }

    /// Success for an answer that only says "it is so already".
    fn unless(self, already: &[i32]) -> Result<(), Self> {
        match self.errno() {
            Some(errno) if already.contains(&errno) => Ok(()),
            _ => Err(self),
        }
    }
}

/// Names of interfaces for an error message; a network node may have thousands.
fn listing(present: &[String]) -> String {
    const SHOWN: usize = 16;
    match present.len() {
        0 => "none".to_owned(),
        n if n <= SHOWN => present.join(", "),
        n => format!("{}, and {} more (see `ip link`)", present[..SHOWN].join(", "), n - SHOWN),
    }
}

fn way_out(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        Some(libc::EPERM) => "; run pivotd as root or give it CAP_NET_ADMIN",
        Some(libc::ENETDOWN) => "; bring the interface up (for a local route: `ip link set lo up`)",
        Some(libc::ENODEV) => "; the interface is gone",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_interface_is_answered_with_those_there_are() {
        let error = NetlinkError::NoSuchInterface { name: "eht0".into(), present: vec!["lo".into(), "eth0".into()] };
        assert_eq!(error.to_string(), "no such interface: \"eht0\"; this host has lo, eth0");
    }

    #[test]
    fn a_long_list_of_interfaces_is_cut() {
        let present: Vec<String> = (0..20).map(|n| format!("tap{n}")).collect();
        assert!(listing(&present).ends_with("tap15, and 4 more (see `ip link`)"));
    }

    #[test]
    fn a_missing_privilege_is_named() {
        let cause = io::Error::from_raw_os_error(libc::EPERM);
        let error = NetlinkError::Refused { action: "add 10.0.0.9/32 to interface 2".into(), cause };
        assert!(error.to_string().ends_with("run pivotd as root or give it CAP_NET_ADMIN"), "{error}");
    }

    #[test]
    fn only_the_named_answers_count_as_done_already() {
        let refused = |errno| NetlinkError::Refused { action: "x".into(), cause: io::Error::from_raw_os_error(errno) };
        assert!(refused(libc::EEXIST).unless(&[libc::EEXIST]).is_ok());
        assert!(refused(libc::EPERM).unless(&[libc::EEXIST]).is_err());
    }
}
