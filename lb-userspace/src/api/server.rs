//! Serves the API on a unix socket: connections in, one request each, and a bound on how many there are and how long
//! any of them may live. A client that stalls costs its own connection and nothing else.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::request::Request;
use super::routes::router;
use super::wire::{ARRIVAL_TIME, CHANGE_TIME};

/// Connections served at the same time; more wait in the socket's backlog.
const CONNECTIONS: usize = 64;

/// Longest a connection lives: a request arrives, is answered, and its answer is read.
const CONNECTION_TIME: Duration = Duration::from_secs(CHANGE_TIME.as_secs() + 3 * ARRIVAL_TIME.as_secs());

/// Longest the requests under way may hold up a stop.
const STOP_TIME: Duration = Duration::from_secs(2);

/// Pause after the system had no descriptor or memory for a connection: nothing tells when it has again.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` resolves; requests under way then have two seconds to end.
///
/// # Errors
/// That of accepting, if the listener is broken for good. Want of descriptors or memory is waited out.
pub async fn serve(
    listener: UnixListener,
    requests: mpsc::Sender<Request>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let ended = tokio::select! {
        ended = accept(&listener, router(requests), &mut connections) => ended,
        () = shutdown => Ok(()),
    };
    drop(listener);
    // What is not done by then is aborted when the set is dropped.
    let _ = timeout(STOP_TIME, async { while connections.join_next().await.is_some() {} }).await;
    ended
}

/// Accepts for ever, each connection into a task of its own.
async fn accept(listener: &UnixListener, routes: Router, connections: &mut JoinSet<()>) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let routes = routes.clone();
                connections.spawn(async move {
                    serve_connection(stream, routes).await;
                    drop(permit);
                });
            }
            Err(error) if is_exhausted(&error) => {
                tracing::warn!(%error, "the API cannot accept a connection, trying again");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

async fn serve_connection(stream: UnixStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ARRIVAL_TIME)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    match timeout(CONNECTION_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an API connection ended early"),
        Err(_) => tracing::debug!("an API connection outlived its time"),
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
