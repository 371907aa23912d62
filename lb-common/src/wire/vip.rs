//! A virtual IP as the data path sees it.

use super::word::Word;

/// Element of `VIPS`.
#[repr(C, align(16))]
#[derive(Debug, Default, Clone)]
pub struct Vip {
    /// Jiffies until which this host answers for the VIP; 0: it does not hold it; `u64::MAX`: until told otherwise.
    pub lease: Word,
    /// What becomes of its packets while this host does not hold it, see [`Elsewhere`].
    pub elsewhere: Word,
}

const _: () = assert!(size_of::<Vip>() == 16);

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

/// Where a VIP is that this host does not hold, packed into one word; 0: nothing is known of it, so that its packets are
/// delivered whoever sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// MAC of the host that holds it, as a 48-bit little-endian number; 0: not known.
    pub holder: u64,
    /// The port that packets leave by for that host.
    pub port: u8,
    /// The port of the interface that carries the VIP: clients' packets come in by it.
    pub carrier: u8,
}

/// The word is not 0.
const KNOWN: u64 = 1 << 63;

impl Elsewhere {
    /// Packs for [`Vip::elsewhere`]. Ports are below [`super::link::MAX_PORTS`].
    #[must_use]
    pub const fn pack(elsewhere: Option<Self>) -> u64 {
        match elsewhere {
            Some(Self { holder, port, carrier }) => holder | (port as u64) << 48 | (carrier as u64) << 56 | KNOWN,
            None => 0,
        }
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Option<Self> {
        if word == 0 {
            return None;
        }
        let (holder, port, carrier) = (word & 0xffff_ffff_ffff, (word >> 48) as u8, (word >> 56) as u8 & 0x7f);
        Some(Self { holder, port, carrier })
    }
}

const _: () = assert!(super::link::MAX_PORTS <= 128, "a carrier has seven bits");
