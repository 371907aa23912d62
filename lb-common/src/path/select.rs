//! Stage 4: which backend a new flow is given (Maglev: Eisenbud et al., NSDI 2016, section 3.4).

use crate::net::hash;
use crate::wire::Line;
use crate::wire::backend::{State, Way};
use crate::wire::service::{Service, Table};

use super::flow::{Given, given};
use super::tables::Tables;
use super::verdict::Verdict;

/// The backend that the service's table gives to a flow of this hash.
#[inline(always)]
pub fn choose<T: Tables>(tables: &T, service: &Service, hash: u64) -> Result<Given, Verdict> {
    let table = Table::unpack(service.table.get());
    if table.slots == 0 {
        return Err(Verdict::ResetNoBackend);
    }
    let slot = hash::reduce(hash::fold(hash, 0), table.slots);
    let line = tables.maglev(table.line + slot / Line::LEN).ok_or(Verdict::TableTorn)?;
    let index = line.at(slot);
    let given = given(tables.backend(index).ok_or(Verdict::TableTorn)?, index);
    match given.hop.state() {
        State::Up | State::Drain | State::Leaving | State::Kept => Ok(given),
        // It went down and the table without it is about to be swapped in.
        State::Down | State::Absent => Err(Verdict::ResetBackendDown),
    }
}

/// Whether a backend may be given a flow, now.
#[inline(always)]
#[must_use]
pub fn takes(given: Given) -> bool {
    let reached = match given.hop.way() {
        Some(Way::L2) => given.hop.mac48() != 0,
        Some(Way::Local) => true,
        None => false,
    };
    given.hop.state() == State::Up && reached
}
