//! A 64-bit cell shared between packets on many CPUs and user space.

use core::cell::UnsafeCell;

/// A cell that is loaded and stored whole: a reader sees an old value or a new one, never a mixture.
///
/// All accesses are relaxed: a word carries everything that must be consistent with itself, and order between words is
/// never relied on by the packet path.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Word(UnsafeCell<u64>);

// SAFETY: every access is one aligned 64-bit load or store, see `cell`.
unsafe impl Sync for Word {}

impl Word {
    /// A cell holding `value`.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value.
    #[inline(always)]
    #[must_use]
    pub fn get(&self) -> u64 {
        cell::load(&self.0)
    }

    /// Replaces the value.
    #[inline(always)]
    pub fn set(&self, value: u64) {
        cell::store(&self.0, value);
    }

    /// Adds to a cell that only one CPU writes: a load and a store, no locked instruction.
    #[inline(always)]
    pub fn add_unshared(&self, amount: u64) {
        self.set(self.get().wrapping_add(amount));
    }
}

#[cfg(feature = "host")]
impl Word {
    /// Replaces `old` by `new`; `false`, and nothing changed, if the value is another meanwhile.
    pub fn replace(&self, old: u64, new: u64) -> bool {
        use core::sync::atomic::{AtomicU64, Ordering};
        // SAFETY: valid and aligned as a part of a Word, whose every access on the host is atomic.
        let cell = unsafe { AtomicU64::from_ptr(self.0.get()) };
        cell.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Clone for Word {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}

/// LLVM's BPF back end knows no relaxed atomic loads before CPU version 4; a volatile access of 64 bits is one
/// instruction there, which the JIT turns into one.
#[cfg(target_arch = "bpf")]
mod cell {
    use core::cell::UnsafeCell;

    #[inline(always)]
    pub(super) fn load(cell: &UnsafeCell<u64>) -> u64 {
        // SAFETY: valid and aligned as a part of a Word; one instruction.
        unsafe { cell.get().read_volatile() }
    }

    #[inline(always)]
    pub(super) fn store(cell: &UnsafeCell<u64>, value: u64) {
        // SAFETY: as in `load`.
        unsafe { cell.get().write_volatile(value) }
    }
}

#[cfg(not(target_arch = "bpf"))]
mod cell {
    use core::cell::UnsafeCell;
    use core::sync::atomic::{AtomicU64, Ordering};

    #[inline(always)]
    pub(super) fn load(cell: &UnsafeCell<u64>) -> u64 {
        // SAFETY: valid and aligned as a part of a Word, whose every access is atomic.
        unsafe { AtomicU64::from_ptr(cell.get()) }.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(super) fn store(cell: &UnsafeCell<u64>, value: u64) {
        // SAFETY: as in `load`.
        unsafe { AtomicU64::from_ptr(cell.get()) }.store(value, Ordering::Relaxed);
    }
}
