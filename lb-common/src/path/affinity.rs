//! Client-address affinity: a client, or all of a network, keeps its backend beyond a single flow.
//!
//! What a client was given lies in the flow table, under its masked address. It counts from the client's last packet.

use crate::wire::address::Address;
use crate::wire::backend::State;
use crate::wire::control::Control;
use crate::wire::flow::{Entry, Owner, Stage};
use crate::wire::service::Affinity;

use super::family::Family;
use super::flow::{Given, Moment, Place, given, hash_of};
use super::tables::Tables;
use super::verdict::Verdict;

/// A client of a service that has affinity.
#[derive(Debug)]
pub struct Client<'t, F: Family> {
    place: Place<'t, F>,
    affinity: Affinity,
    service: u16,
    /// Hash of client and service, the same on every controller: what the backend is chosen by.
    pub hash: u64,
}

impl<'t, F: Family> Client<'t, F> {
    /// The client at this address of a service whose key's hash is `destination`.
    ///
    /// # Errors
    /// [`Verdict::TableTorn`].
    #[inline(always)]
    pub fn of<T: Tables>(
        tables: &'t T,
        control: &Control,
        affinity: Affinity,
        address: Address,
        service: u16,
        destination: u64,
    ) -> Result<Self, Verdict> {
        let masked = F::mask(address, affinity.prefix);
        let hash = hash_of(destination, masked, 0);
        let place = Place::of(tables, control, F::key(masked, 0, Owner::client(service)), hash)?;
        Ok(Self { place, affinity, service, hash })
    }

    /// The backend that it has, if that takes new flows.
    ///
    /// # Errors
    /// [`Verdict::TableTorn`].
    #[inline(always)]
    pub fn known<T: Tables>(&self, tables: &'t T, control: &Control, moment: Moment) -> Result<Option<Given>, Verdict> {
        let Some(cell) = self.place.find(tables, control)? else { return Ok(None) };
        let Some(entry) = self.place.entry(cell, moment.ticks) else { return Ok(None) };
        let given = given(tables.backend(entry.backend()).ok_or(Verdict::TableTorn)?, entry.backend());
        let same = given.generation == entry.generation() && given.service == self.service;
        Ok(if same && given.hop.state() == State::Up { Some(given) } else { None })
    }

    /// Keeps its backend from now on for as long as is configured. One that comes back is established.
    ///
    /// # Errors
    /// [`Verdict::TableTorn`].
    #[inline(always)]
    pub fn keep<T: Tables>(
        &self,
        tables: &'t T,
        control: &Control,
        given: Given,
        moment: Moment,
    ) -> Result<(), Verdict> {
        self.put(tables, control, given, moment, false)
    }

    /// The same for a packet of a flow that it has: one from before the client moved does not take it back.
    ///
    /// # Errors
    /// [`Verdict::TableTorn`].
    #[inline(always)]
    pub fn extend<T: Tables>(
        &self,
        tables: &'t T,
        control: &Control,
        given: Given,
        moment: Moment,
    ) -> Result<(), Verdict> {
        self.put(tables, control, given, moment, true)
    }

    #[inline(always)]
    fn put<T: Tables>(
        &self,
        tables: &'t T,
        control: &Control,
        given: Given,
        moment: Moment,
        unless_other: bool,
    ) -> Result<(), Verdict> {
        let cell = self.place.find(tables, control)?;
        let mut stage = Stage::New;
        if let Some(cell) = cell
            && let Some(entry) = self.place.entry(cell, moment.ticks)
        {
            if unless_other && entry.backend() != given.backend {
                return Ok(());
            }
            stage = Stage::Established;
        }
        let tag = self.place.tag(stage, moment.ticks.after(self.affinity.life));
        let entry = Entry::new(given.backend, given.generation, tag);
        self.place.keep(tables, control, cell, entry, moment.ticks).map(drop)
    }
}
