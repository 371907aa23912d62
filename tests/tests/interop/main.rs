//! What pivot says and hears on the wire, beside keepalived and strangers. They need root and real time, and wait for most of it.

mod adverts;
mod dialect;
mod dissected;
mod pair;
mod shared;
mod wrong_input;
