//! One HTTP/1.1 connection to the lab's service: opened, asked once or again and again.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::http::{Answer, Question, Response};
use super::node::Node;
use super::patience::patient;

/// Longest that a request, connecting included, may take before it counts as failed.
///
/// Longer than the kernel's first two retransmissions of a SYN (1 s, 3 s): a lost packet is late, not a failure.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A connection kept open, for one request after the other.
#[derive(Debug)]
pub struct OpenConnection {
    runtime: Runtime,
    sender: SendRequest<Empty<Bytes>>,
    _connection: JoinSet<()>,
}

impl Node {
    /// Opens a connection from this host.
    pub fn open(&self, target: impl Into<SocketAddr>) -> Result<OpenConnection> {
        let target = target.into();
        self.run(|| {
            let runtime = Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
            let (sender, connection) = runtime.block_on(within_patience("a connection", async {
                finish_connecting(begin_connecting(None, target)?, target).await
            }))?;
            Ok(OpenConnection { runtime, sender, _connection: connection })
        })?
    }

    /// Opens connections until one is answered by this backend, and returns that one. An error after 200 of them.
    pub fn open_to_backend(&self, target: impl Into<SocketAddr>, backend: &str) -> Result<OpenConnection> {
        let target = target.into();
        for _ in 0..200 {
            let mut connection = self.open(target)?;
            if connection.ask()?.name == backend {
                return Ok(connection);
            }
        }
        bail!("200 connections to {target}, and none went to {backend}");
    }
}

impl OpenConnection {
    /// Sends a request and reads the answer; after an error the connection is of no more use.
    pub fn ask(&mut self) -> Result<Answer> {
        let Self { runtime, sender, .. } = self;
        runtime.block_on(within_patience("an answer on an open connection", async {
            sender.ready().await.context("the connection has ended")?;
            exchange(sender, 0, "keep-alive").await
        }))
    }
}

/// Whether a failure was a reset (RFC 9293, RST) by the other side, of a connection that had been established.
pub fn is_reset(error: &anyhow::Error) -> bool {
    io_kind(error) == Some(io::ErrorKind::ConnectionReset)
}

/// Whether a failure was a reset in answer to the SYN.
pub fn is_refused(error: &anyhow::Error) -> bool {
    io_kind(error) == Some(io::ErrorKind::ConnectionRefused)
}

fn io_kind(error: &anyhow::Error) -> Option<io::ErrorKind> {
    error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// Bounds a step by [`PATIENCE`], or what that is on this machine.
pub(super) async fn within_patience<T>(what: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
    let patience = patient(PATIENCE);
    timeout(patience, step).await.unwrap_or_else(|_| bail!("waited {patience:?} for {what}"))
}

/// Sends the SYN, from an address of the caller's choice or the kernel's. The stream has its port already, so that a connection that fails can be told by it; and the port is
/// the kernel's choice for a client that connects, which uses one again later than a bound socket gets it.
pub(super) fn begin_connecting(from: Option<IpAddr>, target: SocketAddr) -> Result<TcpStream> {
    let begin = || -> io::Result<TcpStream> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        if let Some(from) = from {
            rustix::net::bind(&socket, &SocketAddr::new(from, 0))?;
        }
        match rustix::net::connect(&socket, &target) {
            Ok(()) | Err(Errno::INPROGRESS) => TcpStream::from_std(socket.into()),
            Err(error) => Err(error.into()),
        }
    };
    begin().with_context(|| format!("connecting to {target}"))
}

/// Waits until the connection is made; it lives as long as the second value.
pub(super) async fn finish_connecting(
    stream: TcpStream,
    target: SocketAddr,
) -> Result<(SendRequest<Empty<Bytes>>, JoinSet<()>)> {
    let made = async {
        stream.writable().await?;
        stream.take_error()?.map_or(Ok(()), Err)
    };
    made.await.with_context(|| format!("connecting to {target}"))?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("preparing HTTP")?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // Its errors reach whoever waits for an answer.
        let _ = connection.await;
    });
    Ok((sender, driver))
}

/// Sends one request and reads the answer; `connection` is the header of that name: `close` or `keep-alive`.
pub(super) async fn exchange(sender: &mut SendRequest<Empty<Bytes>>, pad: usize, connection: &str) -> Result<Answer> {
    static TOKEN: AtomicU64 = AtomicU64::new(1);
    let question = Question { token: TOKEN.fetch_add(1, Ordering::Relaxed), pad };
    let request = Request::get(format!("/?token={}&pad={pad}", question.token))
        .header(header::HOST, "lab")
        .header(header::CONNECTION, connection)
        .body(Empty::new())
        .context("building a request")?;
    let response = sender.send_request(request).await.context("sending a request")?;
    let status = response.status();
    let body = response.collect().await.context("reading an answer")?.to_bytes();
    if status != StatusCode::OK {
        bail!("answered {status}");
    }
    let response: Response = serde_json::from_slice(&body).context("reading an answer's JSON")?;
    response.to(question)
}
