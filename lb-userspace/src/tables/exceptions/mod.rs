//! Flows that go elsewhere than the tables alone would lead them: what other controllers are told of
//! ([`crate::core::sync`]), and what they tell.
//!
//! - [`walk`]: what is an exception among the flows in the table.
//! - [`take`]: what another host tells, into the flow table; [`fade`]: what this host knew, shortened.
//!
//! The packet path's own functions find places, hashes and backends here, over the same memory.

pub mod fade;
pub mod take;
pub mod walk;
