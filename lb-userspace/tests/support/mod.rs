//! A daemon that answers the API from fixtures, on a real unix socket in a directory of its own. It is no pivotd: it
//! holds no tables, so that what is tested is the API and the command line alone.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use lb_userspace::api::error::ApiError;
use lb_userspace::api::request::Request;
use lb_userspace::api::server::serve;
use lb_userspace::core::election::Role;
use lb_userspace::core::event::{BackendKey, DrainTarget};
use lb_userspace::core::explain::Question;
use lb_userspace::core::order::Change;
use lb_userspace::core::view::vips::{HandOverView, HandedView, VipsView};
use lb_userspace::core::view::{
    BackendState, BackendView, CheckStepView, CheckView, CheckedView, EventView, ExplainView, FlowView, MapEntry,
    MapView, OrderView, OrderedView, ReloadView, Status, SwitchView, WriterView,
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

/// Stops, and removes its directory, when dropped.
pub(crate) struct FakeDaemon {
    directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeDaemon {
    /// Listens when this returns.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(directory.path().join("api.sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (requests, received) = mpsc::channel(8);
                let answering = tokio::spawn(answer_all(received));
                let listener = UnixListener::from_std(listener).unwrap();
                serve(listener, requests, async { stopped.await.unwrap_or(()) }).await.unwrap();
                answering.await.unwrap();
            });
        });
        Self { directory, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("api.sock")
    }
}

impl Drop for FakeDaemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the fake daemon panicked");
    }
}

/// Reads `tests/fixtures/NAME.json`.
pub(crate) fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).with_extension("json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every backend of the status fixture.
pub(crate) fn backends() -> Vec<BackendView> {
    fixture::<Status>("status").services.into_iter().flat_map(|service| service.backends).collect()
}

/// Answers until the server has gone. Whether anybody still waits for an answer is not its concern.
pub(crate) async fn answer_all(mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        match request {
            Request::Status(answer) => drop(answer.send(Ok(fixture("status")))),
            Request::Services(answer) => drop(answer.send(Ok(fixture::<Status>("status").services))),
            Request::Backends(answer) => drop(answer.send(Ok(backends()))),
            Request::Events { limit, service, answer } => drop(answer.send(events(limit, service.as_deref()))),
            Request::Flows { limit, service, answer } => drop(answer.send(flows(limit, service.as_deref()))),
            Request::Explain { question, answer } => drop(answer.send(explained(&question))),
            Request::Maps(answer) => drop(answer.send(Ok(fixture::<Vec<MapView>>("maps")))),
            Request::MapDump { name, limit, answer } => drop(answer.send(entries(&name, limit))),
            Request::Check { target, answer } => drop(answer.send(checked(&target))),
            Request::Order { target, change, answer } => drop(answer.send(given(&target, change))),
            Request::Switch { backend, answer } => drop(answer.send(switched(backend))),
            Request::Vips(answer) => drop(answer.send(Ok(fixture("vips")))),
            Request::Failover { name, to, answer } => drop(answer.send(failed_over(name.as_deref(), to.as_deref()))),
            Request::Hold { name, hold, answer } => drop(answer.send(held(name.as_deref(), hold))),
            Request::Reload(answer) => drop(answer.send(reloaded())),
        }
    }
}

/// Every service of the fixture has a writer; c3 is drained.
fn switched(backend: BackendKey) -> Result<SwitchView, ApiError> {
    let known = backends().into_iter().find(|known| known.id == backend.to_string());
    let known = known.ok_or_else(|| ApiError::not_found(format!("there is no backend {backend}")))?;
    if known.name == "c3" {
        return Err(ApiError::conflict(format!("backend `{backend}` is drained: it cannot be the writer")));
    }
    let writer = WriterView {
        backend: Some(known.name),
        address: known.address,
        port: known.port,
        epoch: 8,
        since_s: 0,
        why: "its operator wants it".to_owned(),
        by_hand: true,
        decided_here: true,
    };
    Ok(SwitchView { service: backend.service, writer, changed: true })
}

/// c2 of every service refuses, all others pass.
fn checked(target: &DrainTarget) -> Result<CheckView, ApiError> {
    let known = given(target, Change::Drain(true))?.backends;
    let one = |backend: OrderedView| {
        let passed = !backend.id.ends_with("/c2");
        let says = if passed { "HTTP 200" } else { "connection refused" };
        CheckedView {
            id: backend.id,
            check_type: "http".to_owned(),
            target: "10.0.0.11:5001".to_owned(),
            passed,
            says: says.to_owned(),
            took_ms: 1.25,
            steps: vec![CheckStepView { at_ms: 0.02, says: "connecting to 10.0.0.11:5001".to_owned() }],
        }
    };
    Ok(CheckView { backends: known.into_iter().map(one).collect() })
}

/// What a reload of a bad file is refused with.
pub(crate) fn reloaded() -> Result<ReloadView, ApiError> {
    let text = "/etc/pivot/pivot.toml: 2 errors\n  line 3, column 1: unknown key 'prot'\n  line 9, column 8: port 0";
    let details = json!([{"line": 3, "column": 1}, {"line": 9, "column": 8}]);
    Err(ApiError::invalid(text).with_details(details))
}

/// Groups of the fixture, by name or all of them, as an order left them.
fn ordered(name: Option<&str>, order: impl Fn(HandedView) -> HandedView) -> Result<HandOverView, ApiError> {
    let groups = fixture::<VipsView>("vips").groups.into_iter().filter(|group| name.is_none_or(|it| it == group.name));
    let handed = |group: lb_userspace::core::view::vips::GroupView| HandedView {
        vips: group.vips.into_iter().map(|vip| vip.name).collect(),
        group: group.name,
        changed: true,
        role: group.role,
        held_back: group.held_back,
        holder: group.holder,
        took_ms: None,
    };
    let groups: Vec<HandedView> = groups.map(handed).map(order).collect();
    match (name, groups.is_empty()) {
        (Some(name), true) => Err(ApiError::not_found(format!("there is no group and no VIP `{name}`"))),
        _ => Ok(HandOverView { groups }),
    }
}

/// c2 is the next of every group.
fn failed_over(name: Option<&str>, to: Option<&str>) -> Result<HandOverView, ApiError> {
    if let Some(to) = to.filter(|to| *to != "c2") {
        return Err(ApiError::conflict(format!("group `control` would go to c2, not to {to}")));
    }
    ordered(name, |group| HandedView { role: Role::Backup, holder: Some("c2".to_owned()), took_ms: Some(6), ..group })
}

fn held(name: Option<&str>, hold: bool) -> Result<HandOverView, ApiError> {
    let role = if hold { Role::Fault } else { Role::Backup };
    ordered(name, |group| HandedView { role, held_back: hold, changed: hold != group.held_back, ..group })
}

/// The explanation of the one packet that is known.
fn explained(question: &Question) -> Result<ExplainView, ApiError> {
    let known: ExplainView = fixture("explain");
    if question.packet() == known.packet && question.as_holder == known.as_holder {
        Ok(known)
    } else {
        Err(ApiError::conflict(format!("no explanation of {} as holder {}", question.packet(), question.as_holder)))
    }
}

/// One transition of every backend.
fn events(limit: usize, service: Option<&str>) -> Result<Vec<EventView>, ApiError> {
    let event = |(number, backend): (u64, BackendView)| EventView {
        number,
        date_ms: 1_772_337_906_789,
        ago_ms: 1000,
        backend: backend.id,
        service: backend.service,
        from: BackendState::Starting,
        to: backend.state,
        reason: backend.last_check,
    };
    let all: Vec<EventView> = (1..).zip(backends()).map(event).collect();
    let meant: Vec<EventView> =
        all.into_iter().filter(|event| service.is_none_or(|it| it == event.service)).take(limit).collect();
    match service {
        Some(name) if meant.is_empty() => Err(ApiError::not_found(format!("no service '{name}'"))),
        _ => Ok(meant),
    }
}

/// Many flows, unless those of one service are asked for.
fn flows(limit: usize, service: Option<&str>) -> Result<Vec<FlowView>, ApiError> {
    let known: Vec<FlowView> = fixture("flows");
    match service {
        None => Ok(known.into_iter().cycle().take(limit).collect()),
        Some(name) if known.iter().any(|flow| flow.service == name) => {
            Ok(known.into_iter().filter(|flow| flow.service == name).take(limit).collect())
        }
        Some(name) => Err(ApiError::not_found(format!("no service '{name}'"))),
    }
}

fn entries(map: &str, limit: usize) -> Result<Vec<MapEntry>, ApiError> {
    match map {
        "services" => Ok(fixture::<Vec<MapEntry>>("entries").into_iter().take(limit).collect()),
        _ => Err(ApiError::not_found(format!("no map '{map}': 'pivot maps' lists them"))),
    }
}

fn given(target: &DrainTarget, change: Change) -> Result<OrderView, ApiError> {
    let meant = |backend: &BackendView| match target {
        DrainTarget::One(key) => backend.id == key.to_string(),
        DrainTarget::Everywhere(name) => backend.name == *name,
    };
    let order = |backend: BackendView| {
        let state = match (backend.state, change) {
            (BackendState::Down, Change::Drain(_) | Change::Weight(_)) => BackendState::Down,
            (_, Change::Maintenance(true)) => BackendState::Maint,
            (_, Change::Drain(true)) => BackendState::Drain,
            (state, Change::Weight(_)) => state,
            (_, Change::Drain(false) | Change::Maintenance(false)) => BackendState::Up,
        };
        let weight_now = match change {
            Change::Weight(weight) => weight.map(|weight| weight.of(backend.weight)),
            Change::Drain(_) | Change::Maintenance(_) => None,
        };
        let changed = match change {
            Change::Drain(drain) => (backend.state == BackendState::Drain) != drain,
            Change::Maintenance(begin) => (backend.state == BackendState::Maint) != begin,
            Change::Weight(weight) => weight.is_some(),
        };
        OrderedView { id: backend.id, state, weight: backend.weight, weight_now, agent: None, changed }
    };
    let backends: Vec<OrderedView> = backends().into_iter().filter(meant).map(order).collect();
    match (backends.is_empty(), target) {
        (false, _) => Ok(OrderView { backends }),
        (true, DrainTarget::One(key)) => Err(ApiError::not_found(format!("no backend '{key}'"))),
        (true, DrainTarget::Everywhere(name)) => Err(ApiError::not_found(format!("no backend '{name}'"))),
    }
}
