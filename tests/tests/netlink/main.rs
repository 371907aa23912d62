//! The network adapters against a real kernel: two hosts on one segment, each a network namespace.
//!
//! Needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and `ip`; fails without them. Nothing outside the namespaces is touched.

mod addresses;
mod announcements;
mod changes;
mod links;
mod neighbours;
mod probes;
mod routes;
mod segment;
