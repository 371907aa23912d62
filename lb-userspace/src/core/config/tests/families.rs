//! IPv4 and IPv6 in one file: hosts of one family or both, and services that are of one.

use std::fmt::Write;
use std::net::IpAddr;

use proptest::prelude::*;

use super::super::model::Host;
use super::super::parse;
use super::{DUAL, assert_error, edited, edited_in, errors, messages, valid};

#[test]
fn a_host_has_one_address_or_one_of_each_family_in_the_order_of_the_file() {
    let config = valid(DUAL);
    let addresses: Vec<Vec<String>> =
        config.hosts.iter().map(|host| host.addresses.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(addresses, [vec!["10.0.0.11", "fd00::11"], vec!["fd00::12", "10.0.0.12"], vec!["fd00::13"]]);
    let alone = edited("address = \"10.0.0.11\"", "address = [\"10.0.0.11\"]");
    assert_eq!(valid(&alone), valid(super::EXAMPLE), "an array of one is that one");
}

#[test]
fn a_hosts_address_for_a_vip_is_of_its_family() {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let host = |addresses: &[&str]| Host {
        name: "c1".to_owned(),
        addresses: addresses.iter().map(|text| address(text)).collect(),
    };
    let both = host(&["10.0.0.11", "fd00::11"]);
    assert_eq!(both.address_for(address("10.0.0.100")), Some(address("10.0.0.11")));
    assert_eq!(both.address_for(address("fd00::100")), Some(address("fd00::11")));
    assert_eq!(host(&["fd00::11"]).address_for(address("10.0.0.100")), None);
    assert_eq!(host(&["10.0.0.11"]).address_for(address("fd00::100")), None);
}

#[test]
fn backends_have_their_hosts_address_of_the_vips_family() {
    let config = valid(DUAL);
    let bound = |service: usize| -> Vec<String> {
        config.services[service].backends.iter().map(|b| format!("{} {}", b.address, b.port)).collect()
    };
    assert_eq!(bound(0), ["10.0.0.11 53", "10.0.0.12 53"]);
    assert_eq!(bound(1), ["fd00::11 53", "fd00::12 53", "fd00::13 53"]);
    assert_eq!(bound(2), ["fd00::11 8443", "fd00:1::13 8443"]);
}

#[test]
fn a_vips_prefix_is_of_its_family() {
    let config = valid(DUAL);
    assert_eq!((config.vips[0].prefix, config.vips[1].prefix), (32, 128));
    let with = |vip: &str, prefix: &str| {
        edited_in(DUAL, &format!("\"{vip}\"\ninterface"), &format!("\"{vip}\"\nprefix = {prefix}\ninterface"))
    };
    assert_eq!(valid(&with("fd00::100", "64")).vips[1].prefix, 64);
    assert_eq!(valid(&with("fd00::100", "128")).vips[1].prefix, 128);
    for prefix in ["0", "129", "256"] {
        let message = format!("`prefix` of VIP `internal6` is `{prefix}`, out of range");
        assert_error(&with("fd00::100", prefix), prefix, &message, "1 to 128");
    }
    assert_error(&with("10.0.0.100", "64"), "64", "`prefix` of VIP `internal` is `64`, out of range", "1 to 32");
    assert_eq!(messages(&with("fd00::100", "64").replace("\"fd00::100\"", "\"fd00::x\"")).len(), 1, "of no family");
}

#[test]
fn two_addresses_of_one_family_are_one_too_many() {
    for second in ["10.0.0.21", "10.0.0.11"] {
        let list = format!("[\"10.0.0.11\", \"{second}\"]");
        let text = edited("address = \"10.0.0.11\"", &format!("address = {list}"));
        let message = "`address` of host `c1` has two IPv4 addresses";
        let error = assert_error(&text, &format!("\"{second}\""), message, "keep one of each family");
        assert_eq!((error.related[0].line, error.related[0].column), (3, 12));
    }
    let text = edited_in(DUAL, "[\"10.0.0.11\", \"fd00::11\"]", "[\"fd00::1\", \"10.0.0.11\", \"fd00::2\"]");
    assert_error(&text, "\"fd00::2\"", "`address` of host `c1` has two IPv6 addresses", "keep one");
}

#[test]
fn an_address_of_another_family_is_taken_too() {
    let text = edited_in(DUAL, "\"fd00::100\"", "\"fd00::13\"");
    let message = "VIP `internal6` has the address fd00::13, which is the node address of host `c3`";
    assert_error(&text, "\"fd00::13\"", message, "no host has");
    let text = edited_in(DUAL, "\"fd00::100\"", "\"FD00:0:0::12\"");
    let message = "VIP `internal6` has the address fd00::12, which is the node address of host `c2`";
    assert_error(&text, "\"FD00:0:0::12\"", message, "no host has");
    let text = edited_in(DUAL, "[\"fd00::12\", \"10.0.0.12\"]", "[\"fd00::11\", \"10.0.0.12\"]");
    assert_error(&text, "\"fd00::11\"", "two hosts have the address fd00::11", "another address");
}

#[test]
fn a_host_without_an_address_of_the_vips_family_is_named_with_the_ways_out() {
    let text = edited_in(DUAL, "backends = [\"c1\", \"c2\"]", "backends = [\"c1\", \"c3\"]");
    let message = "backend `c3` of service `dns` is on host `c3`, which has no IPv4 address for VIP `internal`";
    let error = assert_error(&text, "\"c3\"", message, "give the host an IPv4 address as well");
    assert_eq!((error.related[0].line, error.related[0].message.as_str()), (13, "the VIP"));
    assert!(error.help.is_some_and(|help| help.contains("`address` of its own") && help.contains("out of the list")));

    let text = edited_in(DUAL, "backends = [\"c1\", \"c2\"]\n", "");
    let message = "service `dns` is on every host, but host `c3` has no IPv4 address for VIP `internal`";
    assert_error(&text, "[[service]]", message, "or list in `backends` the hosts that have one");

    let text = edited_in(DUAL, "[\"10.0.0.11\", \"fd00::11\"]", "\"10.0.0.11\"")
        .replace("[\"fd00::12\", \"10.0.0.12\"]", "\"10.0.0.12\"")
        .replace("backends = [\"c1\", {", "backends = [{");
    let message = "service `dns6` is on every host, but hosts `c1`, `c2` have no IPv6 address for VIP `internal6`";
    assert_error(&text, "[[service]]", message, "give the host an IPv6 address as well");
}

#[test]
fn a_backend_with_an_address_of_its_own_needs_none_of_its_host() {
    let own = "backends = [\"c1\", { host = \"c3\", address = \"10.0.0.13\" }]";
    let text = edited_in(DUAL, "backends = [\"c1\", \"c2\"]", own);
    assert_eq!(valid(&text).services[0].backends[1].address.to_string(), "10.0.0.13");
}

#[test]
fn a_backends_own_address_is_of_the_vips_family() {
    let text = edited_in(DUAL, "\"fd00:1::13\"", "\"10.0.1.13\"");
    let message = "backend `spare` of service `horizon6` has the address 10.0.1.13, but VIP `internal6` is of IPv6";
    let error = assert_error(&text, "\"10.0.1.13\"", message, "write an IPv6 address of its host");
    assert_eq!(error.related[0].line, 18);
    let text = edited("10.0.1.13", "fd00::13");
    let message = "backend `spare` of service `glance` has the address fd00::13, but VIP `internal` is of IPv4";
    assert_error(&text, "\"fd00::13\"", message, "write an IPv4 address");
}

#[test]
fn a_backends_address_that_is_taken_is_not_faulted_for_its_family_as_well() {
    let text = edited_in(DUAL, "\"fd00:1::13\"", "\"10.0.0.100\"");
    let message = "backend `spare` of service `horizon6` has the address 10.0.0.100, which is that of VIP `internal`";
    assert_error(&text, "\"10.0.0.100\"", message, "bound to on its host");
    let text = edited_in(DUAL, "\"fd00:1::13\"", "\"10.0.0.12\"");
    let message = "backend `spare` of service `horizon6` has the address 10.0.0.12, which is the node address of host `c2`, not of `c3`";
    assert_error(&text, "\"10.0.0.12\"", message, "correct `host` or `address`");
    let own = "{ host = \"c2\", address = \"10.0.0.12\" }";
    let text = edited_in(DUAL, "{ host = \"c3\", name = \"spare\", address = \"fd00:1::13\" }", own);
    let message = "backend `c2` of service `horizon6` has the address 10.0.0.12, but VIP `internal6` is of IPv6";
    assert_error(&text, "\"10.0.0.12\"", message, "its host");
}

#[test]
fn nothing_follows_from_a_host_or_vip_whose_address_is_wrong() {
    assert_eq!(messages(&edited_in(DUAL, "\"fd00::11\"]", "\"fd00::1x\"]")).len(), 1);
    assert_eq!(messages(&edited_in(DUAL, "\"fd00::100\"", "\"fe80::1\"")).len(), 1);
    assert_eq!(messages(&edited_in(DUAL, "\"fd00:1::13\"", "\"::1\"")).len(), 1);
    assert_eq!(messages(&edited_in(DUAL, "vip = \"internal6\"", "vip = \"internal8\"")).len(), 1);
}

#[test]
fn ipv6_addresses_are_reachable_ones() {
    let classes = [
        ("::", "the unspecified address"),
        ("::1", "the loopback address"),
        ("ff02::12", "a multicast address"),
        ("fe80::1", "a link-local address, which means something on one interface only"),
        ("febf:ffff::1", "a link-local address, which means something on one interface only"),
        ("fec0::1", "a site-local address, which no longer exist (RFC 3879)"),
        ("::10.0.0.1", "an IPv4-compatible address, which no longer exist (RFC 4291)"),
    ];
    let owners = [
        ("fd00:1::13", "backend `spare` of service `horizon6`"),
        ("fd00::13", "host `c3`"),
        ("fd00::12", "host `c2`"),
        ("fd00::100", "VIP `internal6`"),
    ];
    for (address, class) in classes {
        for (from, owner) in owners {
            let text = edited_in(DUAL, &format!("\"{from}\""), &format!("\"{address}\""));
            let message = format!("`address` of {owner} is `{address}`, {class}");
            assert_error(&text, &format!("\"{address}\""), &message, "global or unique-local");
        }
    }
    for mapped in ["::ffff:10.0.0.13", "::ffff:a00:d"] {
        let message = format!("`address` of host `c3` is `{mapped}`, an IPv4-mapped address");
        let text = edited_in(DUAL, "\"fd00::13\"", &format!("\"{mapped}\""));
        assert_error(&text, &format!("\"{mapped}\""), &message, "write the IPv4 address, `10.0.0.13`");
    }
    for good in ["fc00::1", "fdff:ffff::1", "2001:db8::1", "2000::1", "64:ff9b::1", "fd00::1.2.3.4"] {
        valid(&edited_in(DUAL, "\"fd00::13\"", &format!("\"{good}\"")));
    }
}

#[test]
fn a_hosts_addresses_of_other_shapes_are_refused() {
    let cases = [
        ("[]", "[]", "`address` of host `c1` is empty", "at least one"),
        ("[1]", "1", "`address` of host `c1` must be a string, not an integer", "quotes"),
        ("[[\"10.0.0.11\"]]", "[\"10.0.0.11\"]", "`address` of host `c1` must be a string, not an array", "quotes"),
        ("[\"10.0.0.11\", \"\"]", "\"\"", "`address` of host `c1` is ``, which is not an IP address", "fd00::11"),
        (
            "{ v4 = \"10.0.0.11\" }",
            "{ v4 = \"10.0.0.11\" }",
            "`address` of host `c1` must be an address or an array of addresses, not a table",
            "[\"10.0.0.11\", \"fd00::11\"]",
        ),
    ];
    for (value, marked, message, help) in cases {
        let text = edited("address = \"10.0.0.11\"", &format!("address = {value}"));
        assert_error(&text, marked, message, help);
    }
    let text = edited("address = \"10.0.0.100\"", "address = [\"10.0.0.100\", \"fd00::100\"]");
    let message = "`address` of VIP `internal` must be a string, not an array";
    assert_error(&text, "[\"10.0.0.100\", \"fd00::100\"]", message, "");
    let many = vec!["\"fd00::11\""; 10_000].join(",");
    assert_eq!(errors(&edited("address = \"10.0.0.11\"", &format!("address = [{many}]"))).errors.len(), 1);
}

/// Which families a host has: IPv4, IPv6 or both.
fn families() -> impl Strategy<Value = (bool, bool)> {
    prop::sample::select(vec![(true, false), (false, true), (true, true)])
}

/// A service: whether its VIP is of IPv6, and the hosts in its list, if it has one.
fn services() -> impl Strategy<Value = Vec<(bool, Option<Vec<usize>>)>> {
    let listed = prop::sample::subsequence((0..4).collect::<Vec<_>>(), 1..=4);
    prop::collection::vec((any::<bool>(), prop::option::of(listed)), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Every service is of one family, its VIP's; each listed backend, and each service on every host, for which that
    /// cannot be is one error.
    #[test]
    fn services_are_of_one_family_or_in_error(
        hosts in prop::collection::vec(families(), 4),
        services in services(),
        udp in any::<bool>(),
    ) {
        let mut text = String::new();
        for (i, (v4, v6)) in hosts.iter().enumerate() {
            let addresses = [v4.then(|| format!("\"10.0.0.{}\"", i + 1)), v6.then(|| format!("\"fd00::{}\"", i + 1))];
            let list: Vec<String> = addresses.into_iter().flatten().collect();
            writeln!(text, "[[host]]\nname = \"c{i}\"\naddress = [{}]", list.join(", ")).expect("a string");
        }
        for (name, address) in [("v4", "10.0.0.100"), ("v6", "fd00::100")] {
            let rest = "interface = \"eth0\"\nholder = \"c0\"";
            writeln!(text, "[[vip]]\nname = \"{name}\"\naddress = \"{address}\"\n{rest}").expect("a string");
        }
        let mut expected = 0;
        for (i, (six, listed)) in services.iter().enumerate() {
            let (vip, port, protocol) = (if *six { "v6" } else { "v4" }, i + 1, if udp { "udp" } else { "tcp" });
            writeln!(text, "[[service]]\nname = \"s{i}\"\nvip = \"{vip}\"\nport = {port}\nprotocol = \"{protocol}\"")
                .expect("a string");
            let lacks = |host: &usize| if *six { !hosts[*host].1 } else { !hosts[*host].0 };
            match listed {
                Some(listed) => {
                    let names: Vec<String> = listed.iter().map(|host| format!("\"c{host}\"")).collect();
                    writeln!(text, "backends = [{}]", names.join(", ")).expect("a string");
                    expected += listed.iter().filter(|host| lacks(host)).count();
                }
                None => expected += usize::from((0..hosts.len()).any(|host| lacks(&host))),
            }
        }
        match parse(&text, "f") {
            Ok(config) => {
                prop_assert_eq!(expected, 0, "{}", text);
                for service in &config.services {
                    let vip = config.vips.iter().find(|vip| vip.name == service.vip).expect("it resolves");
                    for backend in &service.backends {
                        let host = config.hosts.iter().find(|host| host.name == backend.host).expect("it resolves");
                        prop_assert_eq!(Some(backend.address), host.address_for(vip.address));
                    }
                }
            }
            Err(errors) => prop_assert_eq!(errors.errors.len(), expected, "{}", errors),
        }
    }
}
