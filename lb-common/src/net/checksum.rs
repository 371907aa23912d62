//! The Internet checksum (RFC 1071).

use super::bytes::Be16;

/// A one's complement sum in progress. Words are added as they lie in memory: the sum is byte-order independent
/// (RFC 1071 section 2(B)).
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds 16 bits as they lie in memory.
    #[inline(always)]
    #[must_use]
    pub const fn word(self, raw: u16) -> Self {
        Self(self.0 + raw as u64)
    }

    /// Adds 32 bits as they lie in memory.
    #[inline(always)]
    #[must_use]
    pub const fn double(self, raw: u32) -> Self {
        Self(self.0 + raw as u64)
    }

    /// Adds 64 bits as they lie in memory.
    #[inline(always)]
    #[must_use]
    pub const fn quad(self, raw: u64) -> Self {
        self.double(raw as u32).double((raw >> 32) as u32)
    }

    /// The checksum: the complement of the folded sum. Good for up to 2^32 words.
    #[inline(always)]
    #[must_use]
    pub const fn checksum(self) -> Be16 {
        let mut sum = self.0;
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        Be16::from_raw(!(sum as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_rfc_1071_section_3() {
        let sum = [0x0001_u16, 0xf203, 0xf4f5, 0xf6f7].iter().fold(Sum::default(), |s, w| s.word(w.to_be()));
        assert_eq!(sum.checksum().get(), !0xddf2);
    }

    #[test]
    fn a_header_with_its_checksum_sums_to_zero() {
        // 20 bytes of an IPv4 header captured off the wire (RFC 1071's rule: the sum over all of it is all ones).
        let header = [0x4500_u16, 0x0073, 0x0000, 0x4000, 0x4011, 0xb861, 0xc0a8, 0x0001, 0xc0a8, 0x00c7];
        let sum = header.iter().fold(Sum::default(), |s, w| s.word(w.to_be()));
        assert_eq!(sum.checksum().get(), 0);
    }
}
