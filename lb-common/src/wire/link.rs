//! An interface that programs are attached to.

use super::word::Word;

/// Element of `LINKS`, indexed by interface index.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct Link {
    /// Its MAC as a 48-bit little-endian number; 0: not one of ours.
    pub mac48: Word,
    /// The host's address on it, as it lies in memory: what ARP requests sent out of it may give as their sender.
    pub address: Word,
}

const _: () = assert!(size_of::<Link>() == 16);

/// Largest interface index, plus one. The kernel numbers interfaces upwards; physical ones come first.
pub const MAX_LINKS: u32 = 65_536;

/// A MAC as a 48-bit little-endian number.
#[must_use]
pub const fn mac48(mac: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}
