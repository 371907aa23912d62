//! `cargo xtask demo`: a cluster in the lab, and what happens to it, told step by step.
//!
//! - [`steps`]: what is done to a [`Cluster`](crate::lab::Cluster), each step returning its figures. Tests use them too.
//! - [`figures`]: all figures together, and which of pivot's promises they break.
//! - [`story`]: the steps in order, each told in a line.
//! - [`hold`]: the lab kept up for a person to look around in.

pub mod figures;
pub mod hold;
pub mod steps;
pub mod story;
