//! What proves that pivot works: the lab, and what runs in it.

pub mod bench;
pub mod demo;
pub mod fuzz;
pub mod lab;
pub mod real;
