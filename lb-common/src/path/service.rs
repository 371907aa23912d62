//! Stage 2: whose packet it is.

use crate::wire::Line;
use crate::wire::address::Address;
use crate::wire::control::Control;
use crate::wire::directory::{self, Key, Slot};
use crate::wire::vip::Vip;

use super::tables::Tables;
use super::verdict::Verdict;

/// The slot of a key, `None` if it has none, and the key's hash, from which the flow's is made.
#[inline(always)]
pub fn look_up<'t, T: Tables>(tables: &'t T, control: &Control, key: &Key) -> Result<(Option<&'t Slot>, u64), Verdict> {
    let hash = key.hash();
    // Both generations lie one after the other; only its lowest bit counts, whatever the word says.
    let generation = control.generation.get() as u32 & 1;
    let pilot = generation * (control.pilot_mask + 1) + directory::pilot_of(hash, control.pilot_mask);
    let pilots = tables.pilots(pilot / Line::LEN).ok_or(Verdict::TableTorn)?;
    let slot =
        generation * (control.directory_mask + 1) + directory::slot_of(hash, pilots.at(pilot), control.directory_mask);
    let slot = tables.slot(slot).ok_or(Verdict::TableTorn)?;
    Ok((slot.is_for(key).then_some(slot), hash))
}

/// The service that a key belongs to.
#[inline(always)]
pub fn find<'t, T: Tables>(tables: &'t T, control: &Control, key: &Key) -> Result<(&'t Slot, u64), Verdict> {
    match look_up(tables, control, key)? {
        (Some(slot), hash) if slot.service != Slot::NO_SERVICE => Ok((slot, hash)),
        _ => Err(Verdict::NotService),
    }
}

/// The slot and the record of the VIP with this address; `None` if there is none.
///
/// # Errors
/// [`Verdict::TableTorn`].
#[inline(always)]
pub fn vip<'t, T: Tables>(
    tables: &'t T,
    control: &Control,
    address: Address,
) -> Result<Option<(&'t Slot, &'t Vip)>, Verdict> {
    match look_up(tables, control, &Key::vip(address))? {
        (Some(slot), _) => Ok(Some((slot, tables.vip(slot.vip).ok_or(Verdict::TableTorn)?))),
        (None, _) => Ok(None),
    }
}

/// Whether an address is a VIP that this host does not hold.
///
/// # Errors
/// [`Verdict::TableTorn`].
#[inline(always)]
pub fn is_foreign_vip<T: Tables>(tables: &T, control: &Control, address: Address) -> Result<bool, Verdict> {
    Ok(vip(tables, control, address)?.is_some_and(|(_, vip)| !vip.held(tables.now())))
}
