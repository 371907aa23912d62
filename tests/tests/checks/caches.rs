//! memcached.

use std::process::Command;
use std::time::Duration;

use lb_userspace::core::config::model::{CheckKind, Tls};
use pivot_tests::real::service::await_listening;
use rustix::process::Signal;

use crate::certificates;
use crate::rig::{SERVER, TIMEOUT, check, lab, says};

const PORT: u16 = 11211;

#[test]
fn a_memcached_passes_while_it_answers() {
    let lab = lab();
    let host = lab.node(SERVER);
    let mut command = Command::new("/usr/bin/memcached");
    command.args(["-u", "memcache", "-U", "0", "-m", "16", "-t", "1", "-l", &host.address.to_string()]);
    let mut server = host.spawn("memcached", command).unwrap();
    await_listening(host, PORT).unwrap();
    let said = says(&lab, PORT, &CheckKind::Memcached).unwrap();
    assert!(said.starts_with("memcached 1."), "{said}");

    server.signal(Signal::STOP).unwrap();
    let timeout = Duration::from_millis(300);
    let silent = check(&lab, PORT, &CheckKind::Memcached, None, timeout).outcome.verdict;
    assert_eq!(silent, Err("timed out after 300 ms while waiting for the version".into()));
    // Which a connection alone does not notice.
    assert!(says(&lab, PORT, &CheckKind::Tcp).is_ok());

    server.kill().unwrap();
    assert_eq!(says(&lab, PORT, &CheckKind::Memcached), Err("connection refused".into()));
}

#[test]
fn a_memcached_passes_over_tls() {
    let lab = lab();
    let host = lab.node(SERVER);
    let files = certificates::make(lab.directory(), host.address);
    let mut command = Command::new("/usr/bin/memcached");
    command.args(["-u", "memcache", "-U", "0", "-m", "16", "-t", "1", "-l", &host.address.to_string(), "-Z"]);
    let (certificate, key) = (files.certificate.display(), files.key.display());
    command.arg("-o").arg(format!("ssl_chain_cert={certificate},ssl_key={key}"));
    let _server = host.spawn("memcached", command).unwrap();
    await_listening(host, PORT).unwrap();
    let said = |tls: Option<&Tls>| check(&lab, PORT, &CheckKind::Memcached, tls, TIMEOUT).outcome.verdict;
    let trusted = Tls { ca: Some(files.ca.clone()), ..Tls::default() };
    let named = Tls { sni: Some(certificates::NAME.to_owned()), ..trusted.clone() };
    for tls in [&trusted, &named, &Tls { insecure: true, ..Tls::default() }] {
        let found = said(Some(tls)).unwrap();
        assert!(found.starts_with("memcached 1."), "{tls:?}: {found}");
    }
    let why = said(Some(&Tls::default())).unwrap_err();
    assert!(why.starts_with("the server's certificate is refused: "), "{why}");
    assert!(said(None).is_err(), "it speaks nothing else");
}
