//! The lab: a small network of Linux network namespaces on one machine.
//!
//! ```text
//!   c1   c2   c3 ...        controllers, 10.77.0.11, .12, .13 ... /24, interface eth0
//!    |    |    |
//!   [ switch: br0 ]         a namespace of its own, one bridge port per host, named after it
//!         |
//!       client              10.77.0.200/24; or behind `router` in 10.78.0.0/24
//! ```
//!
//! What must hold: a lab's names are its own (they carry the creating process), whatever a lab made is gone when the
//! [`Lab`] is dropped, also after a panic, and what a killed process left is swept away by the next one that makes a
//! lab. Needs root. Traffic never leaves the namespaces.

pub mod binaries;
pub mod capture;
pub mod cluster;
pub mod config;
pub mod http;
pub mod interrupt;
pub mod load;
pub mod name;
pub mod netns;
pub mod node;
mod pass;
pub mod pivotd;
pub mod process;
pub mod report;
pub mod request;
pub mod topology;
pub mod traces;
pub mod wait;

pub use cluster::Cluster;
pub use config::ConfigText;
pub use load::Load;
pub use node::Node;
pub use pivotd::Pivotd;
pub use process::Process;
pub use report::Report;
pub use topology::{Lab, Topology};
pub use wait::wait_until;

use std::net::Ipv4Addr;

/// The virtual IP of the lab's usual configuration.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
