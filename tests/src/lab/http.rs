//! A small HTTP service, as a backend: its answer tells who it is, and whom it saw.
//!
//! HTTP/1.1 with keep-alive. `GET /?token=T` answers with a [`Response`] in JSON; `&pad=N` makes it N bytes longer.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Query, State};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::serve::IncomingStream;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::binaries;
use super::moody::{self, Mood, Moody, Scope};
use super::node::{Listen, Node};
use super::pattern;
use super::process::Process;
use super::wait::wait_until;

/// What the service answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Name it was started with.
    pub name: String,
    /// The address and port that the connection came from, as its socket says; of IPv4 also if that is of both families.
    pub client: SocketAddr,
    /// Its own end of the connection, likewise; `None` if it was closed before it was asked.
    pub local: Option<SocketAddr>,
}

/// An answer as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// What is told.
    #[serde(flatten)]
    pub answer: Answer,
    /// What the request was named: another one's answer is not taken for its own.
    pub token: u64,
    /// As many letters of the lab's pattern as were asked for.
    pub pad: String,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Question {
    /// Name of the request.
    #[serde(default)]
    pub token: u64,
    /// Letters by which the answer is to be longer.
    #[serde(default)]
    pub pad: usize,
}

impl Response {
    /// The answer, if all of the response is what was asked for.
    pub fn to(self, question: Question) -> Result<Answer> {
        if self.token != question.token {
            bail!("asked {}, and the answer to {} came", question.token, self.token);
        }
        if self.pad != pattern::letters(question.pad) {
            bail!("asked for {} bytes, and {} others came", question.pad, self.pad.len());
        }
        Ok(self.answer)
    }
}

impl Node {
    /// Starts the service here, bound to all addresses of the host and named after it; returns once it accepts
    /// connections.
    pub fn serve_http(&self, port: u16) -> Result<Process> {
        self.serve_http_on(Listen::Addresses, port)
    }

    /// The same, in a mood that can be changed.
    pub fn serve_moody(&self, port: u16) -> Result<Moody> {
        let mood = self.directory.join(format!("mood-{}-{port}", self.name));
        moody::write(&mood, Scope::All, Mood::Well)?;
        let process =
            self.serve_with("serve-http", &["--mood", &mood.display().to_string()], Listen::Addresses, port)?;
        Ok(Moody::new(process, mood))
    }

    /// The same with the choice of what it is bound to.
    pub fn serve_http_on(&self, listen: Listen, port: u16) -> Result<Process> {
        self.serve("serve-http", listen, port)
    }

    /// Starts a TCP service of `pivot-lab`; returns once it accepts connections wherever it is bound.
    pub(super) fn serve(&self, service: &str, listen: Listen, port: u16) -> Result<Process> {
        self.serve_with(service, &[], listen, port)
    }

    /// The same with further arguments.
    pub(super) fn serve_with(&self, service: &str, arguments: &[&str], listen: Listen, port: u16) -> Result<Process> {
        let mut process = self.spawn_service(service, arguments, listen, port)?;
        self.run(|| {
            self.listen_on(Listen::Addresses, port).into_iter().try_for_each(|address| {
                wait_until(Duration::from_secs(10), &format!("{service} to accept on {address}"), || {
                    match process.ended()? {
                        Some(status) => bail!("{process} ended: {status}{}", process.tail()),
                        None => TcpStream::connect(address).map(drop).context("connecting"),
                    }
                })
            })
        })??;
        Ok(process)
    }

    /// Starts a service of `pivot-lab`, named after the host.
    pub(super) fn spawn_service(
        &self,
        service: &str,
        arguments: &[&str],
        listen: Listen,
        port: u16,
    ) -> Result<Process> {
        let mut command = Command::new(binaries::find("pivot-lab")?);
        command.args([service, "--name", &self.name]).args(arguments);
        for address in self.listen_on(listen, port) {
            command.args(["--bind", &address.to_string()]);
        }
        self.spawn(&format!("{service}-{}-{port}", self.name), command)
    }
}

/// Serves until the process ends, in the mood that the file says, if there is one; fails if one of `bind` cannot be bound.
pub async fn serve(name: String, bind: &[SocketAddr], mood: Option<PathBuf>) -> Result<()> {
    let router = Router::new().route("/", get(answer)).route(moody::HEALTH, get(|| async { "well" })).with_state(name);
    let router = match mood {
        Some(file) => router.layer(from_fn_with_state(file, moody::answer)),
        None => router,
    };
    let mut servers = JoinSet::new();
    for bind in bind {
        let listener = TcpListener::bind(bind).await.with_context(|| format!("binding to {bind}"))?;
        let service = router.clone().into_make_service_with_connect_info::<Ends>();
        servers.spawn(async move { axum::serve(listener, service).await });
    }
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    Ok(())
}

/// The address of IPv4 that an IPv6 socket of both families shows as a mapped one (RFC 4291, section 2.5.5.2).
pub(super) fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Ends {
    client: SocketAddr,
    local: Option<SocketAddr>,
}

impl Connected<IncomingStream<'_, TcpListener>> for Ends {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self { client: unmapped(*stream.remote_addr()), local: stream.io().local_addr().ok().map(unmapped) }
    }
}

async fn answer(
    State(name): State<String>,
    ConnectInfo(Ends { client, local }): ConnectInfo<Ends>,
    Query(Question { token, pad }): Query<Question>,
) -> Json<Response> {
    Json(Response { answer: Answer { name, client, local }, token, pad: pattern::letters(pad) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_question_or_with_other_bytes_is_none() {
        let answer = Answer { name: "c1".into(), client: "10.0.0.1:1000".parse().unwrap(), local: None };
        let response = Response { answer: answer.clone(), token: 7, pad: pattern::letters(30) };
        assert_eq!(response.clone().to(Question { token: 7, pad: 30 }).unwrap(), answer);
        assert!(response.clone().to(Question { token: 8, pad: 30 }).is_err());
        assert!(response.clone().to(Question { token: 7, pad: 29 }).is_err());
        assert!(Response { pad: "a".repeat(30), ..response }.to(Question { token: 7, pad: 30 }).is_err());
    }

    #[test]
    fn a_mapped_address_is_one_of_ipv4() {
        let mapped = "[::ffff:10.0.0.1]:80".parse().unwrap();
        assert_eq!(unmapped(mapped), "10.0.0.1:80".parse().unwrap());
        let other = "[fd00::1]:80".parse().unwrap();
        assert_eq!(unmapped(other), other);
    }
}
