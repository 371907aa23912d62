//! The packet path: (bytes, tables, time) to a verdict. The same code runs in BPF and on the host.
//!
//! Stages in order, see [`run`]: [`parse`] what the frame is, [`service`] whose it is, [`flow`] what its flow was
//! given, [`select`] what a new flow is given, [`rewrite`] or [`reset`] what leaves. [`arp`] decides about ARP in both
//! directions, [`steer`] hands connections to the sockets of a backend host. Every stage returns what the next one
//! needs or the [`verdict::Verdict`] that ends the path.

pub mod arp;
pub mod flow;
pub mod parse;
pub mod reset;
pub mod rewrite;
pub mod run;
pub mod select;
pub mod service;
pub mod steer;
pub mod tables;
pub mod verdict;
