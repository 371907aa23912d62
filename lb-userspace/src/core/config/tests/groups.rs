//! Groups of VIPs: what they may say, what they leave out, and what is wrong with them.

use std::time::Duration;

use super::super::model::{Group, Holder, Hooks};
use super::{DUAL, EXAMPLE, assert_error, edited_in, errors, valid};
use crate::core::vrrp::advert::{Password, Version};

const HOLDER: &str = "holder = \"c1\"\n";

/// The example with its VIP in a group, of which the file says this.
pub(super) fn with(group: &str) -> String {
    let text = edited_in(EXAMPLE, HOLDER, "group = \"control\"\n");
    edited_in(&text, "[[vip]]", &format!("[[group]]\nname = \"control\"\n{group}\n[[vip]]"))
}

pub(super) fn group(said: &str) -> Group {
    valid(&with(&format!("id = 51\n{said}"))).groups.remove(0)
}

#[test]
fn a_group_needs_a_name_and_a_number_and_the_rest_is_as_usual() {
    let config = valid(&with("id = 51"));
    assert_eq!(config.vips[0].holder, Holder::Group("control".into()));
    let expected = Group {
        name: "control".into(),
        id: 51,
        interface: "eth0".into(),
        version: Version::V3,
        advert: Duration::from_secs(1),
        lease: Duration::from_millis(2500),
        priorities: vec![250, 240, 230],
        preempt: true,
        preempt_delay: Duration::ZERO,
        unicast: false,
        signed: false,
        password: None,
        pseudo_header: true,
        announce_again: Duration::from_secs(5),
        announce_every: Duration::from_secs(60),
        duplicate_check: Duration::from_millis(200),
        track: Vec::new(),
        hooks: Hooks::default(),
    };
    assert_eq!(config.groups, [expected]);
}

#[test]
fn everything_that_a_group_may_say_is_taken_in() {
    let said = "interface = \"eth7\"\nversion = 2\nadvert = \"3s\"\nlease = \"5s\"\npriority = { c2 = 200, c1 = 1 }\n\
                preempt = false\npreempt_delay = \"1m\"\nunicast = true\npassword = \"secret\"\npseudo_header = false\n\
                announce_again = \"0s\"\nannounce_every = \"1h\"\nduplicate_check = \"0s\"";
    let expected = Group {
        name: "control".into(),
        id: 51,
        interface: "eth7".into(),
        version: Version::V2,
        advert: Duration::from_secs(3),
        lease: Duration::from_secs(5),
        priorities: vec![1, 200, 230],
        preempt: false,
        preempt_delay: Duration::from_secs(60),
        unicast: true,
        signed: false,
        password: Some(Password(*b"secret\0\0")),
        pseudo_header: false,
        announce_again: Duration::ZERO,
        announce_every: Duration::from_secs(3600),
        duplicate_check: Duration::ZERO,
        track: Vec::new(),
        hooks: Hooks::default(),
    };
    assert_eq!(group(said), expected);
}

#[test]
fn adverts_are_in_the_units_of_their_version() {
    assert_eq!(group("advert = \"10ms\"").lease, Duration::from_millis(25));
    assert_eq!(group("advert = \"40950ms\"").advert, Duration::from_millis(40_950));
    for (said, marked, message, help) in [
        (
            "advert = \"15ms\"",
            "\"15ms\"",
            "`advert` of group `control` is `15ms`, not hundredths",
            "a multiple of 10ms",
        ),
        ("advert = \"41s\"", "\"41s\"", "`advert` of group `control` is `41s`, out of range", "10ms to 40950ms"),
        (
            "version = 2\nadvert = \"100ms\"",
            "\"100ms\"",
            "`advert` of group `control` is `100ms`, out of",
            "1s to 255s",
        ),
        (
            "version = 2\nadvert = \"1500ms\"",
            "\"1500ms\"",
            "`advert` of group `control` is `1500ms`, not whole",
            "of 1s",
        ),
    ] {
        assert_begins(said, marked, message, help);
    }
}

#[test]
fn a_lease_lies_between_one_interval_and_three() {
    for lease in ["\"1s\"", "\"3s\"", "\"1ms\""] {
        let message = format!("`lease` of group `control` is `{}`, with an advert every 1s", lease.trim_matches('"'));
        assert_begins(&format!("lease = {lease}"), lease, &message, "more than 1s");
    }
    assert_eq!(group("lease = \"2999ms\"").lease, Duration::from_millis(2999));
}

#[test]
fn values_that_are_wrong_are_named() {
    for (said, marked, message, help) in [
        ("version = 4", "4", "`version` of group `control` is `4`, out of range", "2 to 3"),
        ("preempt = \"no\"", "\"no\"", "`preempt` of group `control` must be true or false", "without quotes"),
        (
            "duplicate_check = \"6s\"",
            "\"6s\"",
            "`duplicate_check` of group `control` is `6s`, out of range",
            "0ms to 5s",
        ),
        ("priority = 100", "100", "`priority` of group `control` must be a table", "{ c1 = 150"),
        ("priority = { c1 = 256 }", "256", "`priority` of group `control` is `256`, out of range", "1 to 255"),
        ("priority = { c9 = 1 }", "c9", "a `priority` of group `control` is `c9`, but there is no such host", "c1"),
        ("priority = { c1 = 255, c2 = 255 }", "255", "`c1` and `c2` both have priority 255 in group `control`", "254"),
        ("password = \"secret\"", "\"secret\"", "`password` of group `control` is for version 2 alone", "version = 2"),
        ("version = 2\npassword = \"123456789\"", "\"123456789\"", "`password` of group `control` has 9 bytes", "8"),
        ("colour = 1", "colour", "unknown key `colour` in group `control`", "keys that may be here"),
    ] {
        assert_begins(said, marked, message, help);
    }
    let text = with("");
    assert_error(&text, "[[group]]", "`id` is missing from group `control`", "id = 51");
}

#[test]
fn a_vip_has_a_holder_or_a_group() {
    let both = edited_in(&with("id = 51"), "group = \"control\"\n", "group = \"control\"\nholder = \"c1\"\n");
    assert_error(&both, "\"c1\"", "VIP `internal` has a `group` and a `holder`", "delete one of them");
    let unknown = edited_in(&with("id = 51"), "group = \"control\"\n", "group = \"contrl\"\n");
    let messages: Vec<String> = errors(&unknown).errors.into_iter().map(|error| error.message).collect();
    let expected = ["group `control` has no VIPs", "`group` of VIP `internal` is `contrl`, but there is no such group"];
    assert_eq!(messages, expected);
}

#[test]
fn a_group_without_vips_is_an_error() {
    let text = edited_in(EXAMPLE, "[[vip]]", "[[group]]\nname = \"idle\"\nid = 1\n[[vip]]");
    assert_error(&text, "[[group]]", "group `idle` has no VIPs", "group = \"idle\"");
}

/// Both families, each VIP in a group of its own.
fn dual(first: &str, second: &str) -> String {
    let text = edited_in(DUAL, HOLDER, "group = \"four\"\n");
    let text = edited_in(&text, "holder = \"c2\"\n", "group = \"six\"\n");
    let groups = format!("[[group]]\nname = \"four\"\n{first}\n[[group]]\nname = \"six\"\n{second}\n[[vip]]");
    edited_in(&text, "[[vip]]", &groups)
}

#[test]
fn numbers_are_unique_on_an_interface_in_a_family() {
    // The third host has no IPv4 address.
    let text =
        edited_in(&dual("id = 51", "id = 51"), "address = \"fd00::13\"", "address = [\"10.0.0.13\", \"fd00::13\"]");
    assert_eq!(valid(&text).groups.len(), 2, "of two families");
    let text = edited_in(&text, "address = \"fd00::100\"", "address = \"10.0.0.101\"");
    let text = edited_in(&text, "interface = \"eth1\"", "interface = \"eth0\"");
    let text = text[..text.find("[[service]]").unwrap()].to_owned();
    assert_error(&text, "51", "group `four` and group `six` both have the id 51", "give one of them another id");
}

#[test]
fn hosts_need_an_address_to_speak_from() {
    let message = "host `c3` has no IPv4 address to speak from for group `four`";
    assert_error(&dual("id = 51", "id = 52"), "[[group]]", message, "may be an array");
}

#[test]
fn version_2_speaks_ipv4_alone() {
    let text = edited_in(&dual("id = 51", "id = 52\nversion = 2"), "\"fd00::13\"", "[\"10.0.0.13\", \"fd00::13\"]");
    let message = "group `six` is of version 2, and its first VIP fd00::100 is of IPv6";
    assert_error(&text, "2", message, "only version 3");
}

/// The one error of a group that says this.
#[track_caller]
pub(super) fn assert_begins(said: &str, marked: &str, message: &str, help: &str) {
    let text = with(&format!("id = 51\n{said}"));
    let errors = errors(&text);
    assert_eq!(errors.errors.len(), 1, "{errors}");
    let whole = errors.errors[0].message.clone();
    assert!(whole.starts_with(message), "{errors}");
    assert_error(&text, marked, &whole, help);
}

#[test]
fn what_is_signed_is_of_version_3_over_unicast_and_under_a_key() {
    let cluster = "[cluster]\nkey = \"sixteen bytes at least\"\n";
    let text = |said: &str, cluster: &str| {
        edited_in(&with(&format!("id = 51\n{said}")), "[[group]]", &format!("{cluster}[[group]]"))
    };
    assert!(valid(&text("unicast = true\nsigned = true", cluster)).groups[0].signed);
    assert!(!valid(&text("signed = false", "")).groups[0].signed);
    for (said, cluster, why, help) in [
        ("signed = true", cluster, "only unicast messages are sealed", "unicast = true"),
        ("version = 2\nunicast = true\nsigned = true", cluster, "version 2 is not sealed", "password"),
        ("unicast = true\nsigned = true", "", "the file has no [cluster]", "its `key`"),
    ] {
        assert_error(&text(said, cluster), "true", &format!("group `control` is `signed`, but {why}"), help);
    }
}

#[test]
fn a_cluster_has_a_key_that_cannot_be_tried_out() {
    let with = |lines: &str| edited_in(EXAMPLE, "[[vip]]", &format!("[cluster]\n{lines}\n[[vip]]"));
    let cluster = valid(&with("key = \"sixteen bytes at least\"")).cluster.unwrap();
    assert_eq!(cluster.port, 7112);
    assert_eq!(valid(&with("key = \"sixteen bytes at least\"\nport = 99")).cluster.unwrap().port, 99);
    let beats = |lines: &str| {
        let text = with(&format!("key = \"sixteen bytes at least\"\n{lines}"));
        valid(&text).cluster.unwrap().heartbeat.as_millis()
    };
    assert_eq!((beats(""), beats("heartbeat = \"20ms\""), beats("heartbeat = \"10s\"")), (100, 20, 10_000));
    assert_eq!(beats("heartbeat = \"0s\""), 0);
    assert_error(
        &with("key = \"sixteen bytes at least\"\nheartbeat = \"19ms\""),
        "\"19ms\"",
        "`heartbeat` of [cluster] is `19ms`, out of range",
        "\"0s\" so that no host is missed",
    );
    assert_error(
        &with("key = \"sixteen bytes at least\"\nheartbeat = \"11s\""),
        "\"11s\"",
        "`heartbeat` of [cluster] is `11s`, out of range",
        "10s",
    );
    assert_error(&with("port = 9"), "[cluster]", "`key` is missing from [cluster]", "openssl rand");
    let short = errors(&with("key = \"fifteen bytes..\""));
    assert_eq!(short.errors[0].message, "`key` of [cluster] has 15 bytes");
    assert_error(
        &with("key = \"sixteen bytes at least\"\nport = 0"),
        "0",
        "`port` of [cluster] is `0`, out of range",
        "1 to 65535",
    );
}
