//! The packet path: (bytes, tables, time) to a verdict. The same code runs in BPF and on the host.
//!
//! [`hot`] is the short way of nearly all packets. The stages in order, see [`run`]: [`parse`] what the frame is, [`service`] whose it is, [`flow`] what its flow was
//! given, [`select`] and [`affinity`] what a new flow is given, [`rewrite`], [`reset`] or [`unreachable`] what leaves. What is for another host's VIP leaves by [`pass_on`].
//! Beside them: [`fragment`]s that carry no ports, [`control`] messages (ICMP), and who speaks of a VIP on the segment,
//! by [`arp`] and [`neighbour`] discovery. [`steer`] hands connections to the sockets of a backend host; what finds no socket there gets a
//! [`second_chance`] among the flow's [`choices`]. What differs
//! between IPv4 and IPv6 is in [`family`]. Every stage returns what the next one needs or the [`verdict::Verdict`]
//! that ends the path.

pub mod affinity;
mod answer;
pub mod arp;
pub mod choices;
pub mod control;
pub mod family;
pub mod flow;
pub mod fragment;
pub mod hot;
pub mod neighbour;
pub mod parse;
pub mod pass_on;
pub mod reset;
pub mod rewrite;
pub mod run;
pub mod second_chance;
pub mod select;
pub mod service;
pub mod steer;
pub mod tables;
pub mod unreachable;
pub mod verdict;
