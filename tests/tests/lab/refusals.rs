//! What pivotd cannot work with: said on stderr, told by the exit code, and nothing left behind.

use std::time::Duration;

use pivot_tests::lab::cluster::web_config;
use pivot_tests::lab::{ConfigText, Lab};

/// Starts pivotd on c1, below `wrapper`, and expects it to end with this exit code and these words, without a trace.
#[track_caller]
fn refused(wrapper: &[&str], config: impl FnOnce(ConfigText) -> String, code: i32, words: &[&str]) {
    let lab = Lab::new().unwrap();
    let before = lab.traces("c1").unwrap();
    let mut pivotd = lab.start_pivotd_under(wrapper, "c1", config(web_config(&lab))).unwrap();
    let status = pivotd.process().wait(Duration::from_secs(10)).unwrap();
    let stderr = pivotd.process().stderr();
    assert_eq!(status.code(), Some(code), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in: {stderr}");
    }
    assert_eq!(lab.traces("c1").unwrap(), before);
}

fn unchanged(config: ConfigText) -> String {
    config.to_string()
}

#[test]
fn a_missing_interface() {
    let elsewhere = |mut config: ConfigText| {
        config.interface = "eth7".into();
        config.to_string()
    };
    refused(&[], elsewhere, 3, &["eth7"]);
}

#[test]
fn an_unknown_key() {
    refused(&[], |config| format!("colour = \"red\"\n{config}"), 3, &["colour", "c1.toml:1:1"]);
}

#[test]
fn the_same_vip_and_port_in_two_services() {
    let twice = |config: ConfigText| config.service("again", 80, 8081, &["c1"]).to_string();
    refused(&[], twice, 3, &["again", "web", "80"]);
}

#[test]
fn port_zero() {
    refused(&[], |config| config.to_string().replace("port = 80\n", "port = 0\n"), 3, &["port = 0"]);
}

#[test]
fn a_backend_on_a_host_that_does_not_exist() {
    refused(&[], |config| config.to_string().replace("\"c3\"]", "\"c9\"]"), 3, &["c9"]);
}

#[test]
fn a_backend_outside_the_segment() {
    let elsewhere = |config: ConfigText| config.to_string().replace("\"10.77.0.13\"", "\"192.0.2.13\"");
    refused(&[], elsewhere, 3, &["192.0.2.13", "web/c3", "segment"]);
}

#[test]
fn every_error_is_told_at_once() {
    let broken = |config: ConfigText| {
        config.to_string().replace("port = 80\n", "port = 0\n").replace("\"c3\"]", "\"c9\"]") + "\ncolour = 1\n"
    };
    refused(&[], broken, 3, &["port = 0", "c9", "colour"]);
}

#[test]
fn another_user_without_privileges() {
    let nobody = ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all"];
    refused(&nobody, unchanged, 4, &["CAP_NET_ADMIN", "root"]);
}

#[test]
fn root_without_privileges() {
    let powerless = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"];
    refused(&powerless, unchanged, 4, &["CAP_BPF", "CAP_NET_ADMIN"]);
}
