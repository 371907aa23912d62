//! What an order changed: `pivot drain`, `undrain`, `reload`.

use crate::core::view::{DrainView, ReloadView};

use super::super::text::{Paint, Table, Tone, printable, words};
use super::state;

/// The backends that were named, with their new states.
pub fn drain(view: &DrainView, paint: Paint) -> String {
    let mut table = Table::new(0, &[words("BACKEND"), words("STATE"), words("")]);
    for backend in &view.backends {
        let note = if backend.changed { "" } else { "(no change)" };
        table.row([(&backend.id).into(), state(backend.state), note.into()]);
    }
    table.render(paint)
}

/// The differences between the old configuration and the new.
pub fn reload(view: &ReloadView, paint: Paint) -> String {
    if view.changes.is_empty() {
        return "reloaded: nothing has changed\n".to_owned();
    }
    let tone = |line: &str| match line.as_bytes().first() {
        Some(b'+') => Tone::Good,
        Some(b'-') => Tone::Bad,
        _ => Tone::Notable,
    };
    let lines = view.changes.iter().map(|line| paint.apply(tone(line), &printable(line)) + "\n");
    "reloaded:\n".to_owned() + &lines.collect::<String>()
}
