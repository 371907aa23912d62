//! Connections that backends did not take, as the packet path tells of them through a ring of the kernel's.
//!
//! The ring is small and whoever writes to it is held back: of a flood, a few are told.

use std::io;
use std::path::Path;

use aya::maps::{Map, MapData, RingBuf};
use lb_common::wire::refusal::Refusal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The reading end.
pub struct Refusals(AsyncFd<RingBuf<MapData>>);

impl Refusals {
    /// The ring that is pinned there. Within a runtime.
    ///
    /// # Errors
    /// What the kernel says to opening it, or to waiting for it.
    pub fn open(pins: &Path) -> io::Result<Self> {
        let ring = MapData::from_pin(pins.join("REFUSALS")).and_then(|map| RingBuf::try_from(Map::RingBuf(map)));
        let ring = ring.map_err(io::Error::other)?;
        // SAFETY: the ring owns its descriptor and keeps it for as long as it lives.
        Ok(Self(unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }?))
    }

    /// Waits for refusals, and returns all that there are: as many as the ring holds at most. Cancel-safe.
    ///
    /// # Errors
    /// What the kernel says to waiting.
    pub async fn next(&mut self) -> io::Result<Vec<Refusal>> {
        loop {
            let mut guard = self.0.readable_mut().await?;
            let mut told = Vec::new();
            while let Some(entry) = guard.get_inner_mut().next() {
                told.extend(<[u8; 8]>::try_from(&*entry).map(|word| Refusal::unpack(u64::from_ne_bytes(word))));
            }
            guard.clear_ready();
            if !told.is_empty() {
                return Ok(told);
            }
        }
    }
}
