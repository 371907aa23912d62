//! pivotd and pivot as a library: a pure core that decides, thin adapters that do.
//!
//! `core` takes events and time and returns commands; it imports neither tokio, aya nor the clock.
//! `tables` is the packet path's memory, mapped or on the heap, and its one writer.
//! `io` turns commands into map writes, netlink messages, frames and probes, and the world into events.
//! `api` is HTTP+JSON over a unix socket; `cli` is its client; `daemon` ties the parts together.

pub mod api;
pub mod cli;
pub mod core;
pub mod daemon;
pub mod io;
pub mod tables;
