//! Packets as typed headers, checksums and hashes: no policy, no tables.

pub mod arp;
pub mod bytes;
pub mod checksum;
pub mod ethernet;
pub mod hash;
pub mod ipv4;
pub mod tcp;
