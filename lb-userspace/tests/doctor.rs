//! `pivot doctor` on the machine that runs the tests, whatever that is: what holds everywhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

#[test]
fn it_names_this_kernel_and_fails_only_for_a_problem() {
    let output = run(pivot(BINARY).args(["doctor", "--json"]));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(report["kernel"], rustix::system::uname().release().to_str().unwrap());
    for list in ["programs", "features", "interfaces", "findings"] {
        assert!(report[list].is_array(), "{list}: {report}");
    }
    let levels: Vec<&str> = findings(&report).iter().map(|one| one["level"].as_str().unwrap()).collect();
    assert!(levels.iter().all(|level| ["ok", "note", "warning", "problem"].contains(level)), "{levels:?}");
    assert_eq!(output.status.code(), Some(i32::from(levels.contains(&"problem"))), "{levels:?}");
}

#[test]
fn the_page_says_the_same_as_the_data() {
    let page = run(pivot(BINARY).arg("doctor"));
    let report: Value = serde_json::from_slice(&run(pivot(BINARY).args(["doctor", "--json"])).stdout).unwrap();
    let page = String::from_utf8(page.stdout).unwrap();
    for finding in findings(&report) {
        assert!(page.contains(finding["name"].as_str().unwrap()), "{finding} is not in {page}");
    }
}

#[test]
fn without_privileges_it_says_what_it_could_not_look_at() {
    // The binary has to lie where nobody can run it.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let binary = place.path().join("pivot");
    fs::copy(BINARY, &binary).unwrap();
    let mut command = pivot(&binary);
    if rustix::process::geteuid().is_root() {
        command.uid(65_534);
    }
    let output = run(command.args(["doctor", "--json", "--interface", "lo"]));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let privileges = finding(&report, "privileges");
    assert_eq!(privileges["level"], "note");
    assert!(privileges["found"].as_str().unwrap().contains("CAP_BPF"), "{privileges}");
    assert!(privileges["do"].as_str().unwrap().contains("sudo"), "{privileges}");
    let features = report["features"].as_array().unwrap();
    assert!(features.iter().all(|feature| feature["state"] != "no"), "what was not tried is not there: {report}");
    // What it could look at, it did: `lo` carries no Ethernet frames.
    assert_eq!((finding(&report, "lo link")["level"].as_str(), output.status.code()), (Some("problem"), Some(1)));
}

#[test]
fn a_configuration_that_is_named_has_to_be_good() {
    let output = run(pivot(BINARY).args(["doctor", "--config", "/nonexistent.toml"]));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: cannot read /nonexistent.toml: "), "{error}");
    let bad = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bad.toml");
    let output = run(pivot(BINARY).arg("doctor").arg("--config").arg(&bad));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("bad.toml:17:1"));
}

#[test]
fn interfaces_of_the_configuration_that_are_not_there_are_problems() {
    let good = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/good.toml");
    let text = fs::read_to_string(&good).unwrap().replace("\"eth0\"", "\"nothere0\"");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("pivot.toml");
    fs::write(&file, text).unwrap();
    let output = run(pivot(BINARY).args(["doctor", "--json"]).env("PIVOT_CONFIG", &file));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let link = finding(&report, "nothere0 link");
    assert_eq!((link["level"].as_str(), output.status.code()), (Some("problem"), Some(1)));
    assert!(link["found"].as_str().unwrap().contains("this host has lo"), "{link}");
    assert!(finding(&report, "configuration")["found"].as_str().unwrap().contains("has no errors"));
}

const BINARY: &str = env!("CARGO_BIN_EXE_pivot");

/// The binary, without what the environment of the test says.
fn pivot(binary: impl AsRef<Path>) -> Command {
    let mut command = Command::new(binary.as_ref());
    command.env_remove("PIVOT_SOCKET").env_remove("PIVOT_INSTANCE").env_remove("PIVOT_CONFIG");
    command
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn findings(report: &Value) -> &Vec<Value> {
    report["findings"].as_array().unwrap()
}

#[track_caller]
fn finding<'a>(report: &'a Value, name: &str) -> &'a Value {
    findings(report).iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}
