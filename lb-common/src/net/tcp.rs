//! TCP (RFC 9293).

use super::bytes::{Be16, Be32, Header};

/// Length of the header without options.
pub const LEN: u32 = 20;

/// The header without options:
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------------------------------+-------------------------------+
/// |          Source Port          |       Destination Port        |
/// +-------------------------------+-------------------------------+
/// |                        Sequence Number                        |
/// +---------------------------------------------------------------+
/// |                    Acknowledgment Number                      |
/// +-------+-------+-+-+-+-+-+-+-+-+-------------------------------+
/// | Offset| Rsrvd |C|E|U|A|P|R|S|F|            Window             |
/// +-------+-------+-+-+-+-+-+-+-+-+-------------------------------+
/// |           Checksum            |         Urgent Pointer        |
/// +-------------------------------+-------------------------------+
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// Source port.
    pub source: Be16,
    /// Destination port.
    pub destination: Be16,
    /// Sequence number.
    pub sequence: Be32,
    /// Acknowledgment number, valid with [`Tcp::ACK`].
    pub acknowledgment: Be32,
    /// Header length in 32-bit words, in the upper four bits.
    pub offset: u8,
    /// Flags.
    pub flags: u8,
    /// Window.
    pub window: Be16,
    /// Checksum.
    pub checksum: Be16,
    /// Urgent pointer.
    pub urgent: Be16,
}

const _: () = assert!(size_of::<Tcp>() == LEN as usize && align_of::<Tcp>() == 1);

// SAFETY: bytes and byte arrays only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Tcp {}

impl Tcp {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgment number is valid.
    pub const ACK: u8 = 0x10;

    /// Length of the header in bytes, options included: 20..=60; `None` if it says less than 20.
    #[inline(always)]
    #[must_use]
    pub const fn header_len(&self) -> Option<u32> {
        if self.offset < 0x50 {
            return None;
        }
        Some((self.offset >> 4) as u32 * 4)
    }
}
