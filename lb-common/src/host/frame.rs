//! A frame in ordinary memory.

use std::vec::Vec;

use crate::net::bytes::{Header, Packet};

/// A frame, from the Ethernet header on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(pub Vec<u8>);

impl Packet for Frame {
    fn holds(&self, len: u32) -> bool {
        self.0.len() >= len as usize
    }

    fn header<T: Header>(&self, offset: u32) -> Option<&T> {
        let bytes = self.0.get(offset as usize..)?.get(..size_of::<T>())?;
        // SAFETY: `bytes` has the size of T, and a Header has alignment 1 and accepts every bit pattern.
        Some(unsafe { &*bytes.as_ptr().cast::<T>() })
    }

    fn header_mut<T: Header>(&mut self, offset: u32) -> Option<&mut T> {
        let bytes = self.0.get_mut(offset as usize..)?.get_mut(..size_of::<T>())?;
        // SAFETY: as in `header`; the borrow of self makes the reference the only one.
        Some(unsafe { &mut *bytes.as_mut_ptr().cast::<T>() })
    }

    fn truncate(&mut self, len: u32) -> bool {
        let fits = len as usize <= self.0.len();
        if fits {
            self.0.truncate(len as usize);
        }
        fits
    }

    fn grow(&mut self, len: u32) -> bool {
        self.0.splice(..0, std::iter::repeat_n(0, len as usize));
        true
    }
}
