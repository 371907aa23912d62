//! The checker as a whole: files in, configurations or errors out.

mod agents;
mod balance;
mod checks;
mod families;
mod groups;
mod hooks;
mod hostile;
mod recovery;
mod reload;
mod rules;
mod tracks;
mod udp;
mod valid;
mod values;

use super::{Config, ConfigError, ConfigErrors, parse};

/// A useful file: three controllers, three services. Tests change a word of it.
const EXAMPLE: &str = r#"[[host]]
name = "c1"
address = "10.0.0.11"
[[host]]
name = "c2"
address = "10.0.0.12"
[[host]]
name = "c3"
address = "10.0.0.13"

[[vip]]
name = "internal"
address = "10.0.0.100"
interface = "eth0"
holder = "c1"

[defaults]
check = { interval = "2s", timeout = "1s", rise = 2, fall = 3 }

[[service]]
name = "keystone"
vip = "internal"
port = 5000
backend_port = 5001
check = { type = "tcp", fast_interval = "500ms" }

[[service]]
name = "glance"
vip = "internal"
port = 9292
backends = ["c1", "c2", { host = "c3", name = "spare", port = 9293, address = "10.0.1.13", weight = 50 }]

[[service]]
name = "horizon"
vip = "internal"
port = 443
backend_port = 8080
backends = ["c1", "c2"]

[tables]
flows = 65536
"#;

/// Both families, both protocols, and everything that a service may say of silence.
const DUAL: &str = r#"[[host]]
name = "c1"
address = ["10.0.0.11", "fd00::11"]
[[host]]
name = "c2"
address = ["fd00::12", "10.0.0.12"]
[[host]]
name = "c3"
address = "fd00::13"

[[vip]]
name = "internal"
address = "10.0.0.100"
interface = "eth0"
holder = "c1"
[[vip]]
name = "internal6"
address = "fd00::100"
interface = "eth1"
holder = "c2"

[[service]]
name = "dns"
vip = "internal"
port = 53
protocol = "udp"
backends = ["c1", "c2"]
idle_timeout = "30s"

[[service]]
name = "dns6"
vip = "internal6"
port = 53
protocol = "udp"
check = { type = "tcp", interval = "1s" }

[[service]]
name = "horizon6"
vip = "internal6"
port = 443
backend_port = 8443
idle_timeout = "5d"
affinity = { timeout = "1h", prefix6 = 56 }
backends = ["c1", { host = "c3", name = "spare", address = "fd00:1::13" }]

[tables]
flows = 65536
new_flows = 0
"#;

/// The example with one part replaced, which must be there.
fn edited(from: &str, to: &str) -> String {
    edited_in(EXAMPLE, from, to)
}

/// A text with one part replaced, which must be there.
fn edited_in(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the text has no {from:?}");
    text.replacen(from, to, 1)
}

fn valid(text: &str) -> Config {
    parse(text, "pivot.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(text: &str) -> ConfigErrors {
    parse(text, "pivot.toml").expect_err("an error in the file")
}

/// The one error of a text, which must be about `marked`, as underlined, and say these things.
#[track_caller]
fn assert_error(text: &str, marked: &str, message: &str, help: &str) -> ConfigError {
    let errors = errors(text);
    assert_eq!(errors.errors.len(), 1, "{errors}");
    let error = errors.errors[0].clone();
    let excerpt: String = error.excerpt.text.chars().skip(error.excerpt.start).take(error.excerpt.length).collect();
    assert_eq!(excerpt, marked, "{errors}");
    assert_eq!(error.message, message, "{errors}");
    let said = error.help.clone().unwrap_or_default();
    assert!(said.contains(help), "{errors}");
    error
}

/// Messages in the order of the file, each with its line.
fn messages(text: &str) -> Vec<(usize, String)> {
    errors(text).errors.into_iter().map(|error| (error.line, error.message)).collect()
}
