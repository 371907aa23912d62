//! Hooks of groups: what they may say, what they leave out, and what is wrong with them.

use std::time::Duration;

use super::super::diff;
use super::super::model::{Deed, Hook, Hooks};
use super::groups::{assert_begins, group, with};
use super::{messages, valid};

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

#[test]
fn hooks_run_commands_and_start_and_stop_units() {
    let hooks = group(
        "on_holder = [ { command = [\"/usr/bin/notify\", \"a b\"], timeout = \"5s\" }, { start = \"haproxy.service\" } ]\n\
         on_backup = [ { stop = \"getty@tty1.service\" } ]",
    )
    .hooks;
    let notify = Deed::Command(vec!["/usr/bin/notify".into(), "a b".into()]);
    let expected = Hooks {
        on_holder: vec![
            Hook { deed: notify, timeout: Duration::from_secs(5) },
            Hook { deed: Deed::Start("haproxy.service".into()), timeout: HALF_A_MINUTE },
        ],
        on_backup: vec![Hook { deed: Deed::Stop("getty@tty1.service".into()), timeout: HALF_A_MINUTE }],
        on_fault: Vec::new(),
    };
    assert_eq!(hooks, expected);
}

#[test]
fn what_is_wrong_with_a_hook_is_named() {
    for (hook, marked, message, help) in [
        ("start = \"\"", "\"\"", "`start` of an item of `on_fault` of group `control` is empty", "haproxy.service"),
        (
            "start = \"-H\"",
            "\"-H\"",
            "`start` of an item of `on_fault` of group `control` is `-H`, which systemctl takes",
            "haproxy",
        ),
        (
            "stop = \"a b\"",
            "\"a b\"",
            "`stop` of an item of `on_fault` of group `control` is `a b`, which contains ` `",
            "list-unit-files",
        ),
        (
            "start = \"a\", stop = \"b\"",
            "\"b\"",
            "an item of `on_fault` of group `control` has `start` and `stop`",
            "each does one thing",
        ),
        (
            "timeout = \"1s\"",
            "{ timeout = \"1s\" }",
            "an item of `on_fault` of group `control` has none of `command`, `start`, `stop`",
            "each does",
        ),
        (
            "restart = \"a\"",
            "restart",
            "unknown key `restart` in an item of `on_fault` of group `control`",
            "did you mean `start`?",
        ),
        (
            "start = \"a\", timeout = \"1ms\"",
            "\"1ms\"",
            "`timeout` of an item of `on_fault` of group `control` is `1ms`, out of",
            "10ms to 1h",
        ),
        (
            "command = \"a\"",
            "\"a\"",
            "`command` of an item of `on_fault` of group `control` must be an array of strings",
            "no shell",
        ),
        (
            "command = [\"a\"]",
            "\"a\"",
            "`command` of an item of `on_fault` of group `control` begins with `a`",
            "the whole path",
        ),
    ] {
        assert_begins(&format!("on_fault = [{{ {hook} }}]"), marked, message, help);
    }
    let long = with(&format!("id = 51\non_fault = [{{ start = \"{}\" }}]", "a".repeat(256)));
    let message = "`start` of an item of `on_fault` of group `control` has 256 bytes";
    assert_eq!(messages(&long).iter().map(|(_, message)| message).collect::<Vec<_>>(), [message]);
    let message = "`on_holder` of group `control` must be an array, not a table";
    assert_begins("on_holder = { start = \"a\" }", "{ start = \"a\" }", message, "[ ... ]");
}

#[test]
fn a_reload_tells_what_is_run_now() {
    let old = valid(&with("id = 51\non_backup = [{ stop = \"a.service\" }]"));
    let new = valid(&with(
        "id = 51\non_backup = [{ stop = \"a.service\", timeout = \"1s\" }]\non_fault = [{ command = [\"/b\"] }]",
    ));
    let expected = [
        "~ group control on_backup stop a.service timeout 30s -> stop a.service timeout 1s",
        "~ group control on_fault none -> command [\"/b\"] timeout 30s",
    ];
    assert_eq!(diff(&old, &new), expected);
}
