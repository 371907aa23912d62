//! RabbitMQ.

use std::time::Duration;

use lb_userspace::core::config::model::{CheckKind, Tls};
use pivot_tests::lab::wait_until;
use pivot_tests::real::broker::{Broker, PORT};
use rustix::process::Signal;

use crate::certificates;
use crate::rig::{SERVER, TIMEOUT, check, checks, lab, says};

const CHECKS: usize = 20;
const TLS_PORT: u16 = 5671;

fn await_no_connection(broker: &Broker) {
    wait_until(TIMEOUT, "the broker to have no connection", || {
        match broker.control(&["list_connections"]).map_err(|error| error.to_string())? {
            serde_json::Value::Array(connections) if connections.is_empty() => Ok(()),
            some => Err(some.to_string()),
        }
    })
    .unwrap();
}

#[test]
fn a_broker_passes_while_it_begins_connections() {
    let lab = lab();
    let host = lab.node(SERVER);
    let mut broker = Broker::start(&lab, host, &[host]).unwrap();
    broker.await_started().unwrap();
    let said = says(&lab, PORT, &CheckKind::Amqp).unwrap();
    assert!(said.starts_with("RabbitMQ 3."), "{said}");

    for checked in checks(&lab, PORT, &CheckKind::Amqp, None, TIMEOUT, CHECKS - 1) {
        assert!(checked.outcome.has_passed(), "{checked:?}");
    }
    await_no_connection(&broker);
    // What the documentation says of the log is all that is there: a line, and a warning of two lines.
    let lines = ["accepting AMQP connection", "closing AMQP connection", "client unexpectedly closed TCP connection"];
    wait_until(TIMEOUT, "the broker's log to have all checks", || {
        let log = broker.log();
        let counts = lines.map(|text| log.lines().filter(|line| line.contains(text)).count());
        if counts == [CHECKS; 3] { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .unwrap();
    let log = broker.log();
    let loud = |line: &&str| ["[warning]", "[error]", "[notice]"].iter().any(|level| line.contains(level));
    let begun = log.find(lines[0]).unwrap();
    assert_eq!(log[begun..].lines().filter(loud).count(), 2 * CHECKS, "{log}");

    broker.signal(Signal::STOP).unwrap();
    let silent = check(&lab, PORT, &CheckKind::Amqp, None, Duration::from_millis(300)).outcome.verdict;
    assert_eq!(silent, Err("timed out after 300 ms while waiting for Connection.Start".into()));
    broker.kill().unwrap();
    assert_eq!(says(&lab, PORT, &CheckKind::Amqp), Err("connection refused".into()));
}

#[test]
fn a_broker_passes_over_tls_and_is_left_in_silence_if_it_wants() {
    let lab = lab();
    let host = lab.node(SERVER);
    let files = certificates::make(lab.directory(), host.address);
    let options = format!(
        "log.connection.level = error
listeners.ssl.1 = {}:{TLS_PORT}
ssl_options.cacertfile = {}
ssl_options.certfile = {}
ssl_options.keyfile = {}
",
        host.address,
        files.ca.display(),
        files.certificate.display(),
        files.key.display()
    );
    let mut broker = Broker::start_with(&lab, host, &[host], &options).unwrap();
    broker.await_started().unwrap();
    let trusted = Tls { ca: Some(files.ca.clone()), ..Tls::default() };
    let said = |port: u16, tls: &Tls| check(&lab, port, &CheckKind::Amqp, Some(tls), TIMEOUT).outcome.verdict;
    let before = broker.log().len();
    for (port, tls) in [(PORT, None), (TLS_PORT, Some(&trusted))] {
        for checked in checks(&lab, port, &CheckKind::Amqp, tls, TIMEOUT, CHECKS) {
            let found = checked.outcome.verdict.as_ref().unwrap();
            assert!(found.starts_with("RabbitMQ 3."), "{checked:?}");
        }
    }
    let named = Tls { sni: Some(certificates::NAME.to_owned()), ..trusted.clone() };
    assert!(said(TLS_PORT, &named).is_ok());
    assert!(said(TLS_PORT, &Tls { insecure: true, ..Tls::default() }).is_ok());
    let stranger = Tls { sni: Some("glance.lab".to_owned()), ..trusted.clone() };
    for tls in [stranger, Tls::default()] {
        let why = said(TLS_PORT, &tls).unwrap_err();
        assert!(why.starts_with("the server's certificate is refused: "), "{tls:?}: {why}");
    }
    await_no_connection(&broker);
    assert_eq!(&broker.log()[before..], "");
    assert_eq!(said(PORT, &trusted), Err("the server does not speak TLS".into()));
    let silent = check(&lab, TLS_PORT, &CheckKind::Amqp, None, Duration::from_millis(300)).outcome.verdict;
    assert!(silent.is_err(), "{silent:?}");
}
