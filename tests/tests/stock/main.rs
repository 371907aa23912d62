//! What a distribution's kernel has and this lab usually does without: VLAN devices, bonds, network cards with several
//! queues, links that lose and reorder; and a clock that may be set. They need root, and fail where the kernel lacks one of these.

mod bonds;
mod cards;
mod clock;
mod lossy;
mod served;
mod vlans;
