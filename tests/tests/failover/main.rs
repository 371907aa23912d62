//! Who holds the VIPs, seen from outside: with sick hosts, while clients are connected, under an operator's hand. One behaviour each. They need root
//! and real time: this machine, not an emulated one, and all of it.

mod hooks;
mod operator;
mod sick;
mod survive;
mod tracking;
mod unread;
