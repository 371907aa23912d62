//! What a test program said, test by test: libtest's JSON (`--format json`), one event a line.
//!
//! A test that began and did not end has failed; so has one that was to run and did not.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// The program that it is in.
    pub(super) program: String,
    /// Its name there.
    pub(super) name: String,
    /// How long it took, if it ended.
    pub(super) took: Option<Duration>,
    /// How it ended.
    pub(super) verdict: Verdict,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// Well.
    Passed,
    /// With these words.
    Failed(String),
    /// It says of itself that it is not to be run.
    Ignored,
}

/// What a program left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    /// Its standard output: the events.
    pub(super) events: String,
    /// Its standard error.
    pub(super) errors: String,
    /// Its exit code, as the shell has it; `None`: it did not end.
    pub(super) code: Option<i32>,
}

/// libtest's events, as far as they matter.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    event: String,
    #[serde(default)]
    name: String,
    test_count: Option<usize>,
    exec_time: Option<f64>,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    message: String,
}

/// libtest's exit code if a test failed.
const TESTS_FAILED: i32 = 101;

/// How much of what a program said without being asked is told.
const MOST: usize = 20_000;

/// The outcome of every test of a program.
pub(super) fn outcomes(program: &str, output: &Output) -> Vec<Outcome> {
    let outcome =
        |name: &str, took, verdict| Outcome { program: program.to_owned(), name: name.to_owned(), took, verdict };
    let (mut begun, mut ended, mut announced, mut noise) = (BTreeMap::new(), Vec::new(), None, String::new());
    for line in output.events.lines() {
        let Some(event) = read(line) else {
            noise += line;
            noise += "\n";
            continue;
        };
        match (event.kind.as_str(), event.event.as_str()) {
            ("suite", "started") => announced = event.test_count,
            ("test", "started") => drop(begun.insert(event.name, ())),
            ("test", _) => {
                let Some((took, verdict)) = verdict(&event) else { continue };
                begun.remove(&event.name);
                ended.push(outcome(&event.name, took, verdict));
            }
            _ => {}
        }
    }
    let said = tail(&(output.errors.clone() + &noise)).to_owned();
    let how = match output.code {
        None => "the program did not end".to_owned(),
        Some(code) => format!("the program ended with {code}"),
    };
    let known = ended.len() + begun.len();
    for name in begun.into_keys() {
        ended.push(outcome(&name, None, Verdict::Failed(format!("it did not end: {how}\n{said}"))));
    }
    let failed = || ended.iter().any(|outcome| matches!(outcome.verdict, Verdict::Failed(_)));
    match announced {
        None => ended.push(outcome("(all)", None, Verdict::Failed(format!("no test was run: {how}\n{said}")))),
        Some(count) if known < count => {
            let words = format!("{} of {count} tests were not run: {how}\n{said}", count - known);
            ended.push(outcome("(others)", None, Verdict::Failed(words)));
        }
        Some(_) if output.code == Some(0) || output.code == Some(TESTS_FAILED) && failed() => {}
        Some(_) => ended.push(outcome("(end)", None, Verdict::Failed(format!("{how}\n{said}")))),
    }
    ended
}

/// A test's end, if a line tells of one: its name, and whether it passed.
pub(super) fn ending(line: &str) -> Option<(String, bool)> {
    let event = read(line).filter(|event| event.kind == "test")?;
    let (_, verdict) = verdict(&event)?;
    Some((event.name, !matches!(verdict, Verdict::Failed(_))))
}

fn read(line: &str) -> Option<Event> {
    serde_json::from_str(line).ok()
}

/// How long a test took and how it ended; `None` if the event is not its end.
fn verdict(event: &Event) -> Option<(Option<Duration>, Verdict)> {
    let verdict = match event.event.as_str() {
        "ok" => Verdict::Passed,
        "ignored" => Verdict::Ignored,
        "failed" => Verdict::Failed(format!("{}{}", event.message, event.stdout)),
        _ => return None,
    };
    let took = event.exec_time.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Some((took, verdict))
}

/// The end of a text, from the beginning of a line.
pub(super) fn tail(text: &str) -> &str {
    let Some(from) = text.len().checked_sub(MOST) else { return text };
    let from = text.ceil_char_boundary(from);
    text[from..].split_once('\n').map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = r#"{ "type": "suite", "event": "started", "test_count": 3 }
{ "type": "test", "event": "started", "name": "a::passes" }
{ "type": "test", "event": "started", "name": "a::fails" }
{ "type": "test", "name": "a::passes", "event": "ok", "exec_time": 0.25 }
{ "type": "test", "event": "timeout", "name": "a::fails" }
{ "type": "test", "name": "a::fails", "event": "failed", "exec_time": 1.5, "stdout": "panicked at x.rs\n" }
{ "type": "test", "event": "started", "name": "b::rests" }
{ "type": "test", "name": "b::rests", "event": "ignored" }
{ "type": "suite", "event": "failed", "passed": 1, "failed": 1, "ignored": 1, "measured": 0, "filtered_out": 0, "exec_time": 2 }
"#;

    fn output(events: &str, code: Option<i32>) -> Output {
        Output { events: events.to_owned(), errors: "said\n".to_owned(), code }
    }

    fn failures(output: &Output) -> Vec<(String, String)> {
        let failed = |outcome: Outcome| match outcome.verdict {
            Verdict::Failed(words) => Some((outcome.name, words)),
            _ => None,
        };
        outcomes("lab", output).into_iter().filter_map(failed).collect()
    }

    #[test]
    fn every_test_has_its_time_and_its_words() {
        let outcomes = outcomes("lab", &output(EVENTS, Some(101)));
        let outcome = |name: &str, took: Option<u64>, verdict| Outcome {
            program: "lab".into(),
            name: name.into(),
            took: took.map(Duration::from_millis),
            verdict,
        };
        assert_eq!(
            outcomes,
            [
                outcome("a::passes", Some(250), Verdict::Passed),
                outcome("a::fails", Some(1500), Verdict::Failed("panicked at x.rs\n".into())),
                outcome("b::rests", None, Verdict::Ignored),
            ]
        );
    }

    #[test]
    fn a_program_that_never_ended_fails_the_test_that_ran_and_those_to_come() {
        let cut: String = EVENTS.lines().take(4).fold(String::new(), |text, line| text + line + "\n");
        let failures = failures(&output(&cut, None));
        assert_eq!(failures[0].0, "a::fails");
        assert!(failures[0].1.starts_with("it did not end: the program did not end\nsaid"), "{failures:?}");
        assert!(failures[1].1.starts_with("1 of 3 tests were not run"), "{failures:?}");
        assert_eq!(failures.len(), 2);
    }

    #[test]
    fn a_program_that_was_never_run_is_a_failure() {
        let failures = failures(&Output::default());
        assert!(failures.len() == 1 && failures[0].1.starts_with("no test was run"), "{failures:?}");
    }

    #[test]
    fn a_program_that_breaks_down_after_its_tests_is_a_failure() {
        let good = EVENTS.replace("\"failed\", \"exec", "\"ok\", \"exec");
        assert_eq!(failures(&output(&good, Some(0))), []);
        assert_eq!(failures(&output(&good, Some(139)))[0].0, "(end)");
        assert_eq!(failures(&output(&good, Some(101)))[0].0, "(end)");
    }

    #[test]
    fn what_tests_print_is_no_event() {
        let noisy = format!("hello\n{{\n{EVENTS}");
        assert_eq!(outcomes("lab", &output(&noisy, Some(101))), outcomes("lab", &output(EVENTS, Some(101))));
        assert_eq!(ending("hello"), None);
        assert_eq!(ending(EVENTS.lines().nth(3).unwrap()), Some(("a::passes".into(), true)));
        assert_eq!(ending(EVENTS.lines().nth(4).unwrap()), None);
        assert_eq!(ending(EVENTS.lines().nth(8).unwrap()), None);
    }

    #[test]
    fn of_a_long_text_the_last_lines_are_told() {
        let text = "line of text\n".repeat(10_000);
        let tail = tail(&text);
        assert!(tail.len() <= MOST && tail.starts_with("line of text\n") && text.ends_with(tail));
        assert_eq!(super::tail("short"), "short");
    }
}
