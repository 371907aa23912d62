//! `pivot backends`.

use crate::core::view::BackendView;

use super::super::human;
use super::super::text::{Cell, Paint, Table, Tone, numbers, words};
use super::super::warning::is_unresolved;
use super::{endpoint, health, state};

/// One line per backend.
pub fn backends(backends: &[BackendView], paint: Paint) -> String {
    let mut table = Table::new(
        0,
        &[
            words("BACKEND"),
            words("ADDRESS"),
            words("STATE"),
            numbers("HEALTH"),
            numbers("WEIGHT"),
            numbers("SHARE"),
            words("REACHED AT"),
            words("LAST CHECK"),
        ],
    );
    for backend in backends {
        table.row([
            (&backend.id).into(),
            endpoint(backend).into(),
            state(backend.state),
            health(backend),
            backend.weight.to_string().into(),
            human::share(backend.share).into(),
            way(backend),
            (&backend.last_check).into(),
        ]);
    }
    table.render(paint)
}

/// Where its packets go.
fn way(backend: &BackendView) -> Cell {
    match &backend.mac {
        _ if backend.local => "this host".into(),
        Some(mac) => mac.into(),
        None if is_unresolved(backend) => Cell::new(Tone::Bad, "UNRESOLVED"),
        None => "-".into(),
    }
}
