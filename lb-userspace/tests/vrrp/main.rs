//! The state machines of VRRP, case by case: `tests/data/vrrp/<case>/events` in, `expected` out.
//!
//! Each case names the paragraph of the RFC that it is about. After a change that is meant, `PIVOT_BLESS=1` writes what
//! came out as expected; the difference is for a person to read.

mod script;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn cases() -> Vec<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/vrrp");
    let mut cases: Vec<PathBuf> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn every_case_comes_out_as_expected() {
    let cases = cases();
    assert!(cases.len() >= 20, "only {} cases were found", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let events = fs::read_to_string(case.join("events")).unwrap();
        assert!(events.starts_with("# "), "{name}: the first line says what the case is about");
        let seen = script::run(&events).unwrap_or_else(|error| panic!("{name}: {error}"));
        let path = case.join("expected");
        if env::var_os("PIVOT_BLESS").is_some() {
            fs::write(&path, &seen).unwrap();
        }
        if seen != fs::read_to_string(&path).unwrap_or_default() {
            wrong.push(format!("{name}\n{seen}"));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n\n{}", wrong.join("\n"));
}
