//! Views as text for people: pure functions, one file per view. 100 columns are enough for names of usual length.

mod backends;
mod change;
mod check;
mod doctor;
mod explain;
mod flows;
mod hooks;
mod maps;
mod services;
mod status;
mod sync;
mod vips;

pub use backends::backends;
pub use change::{handed_over, ordered, reload, switch};
pub use check::check;
pub use doctor::doctor;
pub use explain::explain;
pub use flows::flows;
pub use maps::{map_entries, maps};
pub use services::services;
pub use status::status;
pub use vips::vips;

use crate::core::config::model::{Mode, Protocol};
use crate::core::view::{BackendState, BackendView, WriterView};

use super::human;
use super::text::{Cell, Tone, printable};

/// A backend's state: the word for trouble stands out also without colour.
fn state(state: BackendState) -> Cell {
    match state {
        BackendState::Up => Cell::new(Tone::Good, "up"),
        BackendState::Starting => Cell::new(Tone::Notable, "starting"),
        BackendState::Drain => Cell::new(Tone::Notable, "drain"),
        BackendState::Down => Cell::new(Tone::Bad, "DOWN"),
        BackendState::Standby => Cell::new(Tone::Plain, "standby"),
        BackendState::Maint => Cell::new(Tone::Notable, "maint"),
    }
}

/// The configured weight, or the one in force and the configured one: `50/100`.
fn weight(configured: u16, now: Option<u16>) -> Cell {
    match now {
        Some(now) => Cell::new(Tone::Notable, format!("{now}/{configured}")),
        None => configured.to_string().into(),
    }
}

/// The writer of a service: who, by which decision, since when, and why.
fn writer(writer: &WriterView) -> String {
    let who = writer.backend.clone().unwrap_or_else(|| human::endpoint(writer.address, writer.port));
    let decision = match writer.epoch {
        0 => "nobody has decided yet".to_owned(),
        epoch => format!("epoch {epoch}"),
    };
    let (who, since, why) = (printable(&who), human::duration(writer.since_s), printable(&writer.why));
    format!("writer {who}, {decision}, for {since}: {why}")
}

/// Its health counter and the counter's top; in between, its state is in doubt.
fn health(backend: &BackendView) -> Cell {
    let doubtful = backend.health > 0 && backend.health < backend.health_top;
    let tone = if doubtful { Tone::Notable } else { Tone::Plain };
    Cell::new(tone, format!("{}/{}", backend.health, backend.health_top))
}

/// The address it is bound to.
fn endpoint(backend: &BackendView) -> String {
    human::endpoint(backend.address, backend.port)
}

fn protocol(protocol: Protocol) -> &'static str {
    protocol.name()
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::L2 => "l2",
    }
}

#[cfg(test)]
mod tests;
