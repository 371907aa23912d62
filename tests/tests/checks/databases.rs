//! MariaDB alone.

use std::net::TcpStream;
use std::time::Duration;

use lb_userspace::core::config::model::{CheckKind, CheckPassword, MysqlCheck, MysqlLogin, ReadOnly, Secret, Tls};
use pivot_tests::real::service::write;
use rustix::process::Signal;

use crate::certificates;
use crate::mariadb::{self, PASSWORD, PORT, USER};
use crate::rig::{SERVER, TIMEOUT, at, await_verdict, check, checks, lab, says};

/// Checks in a row after which a server that counted any of them would have blocked the host many times over.
const MANY: usize = 2000;

pub(crate) fn logged_in(password: &str) -> MysqlCheck {
    logged_in_as(USER, password)
}

fn logged_in_as(user: &str, password: &str) -> MysqlCheck {
    let password = CheckPassword::Given(Secret(password.to_owned()));
    MysqlCheck { login: Some(MysqlLogin { user: user.to_owned(), password }), ..MysqlCheck::default() }
}

#[test]
fn a_database_is_judged_by_what_it_says_of_itself() {
    let lab = lab();
    let files = certificates::make(lab.directory(), lab.node(SERVER).address);
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let mut server = mariadb::start(&lab, &format!("ssl-cert = {certificate}\nssl-key = {key}\n"), &[]);
    let mysql = |check: MysqlCheck| says(&lab, PORT, &CheckKind::Mysql(check));
    let greeted = mysql(MysqlCheck::default()).unwrap();
    assert!(greeted.contains("MariaDB"), "{greeted}");
    assert_eq!(mysql(logged_in(PASSWORD)), Ok("takes writes".into()));
    let denied = mysql(logged_in("wrong")).unwrap_err();
    assert!(denied.starts_with("the server refuses: error 1045: Access denied for user 'check'@'c2'"), "{denied}");
    let alone = mysql(MysqlCheck { wsrep: Some(true), ..logged_in(PASSWORD) });
    assert_eq!(alone, Err("wsrep_on is OFF: this is no member of a Galera cluster".into()));

    server.sql("INSTALL SONAME 'auth_ed25519'");
    server.sql(&format!("CREATE USER 'ed25519'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}')"));
    assert_eq!(mysql(logged_in_as("ed25519", PASSWORD)), Ok("takes writes".into()));
    let denied = mysql(logged_in_as("ed25519", "wrong")).unwrap_err();
    assert!(denied.starts_with("the server refuses: error 1045: Access denied"), "{denied}");

    let file = lab.directory().join("secret");
    write(lab.directory(), "secret", &format!("{PASSWORD}\n")).unwrap();
    let login = |password| Some(MysqlLogin { user: USER.to_owned(), password });
    let from_file = MysqlCheck { login: login(CheckPassword::File(file)), ..MysqlCheck::default() };
    assert_eq!(mysql(from_file), Ok("takes writes".into()));
    let missing = mysql(MysqlCheck { login: login(CheckPassword::File("/nonexistent".into())), ..Default::default() });
    assert!(missing.unwrap_err().starts_with("cannot read the password from /nonexistent: "));

    let secured = |tls: Tls| {
        let checked = check(&lab, PORT, &CheckKind::Mysql(logged_in(PASSWORD)), Some(&tls), TIMEOUT);
        assert!(checked.steps.iter().any(|step| step.says.starts_with("TLS 1.")), "{checked:?}");
        // The account is named to no other server.
        let named = checked.steps.iter().any(|step| step.says == format!("> login as {USER}"));
        assert_eq!(named, checked.outcome.has_passed(), "{checked:?}");
        checked.outcome.verdict
    };
    assert_eq!(secured(Tls { ca: Some(files.ca.clone()), ..Tls::default() }), Ok("takes writes".into()));
    assert!(secured(Tls::default()).unwrap_err().starts_with("the server's certificate is refused: "));

    server.sql("SET GLOBAL read_only = ON");
    assert_eq!(mysql(logged_in(PASSWORD)), Err("read_only is ON".into()));
    assert_eq!(mysql(MysqlCheck { read_only: ReadOnly::Any, ..logged_in(PASSWORD) }), Ok("read-only".into()));
    server.sql("SET GLOBAL read_only = OFF");

    // Ten at once, and one that is kept for an administrator.
    let target = at(&lab, PORT);
    let full: Vec<TcpStream> =
        lab.run_in(SERVER, || (0..11).map(|_| TcpStream::connect(target).unwrap()).collect()).unwrap();
    let too_many = Err("too many connections (error 1040: Too many connections)");
    await_verdict(&lab, PORT, &CheckKind::Mysql(MysqlCheck::default()), too_many);
    await_verdict(&lab, PORT, &CheckKind::Mysql(logged_in(PASSWORD)), too_many);
    drop(full);
    server.await_idle();

    server.process.kill().unwrap();
    assert_eq!(mysql(logged_in(PASSWORD)), Err("connection refused".into()));
}

#[test]
fn many_checks_count_for_nothing_against_their_host() {
    let lab = lab();
    let server = mariadb::start(&lab, "", &[]);
    let all_pass = |kind: CheckKind| {
        for checked in checks(&lab, PORT, &kind, None, TIMEOUT, MANY) {
            assert!(checked.outcome.has_passed(), "{checked:?}");
        }
        server.await_idle();
    };
    server.sql("FLUSH HOSTS");
    let before = server.complaints();
    all_pass(CheckKind::Mysql(logged_in(PASSWORD)));
    assert_eq!(server.complaints(), before, "an account that logs in");
    let against = server.against_hosts();
    for checked in checks(&lab, PORT, &CheckKind::Mysql(logged_in(PASSWORD)), Some(&Tls::default()), TIMEOUT, 20) {
        assert_eq!(checked.outcome.verdict, Err("the server does not offer TLS".into()));
    }
    server.await_idle();
    assert_eq!(server.against_hosts(), against, "TLS that there is none of");

    // Without an account, logins are refused, which the server counts; but not against the host.
    let refusals = || ["Aborted_connects", "Access_denied_errors"].map(|name| server.status(name));
    let (against, counted) = (server.against_hosts(), refusals());
    all_pass(CheckKind::Mysql(MysqlCheck::default()));
    assert_eq!(server.against_hosts(), against, "no account");
    assert_eq!(refusals(), counted.map(|count| count + MANY), "one for each check, and nothing else");
    assert_eq!(says(&lab, PORT, &CheckKind::Mysql(logged_in(PASSWORD))), Ok("takes writes".into()));
}

/// What such a check finds out in the midst of a handshake is no reason to break it off: the server would count that.
#[test]
fn checks_that_must_not_go_on_count_for_nothing_against_their_host() {
    let lab = lab();
    let files = certificates::make(lab.directory(), lab.node(SERVER).address);
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let server = mariadb::start(&lab, &format!("ssl-cert = {certificate}\nssl-key = {key}\n"), &[]);
    let all_fail = |check: MysqlCheck, tls: Option<Tls>, why: &str| {
        for checked in checks(&lab, PORT, &CheckKind::Mysql(check), tls.as_ref(), TIMEOUT, 20) {
            let said = checked.outcome.verdict.as_ref().unwrap_err();
            assert!(said.starts_with(why), "{checked:?}");
        }
        server.await_idle();
    };
    server.sql("INSTALL SONAME 'auth_pam'");
    server.sql("CREATE USER 'pam'@'%' IDENTIFIED VIA pam");
    server.sql("FLUSH HOSTS");
    let against = server.against_hosts();
    for check in [logged_in(PASSWORD), MysqlCheck::default()] {
        all_fail(check, Some(Tls::default()), "the server's certificate is refused: ");
    }
    all_fail(logged_in_as("pam", PASSWORD), None, "the account is proved by dialog, which is not supported");
    assert_eq!(server.against_hosts(), against);
    assert_eq!(says(&lab, PORT, &CheckKind::Mysql(logged_in(PASSWORD))), Ok("takes writes".into()));
}

/// Connections that the server only finds when it goes on are gone by then: they must not be held against the host.
#[test]
fn a_database_that_was_stopped_takes_checks_again_when_it_goes_on() {
    let lab = lab();
    let mut server = mariadb::start(&lab, "", &[]);
    let kind = CheckKind::Mysql(logged_in(PASSWORD));
    assert_eq!(says(&lab, PORT, &kind), Ok("takes writes".into()));
    server.process.signal(Signal::STOP).unwrap();
    for checked in checks(&lab, PORT, &kind, None, Duration::from_millis(100), 20) {
        let expected = "timed out after 100 ms while waiting for the handshake";
        assert_eq!(checked.outcome.verdict, Err(expected.into()));
    }
    assert!(says(&lab, PORT, &CheckKind::Tcp).is_ok(), "which a connection alone does not notice");
    server.process.signal(Signal::CONT).unwrap();
    await_verdict(&lab, PORT, &kind, Ok("takes writes"));
}
