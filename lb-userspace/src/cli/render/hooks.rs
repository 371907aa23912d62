//! The hooks of a group, for `pivot vips`: what runs, what waits, and how the last ones ended.

use crate::core::view::hooks::{EndedHook, EndingView, HookView, HooksView, RunningHook};

use super::super::human;
use super::super::text::{Cell, Paint, Table, Tone, numbers, printable, words};

/// All of them, the latest first; nothing if there are none.
pub(super) fn hooks(view: &HooksView, paint: Paint) -> String {
    let HooksView { running, waiting, ended } = view;
    if running.is_none() && waiting.is_empty() && ended.is_empty() {
        return String::new();
    }
    let columns = [words("HOOKS (UTC)"), words("FOR"), words(""), numbers("TOOK"), words("END"), words("COMMAND")];
    let mut table = Table::new(2, &columns);
    for hook in waiting.iter().rev() {
        row(&mut table, hook, None, "".into(), Cell::new(Tone::Notable, "waits"));
    }
    if let Some(RunningHook { hook, date_ms, for_ms, timeout_ms }) = running {
        let runs = format!("runs, max {}", human::millis(*timeout_ms));
        row(&mut table, hook, Some(*date_ms), human::millis(*for_ms).into(), Cell::new(Tone::Notable, runs));
    }
    for EndedHook { hook, date_ms, took_ms, ending, last_line } in ended {
        let tone = if ending.passed() { Tone::Plain } else { Tone::Bad };
        row(&mut table, hook, Some(*date_ms), human::millis(*took_ms).into(), Cell::new(tone, ending.to_string()));
        let said = match ending {
            EndingView::NotRun { why } => why,
            _ => last_line,
        };
        if !said.is_empty() {
            table.line(format!("    {}", printable(said)));
        }
    }
    table.render(paint)
}

fn row(table: &mut Table, hook: &HookView, date_ms: Option<u64>, took: Cell, end: Cell) {
    let HookView { command, role, place, of } = hook;
    let began = date_ms.map_or_else(String::new, human::utc);
    let place = format!("{place}/{of}");
    table.row([began.into(), role.name().into(), place.into(), took, end, command.join(" ").into()]);
}
