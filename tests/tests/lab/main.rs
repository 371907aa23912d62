//! Tests in the lab, one behaviour each. They need root and fail without it.

mod affinity;
mod datagrams;
mod doctor;
mod dual_stack;
mod flood;
mod forwarding;
mod interfaces;
mod lifecycle;
mod listeners;
mod neighbours;
mod passed_on;
mod refusals;
mod transfer;
