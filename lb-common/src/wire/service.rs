//! A service as the data path sees it: what is needed to choose a backend.

use super::word::Word;

/// Element of `SERVICES`; read for new flows, not for known ones.
#[repr(C, align(32))]
#[derive(Debug, Default, Clone)]
pub struct Service {
    /// Its Maglev table, see [`Table`].
    pub table: Word,
    /// The backend on this host, see [`Local`].
    pub local: Word,
    /// Whether a client keeps its backend, see [`Affinity`].
    pub affinity: Word,
    /// Zero.
    pub padding: u64,
}

const _: () = assert!(size_of::<Service>() == 32);

/// Clients keep their backend, packed into one word; 0: they do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity {
    /// Ticks for which a client without packets is remembered; at least 1.
    pub life: u32,
    /// Bits of the address that make a client: 1..=32 for IPv4, 1..=128 for IPv6.
    pub prefix: u8,
}

impl Affinity {
    /// Packs for [`Service::affinity`].
    #[must_use]
    pub const fn pack(affinity: Option<Self>) -> u64 {
        match affinity {
            Some(Self { life, prefix }) => life as u64 | (prefix as u64) << 32,
            None => 0,
        }
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Option<Self> {
        if word == 0 { None } else { Some(Self { life: word as u32, prefix: (word >> 32) as u8 }) }
    }
}

/// Where a Maglev table lies in `MAGLEV`, packed into one word so that it is swapped as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Table {
    /// First line.
    pub line: u32,
    /// Slots; 0: no backend takes new flows.
    pub slots: u32,
}

impl Table {
    /// Packs for [`Service::table`].
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.line as u64 | (self.slots as u64) << 32
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self { line: word as u32, slots: (word >> 32) as u32 }
    }
}

/// The backend of a service that runs on this host, packed into one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Local {
    /// Index in `BACKENDS` plus one; 0: none runs here.
    backend: u32,
}

impl Local {
    /// No backend of the service runs here.
    pub const NONE: Self = Self { backend: 0 };

    /// This one does.
    #[must_use]
    pub const fn backend(index: u16) -> Self {
        Self { backend: index as u32 + 1 }
    }

    /// Its index.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> Option<u16> {
        match self.backend {
            0 => None,
            n => Some((n - 1) as u16),
        }
    }

    /// Packs for [`Service::local`].
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.backend as u64
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self { backend: word as u32 }
    }
}
