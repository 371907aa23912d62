//! A small HTTP service, as a backend: its answer tells who it is, and whom it saw.
//!
//! HTTP/1.1 with keep-alive. `GET /` answers with an [`Answer`] in JSON; `?pad=N` makes the answer N bytes longer.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Query, State};
use axum::routing::get;
use axum::serve::IncomingStream;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::binaries;
use super::node::Node;
use super::process::Process;
use super::wait::wait_until;

/// What the service answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Name it was started with.
    pub name: String,
    /// The address and port that the connection came from, as its socket says.
    pub client: SocketAddr,
    /// Its own end of the connection, as its socket says; `None` if it was closed before it was asked.
    pub local: Option<SocketAddr>,
}

impl Node {
    /// Starts the service here, bound to the node address, named after the host; returns once it accepts connections.
    pub fn serve_http(&self, port: u16) -> Result<Process> {
        let bind = SocketAddr::from((self.address, port));
        let mut command = Command::new(binaries::find("pivot-lab")?);
        command.args(["serve-http", "--name", &self.name, "--bind", &bind.to_string()]);
        let mut process = self.spawn(&format!("http-{}-{port}", self.name), command)?;
        self.run(|| {
            wait_until(Duration::from_secs(10), &format!("the HTTP server on {bind} to accept"), || {
                match process.ended()? {
                    Some(status) => bail!("{process} ended: {status}{}", process.tail()),
                    None => TcpStream::connect(bind).context("connecting"),
                }
            })
        })??;
        Ok(process)
    }
}

/// Serves until the process ends; fails only if `bind` cannot be bound.
pub async fn serve(name: String, bind: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(bind).await.with_context(|| format!("binding to {bind}"))?;
    let router = Router::new().route("/", get(answer)).with_state(name);
    axum::serve(listener, router.into_make_service_with_connect_info::<Ends>()).await?;
    Ok(())
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Ends {
    client: SocketAddr,
    local: Option<SocketAddr>,
}

impl Connected<IncomingStream<'_, TcpListener>> for Ends {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self { client: *stream.remote_addr(), local: stream.io().local_addr().ok() }
    }
}

/// How the answer is to be lengthened.
#[derive(Debug, Deserialize)]
struct Padding {
    #[serde(default)]
    pad: usize,
}

#[derive(Debug, Serialize)]
struct PaddedAnswer {
    #[serde(flatten)]
    answer: Answer,
    pad: String,
}

async fn answer(
    State(name): State<String>,
    ConnectInfo(Ends { client, local }): ConnectInfo<Ends>,
    Query(padding): Query<Padding>,
) -> Json<PaddedAnswer> {
    Json(PaddedAnswer { answer: Answer { name, client, local }, pad: "x".repeat(padding.pad) })
}
