//! The client's end of the API: one connection per request, a deadline on every step, and an error for each way in
//! which a daemon can be missing, closed, hung or of another version.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::error::{ApiError, ErrorBody};
use super::wire::{
    CHANGE_TIME, CheckBody, DrainBody, ExplainQuery, FailoverBody, HoldBody, READ_TIME, SwitchBody, WeightBody,
};
use crate::core::order::Change;
use crate::core::view::vips::{HandOverView, VipsView};
use crate::core::view::{
    BackendView, CheckView, ExplainView, FlowView, MapEntry, MapView, OrderView, ReloadView, ServiceView, Status,
    SwitchView,
};

/// Longest connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// What the daemon's own deadlines are given on top, so that its explanation arrives before we give up.
const MARGIN: Duration = Duration::from_secs(1);

/// Most bytes of an answer that are read: several times the largest one.
const ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("pivotd is not running ({} {})", if *.stale { "nobody listens at" } else { "no socket at" }, .socket.display())]
    NotRunning {
        /// Where.
        socket: PathBuf,
        /// The socket exists, its daemon does not.
        stale: bool,
    },
    /// We may not connect.
    #[error("no permission to use {}: run pivot as root", .socket.display())]
    Denied {
        /// To what.
        socket: PathBuf,
    },
    /// Connecting failed in another way.
    #[error("cannot connect to {}: {source}", .socket.display())]
    Connect {
        /// To what.
        socket: PathBuf,
        /// How.
        source: io::Error,
    },
    /// The daemon is there but silent.
    #[error("pivotd at {} did not answer within {} s: it may be stopped or hung; see its log", .socket.display(), .after.as_secs())]
    Silent {
        /// Where.
        socket: PathBuf,
        /// How long we waited.
        after: Duration,
    },
    /// The daemon is there but takes no more connections.
    #[error("pivotd at {} accepts no connections, its queue is full: it may be stopped or hung; see its log", .socket.display())]
    Full {
        /// Where.
        socket: PathBuf,
    },
    /// The connection ended before the answer.
    #[error("pivotd at {} closed the connection before it had answered: it may be stopping ({source})", .socket.display())]
    Cut {
        /// Where.
        socket: PathBuf,
        /// How.
        source: hyper::Error,
    },
    /// What came back is no answer of ours.
    #[error("pivotd at {} gave an answer that pivot does not understand: {why}; are both of the same version?", .socket.display())]
    Garbled {
        /// Where.
        socket: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The daemon refused.
    #[error(transparent)]
    Refused(#[from] ApiError),
}

/// A client of one daemon. Cheap: it connects anew for each request.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon that listens at `socket`. Nothing is done until something is asked.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The socket it connects to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// `GET /v1/status`.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status").await
    }

    /// `GET /v1/vips`.
    pub async fn vips(&self) -> Result<VipsView, ClientError> {
        self.get("/v1/vips").await
    }

    /// `GET /v1/services`.
    pub async fn services(&self) -> Result<Vec<ServiceView>, ClientError> {
        self.get("/v1/services").await
    }

    /// `GET /v1/backends`.
    pub async fn backends(&self) -> Result<Vec<BackendView>, ClientError> {
        self.get("/v1/backends").await
    }

    /// `GET /v1/flows`: at most `limit`, of one service or of all.
    pub async fn flows(&self, limit: usize, service: Option<&str>) -> Result<Vec<FlowView>, ClientError> {
        let service = service.map(|name| format!("&service={}", encode(name))).unwrap_or_default();
        self.get(&format!("/v1/flows?limit={limit}{service}")).await
    }

    /// `GET /v1/explain`.
    pub async fn explain(&self, query: &ExplainQuery) -> Result<ExplainView, ClientError> {
        let ExplainQuery { src, dst, proto, flags, as_holder } = query;
        let flags = flags.as_ref().map(|flags| format!("&flags={}", encode(flags))).unwrap_or_default();
        let (src, dst, proto) = (encode(src), encode(dst), proto.name());
        self.get(&format!("/v1/explain?src={src}&dst={dst}&proto={proto}{flags}&as_holder={as_holder}")).await
    }

    /// `GET /v1/maps`.
    pub async fn maps(&self) -> Result<Vec<MapView>, ClientError> {
        self.get("/v1/maps").await
    }

    /// `GET /v1/maps/{name}`: at most `limit` entries.
    pub async fn map_dump(&self, name: &str, limit: usize) -> Result<Vec<MapEntry>, ClientError> {
        self.get(&format!("/v1/maps/{}?limit={limit}", encode(name))).await
    }

    /// `POST /v1/check`.
    pub async fn check(&self, target: &str) -> Result<CheckView, ClientError> {
        let body = serde_json::json!(CheckBody { target: target.to_owned() }).to_string();
        self.ask(Method::POST, "/v1/check", body, CHANGE_TIME).await
    }

    /// `POST /v1/drain`, `/v1/undrain`, `/v1/maintenance`, `/v1/ready` or `/v1/weight`.
    pub async fn order(&self, target: &str, change: Change) -> Result<OrderView, ClientError> {
        let target = target.to_owned();
        let path = match change {
            Change::Drain(true) => "/v1/drain",
            Change::Drain(false) => "/v1/undrain",
            Change::Maintenance(true) => "/v1/maintenance",
            Change::Maintenance(false) => "/v1/ready",
            Change::Weight(_) => "/v1/weight",
        };
        let body = match change {
            Change::Drain(_) | Change::Maintenance(_) => serde_json::json!(DrainBody { target }),
            Change::Weight(weight) => {
                let weight = weight.map_or_else(|| "reset".to_owned(), |weight| weight.to_string());
                serde_json::json!(WeightBody { target, weight })
            }
        };
        self.ask(Method::POST, path, body.to_string(), CHANGE_TIME).await
    }

    /// `POST /v1/switch`.
    pub async fn switch(&self, target: &str) -> Result<SwitchView, ClientError> {
        let body = serde_json::json!(SwitchBody { target: target.to_owned() }).to_string();
        self.ask(Method::POST, "/v1/switch", body, CHANGE_TIME).await
    }

    /// `POST /v1/failover`.
    pub async fn failover(&self, target: Option<String>, to: Option<String>) -> Result<HandOverView, ClientError> {
        let body = serde_json::json!(FailoverBody { target, to }).to_string();
        self.ask(Method::POST, "/v1/failover", body, CHANGE_TIME).await
    }

    /// `POST /v1/hold`, or with `hold` false `POST /v1/release`.
    pub async fn hold(&self, target: Option<String>, hold: bool) -> Result<HandOverView, ClientError> {
        let path = if hold { "/v1/hold" } else { "/v1/release" };
        let body = serde_json::json!(HoldBody { target }).to_string();
        self.ask(Method::POST, path, body, CHANGE_TIME).await
    }

    /// `POST /v1/reload`.
    pub async fn reload(&self) -> Result<ReloadView, ClientError> {
        self.ask(Method::POST, "/v1/reload", String::new(), CHANGE_TIME).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, String::new(), READ_TIME).await
    }

    /// One request and its answer; `limit` is what the daemon allows itself for it.
    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: String,
        limit: Duration,
    ) -> Result<T, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "pivotd")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.garbled(error))?;
        let stream = self.connect().await?;
        let limit = limit + MARGIN;
        timeout(limit, self.exchange(stream, request)).await.map_err(|_| self.silent(limit))?
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        let connected =
            timeout(CONNECT_TIME, UnixStream::connect(&self.socket)).await.map_err(|_| self.silent(CONNECT_TIME))?;
        let socket = self.socket.clone();
        connected.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ClientError::NotRunning { socket, stale: false },
            io::ErrorKind::ConnectionRefused => ClientError::NotRunning { socket, stale: true },
            io::ErrorKind::PermissionDenied => ClientError::Denied { socket },
            // Its backlog is full: it exists and has not accepted anybody for a while.
            io::ErrorKind::WouldBlock => ClientError::Full { socket },
            _ => ClientError::Connect { socket, source },
        })
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        stream: UnixStream,
        request: Request<Full<Bytes>>,
    ) -> Result<T, ClientError> {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| self.broken(error))?;
            self.read(response).await
        };
        tokio::pin!(answer);
        // The connection is driven beside the request; once it has ended, what it brought is still to be read.
        tokio::select! {
            answer = &mut answer => answer,
            ended = connection => {
                let answer = answer.await;
                if answer.is_err() { ended.map_err(|error| self.broken(error))?; }
                answer
            }
        }
    }

    async fn read<T: DeserializeOwned>(&self, response: Response<Incoming>) -> Result<T, ClientError> {
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES);
        let body = body.collect().await.map_err(|error| self.garbled(error))?.to_bytes();
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| self.garbled(error));
        }
        match serde_json::from_slice(&body) {
            Ok(ErrorBody { error }) => Err(ClientError::Refused(error)),
            Err(error) => Err(self.garbled(format_args!("HTTP status {status}, {error}"))),
        }
    }

    fn silent(&self, after: Duration) -> ClientError {
        ClientError::Silent { socket: self.socket.clone(), after }
    }

    fn broken(&self, source: hyper::Error) -> ClientError {
        if source.is_parse() { self.garbled(source) } else { ClientError::Cut { socket: self.socket.clone(), source } }
    }

    fn garbled(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Garbled { socket: self.socket.clone(), why: why.to_string() }
    }
}

/// A name as part of a path or a query.
fn encode(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}
