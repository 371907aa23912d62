//! A backend as the data path sees it: where to send packets, and whether to.

use super::address::Address;
use super::word::Word;

/// Element of `BACKENDS`: one cache line.
#[repr(C, align(64))]
#[derive(Debug, Default, Clone)]
pub struct Backend {
    /// Where and whether to send, see [`Hop`].
    pub hop: Word,
    /// Who it is, see [`Identity`].
    pub identity: Word,
    /// Address the service is bound to on its host. Written while no table refers to the record.
    pub address: Address,
    /// 1 if its operator has drained it: a hop that is down does not say so. For whoever adopts the tables; no packet is
    /// led by it.
    pub drained: Word,
    /// Zero.
    pub padding: [u64; 3],
}

const _: () = assert!(size_of::<Backend>() == 64);

/// What a backend may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// No such backend: flows that name it are chosen anew.
    Absent = 0,
    /// New flows and old ones.
    Up = 1,
    /// Old flows only.
    Drain = 2,
    /// Nothing: its flows are reset.
    Down = 3,
    /// No longer configured: old flows only, until its record is needed for another.
    Leaving = 4,
    /// Down, of a service that keeps such flows: old flows only.
    Kept = 5,
}

impl State {
    /// From its number; an unknown number is an absent backend.
    #[inline(always)]
    #[must_use]
    pub const fn from_raw(raw: u8) -> Self {
        match raw {
            1 => Self::Up,
            2 => Self::Drain,
            3 => Self::Down,
            4 => Self::Leaving,
            5 => Self::Kept,
            _ => Self::Absent,
        }
    }

    /// Whether it may be sent packets of flows that it has.
    #[inline(always)]
    #[must_use]
    pub const fn keeps_flows(self) -> bool {
        matches!(self, Self::Up | Self::Drain | Self::Leaving | Self::Kept)
    }

    /// Whether flows that it has are cut.
    #[inline(always)]
    #[must_use]
    pub const fn cuts_flows(self) -> bool {
        matches!(self, Self::Down)
    }
}

/// How packets reach a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// It runs on this host: up the stack.
    Local = 0,
    /// Rewrite of the destination MAC.
    L2 = 1,
}

impl Way {
    /// From its number.
    #[inline(always)]
    #[must_use]
    pub const fn from_raw(raw: u8) -> Option<Self> {
        match raw {
            0 => Some(Self::Local),
            1 => Some(Self::L2),
            _ => None,
        }
    }
}

/// Where and whether packets are sent, packed into one word: MAC in the six bytes that lie first in memory, then the
/// state, then the way in two bits and the port to leave by in six.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop(u64);

impl Hop {
    /// To no backend.
    pub const ABSENT: Self = Self::new([0; 6], State::Absent, Way::Local, 0);

    /// Packs; `mac` all zero means unresolved, `port` is below [`super::link::MAX_PORTS`].
    #[must_use]
    pub const fn new(mac: [u8; 6], state: State, way: Way, port: u8) -> Self {
        let [a, b, c, d, e, f] = mac;
        Self(u64::from_le_bytes([a, b, c, d, e, f, state as u8, way as u8 | port << 2]))
    }

    /// From the word of [`Backend::hop`].
    #[inline(always)]
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// The word for [`Backend::hop`].
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// The same way to a backend that is no longer configured: a down one has nothing to keep.
    #[must_use]
    pub const fn leaving(self) -> Self {
        let state = match self.state() {
            State::Up | State::Drain | State::Leaving | State::Kept => State::Leaving,
            State::Down | State::Absent => State::Down,
        };
        Self(self.0 & !(0xff << 48) | (state as u64) << 48)
    }

    /// The MAC as a 48-bit little-endian number: its first byte is the lowest.
    #[inline(always)]
    #[must_use]
    pub const fn mac48(self) -> u64 {
        self.0 & 0xffff_ffff_ffff
    }

    /// The MAC; all zero means unresolved.
    #[must_use]
    pub const fn mac(self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = self.0.to_le_bytes();
        [a, b, c, d, e, f]
    }

    /// What it may be sent.
    #[inline(always)]
    #[must_use]
    pub const fn state(self) -> State {
        State::from_raw((self.0 >> 48) as u8)
    }

    /// How packets reach it; `None` for a number from a newer pivot.
    #[inline(always)]
    #[must_use]
    pub const fn way(self) -> Option<Way> {
        Way::from_raw((self.0 >> 56) as u8 & 3)
    }

    /// The port that packets leave by.
    #[inline(always)]
    #[must_use]
    pub const fn port(self) -> u8 {
        (self.0 >> 58) as u8
    }
}

/// Who a record stands for, packed into one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Identity {
    /// Counts the backends that had this index, from 1 to 255 and round again; a flow remembers it, so that it does not
    /// reach a successor.
    pub generation: u8,
    /// Port it is bound to, in network order.
    pub port: u16,
    /// Index of its service.
    pub service: u16,
}

impl Identity {
    /// Packs for [`Backend::identity`].
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.generation as u64 | (self.port as u64) << 16 | (self.service as u64) << 32
    }

    /// Unpacks.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self { generation: word as u8, port: (word >> 16) as u16, service: (word >> 32) as u16 }
    }
}
