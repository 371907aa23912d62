//! Tests in the lab, one behaviour each. They need root and fail without it.

mod arp;
mod drain;
mod failure;
mod forwarding;
mod lifecycle;
mod refusals;
mod reload;
mod the_lab;
