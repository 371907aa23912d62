//! HTTP+JSON over a unix socket: how `pivot`, and whoever else asks, reaches the running daemon.
//!
//! ```text
//! client -- HTTP --> server -> routes -- Request --> daemon
//!        <- JSON --                   <- Answer ---
//! ```
//! The API decides nothing: a route turns HTTP into a [`request::Request`], the daemon answers it with a view or an
//! [`error::ApiError`], and both travel as JSON. Every step has a deadline, on either side.

pub mod client;
pub mod error;
pub mod request;
mod routes;
pub mod server;
pub mod wire;
