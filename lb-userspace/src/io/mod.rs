//! Thin adapters between the pure core and the world: each does one thing, decides nothing.

pub mod announce;
pub mod datapath;
pub mod doctor;
pub mod features;
pub mod instance;
pub mod memlock;
pub mod netlink;
pub mod preflight;
pub mod probe;
