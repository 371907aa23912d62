//! The packet path's tables from user space: the same writer and reader over mapped kernel memory and over ordinary
//! memory, so that what is tested without privileges is what runs.

pub mod clock;
pub mod directory;
pub mod exceptions;
pub mod explain;
pub mod fallen;
pub mod lease;
pub mod lines;
pub mod memory;
pub mod occupancy;
pub mod region;
pub mod sizes;
pub mod walk;
pub mod writer;
