//! Any text is safe: no panic, and every error has a place that is in the text.

use proptest::prelude::*;

use super::super::{ConfigErrors, diff, parse};
use super::{DUAL, EXAMPLE};

/// What errors may be about, in any text.
fn assert_places(text: &str, errors: &ConfigErrors) {
    assert!(!errors.errors.is_empty());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
    let places = errors.errors.iter().flat_map(|error| {
        let related = error.related.iter().map(|related| (related.line, related.column, &related.excerpt));
        std::iter::once((error.line, error.column, &error.excerpt)).chain(related)
    });
    for (line, column, excerpt) in places {
        assert!((1..=lines.len()).contains(&line), "line {line} of {}", lines.len());
        assert!((1..=lines[line - 1] + 1).contains(&column), "column {column} of {}", lines[line - 1]);
        assert!(excerpt.length >= 1 && excerpt.start <= excerpt.text.chars().count(), "{excerpt:?}");
        assert!(!excerpt.text.contains(char::is_control), "{excerpt:?}");
    }
    let printed = errors.to_string();
    assert!(!printed.contains(|c: char| c.is_control() && c != '\n'), "{printed:?}");
}

fn assert_safe(text: &str) {
    match parse(text, "f") {
        Ok(config) => assert_eq!(diff(&config, &config), Vec::<String>::new()),
        Err(errors) => assert_places(text, &errors),
    }
}

/// Pieces that break files in interesting ways.
const PIECES: [&str; 32] = [
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "[",
    "]",
    "[[",
    "{",
    "}",
    ",",
    ".",
    "=",
    "#",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\u{0}",
    "\u{1b}[2J",
    "é",
    "\u{feff}",
    "\u{10ffff}",
    "0",
    "[[host]]",
    "::",
    "fe80::1%eth0",
    "::ffff:",
    "\"udp\"",
    "affinity",
    "{}",
    "99999999999999999999d",
    "-1",
];

proptest! {
    #[test]
    fn any_text_is_safe(text in any::<String>()) {
        assert_safe(&text);
    }

    #[test]
    fn texts_of_toml_pieces_are_safe(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        assert_safe(&pieces.concat());
    }

    #[test]
    fn changed_files_are_safe(
        file in prop::sample::select(vec![EXAMPLE, DUAL]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(&PIECES[..])), 1..6)
    ) {
        let mut text: Vec<char> = file.chars().collect();
        for (at, removed, piece) in edits {
            let at = at.index(text.len() + 1);
            let end = text.len().min(at + removed);
            text.splice(at..end, piece.chars());
        }
        assert_safe(&text.into_iter().collect::<String>());
    }

    #[test]
    fn shuffled_lines_are_safe(order in Just(EXAMPLE.lines().chain(DUAL.lines()).collect::<Vec<_>>()).prop_shuffle(), kept in 0..80_usize) {
        let kept: Vec<&str> = order.into_iter().take(kept).collect();
        assert_safe(&kept.join("\n"));
    }
}

#[test]
fn values_over_many_lines_are_safe() {
    for text in [
        "host = [\n{\nname = \"\"\"\nc1\n\"\"\",\r\n address = '''\n10.0.0.1''' }\n]\n",
        "[[host]]\nname = \"\"\"\nunfinished\n",
        "[[service]]\nbackends = [\n\n",
        "tables = {\n flows = \"\"\"\n1\n\"\"\"\n}",
    ] {
        let errors = parse(text, "f").expect_err("an error");
        assert_places(text, &errors);
    }
}

#[test]
fn depth_and_length_are_safe() {
    for text in [
        "[".repeat(10_000),
        "a.".repeat(10_000),
        format!("a = {}", "[".repeat(10_000)),
        "{".repeat(10_000),
        "x".repeat(200_000),
    ] {
        let errors = parse(&text, "f").expect_err("an error");
        assert_places(&text, &errors);
    }
}

#[test]
fn a_file_of_garbage_gives_a_bounded_report() {
    let text = "a = b\n".repeat(5000);
    let errors = parse(&text, "f").expect_err("an error");
    assert_eq!(errors.errors.len(), 500);
    assert!(errors.omitted >= 4500);
    assert!(errors.to_string().ends_with("of which the first 500 are shown"));
}
