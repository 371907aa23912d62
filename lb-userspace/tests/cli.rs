//! The real binary: what it prints where, and its exit codes, as scripts rely on them.

mod support;

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use lb_userspace::core::view::vips::VipsView;
use lb_userspace::core::view::{ExplainView, Status};
use serde_json::Value;
use support::{FakeDaemon, fixture};

#[test]
fn status_is_the_agreed_page_without_colour_in_a_pipe() {
    let daemon = FakeDaemon::start();
    let output = run(pivot(&daemon.socket()).arg("status"));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), include_str!("golden/status.txt"));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn json_is_the_view_itself() {
    let daemon = FakeDaemon::start();
    let output = run(pivot(&daemon.socket()).args(["status", "--json"]));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(serde_json::from_slice::<Status>(&output.stdout).unwrap(), fixture::<Status>("status"));
    for command in [&["services"][..], &["backends"], &["flows"], &["maps"], &["maps", "dump", "services"]] {
        let output = run(pivot(&daemon.socket()).arg("--json").args(command));
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let view: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(view.as_array().is_some_and(|list| !list.is_empty()), "{command:?}: {view}");
    }
}

#[test]
fn a_check_is_told_step_by_step_and_its_verdict_is_the_exit_code() {
    let daemon = FakeDaemon::start();
    let output = run(pivot(&daemon.socket()).args(["check", "keystone/c1"]));
    let page = "keystone/c1  http at 10.0.0.11:5001: passed in 1.2 ms: HTTP 200
   MS  WHAT
  0.0  connecting to 10.0.0.11:5001
";
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), page));
    let output = run(pivot(&daemon.socket()).args(["check", "keystone/c2", "--json"]));
    assert_eq!(output.status.code(), Some(1));
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(view["backends"][0]["says"], "connection refused");
    // One of several is enough.
    assert_eq!(run(pivot(&daemon.socket()).args(["check", "c2"])).status.code(), Some(1));
    assert_eq!(run(pivot(&daemon.socket()).args(["check", "keystone/c9"])).status.code(), Some(1));
}

#[test]
fn an_explanation_is_the_agreed_page_or_the_view_itself() {
    let daemon = FakeDaemon::start();
    let packet = ["explain", "--src", "10.0.0.7:40000", "--dst", "10.0.0.100:5000"];
    let output = run(pivot(&daemon.socket()).args(packet));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert_eq!(text(&output.stdout), include_str!("golden/explain.txt"));
    let output = run(pivot(&daemon.socket()).args(packet).arg("--json"));
    assert_eq!(serde_json::from_slice::<ExplainView>(&output.stdout).unwrap(), fixture::<ExplainView>("explain"));
}

#[test]
fn what_can_be_no_packet_is_refused_without_a_daemon() {
    let refused: &[(&[&str], &str)] = &[
        (&["--src", "10.0.0.7:1", "--dst", "[fd00::1]:80"], "are not of one family"),
        (&["--src", "10.0.0.7:1", "--dst", "10.0.0.100:0"], "destination 10.0.0.100:0 has port 0"),
        (&["--src", "10.0.0.7", "--dst", "10.0.0.100:80"], "'10.0.0.7' is no address and port"),
        (&["--src", "10.0.0.7:1", "--dst", "10.0.0.100:80", "--proto", "udp", "--flags", "syn"], "UDP has no flags"),
        (&["--src", "10.0.0.7:1", "--dst", "10.0.0.100:80", "--flags", "sin"], "no TCP flag \"sin\""),
    ];
    for (arguments, expected) in refused {
        let output = run(pivot(Path::new("/nonexistent/api.sock")).arg("explain").args(*arguments));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn a_degraded_host_fails_a_script_only_when_asked_to() {
    let daemon = FakeDaemon::start();
    let output = run(pivot(&daemon.socket()).args(["status", "--exit-code"]));
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(text(&output.stdout), include_str!("golden/status.txt"));
}

#[test]
fn a_daemon_that_is_not_running_is_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("api.sock");
    let output = run(pivot(&socket).arg("status"));
    assert_eq!(output.status.code(), Some(3));
    let line = format!(
        "error: pivotd is not running (no socket at {}): start it with 'pivotd --config FILE'\n",
        socket.display()
    );
    assert_eq!(text(&output.stderr), line);
    assert_eq!(text(&output.stdout), "");

    let output = run(pivot(&socket).args(["--json", "status"]));
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(error_of(&output)["kind"], "not_running");
}

#[test]
fn the_environment_names_the_daemon_where_no_flag_does() {
    let daemon = FakeDaemon::start();
    let output = run(bare().env("PIVOT_SOCKET", daemon.socket()).arg("services"));
    assert_eq!(output.status.code(), Some(0));
    let output = run(bare().env("PIVOT_INSTANCE", "no-such-instance").arg("services"));
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("/run/pivot/no-such-instance/api.sock"));
    assert!(text(&output.stderr).contains("'pivotd --instance no-such-instance --config FILE'"));
}

#[test]
fn a_socket_of_another_user_is_refused_as_such() {
    let daemon = FakeDaemon::start();
    fs::set_permissions(daemon.socket(), Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(daemon.socket().parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
    // Root may open anything: become nobody, for whom the binary has to lie where nobody can run it.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let binary = place.path().join("pivot");
    fs::copy(env!("CARGO_BIN_EXE_pivot"), &binary).unwrap();
    let mut command = Command::new(binary);
    if rustix::process::geteuid().is_root() {
        command.uid(65_534);
    }
    let output = run(command.arg("--socket").arg(daemon.socket()).arg("status"));
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(text(&output.stderr).starts_with("error: no permission to use "), "{}", text(&output.stderr));
}

#[test]
fn an_unknown_backend_is_refused() {
    let daemon = FakeDaemon::start();
    let output = run(pivot(&daemon.socket()).args(["drain", "keystone/c9"]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "error: no backend 'keystone/c9'\n");

    let output = run(pivot(&daemon.socket()).args(["drain", "keystone/c9", "--json"]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(error_of(&output)["kind"], "not_found");
}

#[test]
fn an_order_shows_its_result_and_what_is_left_unserved() {
    let daemon = FakeDaemon::start();
    let output = run(pivot(&daemon.socket()).args(["drain", "keystone/c3"]));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "BACKEND      STATE  WEIGHT\nkeystone/c3  drain     100\n");
    assert_eq!(text(&output.stderr), "");

    let output = run(pivot(&daemon.socket()).args(["drain", "horizon/c2"]));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "BACKEND     STATE  WEIGHT\nhorizon/c2  DOWN      100\n");
    let warning = "warning: horizon: no backend takes new connections (2 down): clients are reset\n";
    assert_eq!(text(&output.stderr), warning);

    let output = run(pivot(&daemon.socket()).args(["undrain", "mysql/c2"]));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "BACKEND   STATE  WEIGHT\nmysql/c2  up        100\n");

    for (line, state) in [
        (["maintenance", "keystone/c3", ""], "maint     100"),
        (["ready", "keystone/c3", ""], "up        100"),
        (["weight", "keystone/c3", "50%"], "up     50/100"),
        (["weight", "keystone/c3", "reset"], "up        100"),
    ] {
        let output = run(pivot(&daemon.socket()).args(line.iter().filter(|word| !word.is_empty())));
        assert_eq!(output.status.code(), Some(0), "{line:?}: {}", text(&output.stderr));
        let shown = text(&output.stdout);
        assert!(shown.starts_with(&format!("BACKEND      STATE  WEIGHT\nkeystone/c3  {state}")), "{line:?}: {shown}");
    }
}

#[test]
fn vips_are_the_agreed_page_or_the_view_itself() {
    let daemon = FakeDaemon::start();
    let output = run(pivot(&daemon.socket()).arg("vips"));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert_eq!(text(&output.stdout), include_str!("golden/vips.txt"));
    let output = run(pivot(&daemon.socket()).args(["vips", "--json"]));
    assert_eq!(serde_json::from_slice::<VipsView>(&output.stdout).unwrap(), fixture::<VipsView>("vips"));
}

#[test]
fn a_failover_shows_who_took_over_or_why_nobody_did() {
    let daemon = FakeDaemon::start();
    let output = run(pivot(&daemon.socket()).args(["failover", "control", "--to", "c2"]));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let expected =
        "GROUP    VIPS               THIS HOST  HELD BY  TOOK\ncontrol  internal, metrics  backup     c2       6 ms\n";
    assert_eq!(text(&output.stdout), expected);
    let output = run(pivot(&daemon.socket()).arg("failover"));
    assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(0), 4));

    let output = run(pivot(&daemon.socket()).args(["failover", "--to", "c3"]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "error: group `control` would go to c2, not to c3\n");
    let output = run(pivot(&daemon.socket()).args(["failover", "contrl", "--json"]));
    assert_eq!((output.status.code(), error_of(&output)["kind"].as_str()), (Some(1), Some("not_found")));
}

#[test]
fn a_hold_shows_its_result_and_what_nobody_holds_now() {
    let daemon = FakeDaemon::start();
    let output = run(pivot(&daemon.socket()).args(["hold", "edge"]));
    assert_eq!(output.status.code(), Some(0));
    let expected = "GROUP  VIPS  THIS HOST  HELD BY  TOOK\nedge   edge  HELD BACK  unknown        (no change)\n";
    assert_eq!(text(&output.stdout), expected);
    let warning = "warning: nobody is known to hold group edge: see 'pivot vips' on the other hosts\n";
    assert_eq!(text(&output.stderr), warning);

    let output = run(pivot(&daemon.socket()).args(["release", "third"]));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert!(text(&output.stdout).contains("third  third  backup     c2             (no change)"), "{output:?}");
}

#[test]
fn a_refused_reload_prints_every_error() {
    let daemon = FakeDaemon::start();
    let output = run(pivot(&daemon.socket()).arg("reload"));
    assert_eq!(output.status.code(), Some(1));
    let report =
        "error: /etc/pivot/pivot.toml: 2 errors\n  line 3, column 1: unknown key 'prot'\n  line 9, column 8: port 0\n";
    assert_eq!(text(&output.stderr), report);

    let output = run(pivot(&daemon.socket()).args(["reload", "--json"]));
    assert_eq!(error_of(&output)["details"][1]["line"], 9);
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let anywhere = Path::new("/nonexistent/api.sock");
    let wrong: &[&[&str]] = &[
        &[],
        &["staus"],
        &["status", "--verbose"],
        &["drain"],
        &["drain", "a/b/c"],
        &["maintenance"],
        &["ready", "a/b/c"],
        &["weight", "keystone/c1"],
        &["weight", "keystone/c1", "257"],
        &["weight", "keystone/c1", "half"],
        &["failover", "a", "b"],
        &["failover", "--to"],
        &["release", "--to", "c2"],
        &["flows", "--limit", "0"],
        &["flows", "--limit", "many"],
        &["maps", "dump"],
        &["explain", "--src", "10.0.0.7:1"],
        &["explain", "--src", "10.0.0.7:1", "--dst", "10.0.0.100:80", "--proto", "sctp"],
        &["config", "check"],
        &["--instance", "c1", "status"],
    ];
    for arguments in wrong {
        let output = run(pivot(anywhere).args(*arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
    let output = run(bare().args(["--instance", "../x", "status"]));
    assert_eq!(output.status.code(), Some(2));
    let output = run(bare().env("PIVOT_INSTANCE", "../x").arg("status"));
    assert_eq!(output.status.code(), Some(2));
    let output = run(pivot(anywhere).args(["status", "--json", "--verbose"]));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(error_of(&output)["kind"], "usage");
}

#[test]
fn help_is_no_failure_and_names_the_exit_codes() {
    let output = run(bare().arg("--help"));
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("3  pivotd is not running"));
    assert!(output.stderr.is_empty());
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let daemon = FakeDaemon::start();
    for json in [&[][..], &["--json"]] {
        let mut child = pivot(&daemon.socket())
            .args(["flows", "--limit", "100000"])
            .args(json)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let daemon = FakeDaemon::start();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = pivot(&daemon.socket()).arg("status").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: cannot write to standard output: "));
}

#[test]
fn a_good_configuration_is_summed_up_without_a_daemon() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/good.toml");
    let output = run(bare().args(["config", "check"]).arg(&file));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let expected = format!("{}: ok (3 hosts, 2 VIPs, 3 services, 8 backends)\n", file.display());
    assert_eq!(text(&output.stdout), expected);

    let output = run(bare().args(["--json", "config", "check"]).arg(&file));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["backends"], 8);
}

#[test]
fn a_bad_configuration_is_refused_with_every_error() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bad.toml");
    let output = run(bare().args(["config", "check"]).arg(&file));
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    let report = text(&output.stderr);
    // An unknown key and a port 0, each in its place.
    assert!(report.contains("bad.toml:17:1") && report.contains("bad.toml:29:8"), "{report}");
    assert_eq!(report.matches("error: ").count(), 2, "{report}");

    let output = run(bare().args(["--json", "config", "check"]).arg(&file));
    assert_eq!(output.status.code(), Some(1));
    let error = error_of(&output);
    assert_eq!(error["kind"], "invalid");
    assert!(error["details"].as_array().is_some_and(|details| !details.is_empty()), "{error}");

    let output = run(bare().args(["config", "check", "/nonexistent.toml"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: cannot read /nonexistent.toml: "));
}

/// The binary, without what the environment of the test says.
fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pivot"));
    command.env_remove("PIVOT_SOCKET").env_remove("PIVOT_INSTANCE");
    command
}

/// The binary, told which socket to use.
fn pivot(socket: &Path) -> Command {
    let mut command = bare();
    command.arg("--socket").arg(socket);
    command
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The one JSON object on stderr.
#[track_caller]
fn error_of(output: &Output) -> Value {
    assert!(output.stdout.is_empty());
    let mut whole: Value = serde_json::from_slice(&output.stderr).unwrap();
    whole["error"].take()
}
