//! Stage 3: what the packet's flow was given before.

use crate::net::hash;
use crate::net::tcp::Tcp;
use crate::wire::address::Address;
use crate::wire::backend::{Backend, Hop, Identity, State};
use crate::wire::control::Control;
use crate::wire::directory::Idle;
use crate::wire::flow::{Claim, Entry, FlowSet, NEAR, Owner, Stage, Tag, Ticks};
use crate::wire::word::Word;

use super::family::Family;
use super::parse::Message;
use super::tables::Tables;
use super::verdict::Verdict;

/// A place in the flow table.
#[derive(Debug)]
pub struct Place<'t, F: Family> {
    key: <F::Set as FlowSet>::Key,
    hash: u64,
    set: &'t F::Set,
}

/// A backend that was found or chosen for a flow.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// Index in `BACKENDS`.
    pub backend: u16,
    /// Where and whether to send.
    pub hop: Hop,
    /// Generation of the backend.
    pub generation: u8,
    /// Its service.
    pub service: u16,
}

/// What is known of a flow.
#[derive(Debug)]
pub enum Known<'t> {
    /// It goes to this backend.
    To(Given, Upkeep),
    /// It is new, or may go elsewhere: choose, and keep it in this way if it has one.
    Unknown(Option<&'t Word>),
}

/// Whether the flow's time was extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// It was a moment ago, the usual case.
    None,
    /// It was just now.
    Extended,
}

/// What became of a flow that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is in the table.
    Stored,
    /// It is, in place of another that still counted.
    Evicting,
    /// It is not: both its sets are full of established flows.
    Crowded,
}

impl<'t, F: Family> Place<'t, F> {
    /// The place of what has this key; `hash` is that of key and destination, the same on every controller.
    ///
    /// # Errors
    /// [`Verdict::TableTorn`].
    #[inline(always)]
    pub fn of<T: Tables>(
        tables: &'t T,
        control: &Control,
        key: <F::Set as FlowSet>::Key,
        hash: u64,
    ) -> Result<Self, Verdict> {
        Ok(Self { key, hash, set: first_set::<F, T>(tables, control, hash).ok_or(Verdict::TableTorn)? })
    }

    /// Hash of key and destination.
    #[inline(always)]
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// What ties an entry to its key, see [`crate::wire::flow`].
    #[inline(always)]
    const fn seal(&self) -> u16 {
        (self.hash >> 16) as u16
    }

    /// The tag of an entry of this place.
    #[inline(always)]
    #[must_use]
    pub const fn tag(&self, stage: Stage, until: Ticks) -> Tag {
        Tag::new(self.seal(), stage, until)
    }

    /// The tag of an established flow that was seen now.
    #[inline(always)]
    #[must_use]
    pub const fn established(&self, idle: Idle, now: Ticks) -> Tag {
        self.tag(Stage::Established, now.after(idle.least + idle.slack))
    }

    /// The second set it may lie in.
    #[inline(always)]
    fn other<T: Tables>(&self, tables: &'t T, control: &Control) -> Result<&'t F::Set, Verdict> {
        second_set::<F, T>(tables, control, self.hash).ok_or(Verdict::TableTorn)
    }

    /// What is held for this key, whoever wrote it and whenever.
    #[inline(always)]
    #[must_use]
    pub fn peek<T: Tables>(&self, tables: &'t T, control: &Control) -> Option<Entry> {
        Entry::from_word(self.find(tables, control).ok()??.get())
    }

    /// The way that has this key, in use or not.
    ///
    /// # Errors
    /// [`Verdict::TableTorn`].
    #[inline(always)]
    pub fn find<T: Tables>(&self, tables: &'t T, control: &Control) -> Result<Option<&'t Word>, Verdict> {
        if let Some(way) = self.set.find(&self.key) {
            return Ok(Some(self.set.entry(way)));
        }
        let other = self.other(tables, control)?;
        Ok(other.find(&self.key).map(|way| other.entry(way)))
    }

    /// An entry of this place that its word holds, whose time is not up.
    #[inline(always)]
    #[must_use]
    pub fn entry(&self, cell: &Word, now: Ticks) -> Option<Entry> {
        let entry = Entry::from_word(cell.get())?;
        let tag = entry.tag();
        if tag.seal() == self.seal() && tag.until().left(now) > 0 { Some(entry) } else { None }
    }

    /// Keeps an entry: in the way that was found for the key, or in the best there is.
    ///
    /// # Errors
    /// [`Verdict::TableTorn`].
    #[inline(always)]
    pub fn keep<T: Tables>(
        &self,
        tables: &'t T,
        control: &Control,
        cell: Option<&Word>,
        entry: Entry,
        now: Ticks,
    ) -> Result<Kept, Verdict> {
        if let Some(cell) = cell {
            cell.set(entry.word());
            return Ok(Kept::Stored);
        }
        let (mut set, (mut claim, mut way)) = (self.set, self.set.offer(now));
        if claim != Claim::FREE {
            let other = self.other(tables, control)?;
            let (other_claim, other_way) = other.offer(now);
            if other_claim < claim {
                (set, claim, way) = (other, other_claim, other_way);
            }
        }
        if !claim.is_good() {
            return Ok(Kept::Crowded);
        }
        set.store(way, &self.key, entry);
        Ok(if claim.evicts() { Kept::Evicting } else { Kept::Stored })
    }
}

/// One of the two sets that a hash leads to, see [`crate::wire::flow`].
#[inline(always)]
fn set<'t, F: Family, T: Tables>(tables: &'t T, control: &Control, hash: u64, far: bool) -> Option<&'t F::Set> {
    let (hash, mask) = match far {
        true => (hash::fold(hash, 1), F::set_mask(control)),
        false => (hash, F::set_mask(control) & (NEAR - 1)),
    };
    F::set(tables, (hash >> 32) as u32 & mask)
}

/// The one that is looked at first.
#[inline(always)]
pub fn first_set<'t, F: Family, T: Tables>(tables: &'t T, control: &Control, hash: u64) -> Option<&'t F::Set> {
    set::<F, T>(tables, control, hash, F::is_far_first(control))
}

/// The other one.
#[inline(always)]
pub fn second_set<'t, F: Family, T: Tables>(tables: &'t T, control: &Control, hash: u64) -> Option<&'t F::Set> {
    set::<F, T>(tables, control, hash, !F::is_far_first(control))
}

/// A flow of a service.
#[derive(Debug)]
pub struct Flow<'t, F: Family> {
    /// Where it is in the flow table.
    pub place: Place<'t, F>,
    /// Index of its service.
    pub service: u16,
}

impl<'t, F: Family> Flow<'t, F> {
    /// The flow between a client and a service whose key's hash is `destination`.
    ///
    /// # Errors
    /// [`Verdict::TableTorn`].
    #[inline(always)]
    pub fn of<T: Tables>(
        tables: &'t T,
        control: &Control,
        client: Address,
        port: u16,
        service: u16,
        destination: u64,
    ) -> Result<Self, Verdict> {
        let key = F::key(client, u32::from(port), Owner::flow(service));
        let place = Place::of(tables, control, key, hash_of(destination, client, port))?;
        Ok(Self { place, service })
    }

    /// The backend that the flow was given, for a packet of it. Extends its time; `idle` is the service's.
    ///
    /// # Errors
    /// [`Verdict::ResetBackendDown`] if the flow must end, [`Verdict::TableTorn`].
    #[inline(always)]
    pub fn known<T: Tables>(
        &self,
        tables: &'t T,
        control: &Control,
        message: &Message,
        idle: Idle,
        now: Ticks,
    ) -> Result<Known<'t>, Verdict> {
        let Some(cell) = self.place.find(tables, control)? else { return Ok(Known::Unknown(None)) };
        let Some(entry) = Entry::from_word(cell.get()) else { return Ok(Known::Unknown(Some(cell))) };
        let given = given(tables.backend(entry.backend()).ok_or(Verdict::TableTorn)?, entry.backend());
        if given.generation != entry.generation() || given.service != self.service {
            return Ok(Known::Unknown(Some(cell)));
        }
        let mut upkeep = Upkeep::None;
        let mut stage = Stage::Established;
        // An established flow that was seen a moment ago says all of this in one comparison.
        if !entry.tag().is_within(self.place.established(idle, now), idle.slack) || message.turns() {
            if self.place.entry(cell, now).is_none() {
                return Ok(Known::Unknown(Some(cell)));
            }
            stage = entry.tag().stage();
            let tag = self.place.next(control, stage, message, idle, now).unwrap_or(entry.tag());
            if tag != entry.tag() {
                cell.set(entry.tagged(tag).word());
                upkeep = Upkeep::Extended;
            }
        }
        match judge(given.hop.state(), stage, message) {
            Judgement::Stays => Ok(Known::To(given, upkeep)),
            Judgement::Leaves => Ok(Known::Unknown(Some(cell))),
            Judgement::Ends => Err(Verdict::ResetBackendDown),
        }
    }
}

impl<F: Family> Place<'_, F> {
    /// The tag of a known flow after another packet; `None`: as it was.
    #[inline(always)]
    fn next(&self, control: &Control, stage: Stage, message: &Message, idle: Idle, now: Ticks) -> Option<Tag> {
        let tag = |stage, life: u32| Some(self.tag(stage, now.after(life)));
        if message.resets() {
            return tag(Stage::Reset, u32::from(control.life_reset));
        }
        if message.has(Tcp::FIN) {
            return tag(Stage::Closing, u32::from(control.life_closing));
        }
        if message.has(Tcp::SYN) {
            return match stage {
                // Nobody's made-up SYN shortens the life of a connection (RFC 5961 section 4 is the endpoint's part).
                Stage::Established | Stage::Closing | Stage::Reset => None,
                Stage::New => tag(Stage::New, u32::from(control.life_new)),
            };
        }
        match stage {
            Stage::Closing => tag(Stage::Closing, u32::from(control.life_closing)),
            // A client that goes on after a reset did not send it.
            Stage::New | Stage::Established | Stage::Reset => Some(self.established(idle, now)),
        }
    }
}

/// Whether a flow stays with its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    Stays,
    /// It is chosen anew.
    Leaves,
    /// It is cut, and the client told.
    Ends,
}

/// A SYN on a flow that has ended is a client that uses its port again. A backend that takes no new flows keeps its old
/// ones: a SYN leaves it, unless it meets an established flow, which the backend knows better. A connection to a dead one
/// is cut, and a SYN is chosen anew, whether it is sent again or is of another connection; datagrams go elsewhere, as
/// nothing holds them.
#[inline(always)]
fn judge(state: State, stage: Stage, message: &Message) -> Judgement {
    match state {
        _ if message.opens() && matches!(stage, Stage::Closing | Stage::Reset) => Judgement::Leaves,
        State::Up => Judgement::Stays,
        State::Absent => Judgement::Leaves,
        State::Drain | State::Leaving | State::Kept if message.opens() && stage != Stage::Established => {
            Judgement::Leaves
        }
        State::Drain | State::Leaving | State::Kept => Judgement::Stays,
        State::Down if message.opens() || !message.is_tcp() => Judgement::Leaves,
        State::Down => Judgement::Ends,
    }
}

/// When a packet is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Jiffies.
    pub jiffies: u64,
    /// The same in ticks of the flow table.
    pub ticks: Ticks,
}

impl Moment {
    /// Now, in jiffies.
    #[inline(always)]
    #[must_use]
    pub const fn of(jiffies: u64) -> Self {
        Self { jiffies, ticks: Ticks::at(jiffies) }
    }
}

/// Hash of a flow's five-tuple, from that of its destination and the client's address and port.
#[inline(always)]
#[must_use]
pub const fn hash_of(destination: u64, source: Address, source_port: u16) -> u64 {
    hash::fold(hash::fold(destination, source.high ^ source_port as u64), source.low)
}

/// Reads a backend whole enough to use it.
#[inline(always)]
#[must_use]
pub fn given(backend: &Backend, index: u16) -> Given {
    let identity = Identity::unpack(backend.identity.get());
    Given {
        backend: index,
        hop: Hop::from_word(backend.hop.get()),
        generation: identity.generation,
        service: identity.service,
    }
}
