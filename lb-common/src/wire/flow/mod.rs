//! The flow table: what each flow was given, and until when that is remembered.
//!
//! One table for all CPUs in a plain array. A flow lies in one of two sets, of one cache line or two, that its hash names
//! (Azar et al.: Balanced Allocations, SIAM J. Comput. 29(1), 1999): a look-up costs one cache miss, seldom two, and no
//! helper. Keys are compared exactly.
//!
//! One of the two is *near*, among the first [`NEAR`] sets, the other *far*, anywhere in the table. While flows are few, the
//! near ones come first: they stay in the CPU's caches, however large the table is. When these fill up, user space has
//! the far ones come first ([`super::control::Order`]).
//!
//! No lock guards a way. A writer clears the entry, writes the key, then the entry; the entry carries 16 bits of its
//! flow's hash, the *seal*, so that the key of one flow with the entry of another, which two writers in one way at one
//! moment could leave behind, is taken for no flow.

mod entry;
mod key;
mod set;

pub use entry::{Entry, Stage, Tag, Ticks};
pub use key::{Key4, Key6, Kind, Owner, key4, key6, unpack4, unpack6};
pub use set::{Claim, FlowSet, NEAR, Set, Set4, Set6};
