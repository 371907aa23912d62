//! A virtual IP as the data path sees it.

use super::word::Word;

/// Element of `VIPS`.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct Vip {
    /// Jiffies until which this host answers for the VIP; 0: it does not hold it; `u64::MAX`: until told otherwise.
    pub lease: Word,
}

const _: () = assert!(size_of::<Vip>() == 8);

impl Vip {
    /// Not held.
    pub const NOT_HELD: u64 = 0;
    /// Held without a deadline.
    pub const HELD: u64 = u64::MAX;

    /// Whether this host answers for the VIP at `now` (jiffies).
    #[inline(always)]
    #[must_use]
    pub fn held(&self, now: u64) -> bool {
        now < self.lease.get()
    }
}
