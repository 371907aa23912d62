//! `pivot check`.

use crate::core::view::{CheckView, CheckedView};

use super::super::text::{Cell, Paint, Table, Tone, numbers, printable, words};

/// Each backend with the course of its check, and the verdict.
pub fn check(view: &CheckView, paint: Paint) -> String {
    view.backends.iter().map(|backend| one(backend, paint)).collect::<Vec<_>>().join("\n")
}

fn one(backend: &CheckedView, paint: Paint) -> String {
    let CheckedView { id, check_type, target, passed, says, took_ms, steps } = backend;
    let (tone, verdict) = if *passed { (Tone::Good, "passed") } else { (Tone::Bad, "FAILED") };
    let says = if says.is_empty() { String::new() } else { format!(": {}", printable(says)) };
    let verdict = paint.apply(tone, verdict);
    let mut page = format!(
        "{}  {} at {}: {verdict} in {took_ms:.1} ms{says}\n",
        paint.apply(Tone::Heading, &printable(id)),
        printable(check_type),
        printable(target)
    );
    let mut table = Table::new(2, &[numbers("MS"), words("WHAT")]);
    for step in steps {
        table.row([format!("{:.1}", step.at_ms).into(), Cell::from(&step.says)]);
    }
    page += &table.render(paint);
    page
}
