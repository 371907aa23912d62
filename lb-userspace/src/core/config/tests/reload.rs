//! What a reload is said to change.

use super::super::diff;
use super::{DUAL, EXAMPLE, edited, edited_in, valid};

/// Changes from the example to it with one part replaced.
fn changes(from: &str, to: &str) -> Vec<String> {
    diff(&valid(EXAMPLE), &valid(&edited(from, to)))
}

#[test]
fn the_same_file_changes_nothing() {
    assert!(diff(&valid(EXAMPLE), &valid(EXAMPLE)).is_empty());
    assert!(changes("[[host]]", "# a comment\n[[host]]").is_empty());
}

#[test]
fn changed_values_are_shown_old_and_new() {
    let cases = [
        ("10.0.1.13", "10.0.1.14", "~ backend glance/spare address 10.0.1.13 -> 10.0.1.14"),
        ("weight = 50", "weight = 100", "~ backend glance/spare weight 50 -> 100"),
        ("port = 9293", "port = 9294", "~ backend glance/spare port 9293 -> 9294"),
        ("10.0.0.100", "10.0.0.101", "~ vip internal address 10.0.0.100 -> 10.0.0.101"),
        ("holder = \"c1\"", "holder = \"c2\"", "~ vip internal holder c1 -> c2"),
        ("eth0", "bond0", "~ vip internal interface eth0 -> bond0"),
        ("interface", "prefix = 24\ninterface", "~ vip internal prefix 32 -> 24"),
        ("interface", "label = \"eth0:vip\"\ninterface", "~ vip internal label none -> eth0:vip"),
        ("port = 443", "port = 444", "~ service horizon port 443 -> 444"),
        ("type = \"tcp\"", "type = \"none\"", "~ service keystone check type tcp -> none"),
        ("port = 443", "port = 443\non_down = \"keep\"", "~ service horizon on_down reset -> keep"),
        ("port = 443", "port = 443\nslow_start = \"30s\"", "~ service horizon slow_start 0ms -> 30s"),
        ("port = 443", "port = 443\nmin_healthy = 2", "~ service horizon min_healthy 1 -> 2"),
        ("port = 443", "port = 443\nbelow_min = \"keep\"", "~ service horizon below_min reset -> keep"),
        ("fast_interval = \"500ms\"", "fast_interval = \"1m\"", "~ service keystone check fast_interval 500ms -> 1m"),
        ("flows = 65536", "flows = 131072", "~ tables flows 65536 -> 131072"),
        ("[\"c1\", \"c2\"]", "[\"c2\", \"c1\"]", "~ service horizon order of backends c1, c2 -> c2, c1"),
    ];
    for (from, to, line) in cases {
        assert_eq!(changes(from, to), [line]);
    }
}

#[test]
fn changes_of_families_and_silences_are_shown() {
    let cases = [
        ("\"fd00::13\"", "[\"10.0.0.13\", \"fd00::13\"]", "~ host c3 address fd00::13 -> 10.0.0.13, fd00::13"),
        ("\"fd00::100\"", "\"fd00::200\"", "~ vip internal6 address fd00::100 -> fd00::200"),
        ("\"fd00::100\"", "\"fd00::100\"\nprefix = 64", "~ vip internal6 prefix 128 -> 64"),
        ("idle_timeout = \"30s\"", "", "~ service dns idle_timeout 30s -> 2m"),
        ("\"5d\"", "\"24h\"", "~ service horizon6 idle_timeout 5d -> 1d"),
        ("timeout = \"1h\"", "timeout = \"2h\"", "~ service horizon6 affinity timeout 1h -> 2h"),
        ("prefix6 = 56", "prefix6 = 64", "~ service horizon6 affinity prefix6 56 -> 64"),
        ("prefix6 = 56", "prefix6 = 56, prefix4 = 24", "~ service horizon6 affinity prefix4 32 -> 24"),
        ("new_flows = 0", "new_flows = 50000", "~ tables new_flows 0 -> 50000"),
    ];
    for (from, to, line) in cases {
        assert_eq!(diff(&valid(DUAL), &valid(&edited_in(DUAL, from, to))), [line]);
    }
    let without = valid(&edited_in(DUAL, "affinity = { timeout = \"1h\", prefix6 = 56 }", ""));
    let whole = "timeout 1h prefix4 32 prefix6 56";
    assert_eq!(diff(&valid(DUAL), &without), [format!("~ service horizon6 affinity {whole} -> none")]);
    assert_eq!(diff(&without, &valid(DUAL)), [format!("~ service horizon6 affinity none -> {whole}")]);
    let swapped = valid(&edited_in(DUAL, "[\"10.0.0.11\", \"fd00::11\"]", "[\"fd00::11\", \"10.0.0.11\"]"));
    assert_eq!(diff(&valid(DUAL), &swapped), ["~ host c1 address 10.0.0.11, fd00::11 -> fd00::11, 10.0.0.11"]);
}

#[test]
fn another_protocol_is_a_change_of_all_that_follows_it() {
    let lines =
        diff(&valid(DUAL), &valid(&edited_in(DUAL, "port = 53\nprotocol = \"udp\"\ncheck", "port = 53\ncheck")));
    assert_eq!(lines, ["~ service dns6 protocol udp -> tcp", "~ service dns6 idle_timeout 2m -> 1d"]);
}

#[test]
fn backends_come_and_go() {
    assert_eq!(changes("[\"c1\", \"c2\"]", "[\"c2\"]"), ["- backend horizon/c1"]);
    assert_eq!(changes("[\"c1\", \"c2\"]", "[\"c3\", \"c1\", \"c2\"]"), ["+ backend horizon/c3"]);
    assert_eq!(changes("[\"c1\", \"c2\"]", "[\"c3\", \"c2\"]"), ["- backend horizon/c1", "+ backend horizon/c3"]);
}

#[test]
fn a_new_service_is_one_line_whatever_its_backends() {
    let (name, port) = ("name = \"horizon\"", "port = 443");
    assert_eq!(changes(name, "name = \"skyline\""), ["- service horizon", "+ service skyline"]);
    let more = edited(port, "port = 443\n[[service]]\nname = \"heat\"\nvip = \"internal\"\nport = 8004");
    assert!(diff(&valid(EXAMPLE), &valid(&more)).contains(&"+ service heat".to_owned()));
    assert!(diff(&valid(&more), &valid(EXAMPLE)).contains(&"- service heat".to_owned()));
}

#[test]
fn a_new_host_brings_its_backends() {
    let text = edited("[[vip]]", "[[host]]\nname = \"c4\"\naddress = \"10.0.0.14\"\n\n[[vip]]");
    assert_eq!(diff(&valid(EXAMPLE), &valid(&text)), ["+ host c4", "+ backend keystone/c4"]);
}

#[test]
fn a_host_that_moves_takes_its_backends_along() {
    let lines = changes("10.0.0.11", "10.0.0.21");
    assert_eq!(lines[0], "~ host c1 address 10.0.0.11 -> 10.0.0.21");
    assert_eq!(lines.len(), 4, "one for the host, one for each of its backends: {lines:?}");
}

#[test]
fn the_order_of_services_is_no_change() {
    let mut config = valid(EXAMPLE);
    config.services.reverse();
    config.hosts.reverse();
    assert!(diff(&valid(EXAMPLE), &config).is_empty());
}
