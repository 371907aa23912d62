//! Checks against small servers on this machine that say what a test has them say.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use super::*;
use crate::core::agent;
use crate::core::check::MARK;
use crate::core::config::model::{Agent, HttpCheck, MysqlCheck, Tls, UdpAnswer, UdpCheck};

const SECOND: Duration = Duration::from_secs(1);
/// More than any of these servers takes.
const AMPLE: Duration = Duration::from_secs(20);

async fn checked(kind: CheckKind, tls: Option<Tls>, target: SocketAddr, timeout: Duration) -> Checked {
    let attempt = Attempt { target, kind, tls, timeout };
    let backend = BackendKey { service: "web".into(), backend: "c1".into() };
    Prober::new("c2".into()).run(&attempt, &backend).await
}

async fn verdict(kind: CheckKind, target: SocketAddr, timeout: Duration) -> Result<String, String> {
    checked(kind, None, target, timeout).await.outcome.verdict
}

/// A server that sends `first`, then waits for something and sends `then`, and closes. What it was sent comes back.
async fn server(first: &'static [u8], then: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(first).await.unwrap();
        let mut sent = vec![0; 4096];
        let count = stream.read(&mut sent).await.unwrap_or(0);
        sent.truncate(count);
        let _ = stream.write_all(then).await;
        sent
    });
    (address, served)
}

/// One that accepts and never says anything.
async fn silent() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), listener)
}

fn http() -> HttpCheck {
    HttpCheck {
        method: "GET".into(),
        path: "/healthcheck".into(),
        host: Some("keystone.example.org".into()),
        headers: vec![("X-Probe".into(), "pivot".into())],
        expect_status: Default::default(),
        expect_body: None,
    }
}

fn udp(expect: UdpAnswer) -> CheckKind {
    CheckKind::Udp(UdpCheck { send: b"ping".to_vec(), expect })
}

#[tokio::test]
async fn a_listener_passes() {
    let (target, _listener) = silent().await;
    let outcome = checked(CheckKind::Tcp, None, target, SECOND).await.outcome;
    assert!(outcome.has_passed() && outcome.took < SECOND, "{outcome:?}");
}

#[tokio::test]
async fn a_port_without_a_listener_is_refused() {
    // Bound but not listening: the port stays ours and answers with an RST.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let target = socket.local_addr().unwrap();
    for kind in [CheckKind::Tcp, CheckKind::Amqp, CheckKind::Memcached, CheckKind::Http(http())] {
        assert_eq!(verdict(kind, target, SECOND).await, Err("connection refused".into()));
    }
}

#[tokio::test]
async fn a_service_without_a_check_passes_at_once() {
    assert!(verdict(CheckKind::None, "127.0.0.1:1".parse().unwrap(), SECOND).await.is_ok());
}

/// The accept queue of a listener that never accepts fills up (backlog + 1), and the kernel drops further SYNs:
/// a hung service.
#[tokio::test]
async fn a_silent_service_fails_at_the_timeout() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let target = listener.local_addr().unwrap();
    let _queued = [TcpStream::connect(target).await.unwrap(), TcpStream::connect(target).await.unwrap()];
    let said = verdict(CheckKind::Tcp, target, Duration::from_millis(200)).await;
    assert_eq!(said, Err("no answer within 200 ms".into()));
}

#[tokio::test]
async fn who_accepts_and_says_nothing_fails_at_the_timeout_whatever_is_asked() {
    let timeout = Duration::from_millis(200);
    let timed_out = |awaited: &str| Err(format!("timed out after 200 ms while waiting for {awaited}"));
    for (kind, tls, awaited) in [
        (CheckKind::Mysql(MysqlCheck::default()), None, "the handshake"),
        (CheckKind::Amqp, None, "Connection.Start"),
        (CheckKind::Memcached, None, "the version"),
        (CheckKind::Http(http()), None, "the answer"),
        (CheckKind::Tcp, Some(Tls { insecure: true, ..Tls::default() }), "the TLS handshake"),
    ] {
        let (target, _listener) = silent().await;
        let began = Instant::now();
        let checked = checked(kind, tls, target, timeout).await;
        assert_eq!(checked.outcome.verdict, timed_out(awaited));
        assert!(began.elapsed() < AMPLE && checked.outcome.took >= timeout, "{checked:?}");
        assert!(checked.steps.iter().any(|step| step.says == "connected"), "{checked:?}");
    }
}

#[tokio::test]
async fn the_service_is_not_bothered_by_checks_of_its_port() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let target = listener.local_addr().unwrap();
    const CHECKS: usize = 20;
    for _ in 0..CHECKS {
        assert!(verdict(CheckKind::Tcp, target, SECOND).await.is_ok());
    }
    // On a machine so busy that 200 ms pass between the answer and the close, the kernel sends the ACK after all.
    let accepted = std::iter::from_fn(|| listener.accept().ok()).count();
    assert!(accepted < CHECKS / 2, "{accepted} of {CHECKS} checks reached the service");
}

#[tokio::test]
async fn a_request_says_what_was_configured() {
    let (target, served) = server(b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(verdict(CheckKind::Http(http()), target, AMPLE).await, Ok("HTTP 200".into()));
    let request = String::from_utf8(served.await.unwrap()).unwrap();
    assert!(request.starts_with("GET /healthcheck HTTP/1.1\r\n"), "{request}");
    for header in ["host: keystone.example.org", "x-probe: pivot", "connection: close", "user-agent: pivot"] {
        assert!(request.contains(&format!("{header}\r\n")), "{header} is not in {request}");
    }
}

#[tokio::test]
async fn answers_are_judged_by_status_and_body() {
    let body = HttpCheck { expect_body: Some("synced".into()), ..http() };
    let cases: [(&'static [u8], &HttpCheck, Result<&str, &str>); 6] = [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", &http(), Err("HTTP 503, expected 2xx or 3xx")),
        (b"HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n", &http(), Ok("HTTP 302")),
        (b"HTTP/1.1 200 OK\r\n\r\nnode is synced", &body, Ok("HTTP 200")),
        (b"HTTP/1.1 200 OK\r\n\r\nnode is joining", &body, Err("the body does not contain \"synced\"")),
        (b"SSH-2.0-OpenSSH_9.2\r\n", &http(), Err("the answer is no HTTP")),
        (b"", &http(), Err("the server closed the connection while the answer was waited for")),
    ];
    for (answer, check, expected) in cases {
        let (target, _served) = server(b"", answer).await;
        let said = verdict(CheckKind::Http(check.clone()), target, AMPLE).await;
        assert_eq!(said, expected.map(str::to_owned).map_err(str::to_owned));
    }
}

/// A body that has no end is not waited for: neither to pass nor to fail by the status.
#[tokio::test]
async fn an_endless_body_holds_up_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let check = HttpCheck { expect_body: Some("synced".into()), ..http() };
    let said = verdict(CheckKind::Http(check), target, AMPLE).await.unwrap_err();
    assert!(said.starts_with("the body does not contain \"synced\", in its first "), "{said}");
}

#[tokio::test]
async fn memcached_says_its_version_and_is_told_goodbye() {
    let (target, served) = server(b"", b"VERSION 1.6.18\r\n").await;
    assert_eq!(verdict(CheckKind::Memcached, target, AMPLE).await, Ok("memcached 1.6.18".into()));
    assert_eq!(served.await.unwrap(), b"version\r\n");
    let (target, _served) = server(b"", b"ERROR\r\n").await;
    assert_eq!(verdict(CheckKind::Memcached, target, AMPLE).await, Err("answered \"ERROR\" to `version`".into()));
}

#[tokio::test]
async fn a_broker_of_another_version_fails() {
    let (target, served) = server(b"", b"AMQP\x00\x01\x00\x00").await;
    let said = verdict(CheckKind::Amqp, target, AMPLE).await;
    assert_eq!(said, Err("the server refuses AMQP 0-9-1 and offers 0-1-0".into()));
    assert_eq!(served.await.unwrap(), b"AMQP\0\0\x09\x01");
}

#[tokio::test]
async fn a_database_that_takes_no_more_connections_fails() {
    let (target, _served) = server(b"\x17\0\0\0\xff\x10\x04Too many connections", b"").await;
    let said = verdict(CheckKind::Mysql(MysqlCheck::default()), target, AMPLE).await;
    assert_eq!(said, Err("too many connections (error 1040: Too many connections)".into()));
}

#[tokio::test]
async fn a_database_that_breaks_off_is_told_of_by_what_was_awaited() {
    let (target, _served) = server(b"\x20\0\0\0\x0a5.5", b"").await;
    let said = verdict(CheckKind::Mysql(MysqlCheck::default()), target, SECOND).await;
    assert_eq!(said, Err("timed out after 1 s while waiting for the handshake".into()));
    let (target, _served) = server(b"\xff\xff\xff\0", b"").await;
    assert!(verdict(CheckKind::Mysql(MysqlCheck::default()), target, AMPLE).await.unwrap_err().contains("no MySQL"));
}

#[tokio::test]
async fn datagrams_are_judged_by_their_answers() {
    let echo = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = echo.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 100];
        while let Ok((count, from)) = echo.recv_from(&mut buffer).await {
            let _ = echo.send_to(&buffer[..count], from).await;
        }
    });
    assert_eq!(verdict(udp(UdpAnswer::Any), target, AMPLE).await, Ok("4 bytes in answer".into()));
    assert!(verdict(udp(UdpAnswer::Containing(b"in".to_vec())), target, AMPLE).await.is_ok());
    let said = verdict(udp(UdpAnswer::Containing(b"pong".to_vec())), target, AMPLE).await;
    assert_eq!(said, Err("the answer of 4 bytes does not contain what was expected".into()));
}

#[tokio::test]
async fn who_never_answers_datagrams_passes_only_where_no_answer_is_awaited() {
    let mute = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = mute.local_addr().unwrap();
    let timeout = Duration::from_millis(200);
    assert_eq!(verdict(udp(UdpAnswer::Any), target, timeout).await, Err("no answer within 200 ms".into()));
    assert_eq!(verdict(udp(UdpAnswer::None), target, timeout).await, Ok("nobody has refused it".into()));
    drop(mute);
    for expect in [UdpAnswer::Any, UdpAnswer::None] {
        let said = verdict(udp(expect), target, AMPLE).await;
        assert_eq!(said, Err("port unreachable: nobody listens there".into()));
    }
}

#[tokio::test]
async fn a_command_is_told_whom_to_judge() {
    let script = "test \"$PIVOT_HOST $PIVOT_SERVICE $PIVOT_BACKEND $PIVOT_ADDRESS $PIVOT_PORT\" = \
                  'c2 web c1 127.0.0.1 7' || { echo \"$PIVOT_ADDRESS\" >&2; exit 3; }";
    let shell = |script: &str| CheckKind::Command(["/bin/sh", "-c", script].map(str::to_owned).into());
    let target = "127.0.0.1:7".parse().unwrap();
    assert_eq!(verdict(shell(script), target, AMPLE).await, Ok("exit code 0".into()));
    let said = verdict(shell("echo not synced >&2; exit 3"), target, AMPLE).await;
    assert_eq!(said, Err("exit code 3 (not synced)".into()));
    let said = verdict(shell("sleep 1000"), target, Duration::from_millis(200)).await;
    assert_eq!(said, Err("killed, as it was not over after 200ms".into()));
}

#[tokio::test]
async fn a_place_is_waited_for_no_longer_than_the_timeout() {
    let prober = Prober::new("c1".into()).within(OTHERS + 200 * EACH);
    let _all = prober.places.acquire_many(200).await.unwrap();
    let (target, _listener) = silent().await;
    let attempt = Attempt { target, kind: CheckKind::Tcp, tls: None, timeout: Duration::from_millis(100) };
    let backend = BackendKey { service: "web".into(), backend: "c1".into() };
    let why = prober.run(&attempt, &backend).await.outcome.verdict.unwrap_err();
    assert_eq!(why, "cannot check from this host: 200 checks are under way already");
}

#[test]
fn there_are_as_many_places_as_descriptors_allow() {
    let places = |descriptors| Prober::new("c1".into()).within(descriptors).places.available_permits();
    assert_eq!([0, 1024, 20_000, 65_536, u64::MAX].map(places), [128, 128, 6410, 8192, 8192]);
}

#[tokio::test]
async fn connections_of_checks_are_marked_where_that_is_allowed() {
    let socket = TcpSocket::new_v4().unwrap();
    socket::mark(&socket).unwrap();
    let mark = socket2::SockRef::from(&socket).mark().unwrap();
    assert!(mark == MARK || !rustix::process::geteuid().is_root(), "{mark:#x}");
}

#[tokio::test]
async fn what_speaks_no_tls_is_told_of_as_such() {
    let (target, _served) = server(b"", b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let tls = Tls { insecure: true, ..Tls::default() };
    let said = checked(CheckKind::Http(http()), Some(tls), target, AMPLE).await.outcome.verdict;
    assert_eq!(said, Err("the server does not speak TLS".into()));
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_named() {
    let (target, _listener) = silent().await;
    let tls = Tls { ca: Some("/nonexistent/ca.pem".into()), ..Tls::default() };
    let said = checked(CheckKind::Tcp, Some(tls), target, AMPLE).await.outcome.verdict.unwrap_err();
    assert!(said.starts_with("cannot read certificates from /nonexistent/ca.pem: "), "{said}");
}

#[test]
fn what_the_kernel_says_becomes_words_of_an_operator() {
    let cases = [
        (libc::ECONNREFUSED, "connection refused"),
        (libc::EHOSTUNREACH, "no route to host"),
        (libc::ENETUNREACH, "network is unreachable"),
        (libc::ETIMEDOUT, "no answer within 1 s"),
        (libc::EMFILE, "cannot check from this host: Too many open files (os error 24)"),
    ];
    for (errno, words) in cases {
        assert_eq!(socket::in_words(&std::io::Error::from_raw_os_error(errno), SECOND), words);
    }
}

/// Asks an agent that answers so.
async fn agent_says(answer: &'static [u8], timeout: Duration) -> Result<String, String> {
    let (target, served) = server(b"", answer).await;
    let question = agent::question(&Agent { timeout, path: "/agent".into(), ..Agent::at(target.port()) }, target);
    let said = Prober::new("c2".into()).ask(&question).await;
    let sent = String::from_utf8(served.await.unwrap()).unwrap();
    assert!(sent.starts_with("GET /agent HTTP/1.1\r\nhost: 127.0.0.1:"), "{sent}");
    said.map(|heard| heard.to_string())
}

#[tokio::test]
async fn an_agent_is_asked_and_its_first_line_heard() {
    for (answer, said) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\ndrain,up 50%"[..], "drain, up, 50%"),
        (b"HTTP/1.0 200 OK\r\n\r\nmaint\nand more\n", "maint"),
        (
            b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndow\r\n6\r\nn#sick\r\n0\r\n\r\n",
            "down (sick)",
        ),
        // What comes after the line may be missing.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nup\n", "up"),
    ] {
        assert_eq!(agent_says(answer, AMPLE).await, Ok(said.to_owned()), "{}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn an_agent_that_answers_otherwise_says_nothing() {
    for (answer, why) in [
        (&b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\ndrain"[..], "HTTP 503, expected 2xx"),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "HTTP 302, expected 2xx"),
        (b"HTTP/1.1 204 None\r\n\r\n", "its answer begins with an empty line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "it says \"<html>\", which is no word"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ndra", "the server closed the connection while the body"),
        (b"up ready\n", "the answer is no HTTP"),
        (b"", "the server closed the connection while the answer"),
    ] {
        let said = agent_says(answer, AMPLE).await.unwrap_err();
        assert!(said.starts_with(why), "{said}");
    }
}

/// Whatever it sends, little of it is taken in, and it costs no more than its timeout.
#[tokio::test]
async fn an_endless_agent_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    for (head, line, said) in [
        ("HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxx", Err("its answer has no line of at most 4096 bytes".to_owned())),
        ("HTTP/1.1 200 OK\r\n\r\ndrain\n", "xxxxxxxx", Ok("drain".to_owned())),
    ] {
        let question = agent::question(&Agent { timeout: AMPLE, ..Agent::at(target.port()) }, target);
        let prober = Prober::new("c2".into());
        let endless = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut sent = [0; 4096];
            let _ = stream.read(&mut sent).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            while stream.write_all(line.as_bytes()).await.is_ok() {}
        };
        let (answer, ()) = tokio::join!(prober.ask(&question), endless);
        assert_eq!(answer.map(|heard| heard.to_string()), said);
    }
}

#[tokio::test]
async fn an_agent_that_is_not_there_or_says_nothing_is_told_so() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refused = socket.local_addr().unwrap();
    let (mute, _listener) = silent().await;
    let timeout = Duration::from_millis(200);
    for (target, why) in
        [(refused, "connection refused"), (mute, "timed out after 200 ms while waiting for the answer")]
    {
        let question = agent::question(&Agent { timeout, ..Agent::at(target.port()) }, target);
        assert_eq!(Prober::new("c2".into()).ask(&question).await, Err(why.to_owned()));
    }
}

#[tokio::test]
async fn agents_and_checks_do_not_wait_for_each_other() {
    let prober = Prober::new("c1".into()).within(OTHERS + 200 * EACH);
    let _checks = prober.places.acquire_many(200).await.unwrap();
    let (target, _served) = server(b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup").await;
    let question = |timeout| agent::question(&Agent { timeout, ..Agent::at(target.port()) }, target);
    assert!(prober.ask(&question(AMPLE)).await.is_ok());
    let _agents = prober.agents.acquire_many(256).await.unwrap();
    let why = prober.ask(&question(Duration::from_millis(100))).await.unwrap_err();
    assert_eq!(why, "cannot ask from this host: 256 agents are asked already");
}
