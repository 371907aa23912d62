//! One machine's share of a kernel's tests: what the machine is given, how far it is, and what it left.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::console;
use super::events::{self, Outcome, Output};
use super::programs::{Program, Tests, quoted};
use crate::test::BIN_DIR;

/// Runs programs, in the guest or here.
const PROGRAMS: &str = include_str!("programs.sh");

/// Prepares a guest.
const GUEST: &str = include_str!("guest.sh");

/// Programs, or parts of them, for one of some machines.
#[derive(Clone, Debug)]
pub(super) struct Share {
    /// Which machine's, from 1.
    pub(super) number: usize,
    /// Of how many.
    pub(super) of: usize,
    /// What it runs.
    pub(super) programs: Vec<Program>,
    /// What the machine is given, and where it leaves its results.
    pub(super) raw: PathBuf,
    /// What its console says.
    pub(super) console: PathBuf,
}

impl Share {
    /// Deals the tests out to machines, whose files are in `folder`.
    ///
    /// One by one in the order of their names: neighbours, which often differ in the address family alone, take equally long.
    pub(super) fn deal(programs: &[Program], machines: usize, folder: &Path) -> Result<Vec<Self>> {
        let names: Vec<Vec<String>> = match machines {
            // Nothing to deal out.
            1 => Vec::new(),
            _ => programs.iter().map(Program::names).collect::<Result<_>>()?,
        };
        let hands = match machines {
            1 => vec![programs.to_vec()],
            _ => hands(programs, &names, machines),
        };
        let of = hands.len();
        let share = |(index, programs)| {
            let number = index + 1;
            let (raw, console) = match of {
                1 => ("raw".to_owned(), "console.log".to_owned()),
                _ => (format!("raw-{number}"), format!("console-{number}.log")),
            };
            Self { number, of, programs, raw: folder.join(raw), console: folder.join(console) }
        };
        Ok(hands.into_iter().enumerate().map(share).collect())
    }

    /// Fills `raw`; `environment` is a line of shell.
    pub(super) fn prepare(&self, environment: String) -> Result<()> {
        let raw = &self.raw;
        fs::create_dir_all(raw).with_context(|| format!("making {}", raw.display()))?;
        let quoted_raw = quoted(&raw.display().to_string());
        let shell = format!("#!/bin/sh\n. {quoted_raw}/environment\nexec sh {quoted_raw}/guest.sh {quoted_raw} bash\n");
        let programs: String = self.programs.iter().map(Program::line).collect();
        let doctor =
            format!("\"${BIN_DIR}/pivot\" doctor --json >\"$out/doctor.json\" 2>\"$out/doctor.err\" </dev/null\n");
        let files = [
            ("environment", environment),
            ("programs", format!(". \"$out/environment\"\n{doctor}{programs}")),
            ("programs.sh", PROGRAMS.to_owned()),
            ("guest.sh", GUEST.to_owned()),
            ("shell.sh", shell),
        ];
        for (name, text) in files {
            fs::write(raw.join(name), text).with_context(|| format!("writing {name} in {}", raw.display()))?;
        }
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(raw.join("shell.sh"), executable).context("making shell.sh executable")
    }

    /// What became of each of its tests.
    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        let of_program = |program: &Program| events::outcomes(&program.name, &self.left_by(program));
        self.programs.iter().flat_map(of_program).collect()
    }

    /// What its machine left in a file of `raw`; nothing if it is not there.
    pub(super) fn left(&self, name: &str) -> String {
        read(&self.raw.join(name))
    }

    /// The last words of its console.
    pub(super) fn last_words(&self) -> String {
        console::last_lines(&read(&self.console)).to_owned()
    }

    /// What the kernel complained of on its console.
    pub(super) fn complaints(&self) -> Option<String> {
        console::complaints(&read(&self.console))
    }

    /// Its tests as they end.
    pub(super) fn progress(&self) -> Progress<'_> {
        let events = |program: &Program| self.raw.join(&program.name).with_added_extension("json");
        Progress { programs: self.programs.iter().map(|program| (&*program.name, events(program), 0)).collect() }
    }

    fn left_by(&self, program: &Program) -> Output {
        let file = |ending: &str| self.left(&format!("{}.{ending}", program.name));
        Output { events: file("json"), errors: file("err"), code: file("exit").trim().parse().ok() }
    }
}

/// Tests as they end, told on standard output.
pub(super) struct Progress<'a> {
    /// Name of each program, its events, and how much of them was told.
    programs: Vec<(&'a str, PathBuf, usize)>,
}

impl Progress<'_> {
    /// Tells what is new; returns how much was ever said.
    pub(super) fn look(&mut self) -> Result<u64> {
        let mut stdout = std::io::stdout().lock();
        let mut seen = 0;
        for (name, path, told) in &mut self.programs {
            let text = read(path);
            let new = text.get(*told..).unwrap_or_default();
            let whole = new.rfind('\n').map_or(0, |at| at + 1);
            for (test, passed) in new[..whole].lines().filter_map(events::ending) {
                writeln!(stdout, "{name} {test} ... {}", if passed { "ok" } else { "FAILED" })?;
            }
            *told += whole;
            seen += text.len() as u64;
        }
        Ok(seen)
    }
}

/// The programs with the tests of these names, dealt out; no hand is empty, but the first if there is nothing at all.
fn hands(programs: &[Program], names: &[Vec<String>], machines: usize) -> Vec<Vec<Program>> {
    let mut hands = vec![Vec::new(); machines];
    // Each program begins where the last one ended: else the first machine got all the odd ones.
    let mut next = 0;
    for (program, names) in programs.iter().zip(names) {
        let mut dealt = vec![Vec::new(); machines];
        for name in names {
            dealt[next % machines].push(name.clone());
            next += 1;
        }
        for (hand, names) in hands.iter_mut().zip(dealt).filter(|(_, names)| !names.is_empty()) {
            hand.push(Program { tests: Tests::Named(names), ..program.clone() });
        }
    }
    let used = hands.iter().filter(|hand| !hand.is_empty()).count();
    hands.truncate(used.max(1));
    hands
}

/// A file's text; none if it is not there.
fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str) -> Program {
        let tests = Tests::Containing(vec!["drain".into()]);
        Program { area: "lab", name: name.into(), folder: "/w".into(), path: "/w/p".into(), arguments: vec![], tests }
    }

    fn dealt(names: &[&[&str]], machines: usize) -> Vec<Vec<(String, Vec<String>)>> {
        let programs = [program("one"), program("two")];
        let names: Vec<Vec<String>> =
            names.iter().map(|names| names.iter().map(|&name| name.to_owned()).collect()).collect();
        let named = |program: Program| match program.tests {
            Tests::Named(names) => (program.name, names),
            Tests::Containing(_) => panic!("{program:?} has its tests not by name"),
        };
        hands(&programs, &names, machines).into_iter().map(|hand| hand.into_iter().map(named).collect()).collect()
    }

    fn part(program: &str, names: &[&str]) -> (String, Vec<String>) {
        (program.to_owned(), names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn each_test_goes_to_one_machine_in_turn() {
        let hands = dealt(&[&["a", "b", "c"], &["d", "e"]], 2);
        assert_eq!(
            hands,
            [[part("one", &["a", "c"]), part("two", &["e"])], [part("one", &["b"]), part("two", &["d"])]]
        );
    }

    #[test]
    fn no_machine_is_booted_for_nothing() {
        assert_eq!(dealt(&[&[], &["d"]], 3), [[part("two", &["d"])]]);
        assert_eq!(dealt(&[&["a"], &["d"]], 3), [[part("one", &["a"])], [part("two", &["d"])]]);
        assert_eq!(dealt(&[&[], &[]], 3), [[]]);
    }

    #[test]
    fn one_machine_gets_everything_as_it_was_asked_for() {
        let shares = Share::deal(&[program("one")], 1, Path::new("/r")).unwrap();
        assert_eq!((shares.len(), &shares[0].programs), (1, &vec![program("one")]));
        assert_eq!(
            (shares[0].raw.as_path(), shares[0].console.as_path()),
            (Path::new("/r/raw"), Path::new("/r/console.log"))
        );
    }
}
