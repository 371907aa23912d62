//! The one place where a packet's bytes are reached: every access is bounds-checked here and nowhere else.

/// A header: a view onto packet bytes at any offset.
///
/// # Safety
/// The type must have an alignment of 1, no padding, and no invalid bit pattern.
pub unsafe trait Header: Sized {}

/// A packet that can be read and written in place.
pub trait Packet {
    /// Whether it is at least `len` bytes long, from the Ethernet header on.
    fn holds(&self, len: u32) -> bool;

    /// The header at `offset`, or `None` if it does not lie wholly within the packet, or not in the first of the buffers
    /// that a jumbo frame is spread over.
    fn header<T: Header>(&self, offset: u32) -> Option<&T>;

    /// The same, writable.
    fn header_mut<T: Header>(&mut self, offset: u32) -> Option<&mut T>;

    /// Cuts the packet to `len` bytes. `false`, and nothing changed, if it is shorter than that.
    #[must_use]
    fn truncate(&mut self, len: u32) -> bool;

    /// Makes room for `len` more bytes in front, whose contents are anything. `false`, and nothing changed, if there is none.
    #[must_use]
    fn grow(&mut self, len: u32) -> bool;
}

/// A 16-bit number in network order at any alignment.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Be16([u8; 2]);

// SAFETY: bytes only: alignment 1, no padding, every bit pattern valid.
unsafe impl Header for Be16 {}

/// A 32-bit number in network order at any alignment.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Be32([u8; 4]);

/// A 64-bit number in network order at any alignment.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Be64([u8; 8]);

macro_rules! network_order {
    ($name:ident, $int:ty, $load:ident, $store:ident) => {
        impl $name {
            /// From a number.
            #[inline(always)]
            #[must_use]
            pub const fn new(value: $int) -> Self {
                Self(value.to_be_bytes())
            }

            /// The number.
            #[inline(always)]
            #[must_use]
            pub const fn get(self) -> $int {
                <$int>::from_be_bytes(self.0)
            }

            /// Reads the field where it lies in a packet, as a native number, in one instruction.
            #[inline(always)]
            #[must_use]
            pub fn load(&self) -> $int {
                access::$load(&self.0)
            }

            /// Writes the field where it lies in a packet, in one instruction.
            #[inline(always)]
            pub fn store(&mut self, raw: $int) {
                access::$store(&mut self.0, raw);
            }

            /// The bytes as they lie in memory, taken as a native number: for keys and comparisons.
            #[inline(always)]
            #[must_use]
            pub const fn raw(self) -> $int {
                <$int>::from_ne_bytes(self.0)
            }

            /// From bytes as they lie in memory.
            #[inline(always)]
            #[must_use]
            pub const fn from_raw(raw: $int) -> Self {
                Self(raw.to_ne_bytes())
            }
        }
    };
}

network_order!(Be16, u16, load16, store16);
network_order!(Be32, u32, load32, store32);
network_order!(Be64, u64, load64, store64);

/// Without assembly LLVM's BPF back end takes bytes one by one where it knows no alignment; its feature
/// `allows-misaligned-mem-access` changes that for the stack, too, which the verifier refuses.
#[cfg(target_arch = "bpf")]
mod access {
    use core::arch::asm;

    macro_rules! access {
        ($load:ident, $store:ident, $int:ty, $width:literal) => {
            #[inline(always)]
            pub(super) fn $load(bytes: &[u8; size_of::<$int>()]) -> $int {
                let value: u64;
                // SAFETY: reads the bytes behind a valid reference; packet memory may be read at any alignment.
                unsafe {
                    asm!(concat!("{value} = *(", $width, " *)({bytes} + 0)"), value = lateout(reg) value,
                        bytes = in(reg) bytes.as_ptr(), options(pure, readonly, nostack));
                }
                value as $int
            }

            #[inline(always)]
            pub(super) fn $store(bytes: &mut [u8; size_of::<$int>()], value: $int) {
                // SAFETY: writes the bytes behind a valid, exclusive reference.
                unsafe {
                    asm!(concat!("*(", $width, " *)({bytes} + 0) = {value}"), value = in(reg) value,
                        bytes = in(reg) bytes.as_mut_ptr(), options(nostack));
                }
            }
        };
    }

    access!(load16, store16, u16, "u16");
    access!(load32, store32, u32, "u32");
    access!(load64, store64, u64, "u64");
}

#[cfg(not(target_arch = "bpf"))]
mod access {
    macro_rules! access {
        ($load:ident, $store:ident, $int:ty) => {
            #[inline(always)]
            pub(super) fn $load(bytes: &[u8; size_of::<$int>()]) -> $int {
                <$int>::from_ne_bytes(*bytes)
            }

            #[inline(always)]
            pub(super) fn $store(bytes: &mut [u8; size_of::<$int>()], value: $int) {
                *bytes = value.to_ne_bytes();
            }
        };
    }

    access!(load16, store16, u16);
    access!(load32, store32, u32);
    access!(load64, store64, u64);
}
