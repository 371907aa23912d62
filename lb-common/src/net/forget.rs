//! Numbers of which the verifier is to know nothing.
//!
//! It follows every path through a program and takes two of them for one where they meet with the same knowledge. A number
//! that is 14 on one path and 18 on another keeps them apart to the end, and so do two such numbers four paths. Where
//! paths meet, what tells them apart is therefore forgotten, and a mask says the bound that matters.

/// The value as it is, of which the verifier knows nothing any more: it is combined twice with `noise`, which must be
/// a number that the verifier does not know either, such as one loaded from the packet.
#[inline(always)]
#[must_use]
#[cfg(target_arch = "bpf")]
pub fn forget(value: u32, noise: u32) -> u32 {
    let mut value = u64::from(value);
    // SAFETY: arithmetic on registers.
    unsafe {
        core::arch::asm!("{value} ^= {noise}", "{value} ^= {noise}", value = inout(reg) value,
            noise = in(reg) u64::from(noise), options(pure, nomem, nostack));
    }
    value as u32
}

/// The value as it is.
#[inline(always)]
#[must_use]
#[cfg(not(target_arch = "bpf"))]
pub fn forget(value: u32, _noise: u32) -> u32 {
    value
}
