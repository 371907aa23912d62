//! What groups track: what they may say of it, what they leave out, and what is wrong with it.

use std::time::Duration;

use super::super::diff;
use super::super::model::{CommandCheck, Track, Tracked};
use super::groups::{assert_begins, group, with};
use super::{assert_error, edited_in, errors, valid};

#[test]
fn interfaces_services_and_commands_are_tracked() {
    let tracks = group(
        "track = [ { interface = \"eth1\", weight = -20 }, { service = \"keystone\", min_healthy = 2, weight = 253 },\n\
         { service = \"keystone\" },\n\
         { command = [\"/usr/bin/check\", \"-x\"], interval = \"5s\", timeout = \"500ms\", rise = 1, fall = 4 } ]",
    )
    .track;
    let keystone = |min_healthy| Tracked::Service { name: "keystone".into(), min_healthy };
    let command = CommandCheck {
        argv: vec!["/usr/bin/check".into(), "-x".into()],
        interval: Duration::from_secs(5),
        timeout: Duration::from_millis(500),
        rise: 1,
        fall: 4,
    };
    let expected = [
        Track { what: Tracked::Interface("eth1".into()), weight: Some(-20) },
        Track { what: keystone(2), weight: Some(253) },
        Track { what: keystone(1), weight: None },
        Track { what: Tracked::Command(command), weight: None },
    ];
    assert_eq!(tracks, expected);
}

#[test]
fn a_command_is_run_as_often_as_a_service_is_checked_unless_given() {
    let tracks = group("track = [{ command = [\"/bin/true\"] }]").track;
    let Tracked::Command(check) = &tracks[0].what else { panic!("{tracks:?}") };
    let seconds = Duration::from_secs;
    assert_eq!((check.interval, check.timeout, check.rise, check.fall), (seconds(2), seconds(1), 2, 3));
}

#[test]
fn what_is_wrong_with_a_track_is_named() {
    for (track, marked, message, help) in [
        (
            "interface = \"eth1\", weight = 0",
            "0",
            "`weight` of tracked interface `eth1` of group `control` is `0`",
            "leave it out",
        ),
        (
            "interface = \"eth1\", weight = -254",
            "-254",
            "`weight` of tracked interface `eth1` of group `control` is `-254`, out",
            "-253 to 253",
        ),
        (
            "interface = \"eth/1\"",
            "\"eth/1\"",
            "`interface` of tracked interface `eth/1` of group `control` is `eth/1`",
            "15 bytes",
        ),
        (
            "interface = \"eth1\", rise = 1",
            "1",
            "`rise` of tracked interface `eth1` of group `control` means nothing",
            "`command`",
        ),
        (
            "interface = \"eth1\", min_healthy = 1",
            "1",
            "`min_healthy` of tracked interface `eth1` of group `control` means nothing",
            "`service`",
        ),
        (
            "interface = \"eth0\"",
            "\"eth0\"",
            "tracked interface `eth0` of group `control` is the interface by which",
            "delete it",
        ),
        (
            "service = \"keystne\"",
            "\"keystne\"",
            "`service` of a `track` of group `control` is `keystne`, but there is no such service",
            "did you mean `keystone`?",
        ),
        (
            "service = \"keystone\", min_healthy = 4",
            "4",
            "`min_healthy` is 4, but service `keystone` has 3 backends",
            "1 to 3",
        ),
        (
            "service = \"keystone\", min_healthy = 0",
            "0",
            "`min_healthy` of tracked service `keystone` of group `control` is `0`, out",
            "1 to",
        ),
        (
            "service = \"keystone\", interval = \"1s\"",
            "\"1s\"",
            "`interval` of tracked service `keystone` of group `control` means nothing",
            "`command`",
        ),
        (
            "service = \"keystone\", interface = \"eth1\"",
            "\"keystone\"",
            "tracked interface `eth1` of group `control` has `interface` and `service`",
            "each says one thing",
        ),
        (
            "weight = 5",
            "{ weight = 5 }",
            "a `track` of group `control` has none of `interface`, `service`, `command`",
            "interface = \"eth1\"",
        ),
        (
            "intreface = \"eth1\"",
            "intreface",
            "unknown key `intreface` in a `track` of group `control`",
            "did you mean `interface`?",
        ),
        (
            "command = \"/bin/true\"",
            "\"/bin/true\"",
            "`command` of tracked command `/bin/true` of group `control` must be an array of strings, not a string",
            "there is no shell",
        ),
        ("command = []", "[]", "`command` of a tracked command of group `control` is empty", "the whole path"),
        (
            "command = [\"check\"]",
            "\"check\"",
            "`command` of a tracked command of group `control` begins with `check`, which is no whole path",
            "the whole path",
        ),
        (
            "command = [\"/bin/a\", 1]",
            "1",
            "`command` of a tracked command of group `control` must be a string, not an integer",
            "quotes",
        ),
        (
            "command = [\"/bin/a\", \"\\u0000\"]",
            "\"\\u0000\"",
            "`command` of a tracked command of group `control` contains a NUL",
            "arguments",
        ),
        (
            "command = [\"/bin/a\"], interval = \"10ms\"",
            "\"10ms\"",
            "`interval` of a tracked command of group `control` is `10ms`, out of range",
            "100ms to 1h",
        ),
        (
            "command = [\"/bin/a\"], timeout = \"2h\"",
            "\"2h\"",
            "`timeout` of a tracked command of group `control` is `2h`, out of range",
            "10ms to 1h",
        ),
        (
            "command = [\"/bin/a\"], fall = 0",
            "0",
            "`fall` of a tracked command of group `control` is `0`, out of range",
            "1 to 100",
        ),
        (
            "command = [\"/bin/a\"], min_healthy = 1",
            "1",
            "`min_healthy` of a tracked command of group `control` means nothing",
            "`service`",
        ),
    ] {
        assert_begins(&format!("track = [{{ {track} }}]"), marked, message, help);
    }
    assert_begins(
        "track = \"eth1\"",
        "\"eth1\"",
        "`track` of group `control` must be an array, not a string",
        "[ ... ]",
    );
    assert_begins(
        "track = [\"eth1\"]",
        "\"eth1\"",
        "`track` of group `control` must be a table, not a string",
        "key = value",
    );
}

#[test]
fn the_same_thing_is_tracked_once() {
    for twice in [
        "{ interface = \"eth1\" }, { interface = \"eth1\", weight = 1 }",
        "{ service = \"keystone\" }, { service = \"keystone\", min_healthy = 1 }",
        "{ command = [\"/bin/a\"] }, { command = [\"/bin/a\"], rise = 7 }",
    ] {
        let errors = errors(&with(&format!("id = 51\ntrack = [{twice}]")));
        assert_eq!(errors.errors.len(), 1, "{errors}");
        assert!(errors.errors[0].message.ends_with("is there twice"), "{errors}");
    }
    let both = "track = [{ command = [\"/bin/a\"] }, { command = [\"/bin/a\", \"-x\"] }]";
    assert_eq!(group(both).track.len(), 2);
}

#[test]
fn a_service_that_is_not_checked_cannot_be_tracked() {
    let text = with("id = 51\ntrack = [{ service = \"keystone\" }]");
    let text = edited_in(&text, "type = \"tcp\"", "type = \"none\"");
    let message = "service `keystone` is not checked: all its backends are taken to be healthy";
    assert_error(&text, "\"keystone\"", message, "give it a `check`");
}

#[test]
fn a_reload_tells_what_is_tracked_now() {
    let old = valid(&with("id = 51"));
    let said =
        "track = [{ service = \"keystone\", min_healthy = 2, weight = -5 }, { command = [\"/bin/a\", \"b c\"] }]";
    let new = valid(&with(&format!("id = 51\n{said}")));
    let tracked =
        "service keystone min_healthy 2 weight -5, command [\"/bin/a\", \"b c\"] interval 2s timeout 1s rise 2 fall 3";
    assert_eq!(diff(&old, &new), [format!("~ group control track none -> {tracked}")]);
    assert_eq!(diff(&new, &old), [format!("~ group control track {tracked} -> none")]);
    assert!(diff(&new, &new).is_empty());
}
