//! What pivot's BPF programs execute, and what both sides of the maps share.
//!
//! - [`wire`]: the keys and values of the maps, laid out once for kernel and user space.
//! - [`net`]: bytes of a packet as typed headers, checksums, hashes.
//! - [`path`]: the packet path: (bytes, tables, time) to a verdict, generic over where bytes and tables live.
//! - `host` (feature): packets and tables in ordinary memory, to run the same path without privileges.

#![no_std]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(feature = "host")]
extern crate std;

#[cfg(feature = "host")]
pub mod host;
pub mod net;
pub mod path;
pub mod wire;
