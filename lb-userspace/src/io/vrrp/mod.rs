//! VRRP on the wire: an interface and a family in, datagrams in both directions.
//!
//! - [`socket`]: raw IP sockets of protocol 112, one for each interface and family.
//! - [`ancillary`]: what the kernel says of a datagram beside its bytes.

mod ancillary;
pub mod socket;
