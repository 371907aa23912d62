//! Single values that are wrong.

use super::{DUAL, EXAMPLE, assert_error, edited, edited_in, errors, messages, valid};

#[test]
fn an_unknown_key_suggests_the_right_one() {
    let error = assert_error(
        &edited("backend_port = 5001", "backend-port = 5001"),
        "backend-port",
        "unknown key `backend-port` in service `keystone`",
        "did you mean `backend_port`?",
    );
    assert_eq!((error.line, error.column), (24, 1));
}

#[test]
fn an_unknown_key_that_resembles_none_lists_those_that_exist() {
    let text = edited("port = 443", "port = 443\nstrategy = \"roundrobin\"");
    assert_error(&text, "strategy", "unknown key `strategy` in service `horizon`", "`name`, `vip`, `port`");
}

#[test]
fn unknown_keys_are_found_everywhere() {
    let places = [
        ("name = \"c1\"", "name = \"c1\"\nxx = 1", "host `c1`"),
        ("interface", "xx = 1\ninterface", "VIP `internal`"),
        ("[defaults]", "[defaults]\nxx = 1", "[defaults]"),
        ("fall = 3", "fall = 3, xx = 1", "`check` of [defaults]"),
        ("port = 443", "port = 443\nxx = 1", "service `horizon`"),
        ("type = \"tcp\"", "type = \"tcp\", xx = 1", "`check` of service `keystone`"),
        ("weight = 50", "weight = 50, xx = 1", "backend `spare` of service `glance`"),
        ("[tables]", "[tables]\nxx = 1", "[tables]"),
    ];
    for (from, to, owner) in places {
        assert_error(&edited(from, to), "xx", &format!("unknown key `xx` in {owner}"), "`");
    }
}

#[test]
fn an_unknown_section_suggests_the_right_one_and_nothing_follows_from_it() {
    let text = edited("[[vip]]", "[[vips]]");
    assert_error(&text, "vips", "unknown section `vips`", "did you mean `[[vip]]`?");
    assert_error(
        &edited("[tables]", "[logging]"),
        "logging",
        "unknown section `logging`",
        "`[[host]]`, `[cluster]`, `[[group]]`, `[[vip]]`",
    );
}

#[test]
fn a_missing_key_is_named_with_an_example() {
    let cases = [
        ("address = \"10.0.0.12\"\n", "[[host]]", "`address` is missing from host `c2`", "address = \"10.0.0.11\""),
        ("name = \"c2\"\n", "[[host]]", "`name` is missing from this host", "name = \"c1\""),
        ("interface = \"eth0\"\n", "[[vip]]", "`interface` is missing from VIP `internal`", "interface = \"eth0\""),
        ("holder = \"c1\"\n", "[[vip]]", "`holder` is missing from VIP `internal`", "holder = \"c1\""),
        ("port = 9292\n", "[[service]]", "`port` is missing from service `glance`", "port = 5000"),
        (
            "vip = \"internal\"\nport = 443",
            "[[service]]",
            "`vip` is missing from service `horizon`",
            "vip = \"internal\"",
        ),
        ("name = \"horizon\"\n", "[[service]]", "`name` is missing from this service", "name = \"keystone\""),
    ];
    for (gone, marked, message, help) in cases {
        let kept = if gone.ends_with("443") { "port = 443" } else { "" };
        assert_error(&edited(gone, kept), marked, message, help);
    }
    let text = edited("host = \"c3\", ", "");
    assert_eq!(errors(&text).errors[0].message, "`host` is missing from backend `spare` of service `glance`");
}

#[test]
fn a_value_of_the_wrong_type_is_told_what_it_must_be() {
    let cases = [
        (
            "port = 5000",
            "port = \"5000\"",
            "\"5000\"",
            "`port` of service `keystone` must be an integer, not a string",
            "without quotes",
        ),
        (
            "port = 5000",
            "port = 50.0",
            "50.0",
            "`port` of service `keystone` must be an integer, not a float",
            "whole number",
        ),
        ("name = \"c1\"", "name = 1", "1", "`name` of this host must be a string, not an integer", "quotes"),
        (
            "address = \"10.0.0.11\"",
            "address = true",
            "true",
            "`address` of host `c1` must be an address or an array of addresses, not a boolean",
            "[\"10.0.0.11\", \"fd00::11\"]",
        ),
        (
            "[\"c1\", \"c2\"]",
            "\"c1\"",
            "\"c1\"",
            "`backends` of service `horizon` must be an array, not a string",
            "[ ... ]",
        ),
        (
            "[\"c1\", \"c2\"]",
            "[\"c1\", 2]",
            "2",
            "`backends` of service `horizon` must be a host's name or a table, not an integer",
            "{ host = \"c1\" }",
        ),
        (
            "fast_interval = \"500ms\"",
            "interval = 2",
            "2",
            "`interval` of `check` of service `keystone` must be a string with a unit, not an integer",
            "\"2s\"",
        ),
    ];
    for (from, to, marked, message, help) in cases {
        assert_error(&edited(from, to), marked, message, help);
    }
    let text = format!("tables = 5\n{}", edited("[tables]\nflows = 65536", ""));
    assert_error(&text, "5", "`tables` of the file must be a table, not an integer", "{");
}

#[test]
fn a_section_that_repeats_needs_double_brackets() {
    let text = "[host]\nname = \"c1\"\naddress = \"10.0.0.11\"\n";
    assert_error(text, "[host]", "`host` of the file must be an array of tables", "`[[host]]`");
}

#[test]
fn ports_are_1_to_65535() {
    for port in ["0", "65536", "-1", "99999999999999999999999999999999999999999999"] {
        let message = format!("`port` of service `keystone` is `{port}`, out of range");
        assert_error(&edited("port = 5000", &format!("port = {port}")), port, &message, "1 to 65535");
    }
    assert_error(&edited("5001", "0"), "0", "`backend_port` of service `keystone` is `0`, out of range", "1 to 65535");
    assert_error(
        &edited("9293", "0"),
        "0",
        "`port` of backend `spare` of service `glance` is `0`, out of range",
        "1 to",
    );
}

#[test]
fn prefix_weight_rise_and_fall_have_bounds() {
    let cases = [
        ("interface", "prefix = 33\ninterface", "33", "`prefix` of VIP `internal` is `33`, out of range", "1 to 32"),
        ("interface", "prefix = 0\ninterface", "0", "`prefix` of VIP `internal` is `0`, out of range", "1 to 32"),
        (
            "weight = 50",
            "weight = 257",
            "257",
            "`weight` of backend `spare` of service `glance` is `257`, out of range",
            "0 to 256",
        ),
        ("rise = 2", "rise = 0", "0", "`rise` of `check` of [defaults] is `0`, out of range", "1 to 100"),
        ("fall = 3", "fall = 101", "101", "`fall` of `check` of [defaults] is `101`, out of range", "1 to 100"),
    ];
    for (from, to, marked, message, help) in cases {
        assert_error(&edited(from, to), marked, message, help);
    }
}

#[test]
fn durations_have_a_unit_and_bounds() {
    let cases = [
        ("interval = \"2s\"", "interval = \"2\"", "\"2\"", "is `2`, which has no unit", "ms, s, m, h"),
        (
            "interval = \"2s\"",
            "interval = \"fast\"",
            "\"fast\"",
            "is `fast`, which is not a whole number and a unit",
            "ms",
        ),
        ("interval = \"2s\"", "interval = \"9ms\"", "\"9ms\"", "is `9ms`, out of range", "10ms to 1h"),
        ("interval = \"2s\"", "interval = \"61m\"", "\"61m\"", "is `61m`, out of range", "10ms to 1h"),
        ("timeout = \"1s\"", "timeout = \"0ms\"", "\"0ms\"", "is `0ms`, out of range", "1ms to 1h"),
    ];
    for (from, to, marked, message, help) in cases {
        let key = from.split(' ').next().unwrap_or_default();
        assert_error(&edited(from, to), marked, &format!("`{key}` of `check` of [defaults] {message}"), help);
    }
}

#[test]
fn names_are_plain() {
    let long = "x".repeat(64);
    let cases = [
        ("", "is empty"),
        ("a b", "contains ` `"),
        ("a/b", "contains `/`"),
        ("é", "contains `é`"),
        (&long, "has 64 characters"),
    ];
    for (name, fault) in cases {
        let text = edited("name = \"horizon\"", &format!("name = \"{name}\""));
        let found = errors(&text);
        assert_eq!(found.errors.len(), 1, "{found}");
        assert!(found.errors[0].message.ends_with(fault), "{found}");
        assert!(found.errors[0].help.as_ref().is_some_and(|help| help.contains("A-Z a-z 0-9")), "{found}");
    }
}

#[test]
fn a_label_is_the_interface_and_a_word() {
    let labelled = |label: &str| edited("interface", &format!("label = \"{label}\"\ninterface"));
    assert_eq!(valid(EXAMPLE).vips[0].label, None);
    for label in ["eth0:vip", "eth0:1234567890"] {
        assert_eq!(valid(&labelled(label)).vips[0].label.as_deref(), Some(label));
    }
    for (label, fault, help) in [
        ("", "is empty", "1 to 15 bytes"),
        ("eth0:12345678901", "is `eth0:12345678901`, 16 bytes long", "1 to 15 bytes"),
        ("eth0:a vip", "is `eth0:a vip`, which contains ` `", "as in `eth0:vip`"),
        ("eth0", "is `eth0`, which does not begin with its interface", "write `eth0:` and a word"),
        ("eth0:", "is `eth0:`, which does not begin with its interface", "write `eth0:` and a word"),
        ("eth1:vip", "is `eth1:vip`, which does not begin with its interface", "write `eth0:` and a word"),
        ("vip", "is `vip`, which does not begin with its interface", "write `eth0:` and a word"),
    ] {
        assert_error(&labelled(label), &format!("\"{label}\""), &format!("`label` of VIP `internal` {fault}"), help);
    }
    let six = edited_in(DUAL, "interface = \"eth1\"", "interface = \"eth1\"\nlabel = \"eth1:vip\"");
    assert_error(&six, "\"eth1:vip\"", "VIP `internal6` has a `label`, and is of IPv6", "only IPv4 addresses");
}

#[test]
fn interface_names_are_what_the_kernel_accepts() {
    for (name, fault) in [
        ("", "is empty"),
        ("sixteen-bytes-xx", "is `sixteen-bytes-xx`, 16 bytes long"),
        ("eth/0", "is `eth/0`, which contains `/`"),
        ("eth 0", "is `eth 0`, which contains ` `"),
        ("eth0:1", "is `eth0:1`, which contains `:`"),
        ("..", "is `..`, which no interface is called"),
    ] {
        let text = edited("eth0", name);
        assert_error(&text, &format!("\"{name}\""), &format!("`interface` of VIP `internal` {fault}"), "ip -br link");
    }
}

#[test]
fn addresses_are_reachable_ones() {
    let classes = [
        ("0.0.0.0", "an unspecified address"),
        ("127.0.0.1", "a loopback address"),
        ("224.0.0.18", "a multicast address"),
        ("255.255.255.255", "the broadcast address"),
    ];
    let owners = [
        ("10.0.1.13", "backend `spare` of service `glance`"),
        ("10.0.0.12", "host `c2`"),
        ("10.0.0.100", "VIP `internal`"),
    ];
    for (address, class) in classes {
        for (from, owner) in owners {
            let message = format!("`address` of {owner} is `{address}`, {class}");
            assert_error(&edited(from, address), &format!("\"{address}\""), &message, "unicast");
        }
    }
}

#[test]
fn what_is_no_address_is_told_how_to_write_one() {
    let wrong = |text: &str| format!("`address` of host `c1` is `{text}`, which is not an IP address");
    let cases = [
        ("10.0.0.300", "names are not resolved"),
        ("c1.example.org", "names are not resolved"),
        ("", "`10.0.0.11` or `fd00::11`"),
        (" fd00::11", "`10.0.0.11` or `fd00::11`"),
        ("fd00::11::", "`10.0.0.11` or `fd00::11`"),
        ("fd00:0:0:0:0:0:0:0:11", "`10.0.0.11` or `fd00::11`"),
        ("fd00::1g", "`10.0.0.11` or `fd00::11`"),
        ("010.0.0.11", "`10.0.0.11` or `fd00::11`"),
        ("10.0.0.11/24", "`prefix`"),
        ("fd00::11/64", "`prefix`"),
        ("fe80::1%eth0", "without a zone"),
        ("[fd00::11]", "without brackets"),
        ("[fd00::11]:53", "a port goes into its own key"),
    ];
    for (text, help) in cases {
        assert_error(&edited("10.0.0.11", text), &format!("\"{text}\""), &wrong(text), help);
    }
}

#[test]
fn what_comes_later_is_said_to() {
    let cases = [
        (
            "[defaults]",
            "[defaults]\nmode = \"nat\"",
            "\"nat\"",
            "`mode` of [defaults] is `nat`, which is not available in this version",
            "mode = \"l2\"",
        ),
        (
            "port = 443",
            "port = 443\nmode = \"tunnel\"",
            "\"tunnel\"",
            "`mode` of service `horizon` is `tunnel`, which is not available in this version",
            "mode = \"l2\"",
        ),
    ];
    for (from, to, marked, message, help) in cases {
        assert_error(&edited(from, to), marked, message, help);
    }
}

#[test]
fn how_backends_start_and_how_many_must_be_healthy_is_bounded() {
    let text = edited("port = 443", "port = 443\nslow_start = \"2h\"");
    assert_error(&text, "\"2h\"", "`slow_start` of service `horizon` is `2h`, out of range", "it may be 0ms to 1h");
    let text = edited("[defaults]", "[defaults]\nslow_start = 30");
    assert_error(&text, "30", "`slow_start` of [defaults] must be a string with a unit, not an integer", "\"2s\"");
    let text = edited("port = 443", "port = 443\nmin_healthy = 0");
    assert_error(&text, "0", "`min_healthy` of service `horizon` is `0`, out of range", "it may be 1 to");
    let text = edited("port = 443", "port = 443\nmin_healthy = 3");
    let message = "`min_healthy` of service `horizon` is 3, but it has 2 backends";
    assert_error(&text, "3", message, "it may be 1 to 2");
}

#[test]
fn words_that_are_unknown_are_told_the_known_ones() {
    let text = edited("port = 443", "port = 443\nmode = \"dsr\"");
    assert_error(&text, "\"dsr\"", "`mode` of service `horizon` is `dsr`, which is unknown", "`l2`");
    let text = edited("port = 443", "port = 443\non_down = \"drop\"");
    assert_error(&text, "\"drop\"", "`on_down` of service `horizon` is `drop`, which is unknown", "`keep`");
    let text = edited("[defaults]", "[defaults]\non_down = \"kepe\"");
    assert_error(&text, "\"kepe\"", "`on_down` of [defaults] is `kepe`, which is unknown", "did you mean \"keep\"?");
    let text = edited("port = 443", "port = 443\nbelow_min = \"panic\"");
    assert_error(&text, "\"panic\"", "`below_min` of service `horizon` is `panic`, which is unknown", "`keep`");
    let text = edited("type = \"tcp\"", "type = \"tpc\"");
    assert_error(
        &text,
        "\"tpc\"",
        "`type` of `check` of service `keystone` is `tpc`, which is unknown",
        "did you mean \"tcp\"?",
    );
}

#[test]
fn table_sizes_have_bounds() {
    let cases = [
        ("services = 16385", "`services` of [tables] is `16385`, out of range", "1 to 16384"),
        ("backends = 0", "`backends` of [tables] is `0`, out of range", "1 to 65535"),
        ("flows = 1023", "`flows` of [tables] is `1023`, out of range", "1024 to 67108864"),
        ("flows = 134217728", "`flows` of [tables] is `134217728`, out of range", "1024 to 67108864"),
        ("flows = 5000", "`flows` of [tables] is `5000`, which is not a power of two", "write 8192"),
        ("new_flows = 100000001", "`new_flows` of [tables] is `100000001`, out of range", "0 to 100000000"),
        ("new_flows = -1", "`new_flows` of [tables] is `-1`, out of range", "0 to 100000000"),
        ("maglev = 241", "`maglev` of [tables] is `241`, out of range", "251 to 65537"),
        ("maglev = 1000", "`maglev` of [tables] is `1000`, which is not a prime", "write 1009"),
    ];
    for (line, message, help) in cases {
        let value = line.rsplit(' ').next().unwrap_or_default();
        assert_error(&edited("flows = 65536", line), value, message, help);
    }
}

#[test]
fn several_errors_are_all_reported_in_the_order_of_the_file() {
    let text = edited("10.0.0.12", "10.0.0.300")
        .replacen("interface", "colour = 1\ninterface", 1)
        .replacen("port = 5000", "port = 0", 1)
        .replacen("type = \"tcp\"", "type = 7", 1)
        .replacen("port = 443", "", 1);
    let lines: Vec<usize> = messages(&text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [6, 14, 24, 26, 34]);
}
