//! The API's server and client together over a real unix socket, and the server against requests that no client of
//! ours would send.

mod support;

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use lb_userspace::api::client::{Client, ClientError};
use lb_userspace::api::error::{ApiError, ErrorKind};
use lb_userspace::api::server::serve;
use lb_userspace::api::wire::ExplainQuery;
use lb_userspace::core::config::model::Protocol;
use lb_userspace::core::order::{Change, Weight};
use lb_userspace::core::view::vips::VipsView;
use lb_userspace::core::view::{BackendState, ExplainView, FlowView, MapEntry, MapView, Status};
use serde_json::Value;
use support::{FakeDaemon, answer_all, backends, fixture, reloaded};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

#[tokio::test]
async fn views_arrive_as_the_daemon_gave_them() {
    let daemon = FakeDaemon::start();
    let client = Client::new(daemon.socket());
    let status: Status = fixture("status");
    assert_eq!(client.services().await.unwrap(), status.services);
    assert_eq!(client.status().await.unwrap(), status);
    assert_eq!(client.backends().await.unwrap(), backends());
    assert_eq!(client.explain(&asked("10.0.0.100:5000")).await.unwrap(), fixture::<ExplainView>("explain"));
    assert_eq!(client.vips().await.unwrap(), fixture::<VipsView>("vips"));
    assert_eq!(client.maps().await.unwrap(), fixture::<Vec<MapView>>("maps"));
    assert_eq!(client.map_dump("services", 100).await.unwrap(), fixture::<Vec<MapEntry>>("entries"));
    assert_eq!(client.flows(3, None).await.unwrap(), fixture::<Vec<FlowView>>("flows"));
}

#[tokio::test]
async fn limits_and_filters_reach_the_daemon() {
    let daemon = FakeDaemon::start();
    let client = Client::new(daemon.socket());
    assert_eq!(client.flows(100_000, None).await.unwrap().len(), 100_000);
    assert_eq!(client.flows(1, Some("mysql")).await.unwrap().len(), 1);
    assert_eq!(client.map_dump("services", 2).await.unwrap().len(), 2);
    // Names that mean something in a URL are still names.
    for name in ["a&limit=1", "a b", "ä/../x", "%2e", "#?"] {
        assert_eq!(refusal(client.flows(5, Some(name)).await).message, format!("no service '{name}'"));
        let message = refusal(client.map_dump(name, 5).await).message;
        assert!(message.starts_with(&format!("no map '{name}'")), "{message}");
    }
}

#[tokio::test]
async fn orders_come_back_with_what_they_did() {
    let daemon = FakeDaemon::start();
    let client = Client::new(daemon.socket());
    let one = client.order("keystone/c3", Change::Drain(true)).await.unwrap().backends;
    assert_eq!((one.len(), one[0].state, one[0].changed), (1, BackendState::Drain, true));
    let all = client.order("c2", Change::Drain(false)).await.unwrap().backends;
    assert_eq!(all.iter().map(|b| b.id.as_str()).collect::<Vec<_>>(), ["keystone/c2", "mysql/c2", "horizon/c2"]);
    assert_eq!(refusal(client.order("keystone/c9", Change::Drain(true)).await).kind, ErrorKind::NotFound);
    let one = client.order("keystone/c3", Change::Maintenance(true)).await.unwrap().backends;
    assert_eq!((one[0].state, one[0].changed), (BackendState::Maint, true));
    let one = client.order("keystone/c3", Change::Maintenance(false)).await.unwrap().backends;
    assert_eq!((one[0].state, one[0].changed), (BackendState::Up, false));
    for (weight, now) in [(Some(Weight::Percent(50)), Some(50)), (Some(Weight::Of(7)), Some(7)), (None, None)] {
        let one = client.order("keystone/c3", Change::Weight(weight)).await.unwrap().backends;
        assert_eq!((one[0].weight, one[0].weight_now), (100, now));
    }
    let switched = client.switch("mysql/c2").await.unwrap();
    assert_eq!((switched.service.as_str(), switched.writer.backend.as_deref()), ("mysql", Some("c2")));
    assert_eq!(refusal(client.switch("mysql/c3").await).kind, ErrorKind::Conflict);
    assert_eq!(refusal(client.switch("mysql/c9").await).kind, ErrorKind::NotFound);
    assert_eq!(refusal(client.switch("c2").await).kind, ErrorKind::Invalid);
    let moved = client.failover(Some("control".to_owned()), Some("c2".to_owned())).await.unwrap().groups;
    assert_eq!(
        moved.iter().map(|it| (it.group.as_str(), it.holder.as_deref())).collect::<Vec<_>>(),
        [("control", Some("c2"))]
    );
    assert_eq!(client.failover(None, None).await.unwrap().groups.len(), 3);
    assert_eq!(refusal(client.failover(None, Some("c3".to_owned())).await).kind, ErrorKind::Conflict);
    assert!(client.hold(None, true).await.unwrap().groups.iter().all(|it| it.held_back));
    assert!(client.hold(None, false).await.unwrap().groups.iter().all(|it| !it.held_back));
    assert_eq!(refusal(client.hold(Some("nothing".to_owned()), true).await).kind, ErrorKind::NotFound);
    let holder = ExplainQuery { as_holder: true, flags: Some("fin,ack".to_owned()), ..asked("10.0.0.100:81") };
    let error = refusal(client.explain(&holder).await);
    assert_eq!(error.message, "no explanation of tcp fin,ack 10.0.0.7:40000 -> 10.0.0.100:81 as holder true");
}

#[tokio::test]
async fn the_errors_of_a_reload_travel_whole() {
    let daemon = FakeDaemon::start();
    let error = refusal(Client::new(daemon.socket()).reload().await);
    assert_eq!(Err(error), reloaded());
}

#[tokio::test]
async fn a_missing_daemon_is_told_from_a_dead_one() {
    let directory = tempfile::tempdir().unwrap();
    let client = Client::new(directory.path().join("api.sock"));
    assert!(matches!(client.status().await, Err(ClientError::NotRunning { stale: false, .. })));
    drop(UnixListener::bind(client.socket()).unwrap());
    assert!(matches!(client.status().await, Err(ClientError::NotRunning { stale: true, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_silent_daemon_costs_seconds() {
    let (_directory, socket) = place();
    // It listens, and never accepts.
    let _listener = UnixListener::bind(&socket).unwrap();
    let asked = tokio::time::Instant::now();
    assert!(matches!(Client::new(socket).status().await, Err(ClientError::Silent { .. })));
    assert!(asked.elapsed() <= Duration::from_secs(8));
}

#[tokio::test]
async fn a_daemon_that_takes_nobody_is_told_from_a_missing_one() {
    let (_directory, socket) = place();
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        match UnixStream::connect(&socket).await {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
    assert!(matches!(Client::new(socket).status().await, Err(ClientError::Full { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_hangs_behind_the_server_is_named() {
    let (_directory, socket) = place();
    let listener = UnixListener::bind(&socket).unwrap();
    // Requests are taken in, and never answered.
    let (requests, _held) = mpsc::channel(8);
    tokio::spawn(serve(listener, requests, pending()));
    let error = refusal(Client::new(socket).status().await);
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.starts_with("pivotd was too busy to answer within 5 s"), "{error}");
}

#[tokio::test]
async fn a_daemon_that_stops_says_so() {
    let (_directory, socket) = place();
    let listener = UnixListener::bind(&socket).unwrap();
    let (requests, received) = mpsc::channel(8);
    drop(received);
    tokio::spawn(serve(listener, requests, pending()));
    assert_eq!(refusal(Client::new(socket).status().await).kind, ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_not_held_up_by_a_stalled_client() {
    let (_directory, socket) = place();
    let listener = UnixListener::bind(&socket).unwrap();
    let (requests, received) = mpsc::channel(8);
    tokio::spawn(answer_all(received));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, requests, async { stopped.await.unwrap_or(()) }));
    let mut stalled = UnixStream::connect(&socket).await.unwrap();
    stalled.write_all(b"POST /v1/drain HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    // A request behind it shows that the stalled one has been accepted.
    Client::new(&socket).status().await.unwrap();
    let told = tokio::time::Instant::now();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(told.elapsed() <= Duration::from_secs(3));
    assert!(matches!(Client::new(&socket).status().await, Err(ClientError::NotRunning { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_arrives_is_refused() {
    let (_directory, socket) = place();
    let (requests, received) = mpsc::channel(8);
    tokio::spawn(answer_all(received));
    tokio::spawn(serve(UnixListener::bind(&socket).unwrap(), requests, pending()));
    let head = "POST /v1/drain HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    let (status, body) = raw(&socket, head.as_bytes()).await;
    assert_eq!((status, kind(&body)), (408, "invalid"));
}

#[tokio::test]
async fn what_no_client_of_ours_sends_is_refused_in_json() {
    let daemon = FakeDaemon::start();
    let huge = format!("{{\"target\": \"{}\"}}", "a".repeat(1 << 20));
    let json = "content-type: application/json\r\n";
    let cases: &[(&str, &str, &str, u16, &str)] = &[
        ("GET /", "", "", 404, "not_found"),
        ("GET /v1/nothing", "", "", 404, "not_found"),
        ("GET /v1/../../etc/passwd", "", "", 404, "not_found"),
        ("GET /v1/maps/none", "", "", 404, "not_found"),
        ("GET /v1/maps/%ff%fe", "", "", 400, "invalid"),
        ("GET /v1/maps/services?limit=0", "", "", 400, "invalid"),
        ("GET /v1/maps/services?limit=-1", "", "", 400, "invalid"),
        ("GET /v1/flows?limit=100001", "", "", 400, "invalid"),
        ("GET /v1/flows?limit=99999999999999999999999", "", "", 400, "invalid"),
        ("GET /v1/flows?limti=5", "", "", 400, "invalid"),
        ("GET /v1/flows?service=none", "", "", 404, "not_found"),
        ("GET /v1/explain", "", "", 400, "invalid"),
        ("GET /v1/explain?src=10.0.0.7:1", "", "", 400, "invalid"),
        ("GET /v1/explain?src=10.0.0.7:1&dst=10.0.0.100", "", "", 400, "invalid"),
        ("GET /v1/explain?src=10.0.0.7:1&dst=10.0.0.100:0", "", "", 400, "invalid"),
        ("GET /v1/explain?src=10.0.0.7:1&dst=10.0.0.100:1&proto=sctp", "", "", 400, "invalid"),
        ("GET /v1/explain?src=10.0.0.7:1&dst=10.0.0.100:1&flags=akc", "", "", 400, "invalid"),
        ("GET /v1/explain?src=%5Bfd00::7%5D:1&dst=10.0.0.100:1", "", "", 400, "invalid"),
        ("POST /v1/explain", "", "", 405, "invalid"),
        ("POST /v1/status", "", "", 405, "invalid"),
        ("DELETE /v1/drain", "", "", 405, "invalid"),
        ("GET /v1/reload", "", "", 405, "invalid"),
        ("POST /v1/drain", json, "", 400, "invalid"),
        ("POST /v1/drain", json, "{", 400, "invalid"),
        ("POST /v1/drain", json, "\u{0}\u{1}", 400, "invalid"),
        ("POST /v1/drain", json, "[]", 422, "invalid"),
        ("POST /v1/drain", json, "{\"target\": 7}", 422, "invalid"),
        ("POST /v1/drain", json, "{\"target\": \"c1\", \"force\": true}", 422, "invalid"),
        ("POST /v1/drain", json, "{\"target\": \"a/b/c\"}", 400, "invalid"),
        ("POST /v1/undrain", json, "{\"target\": \"\"}", 400, "invalid"),
        ("POST /v1/drain", "", "{\"target\": \"c1\"}", 415, "invalid"),
        ("GET /v1/maintenance", "", "", 405, "invalid"),
        ("POST /v1/maintenance", json, "{\"target\": \"a/b/c\"}", 400, "invalid"),
        ("POST /v1/ready", json, "{\"target\": \"nothing\"}", 404, "not_found"),
        ("POST /v1/weight", json, "{\"target\": \"c1\"}", 422, "invalid"),
        ("POST /v1/weight", json, "{\"target\": \"c1\", \"weight\": 50}", 422, "invalid"),
        ("POST /v1/weight", json, "{\"target\": \"c1\", \"weight\": \"257\"}", 400, "invalid"),
        ("GET /v1/failover", "", "", 405, "invalid"),
        ("POST /v1/vips", "", "", 405, "invalid"),
        ("POST /v1/failover", json, "{\"target\": \"control\", \"form\": \"c1\"}", 422, "invalid"),
        ("POST /v1/hold", json, "{\"to\": \"c1\"}", 422, "invalid"),
        ("POST /v1/release", json, "{\"target\": \"nothing\"}", 404, "not_found"),
        ("POST /v1/drain", json, &huge, 413, "invalid"),
    ];
    for (line, headers, body, status, expected) in cases {
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
        let (got, answer) = raw(&daemon.socket(), request.as_bytes()).await;
        assert_eq!((got, kind(&answer)), (*status, *expected), "{line} {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    }
    Client::new(daemon.socket()).status().await.expect("the server is as well as before");
}

#[tokio::test]
async fn what_is_not_http_ends_its_own_connection_only() {
    let daemon = FakeDaemon::start();
    let endless = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100_000));
    for garbage in [b"\x16\x03\x01\x02\x00".as_slice(), b"\r\n\r\n\r\n", b"GET\r\n\r\n", endless.as_bytes()] {
        let mut stream = UnixStream::connect(daemon.socket()).await.unwrap();
        // The server may close before it has read everything.
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    Client::new(daemon.socket()).status().await.expect("the server is as well as before");
}

#[tokio::test]
async fn an_answer_of_another_version_is_named_so() {
    let (_directory, socket) = place();
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        for body in ["{}", "not json"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        // And one that says nothing at all.
        drop(listener.accept().await.unwrap());
    });
    let client = Client::new(socket);
    assert!(matches!(client.status().await, Err(ClientError::Garbled { .. })));
    assert!(matches!(client.status().await, Err(ClientError::Garbled { .. })));
    assert!(matches!(client.status().await, Err(ClientError::Cut { .. })));
}

/// A question about the packet of the fixture, but to this address.
fn asked(dst: &str) -> ExplainQuery {
    let (src, dst) = ("10.0.0.7:40000".to_owned(), dst.to_owned());
    ExplainQuery { src, dst, proto: Protocol::Tcp, flags: Some("syn".to_owned()), as_holder: false }
}

/// A directory and the path of a socket in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("api.sock");
    (directory, socket)
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> ApiError {
    match answer {
        Err(ClientError::Refused(error)) => error,
        other => panic!("not a refusal: {other:?}"),
    }
}

/// Sends bytes, reads until the server closes: the status, and the body as JSON.
async fn raw(socket: &std::path::Path, request: &[u8]) -> (u16, Value) {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

fn kind(answer: &Value) -> &str {
    answer["error"]["kind"].as_str().unwrap_or("none")
}
