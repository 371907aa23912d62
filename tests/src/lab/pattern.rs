//! Bytes that tell their place in a stream: what is lost, doubled, swapped or changed does not fit.

/// Odd, with bits all over: neighbouring words differ in all their bytes.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Fills a buffer with the pattern's bytes from `offset` on.
pub fn fill(offset: u64, buffer: &mut [u8]) {
    let mut at = offset;
    let mut rest = buffer;
    while !rest.is_empty() {
        let word = (at / 8).wrapping_mul(STEP).to_be_bytes();
        let from = (at % 8) as usize;
        let length = (8 - from).min(rest.len());
        let (now, later) = rest.split_at_mut(length);
        now.copy_from_slice(&word[from..from + length]);
        at += length as u64;
        rest = later;
    }
}

/// The pattern's first bytes.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut buffer = vec![0; length];
    fill(0, &mut buffer);
    buffer
}

/// Place in the stream of the first byte that is not the pattern's, of bytes that begin at `offset`.
///
/// `scratch` is overwritten, and grown if need be.
pub fn first_difference(offset: u64, received: &[u8], scratch: &mut Vec<u8>) -> Option<u64> {
    scratch.resize(scratch.len().max(received.len()), 0);
    let expected = &mut scratch[..received.len()];
    fill(offset, expected);
    if expected == received {
        return None;
    }
    expected.iter().zip(received).position(|(expected, received)| expected != received).map(|at| offset + at as u64)
}

/// The same as letters, for what has to be text.
pub fn letters(length: usize) -> String {
    bytes(length).into_iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_the_same_in_pieces() {
        let mut pieces = vec![0; 100];
        let (first, second) = pieces.split_at_mut(37);
        fill(0, first);
        fill(37, second);
        assert_eq!(pieces, bytes(100));
    }

    #[test]
    fn a_changed_a_missing_and_a_doubled_byte_are_found() {
        let mut scratch = Vec::new();
        let whole = bytes(1000);
        assert_eq!(first_difference(0, &whole, &mut scratch), None);
        assert_eq!(first_difference(500, &whole[500..], &mut scratch), None);
        let mut changed = whole.clone();
        changed[700] ^= 1;
        assert_eq!(first_difference(500, &changed[500..], &mut scratch), Some(700));
        // The first word is all zero.
        assert!(first_difference(0, &whole[1..], &mut scratch).is_some_and(|at| at < 8));
        assert!(first_difference(8, &whole[..16], &mut scratch).is_some());
    }
}
