//! Health checks: what they may say, type by type, and what is wrong if they say it otherwise.

use super::super::diff::diff;
use super::super::model::{
    Check, CheckKind, CheckPassword, HttpCheck, MysqlCheck, MysqlLogin, ReadOnly, Secret, Tls, UdpAnswer, UdpCheck,
};
use super::{DUAL, assert_error, edited, edited_in, errors, valid};
use crate::core::check::http::StatusSet;

const OWN: &str = "check = { type = \"tcp\", fast_interval = \"500ms\" }";

/// The example in which keystone has this check.
fn with(check: &str) -> String {
    edited(OWN, &format!("check = {check}"))
}

fn check(text: &str) -> Check {
    valid(&with(text)).services[0].check.clone()
}

fn kind(text: &str) -> CheckKind {
    check(text).kind
}

fn http(kind: CheckKind) -> HttpCheck {
    match kind {
        CheckKind::Http(check) => check,
        other => panic!("{other:?}"),
    }
}

fn mysql(kind: CheckKind) -> MysqlCheck {
    match kind {
        CheckKind::Mysql(check) => check,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_a_get_of_the_root_unless_said_otherwise() {
    let plain = http(kind("{ type = \"http\" }"));
    assert_eq!((plain.method.as_str(), plain.path.as_str(), plain.host), ("GET", "/", None));
    assert_eq!((plain.expect_status, plain.expect_body), (StatusSet::default(), None));
    let full = http(kind(
        "{ type = \"http\", method = \"OPTIONS\", path = \"/v3?x=%20\", host = \"keystone.example.org:5000\", \
         headers = { X-Probe = \"pivot\", Accept = \"text/plain\" }, expect_status = [\"2xx\", 401, \"300-302\"], \
         expect_body = \"v3\" }",
    ));
    assert_eq!((full.method.as_str(), full.path.as_str()), ("OPTIONS", "/v3?x=%20"));
    assert_eq!(full.host.as_deref(), Some("keystone.example.org:5000"));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(full.headers, [pair("Accept", "text/plain"), pair("X-Probe", "pivot")]);
    assert_eq!(full.expect_status.to_string(), "2xx, 401 or 300-302");
    assert_eq!(full.expect_body.as_deref(), Some("v3"));
    assert_eq!(http(kind("{ type = \"http\", expect_status = 200 }")).expect_status.to_string(), "200");
}

#[test]
fn https_asks_for_the_name_of_its_host() {
    let tls = |text: &str| check(text).tls;
    assert_eq!(tls("{ type = \"http\" }"), None);
    assert_eq!(tls("{ type = \"https\" }"), Some(Tls::default()));
    let named = |name: &str| Some(Tls { sni: Some(name.to_owned()), ..Tls::default() });
    assert_eq!(tls("{ type = \"https\", host = \"a.example.org:443\" }"), named("a.example.org"));
    assert_eq!(tls("{ type = \"https\", host = \"a.example.org\", tls = { sni = \"b\" } }"), named("b"));
    assert_eq!(tls("{ type = \"https\", host = \"10.0.0.1:443\" }"), Some(Tls::default()));
    let insecure = Some(Tls { insecure: true, ..Tls::default() });
    assert_eq!(tls("{ type = \"amqp\", tls = { verify = false } }"), insecure);
    let ca = Some(Tls { ca: Some("/etc/ca.pem".into()), ..Tls::default() });
    assert_eq!(tls("{ tls = { ca = \"/etc/ca.pem\", verify = true } }"), ca);
    assert_eq!(check("{ type = \"https\" }").type_name(), "https");
}

#[test]
fn a_database_is_asked_what_was_configured() {
    assert_eq!(kind("{ type = \"mysql\" }"), CheckKind::Mysql(MysqlCheck::default()));
    let password = |given: &str| mysql(kind(&format!("{{ type = \"mysql\", user = \"check\"{given} }}"))).login;
    let login = |password| Some(MysqlLogin { user: "check".to_owned(), password });
    assert_eq!(password(""), login(CheckPassword::Empty));
    assert_eq!(password(", password = \"s3\""), login(CheckPassword::Given(Secret("s3".to_owned()))));
    assert_eq!(password(", password_file = \"/etc/pw\""), login(CheckPassword::File("/etc/pw".into())));
    let full = mysql(kind("{ type = \"mysql\", user = \"u\", wsrep = true, donor_ok = true, read_only = \"any\" }"));
    assert_eq!((full.wsrep, full.donor_ok, full.read_only), (Some(true), true, ReadOnly::Any));
    assert!(!format!("{:?}", kind("{ type = \"mysql\", user = \"u\", password = \"s3cret\" }")).contains("s3cret"));
}

#[test]
fn datagrams_and_commands_are_as_given() {
    let udp = |text: &str| kind(&format!("{{ type = \"udp\", {text} }}"));
    let sends = |send: &[u8], expect| CheckKind::Udp(UdpCheck { send: send.to_vec(), expect });
    assert_eq!(udp("send = \"ping\\n\""), sends(b"ping\n", UdpAnswer::Any));
    assert_eq!(udp("send_hex = \"00 fF\", expect_hex = \"a0\""), sends(&[0, 255], UdpAnswer::Containing(vec![0xa0])));
    assert_eq!(udp("send = \"x\", expect = \"y\", answer = true"), sends(b"x", UdpAnswer::Containing(b"y".to_vec())));
    assert_eq!(udp("send = \"x\", answer = false"), sends(b"x", UdpAnswer::None));
    let command = kind("{ type = \"command\", command = [\"/bin/check\", \"-x\"] }");
    assert_eq!(command, CheckKind::Command(vec!["/bin/check".to_owned(), "-x".to_owned()]));
    let elsewhere = check("{ type = \"memcached\", port = 9200, address = \"10.1.0.1\" }");
    assert_eq!((elsewhere.port, elsewhere.address), (Some(9200), Some([10, 1, 0, 1].into())));
}

#[test]
fn options_of_the_defaults_are_for_checks_of_their_type() {
    let defaults = "check = { interval = \"2s\", timeout = \"1s\", rise = 2, fall = 3 }";
    let given = "check = { type = \"http\", path = \"/healthcheck\", host = \"h\", rise = 4 }";
    let kinds = |own: &str| {
        let check = valid(&edited_in(&with(own), defaults, given)).services[0].check.clone();
        (check.kind, check.rise, check.tls.is_some())
    };
    let (http_kind, rise, _) = kinds("{ path = \"/\" }");
    let asks = http(http_kind);
    assert_eq!((asks.path.as_str(), asks.host.as_deref(), rise), ("/", Some("h"), 4));
    let (https, _, tls) = kinds("{ type = \"https\" }");
    assert_eq!((http(https).path.as_str(), tls), ("/healthcheck", true));
    assert_eq!(kinds("{ type = \"tcp\" }"), (CheckKind::Tcp, 4, false));
    // A UDP service takes no options of the defaults either.
    let dual = edited_in(DUAL, "[tables]", "[defaults]\ncheck = { type = \"http\", path = \"/x\" }\n[tables]");
    assert_eq!(valid(&dual).services[0].check.kind, CheckKind::None);
    assert_eq!(valid(&dual).services[1].check.kind, CheckKind::Tcp);
}

#[test]
fn an_option_of_another_type_is_refused_with_the_types_that_have_it() {
    for (own, marked, key, types) in [
        ("{ path = \"/x\" }", "\"/x\"", "path", "\"http\", \"https\""),
        ("{ type = \"http\", user = \"u\" }", "\"u\"", "user", "\"mysql\""),
        ("{ type = \"amqp\", send = \"x\" }", "\"x\"", "send", "\"udp\""),
        ("{ command = [\"/x\"] }", "[\"/x\"]", "command", "\"command\""),
        ("{ type = \"udp\", send = \"x\", tls = {} }", "{}", "tls", "\"tcp\", \"http\", \"https\", \"mysql\""),
        ("{ type = \"none\", expect_status = 200 }", "200", "expect_status", "\"http\", \"https\""),
    ] {
        let message = format!("`{key}` of `check` of service `keystone` means nothing");
        assert_error(&with(own), marked, &message, &format!("it is for checks of type {types}"));
    }
}

#[test]
fn what_a_type_needs_is_missed() {
    let message = |key: &str| format!("`{key}` is missing from `check` of service `keystone`");
    assert_error(&with("{ type = \"udp\" }"), "{ type = \"udp\" }", &message("send"), "add `send`, as in `send = ");
    let command = "{ type = \"command\" }";
    assert_error(&with(command), command, &message("command"), "add `command`, as in `command = [\"");
    let alone =
        edited("check = { interval = \"2s\", timeout = \"1s\", rise = 2, fall = 3 }", "check = { type = \"udp\" }");
    let found = errors(&alone);
    // Once for each service that takes the default: keystone says `tcp`.
    assert_eq!(found.errors.len(), 2, "{found}");
    assert_eq!(found.errors[0].message, "`send` is missing from the check of service `glance`");
}

#[test]
fn what_an_account_is_for_needs_one() {
    for (key, value) in [("password", "\"x\""), ("wsrep", "true"), ("donor_ok", "true"), ("read_only", "\"any\"")] {
        let message = format!("`{key}` of `check` of service `keystone` means nothing");
        assert_error(&with(&format!("{{ type = \"mysql\", {key} = {value} }}")), value, &message, "add `user`");
    }
}

#[test]
fn of_two_ways_to_say_it_one_is_enough() {
    for (own, marked, first, second) in [
        (
            "type = \"mysql\", user = \"u\", password = \"p\", password_file = \"/p\"",
            "\"/p\"",
            "password",
            "password_file",
        ),
        ("type = \"udp\", send = \"x\", send_hex = \"00\"", "\"00\"", "send", "send_hex"),
        ("type = \"udp\", send = \"x\", expect = \"x\", expect_hex = \"00\"", "\"00\"", "expect", "expect_hex"),
    ] {
        let found = errors(&with(&format!("{{ {own} }}")));
        let message = format!("`check` of service `keystone` has `{first}` and `{second}`");
        let error = found.errors.iter().find(|error| error.message == message).unwrap_or_else(|| panic!("{found}"));
        let excerpt = &error.excerpt;
        let underlined: String = excerpt.text.chars().skip(excerpt.start).take(excerpt.length).collect();
        assert_eq!((underlined.as_str(), error.related.len()), (marked, 1));
    }
    let silent = with("{ type = \"udp\", send = \"x\", expect = \"y\", answer = false }");
    assert_error(&silent, "\"y\"", "`expect` of `check` of service `keystone` means nothing", "`answer = false`");
    let blind = with("{ tls = { ca = \"/ca\", verify = false } }");
    assert_error(&blind, "\"/ca\"", "`ca` of `tls` of `check` of service `keystone` means nothing", "`verify = false`");
}

#[test]
fn values_that_no_protocol_carries_are_refused() {
    let cases = [
        ("http", "method", "\"get\"", "is `get`, which is no method", "in capitals"),
        ("http", "path", "\"x\"", "is `x`, which is no path of a request", "begin it with `/`"),
        ("http", "path", "\"/a b\"", "is `/a b`, which is no path of a request", "`%20`"),
        ("http", "host", "\"http://x\"", "is `http://x`, which is no host", "keystone.example.org"),
        ("http", "expect_status", "\"6xx\"", "is `6xx`, which is no status code", "`\"2xx\"`"),
        ("http", "expect_status", "99", "is `99`, out of range", "100 to 599"),
        ("http", "expect_status", "[]", "is empty: no answer would pass", "2xx and 3xx"),
        ("http", "expect_body", "\"\"", "is empty: any body would pass", "leave it out"),
        ("mysql", "user", "\"\"", "is empty", "the name of an account"),
        ("udp", "send", "\"\"", "is empty", "1 to 1232 bytes"),
        ("udp", "send_hex", "\"0g\"", "is `0g`, which is not in hexadecimal digits", "two digits each"),
        ("udp", "send_hex", "\"000\"", "is `000`, which is not in hexadecimal digits", "two digits each"),
        ("command", "command", "[\"check\"]", "begins with `check`, which is no whole path", "there is no shell"),
    ];
    for (kind, key, value, fault, help) in cases {
        let text = with(&format!("{{ type = \"{kind}\", {key} = {value} }}"));
        let found = errors(&text);
        let error = &found.errors[found.errors.len() - 1];
        assert_eq!(error.message, format!("`{key}` of `check` of service `keystone` {fault}"), "{found}");
        assert!(error.help.as_ref().is_some_and(|said| said.contains(help)), "{found}");
    }
    let unknown = with("{ type = \"mysql\", user = \"u\", read_only = \"no\" }");
    let message = "`read_only` of `check` of service `keystone` is `no`, which is unknown";
    assert_error(&unknown, "\"no\"", message, "`off`, `on`, `any`");
    let relative = with("{ type = \"mysql\", user = \"u\", password_file = \"pw\" }");
    let message = "`password_file` of `check` of service `keystone` is `pw`, which is no whole path";
    assert_error(&relative, "\"pw\"", message, "/etc/pivot/secret");
    let address = with("{ type = \"tcp\", tls = { sni = \"10.0.0.1\" } }");
    let message = "`sni` of `tls` of `check` of service `keystone` is `10.0.0.1`, which is no name of a host";
    assert_error(&address, "\"10.0.0.1\"", message, "backend's address");
}

#[test]
fn headers_are_names_and_values_that_can_be_sent() {
    let header = |pair: &str| with(&format!("{{ type = \"http\", headers = {{ {pair} }} }}"));
    let named = |name: &str| format!("header `{name}` of `headers` of `check` of service `keystone`");
    let own = format!("{} is one that the check makes itself", named("Host"));
    assert_error(&header("Host = \"x\""), "Host", &own, "`host` has a key of its own");
    let odd = format!("{} is no name of a header", named("a b"));
    assert_error(&header("\"a b\" = \"x\""), "\"a b\"", &odd, "X-Probe");
    let split = format!("{} is `x\\r\\ny`, which no header may be", named("A"));
    assert_error(&header("A = \"x\\r\\ny\""), "\"x\\r\\ny\"", &split, "X-Probe");
}

#[test]
fn a_password_is_not_repeated_in_an_error() {
    let found = errors(&with("{ type = \"mysql\", user = \"u\", password = \"s3\\u0000cret\" }"));
    assert!(found.errors[0].message.ends_with("contains a NUL, at which it would end"), "{found}");
}

#[test]
fn a_reload_tells_that_options_changed_and_not_what_passwords_are() {
    let lines = |old: &str, new: &str| diff(&valid(&with(old)), &valid(&with(new)));
    let old = "{ type = \"mysql\", user = \"u\", password = \"s3cret\" }";
    let new = "{ type = \"mysql\", user = \"u\", password = \"0ther\" }";
    assert_eq!(lines(old, new), ["~ service keystone check options of type mysql changed"]);
    assert_eq!(lines("{ type = \"http\" }", "{ type = \"https\" }"), ["~ service keystone check type http -> https"]);
    let moved = lines("{ rise = 2 }", "{ port = 9200, address = \"10.1.0.1\" }");
    let expected = [
        "~ service keystone check port the backend's -> 9200",
        "~ service keystone check address the backend's -> 10.1.0.1",
    ];
    assert_eq!(moved, expected);
}

/// Whoever adds a key writes it down.
#[test]
fn every_key_of_a_check_is_documented() {
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md"));
    let section = document.split("## `check`: health checks").nth(1).and_then(|rest| rest.split("\n## ").next());
    let section = section.expect("the section on checks");
    for key in super::super::checks::keys().into_iter().chain(super::super::checks::TLS_KEYS) {
        assert!(section.contains(&format!("| `{key}` |")), "{key}");
    }
    let documented = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).count();
    assert_eq!(documented, super::super::checks::keys().len() + 3, "keys that are documented and not there");
}
