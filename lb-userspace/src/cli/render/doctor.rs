//! `pivot doctor`: what is to be done first, then what there is.

use std::fmt::Write;

use crate::core::doctor::interface::{DriverXdp, Interface};
use crate::core::doctor::{Finding, Level, Report};
use crate::core::features::{Feature, ProgramReport, State};

use super::super::human::plural;
use super::super::text::{Cell, Paint, Table, Tone, numbers, printable, words};

/// Columns of a finding's text.
const WIDTH: usize = 100;

/// What stands before the lines of a finding's text.
const INDENT: usize = 9;

/// The whole page.
pub fn doctor(report: &Report, paint: Paint) -> String {
    let mut page = head(report, paint);
    let (fine, others): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| finding.level == Level::Ok);
    for finding in others {
        page += &text_of(finding, paint);
    }
    let sections = [
        ("INTERFACES", interfaces(&report.interfaces, paint)),
        ("PROGRAMS", programs(&report.programs, paint)),
        ("KERNEL FEATURES", features(&report.features, paint)),
        ("AS IT SHOULD BE", in_order(&fine, paint)),
    ];
    for (title, body) in sections {
        let body = body.unwrap_or_else(|| "  none was looked at\n".to_owned());
        let _ = write!(page, "\n{}\n{body}", paint.apply(Tone::Heading, title));
    }
    page
}

fn head(report: &Report, paint: Paint) -> String {
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    let counted = [(Level::Problem, "problem"), (Level::Warning, "warning"), (Level::Note, "note")];
    let said: Vec<String> = counted
        .iter()
        .filter(|(level, _)| count(*level) > 0)
        .map(|(level, noun)| plural(count(*level), noun))
        .collect();
    let kernel = paint.apply(Tone::Heading, &printable(&report.kernel));
    let said = if said.is_empty() { paint.apply(Tone::Good, "nothing to do") } else { said.join(", ") };
    format!("kernel {kernel}: {said}\n")
}

/// A finding with what to do about it, over as many lines as it takes.
fn text_of(finding: &Finding, paint: Paint) -> String {
    let word = match finding.level {
        Level::Problem => paint.apply(Tone::Bad, "PROBLEM"),
        Level::Warning => paint.apply(Tone::Notable, "WARNING"),
        Level::Note | Level::Ok => "note   ".to_owned(),
    };
    let mut text = format!("\n{word}  {}\n", paint.apply(Tone::Heading, &printable(&finding.name)));
    for line in wrapped(&printable(&finding.found), WIDTH - INDENT) {
        let _ = writeln!(text, "{:INDENT$}{line}", "");
    }
    let remedy = finding.remedy.as_deref().map(printable).unwrap_or_default();
    for (number, line) in wrapped(&remedy, WIDTH - INDENT - 3).into_iter().enumerate() {
        let _ = writeln!(text, "{:INDENT$}{} {line}", "", if number == 0 { "->" } else { "  " });
    }
    text
}

/// The words of a text in lines of at most `width` characters; a longer word is left whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn interfaces(interfaces: &[Interface], paint: Paint) -> Option<String> {
    let columns = [
        words("NAME"),
        words("KIND"),
        words("DRIVER"),
        numbers("MTU"),
        numbers("QUEUES"),
        words("DRIVER'S XDP"),
        words("ATTACHED"),
    ];
    let mut table = Table::new(2, &columns);
    for interface in interfaces {
        table.row([
            (&interface.name).into(),
            interface.kind.as_deref().unwrap_or("hardware").into(),
            interface.driver.as_ref().map_or("-", |driver| driver.name.as_str()).into(),
            interface.mtu.to_string().into(),
            interface.queues.map_or_else(|| "-".to_owned(), |queues| format!("{}/{}", queues.rx, queues.most)).into(),
            native(interface.xdp).into(),
            attached(interface).into(),
        ]);
    }
    (!interfaces.is_empty()).then(|| table.render(paint))
}

fn native(xdp: Option<DriverXdp>) -> String {
    let Some(xdp) = xdp else { return "not told".into() };
    let parts = [(xdp.native, "native"), (xdp.redirect, "redirect"), (xdp.several_buffers, "several buffers")];
    let has: Vec<&str> = parts.iter().filter(|(has, _)| *has).map(|(_, what)| *what).collect();
    if has.is_empty() { "none".into() } else { has.join(", ") }
}

fn attached(interface: &Interface) -> String {
    let each = interface.programs.iter().map(|program| {
        let name = program.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| format!("id {}", program.id));
        format!("{name} ({})", program.mode)
    });
    if interface.programs.is_empty() { "-".into() } else { each.collect::<Vec<_>>().join(", ") }
}

fn programs(programs: &[ProgramReport], paint: Paint) -> Option<String> {
    let mut table = Table::new(2, &[words("NAME"), words("LOADS"), numbers("INSTRUCTIONS"), numbers("LIMIT")]);
    for program in programs {
        table.row([
            program.name.into(),
            if program.loads { Cell::new(Tone::Good, "yes") } else { Cell::new(Tone::Bad, "NO") },
            program.instructions.map_or_else(|| "-".to_owned(), |number| number.to_string()).into(),
            program.limit.to_string().into(),
        ]);
    }
    (!programs.is_empty()).then(|| table.render(paint))
}

fn features(features: &[Feature], paint: Paint) -> Option<String> {
    let mut table = Table::new(2, &[words("NAME"), words("THERE"), words("DETAIL"), words("OTHERWISE")]);
    for feature in features {
        let there = match (feature.state, feature.instead) {
            (State::Yes, _) => Cell::new(Tone::Good, "yes"),
            (State::No, Some(_)) => Cell::new(Tone::Notable, "no"),
            (State::No, None) => Cell::new(Tone::Bad, "NO"),
            (State::Unknown, _) => Cell::new(Tone::Notable, "unknown"),
        };
        let instead = feature.instead.filter(|_| feature.state == State::No).unwrap_or_default();
        table.row([feature.name.into(), there, (&feature.detail).into(), instead.into()]);
    }
    (!features.is_empty()).then(|| table.render(paint))
}

fn in_order(findings: &[&Finding], paint: Paint) -> Option<String> {
    let mut table = Table::new(2, &[words("NAME"), words("FOUND")]);
    for finding in findings {
        table.row([(&finding.name).into(), (&finding.found).into()]);
    }
    (!findings.is_empty()).then(|| table.render(paint))
}
