//! `pivot events`.

use crate::core::view::EventView;

use super::super::human;
use super::super::text::{Paint, Table, words};
use super::state;

/// One line per transition, the newest last.
pub fn events(events: &[EventView], paint: Paint) -> String {
    if events.is_empty() {
        return "nothing has become of any backend since pivotd began\n".to_owned();
    }
    let mut table = Table::new(0, &[words("TIME (UTC)"), words("BACKEND"), words("WAS"), words("IS"), words("REASON")]);
    for event in events {
        table.row([
            human::utc(event.date_ms).into(),
            (&event.backend).into(),
            state(event.from),
            state(event.to),
            (&event.reason).into(),
        ]);
    }
    table.render(paint)
}
