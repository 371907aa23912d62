//! `pivot backends`.

use crate::core::view::{BackendState, BackendView};

use super::super::human;
use super::super::text::{Cell, Paint, Table, Tone, numbers, words};
use super::super::warning::is_unresolved;
use super::{endpoint, health, state, weight};

/// One line per backend on what it may be sent, and one on its checks.
pub fn backends(backends: &[BackendView], paint: Paint) -> String {
    let mut table = Table::new(
        0,
        &[
            words("BACKEND"),
            words("ADDRESS"),
            words("STATE"),
            numbers("SINCE"),
            numbers("HEALTH"),
            numbers("WEIGHT"),
            numbers("SHARE"),
            words("REACHED AT"),
        ],
    );
    for backend in backends {
        table.row([
            (&backend.id).into(),
            endpoint(backend).into(),
            role(backend),
            human::duration(backend.since_s).into(),
            health(backend),
            weight(backend.weight, backend.weight_now),
            human::share(backend.share).into(),
            way(backend),
        ]);
    }
    let page = table.render(paint);
    if backends.is_empty() {
        page
    } else {
        page + "\n" + &checks(backends, paint) + &agents(backends, paint) + &orders(backends, paint)
    }
}

/// What their agents say, if they have any; what is wrong with these comes last, as it may be long.
fn agents(backends: &[BackendView], paint: Paint) -> String {
    let columns = [
        words("BACKEND"),
        words("AGENT"),
        words("IN FORCE"),
        numbers("ANSWERED"),
        words("LAST ANSWER"),
        words("ERROR"),
    ];
    let mut table = Table::new(0, &columns);
    let unknown = || "-".to_owned();
    let asked = || backends.iter().filter_map(|backend| Some((backend, backend.agent.as_ref()?)));
    for (backend, agent) in asked() {
        let ignored = agent.ignored.as_ref().map(|ignored| format!(" ({ignored} is ignored)")).unwrap_or_default();
        let says = agent.says.as_ref().map_or_else(unknown, |says| says.clone() + &ignored);
        let in_force = agent.in_force.as_ref();
        table.row([
            (&backend.id).into(),
            (&agent.url).into(),
            in_force.map_or_else(|| "nothing".into(), |words| Cell::new(Tone::Notable, words)),
            agent.said_s.map_or_else(unknown, |seconds| format!("{seconds:.1} s ago")).into(),
            says.into(),
            agent.error.as_ref().map_or_else(|| "-".into(), |error| Cell::new(Tone::Bad, error)),
        ]);
    }
    if asked().next().is_none() { String::new() } else { "\n".to_owned() + &table.render(paint) }
}

/// What the operator ordered, if anything.
fn orders(backends: &[BackendView], paint: Paint) -> String {
    let mut table = Table::new(0, &[words("BACKEND"), words("ORDERED")]);
    let ordered = backends.iter().filter_map(|backend| Some((backend, backend.ordered.as_ref()?)));
    let mut none = true;
    for (backend, ordered) in ordered {
        none = false;
        table.row([(&backend.id).into(), ordered.into()]);
    }
    if none { String::new() } else { "\n".to_owned() + &table.render(paint) }
}

/// Its state, and by which decision it is the writer, if it is that.
fn role(backend: &BackendView) -> Cell {
    let state = state(backend.state);
    match backend.writer {
        Some(epoch) => state.and(&format!(" (writer, epoch {epoch})")),
        None => state,
    }
}

/// What their checks found, and when.
fn checks(backends: &[BackendView], paint: Paint) -> String {
    let columns =
        [words("BACKEND"), words("CHECK"), numbers("CHECKED"), numbers("TOOK"), numbers("NEXT"), words("LAST CHECK")];
    let mut table = Table::new(0, &columns);
    let unknown = || "-".to_owned();
    for backend in backends {
        let tone = if backend.state == BackendState::Down { Tone::Bad } else { Tone::Plain };
        table.row([
            (&backend.id).into(),
            backend.check_type.as_deref().unwrap_or("-").into(),
            backend.checked_s.map_or_else(unknown, |seconds| format!("{seconds:.1} s ago")).into(),
            backend.check_ms.map_or_else(unknown, |millis| format!("{millis:.1} ms")).into(),
            next(backend).into(),
            Cell::new(tone, &backend.last_check),
        ]);
    }
    table.render(paint)
}

/// When it is checked next.
fn next(backend: &BackendView) -> String {
    match (backend.next_check_s, backend.checked_s) {
        (Some(seconds), _) => format!("in {seconds:.1} s"),
        (None, Some(_)) => "now".to_owned(),
        (None, None) => "-".to_owned(),
    }
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
