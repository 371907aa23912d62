//! The lab: a small network of Linux network namespaces on one machine.
//!
//! ```text
//!   c1   c2   c3 ...        controllers, 10.77.0.11 and fd00:77::11, .12, .13 ..., interface eth0
//!    |    |    |
//!   [ switch: br0 ]         a namespace of its own, one bridge port per host, named after it
//!         |
//!       client              10.77.0.200, fd00:77::200; or behind `router` in 10.78.0.0/24, fd00:78::/64
//! ```
//!
//! If asked, the controllers also have an `eth1` on a second bridge, br1: 10.79.0.0/24, fd00:79::/64.
//!
//! What must hold: a lab's names are its own (they carry the creating process), whatever a lab made is gone when the
//! [`Lab`] is dropped, also after a panic, and what a killed process left is swept away by the next one that makes a
//! lab. Needs root. Traffic never leaves the namespaces.

pub mod ask;
pub mod binaries;
pub mod capture;
pub mod cluster;
pub mod config;
pub mod craft;
pub mod device;
pub mod dissect;
pub mod echo;
pub mod elected;
pub mod family;
pub mod flood;
pub mod frame;
pub mod http;
pub mod idle;
pub mod interrupt;
pub mod keepalived;
pub mod kernel;
pub mod load;
pub mod memory;
pub mod moody;
pub mod name;
pub mod netns;
pub mod nic;
pub mod node;
pub mod pass;
pub mod patience;
pub mod pattern;
pub mod pivotd;
pub mod prober;
pub mod process;
mod question;
pub mod random;
pub mod realtime;
pub mod report;
pub mod request;
pub mod served;
pub mod stream;
pub mod talk;
pub mod teller;
pub mod topology;
pub mod traces;
pub mod trial;
pub mod udp;
pub mod wait;
pub mod watch;
pub mod watcher;
mod wire;

pub use cluster::Cluster;
pub use config::ConfigText;
pub use device::Device;
pub use family::{Family, Segment};
pub use keepalived::Keepalived;
pub use load::Load;
pub use node::{Listen, Node};
pub use pivotd::Pivotd;
pub use process::Process;
pub use report::Report;
pub use topology::{Lab, Topology};
pub use wait::wait_until;

use std::net::{Ipv4Addr, Ipv6Addr};

/// The virtual IP of the lab's usual configuration.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

/// The same of IPv6.
pub const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 0x100);
