//! Requests to the VIP: who answers, whom they see, which way the answers take.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use pivot_tests::lab::patience::patient;
use pivot_tests::lab::{Cluster, Family, Load, Topology};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio::time::timeout;

#[test]
fn requests_are_spread_over_all_backends() {
    spread(Family::V4);
}

#[test]
fn requests_over_ipv6_are_spread_over_all_backends() {
    spread(Family::V6);
}

fn spread(family: Family) {
    let cluster = Cluster::web_in(family).unwrap();
    let report = cluster.client().load(Load::to(cluster.vip()).requests(1500)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    let backends = report.backends();
    for host in ["c1", "c2", "c3"] {
        let answers = backends.get(host).copied().unwrap_or_default();
        // A third each, five standard deviations (18) of leeway.
        assert!((400..=600).contains(&answers), "{host}: {backends:?}");
    }
}

#[test]
fn the_service_sees_the_clients_address_and_port_and_answers_as_the_vip() {
    sees_the_client(Family::V4);
}

#[test]
fn the_service_sees_the_address_and_port_of_a_client_of_ipv6_and_answers_as_the_vip() {
    sees_the_client(Family::V6);
}

fn sees_the_client(family: Family) {
    let cluster = Cluster::web_in(family).unwrap();
    let report = cluster.client().load(Load::to(cluster.vip()).requests(300)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    assert!(report.client_seen_as(cluster.client_address()));
    assert!(report.answers().all(|answer| answer.local == Some(cluster.vip())));
}

#[test]
fn a_client_behind_a_router_is_served_and_seen() {
    behind_a_router(Family::V4);
}

#[test]
fn a_client_of_ipv6_behind_a_router_is_served_and_seen() {
    behind_a_router(Family::V6);
}

fn behind_a_router(family: Family) {
    let cluster = Cluster::build_in(family, Topology::routed(), |config| config).unwrap();
    let report = cluster.client().load(Load::to(cluster.vip()).requests(300)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    assert!(report.client_seen_as(cluster.client_address()));
    assert_eq!(report.backends().len(), 3, "{}", report.summary());
}

#[test]
fn replies_do_not_pass_the_director() {
    direct_return(Family::V4);
}

#[test]
fn replies_over_ipv6_do_not_pass_the_director() {
    direct_return(Family::V6);
}

fn direct_return(family: Family) {
    let cluster = Cluster::build_in(family, Topology::default(), |mut config| {
        config.services[0].backends = vec!["c2".into(), "c3".into()];
        config
    })
    .unwrap();
    let director = cluster.lab.node("c1");
    let before = director.counters().unwrap();
    let report = cluster.client().load(Load::to(cluster.vip()).requests(200).padded(65536)).unwrap();
    let received = (director.counters().unwrap() - before).rx_bytes;
    assert_eq!(report.failed(), 0, "{}", report.summary());
    // The requests, and an acknowledgement for every few segments of 200 answers of 64 KiB.
    assert!(received < 200 * 65536 / 5, "the director received {received} bytes");
}

#[test]
fn large_answers_arrive_whole() {
    large_answers(Family::V4);
}

#[test]
fn large_answers_over_ipv6_arrive_whole() {
    large_answers(Family::V6);
}

fn large_answers(family: Family) {
    let cluster = Cluster::web_in(family).unwrap();
    let report = cluster.client().load(Load::to(cluster.vip()).requests(30).padded(1 << 20)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
}

#[test]
fn a_client_port_that_is_used_again_at_once_is_served() {
    port_used_again(Family::V4);
}

#[test]
fn a_client_port_that_is_used_again_at_once_over_ipv6_is_served() {
    port_used_again(Family::V6);
}

fn port_used_again(family: Family) {
    let cluster = Cluster::web_in(family).unwrap();
    cluster
        .client()
        .run(|| {
            for port in 20_000..20_012 {
                // The service closes first, so its end lingers in TIME_WAIT when the same port comes again.
                for _ in 0..2 {
                    let answer = once_free(|| ask_from_port(port, cluster.vip())).unwrap();
                    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
                }
            }
        })
        .unwrap();
}

/// Tries again while the client's own end of the last connection still waits for its last acknowledgment.
fn once_free(ask: impl Fn() -> io::Result<String>) -> io::Result<String> {
    let deadline = Instant::now() + patient(Duration::from_secs(5));
    loop {
        match ask() {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            ended => return ended,
        }
    }
}

/// One request from a chosen port; waits 2.5 s at most for each step (on a usual machine), so a SYN may be sent again once.
fn ask_from_port(port: u16, target: SocketAddr) -> io::Result<String> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (socket, any): (TcpSocket, IpAddr) = match Family::of(target.ip()) {
            Family::V4 => (TcpSocket::new_v4()?, Ipv4Addr::UNSPECIFIED.into()),
            Family::V6 => (TcpSocket::new_v6()?, Ipv6Addr::UNSPECIFIED.into()),
        };
        socket.set_reuseaddr(true)?;
        socket.bind((any, port).into())?;
        let patience = patient(Duration::from_millis(2500));
        let mut stream = timeout(patience, socket.connect(target)).await??;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        timeout(patience, stream.read_to_string(&mut answer)).await??;
        Ok(answer)
    })
}
