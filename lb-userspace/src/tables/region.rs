//! An array of records in memory that packets may be reading: a mapped BPF array, or the heap.

use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use memmap2::{MmapOptions, MmapRaw};

use rustix::fd::AsRawFd;

/// An array of `T`. Records whose fields change under the packet path consist of [`lb_common::wire::word::Word`]s;
/// plain ones are written only while no packet reads them.
#[derive(Debug)]
pub struct Region<T> {
    base: NonNull<T>,
    len: usize,
    /// Keeps the memory alive.
    _backing: Backing<T>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held for its Drop")]
enum Backing<T> {
    Heap(Box<[T]>),
    Mapped(MmapRaw),
}

// SAFETY: the memory is reached through `&T` alone, or through `&mut self`; it belongs to no thread.
unsafe impl<T: Send> Send for Region<T> {}
// SAFETY: shared access gives `&T` only.
unsafe impl<T: Sync> Sync for Region<T> {}

impl<T> Region<T> {
    /// `len` records on the heap.
    pub fn heap(len: usize, record: impl Fn() -> T) -> Self {
        let mut records: Box<[T]> = (0..len).map(|_| record()).collect();
        let base = NonNull::new(records.as_mut_ptr()).unwrap_or(NonNull::dangling());
        Self { base, len, _backing: Backing::Heap(records) }
    }

    /// The values of a BPF array made with `BPF_F_MMAPABLE`, whose `len` values are as large as `T`.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn mapped(map: &impl AsFd, len: usize) -> io::Result<Self> {
        const { assert!(size_of::<T>().is_multiple_of(8), "array values are padded to 8 bytes") };
        let bytes = len * size_of::<T>();
        let mapping = MmapOptions::new().len(bytes).map_raw(map.as_fd().as_raw_fd())?;
        let base = NonNull::new(mapping.as_mut_ptr().cast::<T>()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(Self { base, len, _backing: Backing::Mapped(mapping) })
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A record.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        // SAFETY: within the array, which is page- or heap-aligned and lives as long as self.
        (index < self.len).then(|| unsafe { self.base.add(index).as_ref() })
    }

    /// Replaces a whole record. The caller sees to it that no packet reads it meanwhile.
    ///
    /// # Panics
    /// If the index is out of bounds.
    pub fn write(&mut self, index: usize, record: T) {
        assert!(index < self.len, "record {index} of {}", self.len);
        // SAFETY: within the array; the exclusive borrow excludes references handed out by `get`.
        unsafe { self.base.add(index).write(record) };
    }

    /// All records.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len).filter_map(|index| self.get(index))
    }

    /// One record of each row, for arrays of rows of `length` records: the one at `place` in its row. Costs as much as there are rows.
    pub fn column(&self, place: usize, length: usize) -> impl Iterator<Item = &T> {
        (place..self.len).step_by(length).filter_map(|index| self.get(index))
    }
}
