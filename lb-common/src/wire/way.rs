//! The programs of the long way, by their place in `WAYS`.

/// Anything but IPv6.
pub const LONG4: u32 = 0;
/// IPv6.
pub const LONG6: u32 = 1;
/// What another host hands back.
pub const RETURNED: u32 = 2;

/// How many there are.
pub const COUNT: u32 = 3;
