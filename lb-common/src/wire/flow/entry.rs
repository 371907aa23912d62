//! What a flow was given, how far it has come, and until when that is remembered: one word.

/// How far a flow has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// One side has spoken once: a SYN, a first datagram, or the first packet seen of an old connection. Anyone can make
    /// these up, so they give way to any other flow.
    New = 0,
    /// It was seen again. Never replaced before its time.
    Established = 1,
    /// The client has sent a FIN.
    Closing = 2,
    /// The client has sent a RST.
    Reset = 3,
}

impl Stage {
    #[inline(always)]
    const fn from_raw(raw: u64) -> Self {
        match raw & 3 {
            0 => Self::New,
            1 => Self::Established,
            2 => Self::Closing,
            _ => Self::Reset,
        }
    }
}

/// Time in units of 256 jiffies (0.26 s at 1000 Hz, 2.6 s at 100 Hz), modulo 2^22. Two of them are in order while they
/// are less than 2^21 apart: 6.2 days at 1000 Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks(u32);

impl Ticks {
    /// Jiffies in a tick, as a shift.
    pub const SHIFT: u32 = 8;
    const BITS: u32 = 22;
    const MASK: u32 = (1 << Self::BITS) - 1;
    /// Longest span that can be told from a time in the past.
    pub const LONGEST: u32 = Self::MASK / 2;

    /// The time at `jiffies`.
    #[inline(always)]
    #[must_use]
    pub const fn at(jiffies: u64) -> Self {
        Self((jiffies >> Self::SHIFT) as u32 & Self::MASK)
    }

    /// The time `span` ticks later.
    #[inline(always)]
    #[must_use]
    pub const fn after(self, span: u32) -> Self {
        Self(self.0.wrapping_add(span) & Self::MASK)
    }

    /// Ticks from `now` until this time, the one that has begun included; 0: it is past.
    #[inline(always)]
    #[must_use]
    pub const fn left(self, now: Self) -> u32 {
        let left = self.0.wrapping_sub(now.0) & Self::MASK;
        if left > Self::LONGEST { 0 } else { left + 1 }
    }
}

/// What a flow was given and until when, packed into one word:
/// ```text
///  0         16           24     40      42     64
/// +---------+------------+------+-------+-------+
/// | backend | generation | seal | stage | until |
/// +---------+------------+------+-------+-------+
/// ```
/// A used word is not 0, as no generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(u64);

impl Entry {
    const TAG: u32 = 24;

    /// Packs. `generation` is that of [`super::backend::Identity`].
    #[inline(always)]
    #[must_use]
    pub const fn new(backend: u16, generation: u8, tag: Tag) -> Self {
        Self(backend as u64 | (generation as u64) << 16 | tag.0 << Self::TAG)
    }

    /// From the word of a way; `None` if the way is free.
    #[inline(always)]
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Self> {
        if word == 0 { None } else { Some(Self(word)) }
    }

    /// The word.
    #[inline(always)]
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// Index in `BACKENDS`.
    #[inline(always)]
    #[must_use]
    pub const fn backend(self) -> u16 {
        self.0 as u16
    }

    /// Generation of that backend.
    #[inline(always)]
    #[must_use]
    pub const fn generation(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// All but the backend.
    #[inline(always)]
    #[must_use]
    pub const fn tag(self) -> Tag {
        Tag(self.0 >> Self::TAG)
    }

    /// The same backend under another tag.
    #[inline(always)]
    #[must_use]
    pub const fn tagged(self, tag: Tag) -> Self {
        Self(self.0 & ((1 << Self::TAG) - 1) | tag.0 << Self::TAG)
    }
}

/// Whose an entry is, how far the flow has come, and until when it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(u64);

impl Tag {
    const MASK: u64 = (1 << (64 - Entry::TAG)) - 1;

    /// Packs.
    #[inline(always)]
    #[must_use]
    pub const fn new(seal: u16, stage: Stage, until: Ticks) -> Self {
        Self(seal as u64 | (stage as u64) << 16 | (until.0 as u64) << 18)
    }

    /// Whose it is.
    #[inline(always)]
    #[must_use]
    pub const fn seal(self) -> u16 {
        self.0 as u16
    }

    /// How far the flow has come.
    #[inline(always)]
    #[must_use]
    pub const fn stage(self) -> Stage {
        Stage::from_raw(self.0 >> 16)
    }

    /// Until when it is remembered.
    #[inline(always)]
    #[must_use]
    pub const fn until(self) -> Ticks {
        Ticks((self.0 >> 18) as u32 & Ticks::MASK)
    }

    /// Whether it says what `other` says, but for a time that is at most `slack` ticks earlier.
    #[inline(always)]
    #[must_use]
    pub const fn is_within(self, other: Self, slack: u32) -> bool {
        // The time is the highest part: what is lower must cancel out.
        let behind = other.0.wrapping_sub(self.0) & Self::MASK;
        behind & 0x3_ffff == 0 && behind >> 18 <= slack as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_every_part() {
        let packed = Entry::new(0xfedc, 0xba, Tag::new(0x9876, Stage::Closing, Ticks(0x3f_4321)));
        assert_eq!((packed.backend(), packed.generation()), (0xfedc, 0xba));
        let tag = packed.tag();
        assert_eq!((tag.seal(), tag.stage(), tag.until()), (0x9876, Stage::Closing, Ticks(0x3f_4321)));
        let other = Tag::new(1, Stage::Reset, Ticks(5));
        assert_eq!((packed.tagged(other).backend(), packed.tagged(other).tag()), (0xfedc, other));
    }

    #[test]
    fn a_tag_is_within_the_slack_of_a_later_one_and_of_no_other() {
        for now in [Ticks::at(1 << 20), Ticks(3)] {
            let tag = |seal, stage, span: u32| Tag::new(seal, stage, now.after(span));
            let current = tag(0xffff, Stage::Established, 10);
            for (span, within) in [(10, true), (9, true), (6, true), (5, false), (11, false), (0, false)] {
                assert_eq!(tag(0xffff, Stage::Established, span).is_within(current, 4), within, "{span}");
            }
            assert!(!tag(0xfffe, Stage::Established, 10).is_within(current, 4));
            assert!(!tag(0xffff, Stage::New, 10).is_within(current, 4));
        }
    }

    #[test]
    fn a_time_is_past_after_its_tick_and_across_the_wrap() {
        for start in [0, 1 << 20, (1_u64 << 30) - 256, u64::MAX - 255] {
            let now = Ticks::at(start);
            assert_eq!(now.left(now), 1);
            assert_eq!(now.after(10).left(now), 11);
            assert_eq!(now.after(10).left(now.after(11)), 0);
            assert_eq!(now.after(Ticks::LONGEST).left(now), Ticks::LONGEST + 1);
        }
    }
}
