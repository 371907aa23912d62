//! Packets in ordinary memory, to run the packet path without privileges. The tables' counterpart is in lb-userspace.

pub mod frame;

pub use frame::Frame;
