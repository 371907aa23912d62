//! A frame that notices what the path does to it: every access is within it, and there are not too many.

use std::cell::Cell;

use lb_common::host::Frame;
use lb_common::net::bytes::{Header, Packet};

/// Accesses that the path needs at most, by far: a loop that does not end goes beyond.
const ACCESSES: u32 = 2_000;

/// A frame with some room in front.
#[derive(Debug, Clone)]
pub struct Guarded {
    frame: Frame,
    room: u32,
    accesses: Cell<u32>,
}

impl Guarded {
    /// With room for so many bytes in front.
    #[must_use]
    pub fn new(bytes: &[u8], room: u32) -> Self {
        Self { frame: Frame(bytes.into()), room, accesses: Cell::new(0) }
    }

    /// The frame as it is now.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.frame.0
    }

    fn note(&self, end: usize, granted: bool) {
        assert_eq!(granted, end <= self.frame.0.len(), "an access up to {end} of {}", self.frame.0.len());
        self.accesses.set(self.accesses.get() + 1);
        assert!(self.accesses.get() < ACCESSES, "the path does not come to an end");
    }
}

impl Packet for Guarded {
    fn holds(&self, len: u32) -> bool {
        let holds = self.frame.holds(len);
        self.note(len as usize, holds);
        holds
    }

    fn header<T: Header>(&self, offset: u32) -> Option<&T> {
        let header = self.frame.header(offset);
        self.note(offset as usize + size_of::<T>(), header.is_some());
        header
    }

    fn header_mut<T: Header>(&mut self, offset: u32) -> Option<&mut T> {
        self.note(offset as usize + size_of::<T>(), self.frame.header::<T>(offset).is_some());
        self.frame.header_mut(offset)
    }

    fn truncate(&mut self, len: u32) -> bool {
        let fits = self.frame.holds(len) && self.frame.truncate(len);
        self.note(len as usize, fits);
        fits
    }

    fn grow(&mut self, len: u32) -> bool {
        if len > self.room || !self.frame.grow(len) {
            return false;
        }
        self.room -= len;
        // What lies there before it is written is anybody's.
        self.frame.0[..len as usize].fill(0xa5);
        true
    }
}
