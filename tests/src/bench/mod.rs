//! The packet path's cost, measured with BPF_PROG_TEST_RUN by `xdpbench` beside its reference, in one run.
//!
//! - [`loaded`]: the programs that ship, with filled tables, pinned to be measured.
//! - [`path`]: the cases that have a limit. [`scale`]: more services, more backends, and a Maglev table's build.
//! - [`checks`]: the cost of thousands of health checks, beside HAProxy's. [`loss`]: what clients notice of a backend that is lost,
//!   beside [`haproxy`]'s.
//! - [`failover`]: the outage that clients see when a VIP's holder is lost, beside keepalived's; [`rivals`]: those two.
//! - [`xdpbench`]: its command line and its figures. [`machine`]: where it ran.
//! - [`bpffs`], [`interrupt`]: nothing is left behind, also by Ctrl-C.

pub mod bpffs;
pub mod checks;
pub mod failover;
pub mod haproxy;
pub mod interrupt;
pub mod loaded;
pub mod loss;
pub mod machine;
pub mod path;
pub mod rivals;
pub mod scale;
pub mod xdpbench;
