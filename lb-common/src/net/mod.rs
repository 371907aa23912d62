//! Packets as typed headers, checksums and hashes: no policy, no tables.

pub mod arp;
pub mod bytes;
pub mod checksum;
pub mod ethernet;
pub mod forget;
pub mod hash;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod tcp;
pub mod udp;
