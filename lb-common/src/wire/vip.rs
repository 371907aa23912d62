//! A virtual IP as the data path sees it.

use super::address::Address;
use super::word::Word;

/// Element of `VIPS`. Each word has one writer: the election's thread `lease` and `belief` of VIPs that are elected, the map
/// writer all others.
#[repr(C, align(32))]
#[derive(Debug, Default, Clone)]
pub struct Vip {
    /// Jiffies until which this host answers for the VIP; 0: it does not hold it; `u64::MAX`: until told otherwise.
    pub lease: Word,
    /// What becomes of its packets while this host does not hold it, see [`Elsewhere`].
    pub elsewhere: Word,
    /// Whose messages must have been heard for `elsewhere` to be gone by, see [`speaker`]; 0: nobody's, it is configured.
    pub speaker: Word,
    /// Whose were heard, and until when that is good for, see [`Belief`].
    pub belief: Word,
}

const _: () = assert!(size_of::<Vip>() == 32);

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

    /// Whether the holder that `elsewhere` names may be passed packets at `now` (jiffies): one that was not heard of lately may have
    /// lost its lease, and would take them for a director's.
    #[inline(always)]
    #[must_use]
    pub fn believed(&self, now: u64) -> bool {
        let speaker = self.speaker.get();
        speaker == 0 || Belief::unpack(self.belief.get()).is_in(speaker, now)
    }
}

/// What the sender of an election's messages is known by in [`Vip::speaker`] and [`Belief`]: the last three bytes of its address,
/// which tell hosts of one segment apart (as in a solicited-node address, RFC 4291 section 2.7.1), and a bit that is never 0.
#[must_use]
pub fn speaker(address: Address) -> u64 {
    u64::from(u32::from_be(address.low_half()) & 0xff_ffff | 1 << 24)
}

/// Nobody is known by this in [`Vip::speaker`].
pub const NOBODY: u64 = u64::MAX;

/// That a host was heard to hold a VIP, packed into one word; 0: none was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belief {
    /// The host, see [`speaker`].
    pub speaker: u64,
    /// Jiffies until which it is believed to.
    pub until: u64,
}

impl Belief {
    /// Bits of jiffies: 17 years at 1000 Hz.
    const TIME: u32 = 39;

    /// Packs for [`Vip::belief`].
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.speaker << Self::TIME | self.until & ((1 << Self::TIME) - 1)
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self { speaker: word >> Self::TIME, until: word & ((1 << Self::TIME) - 1) }
    }

    /// Whether it is in this host, at `now` (jiffies).
    #[inline(always)]
    #[must_use]
    pub const fn is_in(self, speaker: u64, now: u64) -> bool {
        self.speaker == speaker && now < self.until
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

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Address = Address::v4(u32::from_be_bytes([10, 0, 0, 11]).to_be());
    const SECOND: Address = Address::v4(u32::from_be_bytes([10, 0, 0, 12]).to_be());

    #[test]
    fn a_holder_is_believed_in_while_it_is_the_one_that_was_heard_and_not_for_longer() {
        let vip = Vip::default();
        assert!(vip.believed(u64::MAX), "one that is configured need not be heard");
        vip.speaker.set(speaker(FIRST));
        assert!(!vip.believed(1), "nobody was heard");
        vip.belief.set(Belief { speaker: speaker(FIRST), until: 1000 }.pack());
        assert_eq!([999, 1000, 1001].map(|now| vip.believed(now)), [true, false, false]);
        vip.belief.set(Belief { speaker: speaker(SECOND), until: 1000 }.pack());
        assert!(!vip.believed(999), "another one was heard");
        vip.speaker.set(NOBODY);
        assert!(!vip.believed(0));
    }

    #[test]
    fn a_belief_is_packed_whole() {
        let belief = Belief { speaker: speaker(SECOND), until: 0x7f_0123_4567 };
        assert_eq!((Belief::unpack(belief.pack()), belief.speaker), (belief, 0x0100_000c));
        assert_ne!(belief.pack() >> 63, 0, "no host is 0");
    }
}
