//! "Did you mean": the nearest of the names that would have been right.

use std::fmt::Write;

/// Longest name for which a neighbour is searched, in bytes.
const LONGEST: usize = 64;
/// Most names that are listed.
const LISTED: usize = 12;

/// The candidate nearest to what was written, if it is near enough to be meant: a third of the letters may differ.
/// Case does not count, swapped neighbours count once.
pub(super) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > LONGEST {
        return None;
    }
    let written = written.to_lowercase();
    let allowed = written.chars().count() / 3;
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::osa_distance(&written, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Names in backticks, separated by commas; long lists are cut.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut text = String::new();
    for name in names.by_ref().take(LISTED) {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{}", quote(name));
    }
    match names.count() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// Text from the file in backticks, safe to print: escaped, and cut if it is long.
pub(in crate::core) fn quote(text: &str) -> String {
    let shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    let cut = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("`{shown}{cut}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant() {
        let keys = ["name", "vip", "port", "address", "backends", "backend_port"];
        assert_eq!(nearest("adress", keys), Some("address"));
        assert_eq!(nearest("prot", keys), Some("port"));
        assert_eq!(nearest("VIP", keys), Some("vip"));
        assert_eq!(nearest("backend", keys), Some("backends"));
        assert_eq!(nearest("balance", keys), None);
    }

    #[test]
    fn two_letters_are_too_few_to_guess_from() {
        assert_eq!(nearest("c4", ["c1", "c2"]), None);
    }

    #[test]
    fn what_is_quoted_cannot_reach_the_terminal_raw() {
        assert_eq!(quote("a\u{1b}[2J\n"), "`a\\u{1b}[2J\\n`");
        assert_eq!(quote(&"x".repeat(1000)).chars().count(), LONGEST + 3);
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(list(["a", "b"]), "`a`, `b`");
        assert!(list(std::iter::repeat_n("x", 20)).ends_with("`x` and 8 more"));
    }
}
