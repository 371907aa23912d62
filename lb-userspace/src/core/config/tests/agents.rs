//! Agents of backends: what they may say of themselves, and what is wrong if they say it otherwise.

use std::time::Duration;

use super::super::diff::diff;
use super::super::model::Agent;
use super::{DUAL, assert_error, edited, edited_in, errors, valid};

const OWN: &str = "check = { type = \"tcp\", fast_interval = \"500ms\" }";

/// The example in which keystone has this agent.
fn with(agent: &str) -> String {
    edited(OWN, &format!("agent = {agent}"))
}

fn agent(text: &str) -> Option<Agent> {
    valid(&with(text)).services[0].agent.clone()
}

#[test]
fn an_agent_needs_a_port_and_has_everything_else_by_default() {
    assert_eq!(valid(super::EXAMPLE).services[0].agent, None);
    let plain = agent("{ port = 9999 }").unwrap();
    assert_eq!(plain, Agent::at(9999));
    assert_eq!(
        (plain.path.as_str(), plain.interval, plain.timeout),
        ("/", Duration::from_secs(2), Duration::from_secs(1))
    );
    let full = "{ port = 1, address = \"10.1.0.1\", path = \"/agent?s=1\", host = \"a:1\", interval = \"5s\", timeout = \"300ms\" }";
    let expected = Agent {
        port: 1,
        address: Some([10, 1, 0, 1].into()),
        path: "/agent?s=1".into(),
        host: Some("a:1".into()),
        interval: Duration::from_secs(5),
        timeout: Duration::from_millis(300),
    };
    assert_eq!(agent(full), Some(expected));
    // Neither are the others' nor are UDP services without.
    assert_eq!(valid(&with(full)).services[1].agent, None);
    let udp = edited_in(DUAL, "idle_timeout = \"30s\"", "agent = { port = 9999 }");
    assert_eq!(valid(&udp).services[0].agent, Some(Agent::at(9999)));
}

#[test]
fn what_is_wrong_with_an_agent_is_named_with_its_place() {
    let here = "`agent` of service `keystone`";
    let error = assert_error(
        &with("{ path = \"/x\" }"),
        "{ path = \"/x\" }",
        &format!("`port` is missing from {here}"),
        "add `port`, as in `port = 9999`",
    );
    assert_eq!((error.line, error.column), (25, 9));
    assert_error(&with("9999"), "9999", &format!("{here} must be a table, not an integer"), "{ key = value");
    assert_error(&with("{ port = 9, prot = 1 }"), "prot", &format!("unknown key `prot` in {here}"), "`path`");
    assert_error(&with("{ prt = 9 }"), "prt", &format!("unknown key `prt` in {here}"), "did you mean `port`?");
    for (key, value, fault, help) in [
        ("port", "0", "is `0`, out of range", "1 to 65535"),
        ("port", "\"9999\"", "must be an integer, not a string", "without quotes"),
        ("address", "\"localhost\"", "is `localhost`, which is not an IP address", ""),
        ("address", "\"127.0.0.1\"", "is `127.0.0.1`, a loopback address", ""),
        ("path", "\"*\"", "is `*`, which is no path of a request", "begin it with `/`"),
        ("path", "\"agent\"", "is `agent`, which is no path of a request", "begin it with `/`"),
        ("path", "\"/a b\"", "is `/a b`, which is no path of a request", "`%20`"),
        ("host", "\"http://x\"", "is `http://x`, which is no host", "keystone.example.org"),
        ("interval", "\"1ms\"", "is `1ms`, out of range", "10ms to 1h"),
        ("interval", "5", "must be a string with a unit, not an integer", "`\"2s\"`"),
        ("timeout", "\"0s\"", "is `0s`, out of range", "1ms to 1h"),
        ("timeout", "\"soon\"", "is `soon`, which is not a whole number and a unit", "`\"500ms\"`"),
    ] {
        let port = if key == "port" { "" } else { "port = 9999, " };
        let text = with(&format!("{{ {port}{key} = {value} }}"));
        let found = errors(&text);
        assert_eq!(found.errors.len(), 1, "{found}");
        let error = &found.errors[0];
        assert!(error.message.starts_with(&format!("`{key}` of {here} {fault}")), "{found}");
        assert!(error.help.as_ref().is_some_and(|said| said.contains(help)), "{found}");
        let marked: String = error.excerpt.text.chars().skip(error.excerpt.start).take(error.excerpt.length).collect();
        assert_eq!((marked.as_str(), error.line), (value, 25), "{found}");
    }
    // All at once, in the order of the file.
    let many = errors(&with("{ path = \"x\", port = 0, x = 1 }"));
    assert_eq!(many.errors.len(), 3, "{many}");
    assert_error(
        &edited("[defaults]", "[defaults]\nagent = { port = 1 }"),
        "agent",
        "unknown key `agent` in [defaults]",
        "`check`",
    );
}

#[test]
fn a_reload_shows_what_it_changes_of_an_agent() {
    let lines = |old: &str, new: &str| diff(&valid(&with(old)), &valid(&with(new)));
    let plain = "{ port = 9999 }";
    assert_eq!(lines(plain, plain), Vec::<String>::new());
    let bare = super::edited(OWN, "");
    let begun = diff(&valid(&bare), &valid(&with(plain)));
    assert_eq!(begun, ["~ service keystone agent none -> port 9999 path / interval 2s"]);
    let ended = diff(&valid(&with(plain)), &valid(&bare));
    assert_eq!(ended, ["~ service keystone agent port 9999 path / interval 2s -> none"]);
    let other =
        "{ port = 1, address = \"10.1.0.1\", path = \"/a\", host = \"a\", interval = \"5s\", timeout = \"300ms\" }";
    let expected = [
        "~ service keystone agent port 9999 -> 1",
        "~ service keystone agent address the backend's -> 10.1.0.1",
        "~ service keystone agent path / -> /a",
        "~ service keystone agent host address and port -> a",
        "~ service keystone agent interval 2s -> 5s",
        "~ service keystone agent timeout 1s -> 300ms",
    ];
    assert_eq!(lines(plain, other), expected);
}

/// Whoever adds a key writes it down.
#[test]
fn every_key_of_an_agent_is_documented() {
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md"));
    let section = document.split("## `agent`: ").nth(1).and_then(|rest| rest.split("\n## ").next());
    let section = section.expect("the section on agents");
    let documented: Vec<&str> =
        section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect();
    assert_eq!(documented, super::super::agent::KEYS);
}
