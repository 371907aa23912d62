//! The packet path under any tables and any frames: what a fuzzer drives and a test replays.
//!
//! An input is bytes that any fuzzer may change: they choose a [`scene`] of services and backends, then step after step
//! what happens to it: frames, whose fields are chosen one by one ([`frame`]) or given raw, time, and changes of the
//! scene. What the path did with each frame is then judged by an [`oracle`] that reads it with another parser
//! ([`seen`]). A violation is a panic.
//!
//! - [`incoming`]: `run`, which must do what the long way alone does.
//! - [`edges`]: `run_outgoing` and the steering of a backend's host.
//! - [`adverts`]: not the packet path, but what pivotd reads off the wire itself: VRRP.
//! - [`seeds`]: inputs written by code. [`corpus`]: those that a fuzzer found, one line each.

pub mod adverts;
pub mod corpus;
pub mod edges;
pub mod frame;
pub mod guarded;
pub mod host;
pub mod incoming;
pub mod input;
pub mod oracle;
mod returned;
pub mod scene;
pub mod seeds;
pub mod seen;
pub mod shadow;
