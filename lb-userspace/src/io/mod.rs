//! Thin adapters between the pure core and the world: each does one thing, decides nothing.

pub mod announce;
pub mod check;
pub mod command;
pub mod datapath;
pub mod doctor;
pub mod features;
pub mod holds;
pub mod instance;
pub mod jiffies;
pub mod memlock;
pub mod netlink;
pub mod preflight;
pub mod sync_socket;
pub mod vrrp;
