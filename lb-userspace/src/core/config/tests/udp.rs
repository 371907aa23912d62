//! UDP services, and what any service may say of silence: idle timeouts and affinity.

use std::time::Duration;

use super::super::model::{Affinity, CheckKind, Protocol};
use super::{DUAL, assert_error, edited, edited_in, valid};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn protocols_have_names_and_numbers() {
    assert_eq!((Protocol::Tcp.name(), Protocol::Tcp.number()), ("tcp", 6));
    assert_eq!((Protocol::Udp.name(), Protocol::Udp.number()), ("udp", 17));
    assert_eq!(valid(DUAL).services.iter().map(|s| s.protocol.name()).collect::<Vec<_>>(), ["udp", "udp", "tcp"]);
}

#[test]
fn a_udp_and_a_tcp_service_may_have_the_same_port() {
    let text = edited_in(DUAL, "port = 443\nbackend_port = 8443", "port = 53");
    assert_eq!(valid(&text).services[2].port, 53);
    let message = "service `dns6` and service `horizon6` both have udp port 53 of VIP `internal6`";
    assert_error(
        &text.replacen("port = 53\nidle", "port = 53\nprotocol = \"udp\"\nidle", 1),
        "53",
        message,
        "another port",
    );
}

#[test]
fn a_word_that_is_no_protocol_is_told_the_known_ones() {
    let cases = [("sctp", "it may be `tcp`, `udp`"), ("dup", "did you mean \"udp\"?"), ("quic", "`tcp`, `udp`")];
    for (word, help) in cases {
        let text = edited("port = 443", &format!("port = 443\nprotocol = \"{word}\""));
        let message = format!("`protocol` of service `horizon` is `{word}`, which is unknown");
        assert_error(&text, &format!("\"{word}\""), &message, help);
    }
}

#[test]
fn ports_of_udp_are_not_translated() {
    let text = edited_in(DUAL, "port = 53\n", "port = 53\nbackend_port = 5353\n");
    let message =
        "service `dns` is udp and has port 53, but its backends are to have port 5353: ports of udp are not translated";
    let error = assert_error(&text, "5353", message, "binds the VIP or a wildcard address");
    assert_eq!((error.line, error.related[0].line), (26, 25));
    assert!(error.help.is_some_and(|help| help.contains("leave this out, or write 53")));

    let text = edited_in(DUAL, "[\"c1\", \"c2\"]", "[\"c1\", { host = \"c2\", port = 5353 }]");
    assert_error(&text, "5353", message, "with the port that clients ask");
    let text = edited_in(DUAL, "[\"c1\", \"c2\"]", "[{ host = \"c2\", port = 53 }]\nbackend_port = 5353");
    assert_error(&text, "5353", message, "leave this out");
    valid(&edited_in(DUAL, "[\"c1\", \"c2\"]", "[\"c1\", { host = \"c2\", port = 53 }]\nbackend_port = 53"));
}

#[test]
fn a_udp_service_is_checked_only_if_it_says_how() {
    let config = valid(DUAL);
    assert_eq!(config.services[0].check.kind, CheckKind::None);
    assert_eq!(config.services[1].check.kind, CheckKind::Tcp);
    assert_eq!(config.services[1].check.interval, Duration::from_secs(1));
    assert_eq!(config.services[2].check.kind, CheckKind::Tcp);

    let defaults = "[defaults]\ncheck = { type = \"tcp\", interval = \"7s\", rise = 9 }\n[tables]";
    let config = valid(&edited_in(DUAL, "[tables]", defaults));
    assert_eq!(config.services[0].check.kind, CheckKind::None, "the kind is not for udp");
    assert_eq!((config.services[1].check.interval, config.services[1].check.rise), (Duration::from_secs(1), 9));
}

#[test]
fn a_check_of_a_udp_service_says_which() {
    let text = edited_in(DUAL, "{ type = \"tcp\", interval = \"1s\" }", "{ interval = \"1s\" }");
    let message = "`check` of service `dns6` has no `type`: a udp service is not checked unless it says how";
    assert_error(&text, "{ interval = \"1s\" }", message, "add `type = \"udp\"`");
    let text = edited_in(DUAL, "type = \"tcp\", interval", "type = \"none\", interval");
    assert_eq!(valid(&text).services[1].check.kind, CheckKind::None);
    let text = edited_in(DUAL, "type = \"tcp\", interval", "type = \"udp\", interval");
    let message = "`send` is missing from `check` of service `dns6`";
    assert_error(&text, "{ type = \"udp\", interval = \"1s\" }", message, "add `send`");
    let text = edited_in(DUAL, "{ type = \"tcp\", interval = \"1s\" }", "\"tcp\"");
    assert_error(&text, "\"tcp\"", "`check` of service `dns6` must be a table, not a string", "{ key = value");
}

#[test]
fn flows_are_forgotten_after_a_day_of_tcp_or_two_minutes_of_udp_unless_said_otherwise() {
    let config = valid(DUAL);
    let timeouts: Vec<Duration> = config.services.iter().map(|service| service.idle_timeout).collect();
    assert_eq!(timeouts, [Duration::from_secs(30), Duration::from_secs(120), 5 * 24 * HOUR]);
    assert_eq!(valid(super::EXAMPLE).services[0].idle_timeout, 24 * HOUR);
}

#[test]
fn silences_have_bounds() {
    for (value, seconds) in [("1s", 1), ("6d", 6 * 86_400), ("144h", 6 * 86_400), ("1000ms", 1)] {
        let config = valid(&edited_in(DUAL, "\"5d\"", &format!("\"{value}\"")));
        assert_eq!(config.services[2].idle_timeout.as_secs(), seconds);
        let config = valid(&edited_in(DUAL, "timeout = \"1h\"", &format!("timeout = \"{value}\"")));
        assert_eq!(config.services[2].affinity.map(|affinity| affinity.timeout.as_secs()), Some(seconds));
    }
    let owners = [
        ("\"5d\"", "`idle_timeout` of service `horizon6`"),
        ("\"1h\"", "`timeout` of `affinity` of service `horizon6`"),
    ];
    for (from, owner) in owners {
        let wrong = |value: &str, fault: &str, help: &str| {
            let text = edited_in(DUAL, from, &format!("\"{value}\""));
            assert_error(&text, &format!("\"{value}\""), &format!("{owner} is `{value}`, {fault}"), help);
        };
        for value in ["0s", "999ms", "7d", "145h", "99999999999999999999d"] {
            wrong(value, "out of range", "it may be 1s to 6d");
        }
        for value in ["", "forever", "-1s", "1 d", "1D", "1.5h", "1d12h"] {
            wrong(value, "which is not a whole number and a unit", "ms, s, m, h, d");
        }
        wrong("60", "which has no unit", "ms, s, m, h, d");
        let text = edited_in(DUAL, from, "60");
        assert_error(&text, "60", &format!("{owner} must be a string with a unit, not an integer"), "\"2s\"");
    }
}

#[test]
fn affinity_is_for_single_addresses_and_half_an_hour_unless_said_otherwise() {
    assert_eq!(valid(DUAL).services[0].affinity, None);
    let affinity = |value: &str| {
        valid(&edited_in(DUAL, "affinity = { timeout = \"1h\", prefix6 = 56 }", value)).services[2].affinity
    };
    assert_eq!(valid(DUAL).services[2].affinity, Some(Affinity { timeout: HOUR, prefix4: 32, prefix6: 56 }));
    assert_eq!(affinity("affinity = {}"), Some(Affinity { timeout: HOUR / 2, prefix4: 32, prefix6: 128 }));
    assert_eq!(affinity("affinity.prefix4 = 1"), Some(Affinity { timeout: HOUR / 2, prefix4: 1, prefix6: 128 }));
    assert_eq!(affinity(""), None);
}

#[test]
fn what_is_no_affinity_is_refused() {
    let cases = [
        (
            "prefix6 = 56",
            "prefix6 = 0",
            "0",
            "`prefix6` of `affinity` of service `horizon6` is `0`, out of range",
            "1 to 128",
        ),
        (
            "prefix6 = 56",
            "prefix6 = 129",
            "129",
            "`prefix6` of `affinity` of service `horizon6` is `129`, out of range",
            "1 to 128",
        ),
        (
            "prefix6 = 56",
            "prefix4 = 33",
            "33",
            "`prefix4` of `affinity` of service `horizon6` is `33`, out of range",
            "1 to 32",
        ),
        (
            "prefix6 = 56",
            "prefix4 = -1",
            "-1",
            "`prefix4` of `affinity` of service `horizon6` is `-1`, out of range",
            "1 to 32",
        ),
        (
            "prefix6 = 56",
            "prefix4 = \"/24\"",
            "\"/24\"",
            "`prefix4` of `affinity` of service `horizon6` must be an integer, not a string",
            "without quotes",
        ),
        (
            "prefix6 = 56",
            "prefix = 56",
            "prefix",
            "unknown key `prefix` in `affinity` of service `horizon6`",
            "did you mean `prefix4`?",
        ),
        (
            "{ timeout",
            "{ timeuot",
            "timeuot",
            "unknown key `timeuot` in `affinity` of service `horizon6`",
            "did you mean `timeout`?",
        ),
        (
            "idle_timeout = \"5d\"",
            "idle_time = \"5d\"",
            "idle_time",
            "unknown key `idle_time` in service `horizon6`",
            "did you mean `idle_timeout`?",
        ),
        (
            "affinity =",
            "afinity =",
            "afinity",
            "unknown key `afinity` in service `horizon6`",
            "did you mean `affinity`?",
        ),
    ];
    for (from, to, marked, message, help) in cases {
        assert_error(&edited_in(DUAL, from, to), marked, message, help);
    }
    for value in ["true", "\"30m\"", "30", "[]"] {
        let text = edited_in(DUAL, "{ timeout = \"1h\", prefix6 = 56 }", value);
        let kind = match value {
            "true" => "a boolean",
            "30" => "an integer",
            "[]" => "an array",
            _ => "a string",
        };
        let message = format!("`affinity` of service `horizon6` must be a table, not {kind}");
        assert_error(&text, value, &message, "{ key = value");
    }
}

#[test]
fn a_key_of_an_earlier_version_says_what_to_do() {
    let text = edited("flows = 65536", "flow_cache = 262144\nflows = 65536");
    let message = "`flow_cache` is no key of [tables] any more";
    assert_error(&text, "flow_cache", message, "remove it: there is one flow table now");
    assert_error(&edited("flows = 65536", "flow_cache = \"x\""), "flow_cache", message, "`flows` is its size");
}

#[test]
fn the_limit_on_new_flows_can_be_set_and_lifted() {
    assert_eq!(valid(DUAL).tables.new_flows, 0);
    assert_eq!(valid(super::EXAMPLE).tables.new_flows, 100_000);
    let text = edited("flows = 65536", "new_flow = 5");
    assert_error(&text, "new_flow", "unknown key `new_flow` in [tables]", "did you mean `new_flows`?");
}
