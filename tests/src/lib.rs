//! What proves that pivot works: the lab, and what runs in it.

pub mod demo;
pub mod lab;
pub mod real;
