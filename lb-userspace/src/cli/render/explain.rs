//! `pivot explain`.

use std::fmt::Write;

use crate::core::view::{ExplainView, LeavesView};

use super::super::text::{Cell, Paint, Table, Tone, printable, words};

/// One line per stage of the packet path, and what leaves.
pub fn explain(view: &ExplainView, paint: Paint) -> String {
    let mut table = Table::new(0, &[words("STAGE"), words("FOUND")]);
    for stage in &view.stages {
        let tone = match (stage.stage.as_str(), view.action.as_str()) {
            ("verdict", "drop" | "abort") => Tone::Bad,
            ("verdict", _) => Tone::Good,
            _ => Tone::Plain,
        };
        table.row([(&stage.stage).into(), Cell::new(tone, &stage.says)]);
    }
    let mut page = table.render(paint);
    if let Some(LeavesView { interface, source, destination, bytes }) = &view.leaves {
        let interface = printable(interface);
        let _ = writeln!(page, "\n{bytes} bytes leave by {interface}, from {source} to {destination}");
    }
    page
}
