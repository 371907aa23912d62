//! Connections of checks: marked, so that nothing on this host redirects them, and without a trace when they are closed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::yield_now;
use tokio::time::timeout as within;

use super::talk::Talk;
use super::{FAREWELL, no_answer};
use crate::core::check::{Attempt, MARK};

/// A connection, over TLS or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects.
pub(super) async fn connect(attempt: &Attempt, talk: &mut Talk) -> Result<TcpStream, String> {
    talk.doing(format_args!("connecting to {}", attempt.target), "an answer");
    let connected = async {
        let socket = TcpSocket::from_std_stream(prepared(attempt.target)?.into());
        socket.connect(attempt.target).await
    };
    let connected = connected.await;
    let stream = connected.map_err(|error| in_words(&error, attempt.timeout))?;
    // Each message is small, and waited for.
    stream.set_nodelay(true).map_err(|error| in_words(&error, attempt.timeout))?;
    talk.say("connected");
    Ok(stream)
}

/// Connects and closes as HAProxy's checks do: the ACK of the SYN-ACK is delayed (`TCP_QUICKACK` off), so that a connection closed at
/// once is SYN, SYN-ACK, RST on the wire. The service never sees it; MySQL, for one, would count it against this host until
/// it blocks it (`max_connect_errors`).
///
/// Checks begin in numbers. By the time that the others have begun, a service nearby has answered, and need not be waited for: most
/// of what a check costs this process is to be woken.
pub(super) async fn touch(target: SocketAddr) -> io::Result<()> {
    let socket = prepared(target)?;
    rustix::net::sockopt::set_tcp_quickack(&socket, false)?;
    let target = SockAddr::from(target);
    if is_connected(&socket, &target)? {
        return Ok(());
    }
    yield_now().await;
    if is_connected(&socket, &target)? {
        return Ok(());
    }
    let stream = TcpStream::from_std(socket.into())?;
    stream.writable().await?;
    stream.take_error()?.map_or(Ok(()), Err)
}

/// Connects, or goes on connecting; whether that has come to its end.
fn is_connected(socket: &Socket, target: &SockAddr) -> io::Result<bool> {
    match socket.connect(target) {
        Ok(()) => Ok(true),
        Err(error) if [Some(libc::EINPROGRESS), Some(libc::EALREADY)].contains(&error.raw_os_error()) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Closing sends an RST (linger 0): nothing is left of the connection on either side. Where a protocol takes leave, both sides have
/// said all by then; where it could not, a server that has not accepted the connection yet never will.
fn prepared(target: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_linger(Some(Duration::ZERO))?;
    mark(&socket)?;
    Ok(socket)
}

/// Marks a socket, if this process may (CAP_NET_ADMIN).
pub(super) fn mark(socket: &impl std::os::fd::AsFd) -> io::Result<()> {
    match SockRef::from(socket).set_mark(MARK) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Sends all of this.
pub(super) async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], talk: &Talk) -> Result<(), String> {
    let sent = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| cut(&error, talk))
}

/// Receives exactly as much.
pub(super) async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
    talk: &Talk,
) -> Result<(), String> {
    stream.read_exact(buffer).await.map(drop).map_err(|error| cut(&error, talk))
}

/// Closes a connection after the server has, which is given some time to.
pub(super) async fn leave(mut stream: impl Stream, talk: &mut Talk) {
    let closed = async {
        stream.shutdown().await?;
        let mut chunk = [0; 1024];
        while stream.read(&mut chunk).await? > 0 {}
        io::Result::Ok(())
    };
    match within(FAREWELL, closed).await {
        Ok(Ok(())) => talk.say("the server has closed the connection"),
        Ok(Err(error)) => talk.say(format_args!("the connection is gone: {error}")),
        Err(_) => talk.say("closed: the server keeps the connection open"),
    }
}

/// In words that a connection has ended, and over what.
pub(super) fn cut(error: &io::Error, talk: &Talk) -> String {
    let awaited = talk.awaited();
    match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("the server closed the connection while {awaited} was waited for"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            format!("connection reset while {awaited} was waited for")
        }
        _ => format!("{error} while {awaited} was waited for"),
    }
}

/// In words why there is no connection.
pub(super) fn in_words(error: &io::Error, timeout: Duration) -> String {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => "connection refused".to_owned(),
        Some(libc::ECONNRESET) => "connection reset".to_owned(),
        Some(libc::EHOSTUNREACH) => "no route to host".to_owned(),
        Some(libc::ENETUNREACH) => "network is unreachable".to_owned(),
        Some(libc::ETIMEDOUT) => no_answer(timeout),
        // Anything else is trouble of this host (no descriptors, no ports, a local firewall), not of the service.
        _ => format!("cannot check from this host: {error}"),
    }
}
