//! The one record that every packet reads first: which generation of the directory is in force, and how large the
//! tables are.

use super::word::Word;

/// Element 0 of map `CONTROL`. Sizes are written once, before any program is attached; `generation` swaps the directory.
#[repr(C, align(64))]
#[derive(Debug, Default, Clone)]
pub struct Control {
    /// [`super::LAYOUT`] of whoever made the maps.
    pub layout: u32,
    /// CPUs that have their own counters and flow cache.
    pub cpus: u32,
    /// Slots of one generation of the directory, minus one; a power of two minus one.
    pub directory_mask: u32,
    /// Pilots of one generation, minus one; a power of two minus one, at least 31.
    pub pilot_mask: u32,
    /// Sets of one CPU's flow cache, minus one; a power of two minus one.
    pub flow_mask: u32,
    /// Elements of `SERVICES`: the stride between CPUs in the service counters.
    pub services: u32,
    /// Elements of `BACKENDS`: the stride between CPUs in the backend counters.
    pub backends: u32,
    /// Zero.
    pub reserved: u32,
    /// The directory's generation in force: 0 or 1.
    pub generation: Word,
    /// Goes up whenever flows may be given another backend than before: a cache that was filled earlier asks the shared
    /// table before it is believed. Its lowest 16 bits count.
    pub epoch: Word,
    /// Zero.
    pub padding: [u64; 2],
}

const _: () = assert!(size_of::<Control>() == 64);
