//! What the packet path tells pivotd of: a connection that a backend did not take.

/// An entry of `REFUSALS`, packed into one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index in `BACKENDS`.
    pub backend: u16,
    /// Generation of that backend: its index may be another's by the time that this is read.
    pub generation: u8,
}

/// Bytes of `REFUSALS`, which the loader rounds up to a page: what finds no room is not told.
pub const BYTES: u32 = 4096;

/// Refusals that a CPU tells of in a window of time ([`super::pace`]). What they are for needs one.
pub const PER_WINDOW: u32 = 16;

impl Refusal {
    /// Packs.
    #[inline(always)]
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.backend as u64 | (self.generation as u64) << 16
    }

    /// Unpacks.
    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self { backend: word as u16, generation: (word >> 16) as u8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_packed_whole() {
        let refusal = Refusal { backend: 0xfedc, generation: 0xba };
        assert_eq!(Refusal::unpack(refusal.pack()), refusal);
    }
}
