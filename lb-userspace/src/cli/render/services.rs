//! `pivot services`.

use crate::core::view::{BackendState, ServiceView};

use super::super::human;
use super::super::text::{Cell, Paint, Table, Tone, numbers, words};
use super::protocol;

/// One line per service.
pub fn services(services: &[ServiceView], paint: Paint) -> String {
    let mut table = Table::new(
        0,
        &[
            words("SERVICE"),
            words("ADDRESS"),
            words("BACKENDS"),
            numbers("PACKETS"),
            numbers("BYTES"),
            numbers("NEW FLOWS"),
            numbers("EVICTED"),
            numbers("CROWDED"),
            numbers("LIMITED"),
        ],
    );
    for service in services {
        table.row([
            (&service.name).into(),
            format!("{}/{}", human::endpoint(service.address, service.port), protocol(service.protocol)).into(),
            up(service),
            human::count(service.packets).into(),
            human::bytes(service.bytes).into(),
            human::count(service.new_flows).into(),
            human::count(service.evicted).into(),
            human::count(service.crowded).into(),
            human::count(service.limited).into(),
        ]);
    }
    table.render(paint)
}

/// How many backends take new flows, of how many.
fn up(service: &ServiceView) -> Cell {
    let takes = service.backends.iter().filter(|backend| backend.state.takes_flows()).count();
    let standby = service.backends.iter().filter(|backend| backend.state == BackendState::Standby).count();
    let all = service.backends.len();
    // Those that stand by are no help to anybody without a writer.
    match if takes > 0 { takes + standby } else { 0 } {
        0 => Cell::new(Tone::Bad, format!("NONE of {all} up")),
        up if up == all => Cell::new(Tone::Good, format!("{up} of {all} up")),
        up => Cell::new(Tone::Notable, format!("{up} of {all} up")),
    }
}
