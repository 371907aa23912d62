//! UDP (RFC 768).

use super::bytes::{Be16, Header};

/// Length of the header.
pub const LEN: u32 = 8;

/// The header:
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------------------------------+-------------------------------+
/// |          Source Port          |       Destination Port        |
/// +-------------------------------+-------------------------------+
/// |             Length            |            Checksum           |
/// +-------------------------------+-------------------------------+
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Udp {
    /// Source port; 0 if no reply is wanted.
    pub source: Be16,
    /// Destination port.
    pub destination: Be16,
    /// Length of header and payload in bytes.
    pub length: Be16,
    /// Checksum; 0 if there is none, which IPv6 does not allow (RFC 8200 section 8.1).
    pub checksum: Be16,
}

const _: () = assert!(size_of::<Udp>() == LEN as usize && align_of::<Udp>() == 1);

// SAFETY: byte arrays only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Udp {}
