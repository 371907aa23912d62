//! What an order changed: `pivot drain`, `undrain`, `maintenance`, `ready`, `weight`, `switch`, `failover`, `hold`, `release`, `reload`.

use crate::core::view::vips::HandOverView;
use crate::core::view::{OrderView, ReloadView, SwitchView};

use super::super::human;
use super::super::text::{Paint, Table, Tone, numbers, printable, words};
use super::vips::{holder, role};
use super::{state, weight, writer};

/// The backends that were named, with their new states and weights.
pub fn ordered(view: &OrderView, paint: Paint) -> String {
    let mut table = Table::new(0, &[words("BACKEND"), words("STATE"), numbers("WEIGHT"), words("")]);
    for backend in &view.backends {
        let note = match (backend.changed, &backend.agent) {
            (true, None) => String::new(),
            (false, None) => "(no change)".to_owned(),
            (true, Some(agent)) => format!("(its agent says: {agent})"),
            (false, Some(agent)) => format!("(no change; its agent says: {agent})"),
        };
        let weight = weight(backend.weight, backend.weight_now);
        table.row([(&backend.id).into(), state(backend.state), weight, note.into()]);
    }
    table.render(paint)
}

/// The writer of the service that was named.
pub fn switch(view: &SwitchView, _: Paint) -> String {
    let note = if view.changed { "" } else { " (no change)" };
    format!("{}: {}{note}\n", printable(&view.service), writer(&view.writer))
}

/// The groups that were named, what this host is for them, and who holds them now.
pub fn handed_over(view: &HandOverView, paint: Paint) -> String {
    let columns = [words("GROUP"), words("VIPS"), words("THIS HOST"), words("HELD BY"), numbers("TOOK"), words("")];
    let mut table = Table::new(0, &columns);
    for group in &view.groups {
        table.row([
            (&group.group).into(),
            group.vips.join(", ").into(),
            role(group.role, group.held_back),
            holder(group.holder.as_deref(), false),
            group.took_ms.map(human::millis).unwrap_or_default().into(),
            if group.changed { "" } else { "(no change)" }.into(),
        ]);
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
