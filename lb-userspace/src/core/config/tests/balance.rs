//! Services with one writer.

use std::time::Duration;

use super::super::diff;
use super::super::model::Balance;
use super::{EXAMPLE, assert_error, edited, edited_in, valid};
use crate::core::writer::Failback;

/// The example in which `glance` has one writer, and says this of it.
fn single(lines: &str) -> String {
    let cluster = "[cluster]\nkey = \"sixteen bytes at least\"\n[tables]";
    let text = edited("port = 9292\n", &format!("port = 9292\nbalance = \"single\"\n{lines}"));
    edited_in(&text, "[tables]", cluster)
}

#[test]
fn flows_are_hashed_unless_a_service_has_one_writer() {
    assert_eq!(valid(EXAMPLE).services[1].balance, Balance::Hash);
    assert_eq!(valid(&edited("port = 9292\n", "port = 9292\nbalance = \"hash\"\n")).services[1].balance, Balance::Hash);
    let at_once = Failback::After(Duration::ZERO);
    let cases = [
        ("", Failback::Never),
        ("failback = false", Failback::Never),
        ("failback = \"never\"", Failback::Never),
        ("failback = true", at_once),
        ("failback = \"0s\"", at_once),
        ("failback = \"5m\"", Failback::After(Duration::from_secs(300))),
    ];
    for (lines, failback) in cases {
        let config = valid(&single(&format!("{lines}\n")));
        assert_eq!(config.services[1].balance, Balance::Single { failback }, "{lines}");
    }
    let slow = edited_in(&single(""), "[defaults]", "[defaults]\nslow_start = \"30s\"");
    let starts: Vec<u64> = valid(&slow).services.iter().map(|service| service.slow_start.as_secs()).collect();
    assert_eq!(starts, [30, 0, 30]);
}

#[test]
fn what_is_wrong_with_it_is_named() {
    let text = edited("port = 443", "port = 443\nbalance = \"singel\"\nfailback = true");
    assert_error(
        &text,
        "\"singel\"",
        "`balance` of service `horizon` is `singel`, which is unknown",
        "did you mean \"single\"?",
    );
    let cases = [
        ("failback = 5", "5", "`failback` of service `glance` must be true, false or a duration, not an integer", "5m"),
        ("failback = \"soon\"", "\"soon\"", "`failback` of service `glance` is `soon`, which is not a whole", "units"),
        ("failback = \"25h\"", "\"25h\"", "`failback` of service `glance` is `25h`, out of range", "0ms to 1d"),
        (
            "slow_start = \"9s\"",
            "\"9s\"",
            "service `glance` has `slow_start`, but one writer for all clients",
            "at once",
        ),
        ("affinity = {}", "{}", "service `glance` has `affinity`, but one writer for all clients", "delete"),
    ];
    for (line, marked, message, help) in cases {
        let text = single(&format!("{line}\n"));
        let error = super::errors(&text).errors.remove(0);
        assert!(error.message.starts_with(message), "{error:?}");
        assert_error(&text, marked, &error.message, help);
    }
}

#[test]
fn what_is_for_a_writer_means_nothing_without_one() {
    for line in ["failback = true", "balance = \"hash\"\nfailback = \"1s\""] {
        let text = edited("port = 9292\n", &format!("port = 9292\n{line}\n"));
        let (key, value) = line.rsplit_once('\n').map_or(line, |(_, last)| last).split_once(" = ").unwrap();
        let message = format!("`{key}` of service `glance` means nothing");
        assert_error(&text, value, &message, "balance = \"single\"");
    }
}

#[test]
fn the_hosts_tell_each_other_who_the_writer_is() {
    let text = edited("port = 9292\n", "port = 9292\nbalance = \"single\"\n");
    let error =
        assert_error(&text, "\"single\"", "service `glance` has one writer, but there is no [cluster]", "`key`");
    assert_eq!(error.line, 31);
    let alone = "host = [{ name = \"c1\", address = \"10.0.0.11\" }]\n\
                 vip = [{ name = \"v\", address = \"10.0.0.100\", interface = \"eth0\", holder = \"c1\" }]\n\
                 [[service]]\nname = \"s\"\nvip = \"v\"\nport = 1\nbalance = \"single\"\n";
    assert_eq!(valid(alone).services.len(), 1, "there is nobody to tell");
}

#[test]
fn a_reload_shows_what_becomes_of_the_writer() {
    let cluster = "[cluster]\nkey = \"sixteen bytes at least\"\n[tables]";
    let hashed = valid(&edited_in(EXAMPLE, "[tables]", cluster));
    let single = |lines| valid(&single(lines));
    assert_eq!(diff(&hashed, &single("")), ["~ service glance balance hash -> single"]);
    let back = single("failback = \"1m\"\n");
    assert_eq!(diff(&single(""), &back), ["~ service glance balance single -> single failback 1m"]);
}
