//! The routes: HTTP in, one [`Request`] to the daemon, its answer out as JSON. Every refusal, also that of a route that
//! does not exist, has the shape of [`ErrorBody`].

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{self, DefaultBodyLimit, FromRequest, Path, Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::error::{ApiError, ErrorBody, ErrorKind};
use super::request::{Answer, Request};
use super::wire::{
    ARRIVAL_TIME, BODY_BYTES, CHANGE_TIME, CheckBody, DrainBody, DumpQuery, ExplainQuery, FailoverBody, FlowsQuery,
    HoldBody, READ_TIME, SwitchBody, WeightBody, check_limit, parse_backend, parse_target, parse_weight,
};
use crate::core::order::Change;
use crate::core::view::vips::{HandOverView, VipsView};
use crate::core::view::{
    BackendView, CheckView, ExplainView, FlowView, MapEntry, MapView, OrderView, ReloadView, ServiceView, Status,
    SwitchView,
};

/// Every route of the API, answered by whoever receives `requests`.
pub(super) fn router(requests: mpsc::Sender<Request>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/vips", get(vips))
        .route("/v1/services", get(services))
        .route("/v1/backends", get(backends))
        .route("/v1/flows", get(flows))
        .route("/v1/explain", get(explain))
        .route("/v1/maps", get(maps))
        .route("/v1/maps/{name}", get(map_dump))
        .route("/v1/check", post(check))
        .route("/v1/drain", post(drain))
        .route("/v1/undrain", post(undrain))
        .route("/v1/maintenance", post(maintenance))
        .route("/v1/ready", post(ready))
        .route("/v1/weight", post(weight))
        .route("/v1/switch", post(switch))
        .route("/v1/failover", post(failover))
        .route("/v1/hold", post(hold))
        .route("/v1/release", post(release))
        .route("/v1/reload", post(reload))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(Daemon(requests))
}

async fn status(State(daemon): State<Daemon>) -> Reply<Status> {
    daemon.ask(READ_TIME, Request::Status).await
}

async fn vips(State(daemon): State<Daemon>) -> Reply<VipsView> {
    daemon.ask(READ_TIME, Request::Vips).await
}

async fn services(State(daemon): State<Daemon>) -> Reply<Vec<ServiceView>> {
    daemon.ask(READ_TIME, Request::Services).await
}

async fn backends(State(daemon): State<Daemon>) -> Reply<Vec<BackendView>> {
    daemon.ask(READ_TIME, Request::Backends).await
}

async fn flows(State(daemon): State<Daemon>, query: Result<Query<FlowsQuery>, QueryRejection>) -> Reply<Vec<FlowView>> {
    let Query(FlowsQuery { limit, service }) = query?;
    let limit = check_limit(limit)?;
    daemon.ask(READ_TIME, |answer| Request::Flows { limit, service, answer }).await
}

async fn explain(
    State(daemon): State<Daemon>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Reply<ExplainView> {
    let Query(query) = query?;
    let question = query.question()?;
    daemon.ask(READ_TIME, |answer| Request::Explain { question, answer }).await
}

async fn maps(State(daemon): State<Daemon>) -> Reply<Vec<MapView>> {
    daemon.ask(READ_TIME, Request::Maps).await
}

async fn map_dump(
    State(daemon): State<Daemon>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<DumpQuery>, QueryRejection>,
) -> Reply<Vec<MapEntry>> {
    let (Path(name), Query(DumpQuery { limit })) = (name?, query?);
    let limit = check_limit(limit)?;
    daemon.ask(READ_TIME, |answer| Request::MapDump { name, limit, answer }).await
}

async fn check(State(daemon): State<Daemon>, request: extract::Request) -> Reply<CheckView> {
    let CheckBody { target } = read_body(request).await?;
    let target = parse_target(&target)?;
    daemon.ask(CHANGE_TIME, |answer| Request::Check { target, answer }).await
}

async fn drain(State(daemon): State<Daemon>, request: extract::Request) -> Reply<OrderView> {
    order(daemon, Change::Drain(true), request).await
}

async fn undrain(State(daemon): State<Daemon>, request: extract::Request) -> Reply<OrderView> {
    order(daemon, Change::Drain(false), request).await
}

async fn maintenance(State(daemon): State<Daemon>, request: extract::Request) -> Reply<OrderView> {
    order(daemon, Change::Maintenance(true), request).await
}

async fn ready(State(daemon): State<Daemon>, request: extract::Request) -> Reply<OrderView> {
    order(daemon, Change::Maintenance(false), request).await
}

async fn weight(State(daemon): State<Daemon>, request: extract::Request) -> Reply<OrderView> {
    let WeightBody { target, weight } = read_body(request).await?;
    let (target, change) = (parse_target(&target)?, Change::Weight(parse_weight(&weight)?));
    daemon.ask(CHANGE_TIME, |answer| Request::Order { target, change, answer }).await
}

async fn order(daemon: Daemon, change: Change, request: extract::Request) -> Reply<OrderView> {
    let DrainBody { target } = read_body(request).await?;
    let target = parse_target(&target)?;
    daemon.ask(CHANGE_TIME, |answer| Request::Order { target, change, answer }).await
}

async fn switch(State(daemon): State<Daemon>, request: extract::Request) -> Reply<SwitchView> {
    let SwitchBody { target } = read_body(request).await?;
    let backend = parse_backend(&target)?;
    daemon.ask(CHANGE_TIME, |answer| Request::Switch { backend, answer }).await
}

async fn failover(State(daemon): State<Daemon>, request: extract::Request) -> Reply<HandOverView> {
    let FailoverBody { target: name, to } = read_body(request).await?;
    daemon.ask(CHANGE_TIME, |answer| Request::Failover { name, to, answer }).await
}

async fn hold(State(daemon): State<Daemon>, request: extract::Request) -> Reply<HandOverView> {
    let HoldBody { target: name } = read_body(request).await?;
    daemon.ask(CHANGE_TIME, |answer| Request::Hold { name, hold: true, answer }).await
}

async fn release(State(daemon): State<Daemon>, request: extract::Request) -> Reply<HandOverView> {
    let HoldBody { target: name } = read_body(request).await?;
    daemon.ask(CHANGE_TIME, |answer| Request::Hold { name, hold: false, answer }).await
}

async fn reload(State(daemon): State<Daemon>) -> Reply<ReloadView> {
    daemon.ask(CHANGE_TIME, Request::Reload).await
}

async fn no_such_route(uri: Uri) -> Refusal {
    ApiError::not_found(format!("no route {}: the API's routes begin with /v1/, such as /v1/status", uri.path())).into()
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    let message =
        format!("{method} is no method of {}: views are read with GET, orders are given with POST", uri.path());
    Refusal { status: StatusCode::METHOD_NOT_ALLOWED, error: ApiError::invalid(message) }
}

/// Reads the body of an order, for no longer than [`ARRIVAL_TIME`].
async fn read_body<T: DeserializeOwned>(request: extract::Request) -> Result<T, Refusal> {
    let Json(body) = timeout(ARRIVAL_TIME, Json::from_request(request, &())).await.map_err(|_| {
        let message = format!("the request's body did not arrive within {} s", ARRIVAL_TIME.as_secs());
        Refusal { status: StatusCode::REQUEST_TIMEOUT, error: ApiError::invalid(message) }
    })??;
    Ok(body)
}

/// The way to the daemon.
#[derive(Clone)]
struct Daemon(mpsc::Sender<Request>);

impl Daemon {
    /// Asks, and waits for the answer, both together no longer than `limit`.
    async fn ask<T>(&self, limit: Duration, request: impl FnOnce(Answer<T>) -> Request) -> Reply<T> {
        let (answer, reply) = oneshot::channel();
        let asked = async {
            self.0.send(request(answer)).await.map_err(|_| stopping())?;
            reply.await.map_err(|_| stopping())?
        };
        let answered = timeout(limit, asked).await.map_err(|_| {
            ApiError::unavailable(format!(
                "pivotd was too busy to answer within {} s: see its log for what it is doing",
                limit.as_secs()
            ))
        })?;
        Ok(Json(answered?))
    }
}

fn stopping() -> ApiError {
    ApiError::unavailable("pivotd is stopping and answers no more requests")
}

/// What a route returns.
type Reply<T> = Result<Json<T>, Refusal>;

/// A refusal with the HTTP status it is sent with.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: ApiError,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorBody { error: self.error })).into_response()
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let status = match error.kind {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, error }
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self { status: rejection.status(), error: ApiError::invalid(rejection.body_text()) }
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self { status: rejection.status(), error: ApiError::invalid(rejection.body_text()) }
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self { status: rejection.status(), error: ApiError::invalid(rejection.body_text()) }
    }
}
