//! What came of the tests on one kernel: for people (`summary.txt`), for CI (`junit.xml`), and for the support table
//! (`report.json`).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::{Deserialize, Serialize};

use super::doctor::Doctor;
use super::events::{Outcome, Verdict};
use crate::test::tally::Tally;

/// The form that is read again.
const JSON: &str = "report.json";

/// The tests on one kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// The kernel's name, as typed.
    pub(super) kernel: String,
    /// What `uname -r` said.
    pub(super) release: String,
    /// The commit that was tested, with "+" behind it if more was changed.
    pub(super) commit: String,
    /// Who ran the instructions, in a word or two.
    pub(super) run_by: String,
    /// Why, and what else has to be said: a line each.
    pub(super) remarks: Vec<String>,
    /// From the start of the machine to its end.
    pub(super) took: Duration,
    /// Every test.
    pub(super) outcomes: Vec<Outcome>,
    /// What `pivot doctor` said, if it did.
    pub(super) doctor: Option<Doctor>,
}

impl Report {
    /// How many did what.
    pub(super) fn tally(&self) -> Tally {
        tally(self.outcomes.iter())
    }

    /// Writes it in all its forms.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self).context("writing JSON")?;
        for (name, text) in [("summary.txt", self.summary()), ("junit.xml", self.junit()?), (JSON, json)] {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// Reads what an earlier run wrote.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(JSON);
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// The tests that failed, by program and name.
    pub(super) fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_)))
    }

    /// The totals, and the failures with their words.
    pub(super) fn summary(&self) -> String {
        let mut text =
            format!("kernel {} ({}), {}, {} s\n", self.kernel, self.release, self.run_by, self.took.as_secs());
        for remark in &self.remarks {
            let _ = writeln!(text, "{remark}");
        }
        for (program, outcomes) in self.programs() {
            let took: Duration = outcomes.iter().filter_map(|outcome| outcome.took).sum();
            let _ = writeln!(text, "{program}: {} ({} s)", tally(outcomes.iter().copied()), took.as_secs());
        }
        for outcome in &self.outcomes {
            if let Verdict::Failed(words) = &outcome.verdict {
                let _ = write!(text, "\n---- {} {}\n{}\n", outcome.program, outcome.name, words.trim_end());
            }
        }
        text
    }

    fn junit(&self) -> Result<String> {
        let mut report = quick_junit::Report::new(format!("pivot on kernel {} ({})", self.kernel, self.release));
        report.set_time(self.took);
        for (program, outcomes) in self.programs() {
            let mut suite = TestSuite::new(program);
            suite.add_property(("kernel", self.release.as_str()));
            suite.add_property(("run by", self.run_by.as_str()));
            suite.add_test_cases(outcomes.into_iter().map(case));
            report.add_test_suite(suite);
        }
        report.to_string().context("writing JUnit's XML")
    }

    /// The outcomes by program, in the order in which they were run.
    fn programs(&self) -> Vec<(&str, Vec<&Outcome>)> {
        let mut programs: Vec<(&str, Vec<&Outcome>)> = Vec::new();
        for outcome in &self.outcomes {
            match programs.iter_mut().find(|(program, _)| *program == outcome.program) {
                Some((_, outcomes)) => outcomes.push(outcome),
                None => programs.push((&outcome.program, vec![outcome])),
            }
        }
        programs
    }
}

fn tally<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Tally {
    outcomes.fold(Tally::default(), |mut tally, outcome| {
        match outcome.verdict {
            Verdict::Passed => tally.passed += 1,
            Verdict::Failed(_) => tally.failed += 1,
            Verdict::Ignored => tally.ignored += 1,
        }
        tally
    })
}

fn case(outcome: &Outcome) -> TestCase {
    let status = match &outcome.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Ignored => TestCaseStatus::skipped(),
        Verdict::Failed(words) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(words.lines().next().unwrap_or("failed")).set_description(words.as_str());
            status
        }
    };
    let mut case = TestCase::new(outcome.name.as_str(), status);
    case.set_classname(outcome.program.as_str());
    if let Some(took) = outcome.took {
        case.set_time(took);
    }
    case
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::vm) fn report() -> Report {
        let outcome = |program: &str, name: &str, verdict| Outcome {
            program: program.into(),
            name: name.into(),
            took: Some(Duration::from_millis(1500)),
            verdict,
        };
        Report {
            kernel: "6.1".into(),
            release: "6.1.0-56-amd64".into(),
            commit: "1234abc".into(),
            run_by: "emulation".into(),
            remarks: vec!["emulation: no /dev/kvm".into()],
            took: Duration::from_secs(321),
            outcomes: vec![
                outcome("frames", "one", Verdict::Passed),
                outcome("frames", "two", Verdict::Passed),
                outcome("lab", "three", Verdict::Failed("panicked <here>\nmore\n".into())),
            ],
            doctor: None,
        }
    }

    #[test]
    fn the_summary_has_the_totals_and_the_failures_words() {
        assert_eq!(
            report().summary(),
            "kernel 6.1 (6.1.0-56-amd64), emulation, 321 s\n\
             emulation: no /dev/kvm\n\
             frames: 2 passed, 0 failed (3 s)\n\
             lab: 0 passed, 1 failed (1 s)\n\
             \n---- lab three\npanicked <here>\nmore\n"
        );
        assert_eq!(report().tally(), Tally { passed: 2, failed: 1, ignored: 0 });
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        report().write(folder.path()).unwrap();
        assert_eq!(Report::read(folder.path()).unwrap(), report());
        assert!(Report::read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn junit_has_every_test_by_program() {
        let xml = report().junit().unwrap();
        assert!(xml.contains(r#"<testsuite name="frames" tests="2" skipped="0" errors="0" failures="0">"#), "{xml}");
        assert!(xml.contains(r#"<failure message="panicked &lt;here&gt;">panicked &lt;here&gt;"#), "{xml}");
        assert!(xml.contains(r#"<property name="kernel" value="6.1.0-56-amd64"/>"#), "{xml}");
    }
}
