//! Fragments: the first one carries the ports, the others follow it by the packet's identification.
//!
//! What overtakes its first fragment, or comes after the time to reassemble is up, cannot be placed and is dropped: the
//! receiver could not tell the difference from a loss. Entries lie in the flow table as new flows do, so that made-up
//! fragments displace nothing that is established.

use crate::net::{hash, ipv4};
use crate::wire::control::Control;
use crate::wire::directory::Key;
use crate::wire::flow::{Entry, Owner, Stage};

use super::family::{Family, Ip};
use super::flow::{Given, Moment, Place, given};
use super::tables::Tables;
use super::verdict::Verdict;

#[inline(always)]
fn place<'t, F: Family, T: Tables>(
    tables: &'t T,
    control: &Control,
    ip: &Ip,
    vip: u16,
) -> Result<Place<'t, F>, Verdict> {
    let piece = ip.piece;
    let packet = u64::from(piece.id) | u64::from(piece.protocol) << 32;
    let ends = hash::fold(hash::fold(Key::vip(ip.destination).hash(), ip.source.high), ip.source.low);
    let owner = Owner::fragments(vip, piece.protocol == ipv4::TCP);
    Place::of(tables, control, F::key(ip.source, piece.id, owner), hash::fold(ends, packet))
}

/// Keeps what the first fragment was given for those that follow it.
///
/// # Errors
/// [`Verdict::TableTorn`].
#[inline(always)]
pub fn lead<F: Family, T: Tables>(
    tables: &T,
    control: &Control,
    ip: &Ip,
    vip: u16,
    given: Given,
    moment: Moment,
) -> Result<(), Verdict> {
    let place = place::<F, T>(tables, control, ip, vip)?;
    let tag = place.tag(Stage::New, moment.ticks.after(u32::from(control.life_fragments)));
    let entry = Entry::new(given.backend, given.generation, tag);
    let cell = place.find(tables, control)?;
    place.keep(tables, control, cell, entry, moment.ticks).map(drop)
}

/// What the first fragment of this one's packet was given.
///
/// # Errors
/// [`Verdict::FragmentUnplaced`] if none came before, [`Verdict::TableTorn`].
#[inline(always)]
pub fn follow<F: Family, T: Tables>(
    tables: &T,
    control: &Control,
    ip: &Ip,
    vip: u16,
    moment: Moment,
) -> Result<Given, Verdict> {
    let place = place::<F, T>(tables, control, ip, vip)?;
    let cell = place.find(tables, control)?.ok_or(Verdict::FragmentUnplaced)?;
    let entry = place.entry(cell, moment.ticks).ok_or(Verdict::FragmentUnplaced)?;
    let given = given(tables.backend(entry.backend()).ok_or(Verdict::TableTorn)?, entry.backend());
    match given.hop.state() {
        state if state.keeps_flows() && given.generation == entry.generation() => Ok(given),
        _ => Err(Verdict::FragmentUnplaced),
    }
}
