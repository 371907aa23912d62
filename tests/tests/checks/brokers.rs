//! RabbitMQ.

use std::time::Duration;

use lb_userspace::core::config::model::CheckKind;
use pivot_tests::lab::wait_until;
use pivot_tests::real::broker::{Broker, PORT};
use rustix::process::Signal;

use crate::rig::{SERVER, TIMEOUT, check, checks, lab, says};

#[test]
fn a_broker_passes_while_it_begins_connections() {
    let lab = lab();
    let host = lab.node(SERVER);
    let mut broker = Broker::start(&lab, host, &[host]).unwrap();
    broker.await_started().unwrap();
    let said = says(&lab, PORT, &CheckKind::Amqp).unwrap();
    assert!(said.starts_with("RabbitMQ 3."), "{said}");

    // No error is left in the log, and no connection in the broker.
    let before = broker.log().len();
    for checked in checks(&lab, PORT, &CheckKind::Amqp, None, TIMEOUT, 20) {
        assert!(checked.outcome.has_passed(), "{checked:?}");
    }
    wait_until(TIMEOUT, "the broker to have no connection", || {
        match broker.control(&["list_connections"]).map_err(|error| error.to_string())? {
            serde_json::Value::Array(connections) if connections.is_empty() => Ok(()),
            some => Err(some.to_string()),
        }
    })
    .unwrap();
    let log = broker.log();
    let complaints: Vec<&str> = log[before..].lines().filter(|line| line.contains("[error]")).collect();
    assert_eq!(complaints, Vec::<&str>::new());

    broker.signal(Signal::STOP).unwrap();
    let silent = check(&lab, PORT, &CheckKind::Amqp, None, Duration::from_millis(300)).outcome.verdict;
    assert_eq!(silent, Err("timed out after 300 ms while waiting for Connection.Start".into()));
    broker.kill().unwrap();
    assert_eq!(says(&lab, PORT, &CheckKind::Amqp), Err("connection refused".into()));
}
