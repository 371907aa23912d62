//! An interface that programs are attached to.

use super::word::Word;

/// Element of `LINKS`, indexed by interface index.
#[repr(C)]
#[derive(Debug, Default, Clone)]
pub struct Link {
    /// Its MAC and its port, see [`Port`]; 0: not one of ours. A leg of a bond has the bond's, and [`LEG`]. With [`VLANS`] if
    /// VLANs on it are interfaces of their own.
    pub port: Word,
    /// The host's address on it, as it lies in memory: what ARP requests sent out of it may give as their sender.
    pub address: Word,
}

const _: () = assert!(size_of::<Link>() == 16);

/// An interface as the packet path numbers those that frames leave by: index in `PORTS`, which hold the same word, and in
/// the devmap `EGRESS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// MAC as a 48-bit little-endian number.
    pub mac48: u64,
    /// Its number, below [`MAX_PORTS`].
    pub number: u8,
}

impl Port {
    /// Packs for [`Link::port`].
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.mac48 | (self.number as u64) << 48
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self { mac48: word & 0xffff_ffff_ffff, number: (word >> 48) as u8 }
    }
}

/// Set in [`Link::port`] of a leg of a bond: XDP on a bond runs in its legs, and names them as where a frame came in.
pub const LEG: u64 = 1 << 56;

/// Set in [`Link::port`] of an interface that is below a VLAN device of ours: frames of VLANs are to come in by that.
pub const VLANS: u64 = 1 << 57;

/// Interfaces that frames may leave by.
pub const MAX_PORTS: u32 = 64;

/// Largest interface index, plus one. The kernel numbers interfaces upwards; physical ones come first.
pub const MAX_LINKS: u32 = 65_536;

/// A MAC as a 48-bit little-endian number.
#[must_use]
pub const fn mac48(mac: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}
