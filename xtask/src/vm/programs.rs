//! The test programs that a kernel is to run: chosen by area and name, built here, run there.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::cargo;
use crate::command::output;
use crate::test::areas::{AREAS, Area, Place};

/// What was asked for.
#[derive(Debug)]
pub(super) struct Selection {
    /// Areas.
    pub(super) areas: Vec<&'static str>,
    /// Parts of the names of tests; none: all of them.
    pub(super) filters: Vec<String>,
}

/// A built test program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// Area that it belongs to.
    pub(super) area: &'static str,
    /// Name of the test target.
    pub(super) name: String,
    /// Where cargo would run it.
    pub(super) folder: PathBuf,
    /// Where it is.
    pub(super) path: PathBuf,
    /// libtest's arguments, but for the tests.
    pub(super) arguments: Vec<String>,
    /// Which of its tests.
    pub(super) tests: Tests,
}

/// Some of a program's tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tests {
    /// Those whose names contain one of these; none: all of them.
    Containing(Vec<String>),
    /// Those of exactly these names.
    Named(Vec<String>),
}

/// Part of what cargo says of something that it built.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    profile: Option<Profile>,
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Selection {
    /// Words that name an area choose it, others a part of the tests; without an area, all of them.
    pub(super) fn of(words: &[String]) -> Self {
        let all = || AREAS.iter().filter(|area| area.place != Place::Here).map(|area| area.name);
        let (areas, filters): (Vec<&String>, Vec<&String>) =
            words.iter().partition(|word| all().any(|name| name == **word));
        let chosen = all().filter(|name| areas.is_empty() || areas.iter().any(|area| area == name));
        Self { areas: chosen.collect(), filters: filters.into_iter().cloned().collect() }
    }

    /// The areas of the table.
    pub(super) fn areas(&self) -> impl Iterator<Item = &'static Area> {
        AREAS.iter().filter(|area| self.areas.contains(&area.name))
    }
}

impl Program {
    /// Builds the programs of a selection.
    pub(super) fn build(selection: &Selection) -> Result<Vec<Self>> {
        let mut programs = Vec::new();
        for area in selection.areas() {
            for run in area.runs {
                let (targets, arguments) = split(run);
                eprintln!("xtask: building the tests of area {}", area.name);
                let built = build(targets)?;
                programs.extend(built.into_iter().map(|(name, folder, path)| {
                    let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
                    let tests = Tests::Containing(selection.filters.clone());
                    Self { area: area.name, name, folder, path, arguments, tests }
                }));
            }
        }
        Ok(programs)
    }

    /// The line of shell that runs it, for `programs.sh`.
    pub(super) fn line(&self) -> String {
        let words = [self.name.clone(), self.folder.display().to_string(), self.path.display().to_string()];
        let words = words.into_iter().chain(self.arguments.iter().cloned()).chain(self.tests.arguments());
        let words: Vec<String> = words.map(|word| quoted(&word)).collect();
        format!("program {}\n", words.join(" "))
    }

    /// The names of its tests, as it says them itself.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder).args(self.tests.arguments()).args(["--list", "--format", "terse"]);
        let list = output(&mut command).with_context(|| format!("listing the tests of {}", self.name))?;
        Ok(list.lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_owned())).collect())
    }
}

impl Tests {
    /// libtest's arguments for them.
    fn arguments(&self) -> Vec<String> {
        match self {
            Self::Containing(parts) => parts.clone(),
            Self::Named(names) => ["--exact".to_owned()].into_iter().chain(names.iter().cloned()).collect(),
        }
    }
}

/// cargo's arguments and the program's.
fn split<'a>(run: &'a [&'a str]) -> (&'a [&'a str], &'a [&'a str]) {
    match run.iter().position(|argument| *argument == "--") {
        Some(at) => (&run[..at], &run[at + 1..]),
        None => (run, &[]),
    }
}

/// Name, folder and path of the programs that cargo builds.
fn build(targets: &[&str]) -> Result<Vec<(String, PathBuf, PathBuf)>> {
    let mut command = cargo::command();
    // The same selection of packages as that of `cargo xtask test`: nothing is built twice.
    command.args(["test", "--quiet", "--workspace", "--exclude=lb-ebpf", "--no-run"]);
    command.arg("--message-format=json-render-diagnostics").args(targets).stderr(Stdio::inherit());
    let output = command.output().context("running cargo")?;
    if !output.status.success() {
        bail!("the build of {} failed", targets.join(" "));
    }
    let mut built: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().filter_map(built).collect();
    // In the order of the table, whichever was built first.
    built.sort_by_key(|(name, ..)| targets.iter().position(|target| *target == format!("--test={name}")));
    Ok(built)
}

/// The program that a line of cargo's tells of.
fn built(line: &str) -> Option<(String, PathBuf, PathBuf)> {
    let message: Message = serde_json::from_str(line).ok()?;
    let folder = message.manifest_path?.parent()?.to_owned();
    // The programs that tests start are built along with them.
    let is_test = message.reason == "compiler-artifact" && message.profile?.test;
    is_test.then_some((message.target?.name, folder, message.executable?))
}

/// A word as the shell takes it literally.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(words: &[&str]) -> Selection {
        Selection::of(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn words_choose_areas_or_parts_of_them() {
        let all = ["frames", "lab", "health", "elections", "stock"];
        assert_eq!(selection(&[]).areas, all);
        assert_eq!(selection(&["lab"]).areas, ["lab"]);
        let part = selection(&["drain", "frames", "flood::"]);
        assert_eq!((part.areas, part.filters), (vec!["frames"], vec!["drain".to_owned(), "flood::".to_owned()]));
        assert_eq!(selection(&["drain"]).areas, all);
        // An area that is not for other kernels is only a word.
        assert_eq!(selection(&["unit"]).filters, ["unit"]);
    }

    #[test]
    fn a_run_is_cargos_part_and_the_programs() {
        assert_eq!(split(&["--test=a", "--test=b", "--", "-x"]), (&["--test=a", "--test=b"][..], &["-x"][..]));
        assert_eq!(split(&["--test=a"]), (&["--test=a"][..], &[][..]));
    }

    #[test]
    fn cargo_tells_of_programs_among_other_things() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/w/tests/Cargo.toml","target":{"name":"lab","kind":["test"]},"profile":{"opt_level":"1","test":true},"executable":"/w/target/debug/deps/lab-1","fresh":true}"#;
        assert_eq!(built(line), Some(("lab".into(), "/w/tests".into(), "/w/target/debug/deps/lab-1".into())));
        assert_eq!(built(&line.replace("\"/w/target/debug/deps/lab-1\"", "null")), None);
        assert_eq!(built(&line.replace("true}", "false}")), None);
        assert_eq!(built(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(built("warning: something"), None);
    }

    #[test]
    fn the_shell_takes_words_as_they_are() {
        let mut program = Program {
            area: "lab",
            name: "lab".into(),
            folder: "/w/tests".into(),
            path: "/w/it's here/lab-1".into(),
            arguments: vec!["--test-threads=2".into()],
            tests: Tests::Containing(vec!["a b".into()]),
        };
        let begin = "program 'lab' '/w/tests' '/w/it'\\''s here/lab-1' '--test-threads=2'";
        assert_eq!(program.line(), format!("{begin} 'a b'\n"));
        program.tests = Tests::Named(vec!["a::b".into(), "c".into()]);
        assert_eq!(program.line(), format!("{begin} '--exact' 'a::b' 'c'\n"));
    }
}
