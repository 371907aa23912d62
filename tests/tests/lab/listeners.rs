//! Several listeners on one port (SO_REUSEPORT), as services with a process for each core have them.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use lb_userspace::core::view::BackendState;
use pivot_tests::lab::cluster::BACKEND_PORT;
use pivot_tests::lab::{Cluster, Family};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;

/// Listeners on the port.
const LISTENERS: usize = 4;
/// Connections of the client. That one listener has none of them by chance: once in 25 million times.
const CONNECTIONS: usize = 64;

#[test]
fn listeners_that_share_a_port_share_its_connections() {
    shared(Family::V4);
}

#[test]
fn listeners_of_ipv6_that_share_a_port_share_its_connections() {
    shared(Family::V6);
}

fn shared(family: Family) {
    let mut cluster = Cluster::web_in(family).unwrap();
    for host in ["c1", "c2", "c3"] {
        cluster.kill_server(host).unwrap();
        cluster.holder().await_state(host, BackendState::Down).unwrap();
    }
    let host = cluster.lab.node("c2");
    let address = (host.address_in(family), BACKEND_PORT).into();
    let listeners = host.run(|| [(); LISTENERS].map(|()| listen(address))).unwrap();
    cluster.holder().await_state("c2", BackendState::Up).unwrap();

    let vip = cluster.vip();
    // Kept open: all of them are there to be accepted.
    let connect = || (0..CONNECTIONS).map(|_| TcpStream::connect(vip)).collect::<Result<Vec<_>, _>>();
    let connections = cluster.client().run(connect).unwrap().unwrap();
    let accepted = listeners.each_ref().map(|listener| accepted(listener, cluster.client_address(), vip));
    assert_eq!(accepted.iter().sum::<usize>(), connections.len(), "{accepted:?}");
    assert!(accepted.iter().all(|connections| *connections > 0), "{accepted:?}");
}

fn listen(address: SocketAddr) -> TcpListener {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
        socket.set_reuseport(true).unwrap();
        socket.bind(address).unwrap();
        socket.listen(128).unwrap().into_std().unwrap()
    })
}

/// How many connections of the client to the VIP wait there; those of health checks are passed over.
fn accepted(listener: &TcpListener, client: IpAddr, vip: SocketAddr) -> usize {
    let waiting = std::iter::from_fn(|| listener.accept().ok());
    waiting.filter(|(stream, peer)| peer.ip() == client && stream.local_addr().is_ok_and(|own| own == vip)).count()
}
