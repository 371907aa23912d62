//! Thin adapters between the pure core and the world: each does one thing, decides nothing.

pub mod announce;
pub mod carrier;
pub mod check;
pub mod command;
pub mod datapath;
pub mod descriptors;
pub mod doctor;
pub mod duplicate;
mod durable;
pub mod features;
pub mod holds;
pub mod instance;
pub mod jiffies;
pub mod log;
pub mod memlock;
pub mod netlink;
pub mod orders;
pub mod preflight;
pub mod provoke;
pub mod refusals;
pub mod sequence;
pub mod sync_socket;
pub mod vrrp;
