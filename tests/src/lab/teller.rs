//! An agent beside a backend: it answers HTTP requests for `/agent` with what a test has it say.
//!
//! What it says is in a file, which it reads at each request.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::node::{Listen, Node};
use super::process::Process;

/// The path that it is asked for.
pub const PATH: &str = "/agent";

/// Such an agent.
#[derive(Debug)]
pub struct Teller {
    /// Its process.
    pub process: Process,
    file: PathBuf,
}

impl Teller {
    /// Has it say something else, from the next request on: the body of an answer; nothing: it answers 503.
    pub fn say(&self, says: &str) -> Result<()> {
        write(&self.file, says)
    }
}

impl Node {
    /// Starts an agent here that says this; returns once it accepts connections.
    pub fn serve_agent(&self, port: u16, says: &str) -> Result<Teller> {
        let file = self.directory.join(format!("agent-{}-{port}", self.name));
        write(&file, says)?;
        let arguments = ["--says", &file.display().to_string()];
        let process = self.serve_with("serve-agent", &arguments, Listen::Addresses, port)?;
        Ok(Teller { process, file })
    }
}

/// Whoever reads it sees one answer or the other, never half of one.
fn write(file: &Path, says: &str) -> Result<()> {
    let fresh = file.with_extension("new");
    fs::write(&fresh, says)
        .and_then(|()| fs::rename(&fresh, file))
        .with_context(|| format!("writing {}", file.display()))
}

/// Serves until the process ends; fails if one of `bind` cannot be bound.
pub async fn serve(bind: &[SocketAddr], says: PathBuf) -> Result<()> {
    let router = Router::new().route(PATH, get(answer)).with_state(says);
    let mut servers = JoinSet::new();
    for bind in bind {
        let listener = TcpListener::bind(bind).await.with_context(|| format!("binding to {bind}"))?;
        let service = router.clone();
        servers.spawn(async move { axum::serve(listener, service).await });
    }
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn answer(State(file): State<PathBuf>) -> Response {
    match fs::read_to_string(&file) {
        Ok(says) if !says.is_empty() => says.into_response(),
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
