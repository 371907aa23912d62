//! pivotd's loop: the world's events into the controller, its commands into the world.
//!
//! - [`start`]: what is checked before anything is touched, and the taking over of what an earlier pivotd left.
//! - [`execute`]: commands to the adapters; [`segments`]: interfaces as they come and go; [`ways`]: what leads to backends.
//! - [`election`]: who holds the VIPs, on a thread of its own; [`groups`]: what that is told of the configuration and this host.
//! - [`behind`]: what this host is to learn before it takes over from another one.
//! - [`tracking`]: what this host is fit for; [`hooks`]: what it runs when it becomes something else.
//! - [`sync`]: what other controllers are told of flows, and tell. [`told`]: what strangers say is told once.
//! - [`idle`]: clients that wait for a backend that was cut are made to speak.
//! - [`refusals`]: connections that backends did not take.
//! - [`ready`]: when its socket is opened. [`fill`]: how full the flow table is. [`loss`]: what the log has lost.
//! - [`answer`]: the API's questions; [`vips`]: those about elections, and orders to hand over.
//! - [`error`]: why pivotd ends, and its exit codes.

pub mod answer;
mod behind;
mod election;
pub mod error;
pub mod execute;
mod fill;
mod groups;
mod hooks;
mod idle;
mod loss;
mod ready;
mod refusals;
mod segments;
pub mod start;
mod sync;
mod told;
mod tracking;
mod vips;
mod ways;

use std::path::PathBuf;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::api::error::ApiError;
use crate::core::command;
use crate::core::config::Config;
use crate::core::config::model::TableSizes;
use crate::core::controller::Controller;
use crate::core::event::{Event, Now};
use crate::core::view::ReloadView;
use crate::io::holds::Holds;
use crate::io::instance::Instance;
use crate::io::log::Lost;
use crate::io::netlink::{Change, Neighbour};
use crate::io::orders::OrderFile;
use crate::io::refusals::Refusals;
use crate::tables::occupancy::{self, Occupancy};

use self::behind::Behind;
use self::election::seat::Seat;
use self::election::{Elected, Elections};
use self::error::DaemonError;
use self::execute::{ExecuteError, Executor};
use self::fill::Fill;
use self::hooks::Hooks;
use self::idle::Idle;
use self::loss::Loss;
use self::sync::Syncer;
use self::tracking::Tracking;
use self::vips::Standings;

/// Events of one kind (checks and questions that end, neighbours that answer) whose outcome is written at once.
const AT_ONCE: usize = 64;

/// What pivotd is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// This host's name in it; by default what `uname -n` says.
    pub host: Option<String>,
    /// Name of the instance: one pivotd runs under each.
    pub instance: String,
    /// Where run directories are made.
    pub run_root: PathBuf,
    /// Where bpffs is, or is to be mounted.
    pub bpffs: PathBuf,
    /// Where what outlives restarts is remembered.
    pub state_root: PathBuf,
}

/// A running pivotd.
pub struct Daemon {
    options: Options,
    host: String,
    controller: Controller,
    executor: Executor,
    instance: Instance,
    began: Instant,
    adopted: bool,
    /// Ends of checks and answers of agents.
    ends: mpsc::UnboundedReceiver<Event>,
    neighbours: mpsc::UnboundedReceiver<Neighbour>,
    changes: mpsc::UnboundedReceiver<Change>,
    fill: Fill,
    /// Lines that the log has lost, as it counts them, and as is known.
    lost: Lost,
    loss: Loss,
    /// The election, once there is something to elect.
    elections: Option<Elections>,
    /// The groups that it knows of.
    seats: Vec<Seat>,
    behind: Behind,
    /// Connections that backends did not take, as the packet path tells.
    refusals: Refusals,
    /// What this host is judged by.
    tracking: Tracking,
    hooks: Hooks,
    /// What other controllers are told of flows, if there is a [cluster].
    syncer: Option<Syncer>,
    /// Clients that are to be told that their backend was cut.
    idle: Idle,
    /// What it said last of each group, for whoever waits for a change.
    standings: watch::Sender<Standings>,
    /// Groups that this host's operator holds it back from.
    holds: Holds,
    /// Where orders about backends are remembered.
    orders: OrderFile,
}

/// Runs pivotd until it is told to stop (SIGTERM, SIGINT), then hands everything back. `lost` counts what its log loses.
///
/// # Errors
/// [`DaemonError`]; what was begun is undone, unless an earlier pivotd's work was taken over: that stays at work.
pub async fn run(options: Options, lost: Lost) -> Result<(), DaemonError> {
    let mut daemon = start::start(options, lost).await?;
    let ended = daemon.serve().await;
    let stopped = daemon.stop().await;
    ended.and(stopped)
}

impl Daemon {
    async fn serve(&mut self) -> Result<(), DaemonError> {
        let (questions, mut asked) = mpsc::channel(16);
        let (mut server, latest) = (None, self.ready_by());
        let signal_error = |source| DaemonError::Signals { source };
        let mut terminate = signal(SignalKind::terminate()).map_err(signal_error)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(signal_error)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(signal_error)?;
        let (walked, mut walks) = mpsc::unbounded_channel::<Occupancy>();
        let mut walk = tokio::time::interval(fill::INTERVAL);
        walk.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut arrange = tokio::time::interval(fill::ARRANGE);
        arrange.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ended = Vec::with_capacity(AT_ONCE);
        let mut found = Vec::with_capacity(AT_ONCE);
        loop {
            if server.is_none() {
                server = self.open_if_ready(latest, &questions)?;
            }
            let ready = server.is_none().then_some(latest);
            let due = self.controller.deadline().into_iter().chain(self.behind.deadline()).chain(ready).min();
            let wake = due.map(|Now(at)| tokio::time::Instant::from_std(self.began + at));
            let event = tokio::select! {
                biased;
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    self.reload_on_signal().await;
                    continue;
                }
                Some(question) = asked.recv() => {
                    self.answer(question).await;
                    continue;
                }
                1.. = self.ends.recv_many(&mut ended, AT_ONCE) => {
                    self.handle_all(ended.drain(..)).await;
                    self.follow_up();
                    continue;
                }
                1.. = self.neighbours.recv_many(&mut found, AT_ONCE) => {
                    let next_hop = |found| self.executor.next_hop(found);
                    let events: Vec<Event> = found
                        .drain(..)
                        .map(|found: Neighbour| Event::Neighbour { address: found.address, next_hop: next_hop(found) })
                        .collect();
                    self.handle_all(events).await;
                    self.follow_up();
                    continue;
                }
                refused = self.refusals.next() => {
                    self.hasten(refused).await?;
                    continue;
                }
                Some(change) = self.changes.recv() => {
                    self.executor.follow(change).await;
                    self.seat().await?;
                    continue;
                }
                Some(elected) = said(self.elections.as_mut()) => {
                    self.take_in(elected).await;
                    continue;
                }
                Some(ended) = self.tracking.ended.recv() => {
                    self.tracking.take(&ended);
                    self.judge();
                    continue;
                }
                Some(ended) = self.hooks.ended.recv() => {
                    self.hooks.end(ended, self.now());
                    continue;
                }
                Some(occupancy) = walks.recv() => {
                    self.fill.take(occupancy).iter().for_each(|line| tracing::warn!("{line}"));
                    continue;
                }
                () = sync::ready(self.syncer.as_ref(), self.began) => {
                    self.sync_flows().await;
                    self.catch_up();
                    continue;
                }
                () = idle::ready(&self.idle, self.began) => {
                    self.tell_idle();
                    continue;
                }
                _ = arrange.tick() => {
                    self.executor.datapath.writer().arrange_flows();
                    self.loss.take(self.lost.count(), self.now()).iter().for_each(|line| tracing::warn!("{line}"));
                    continue;
                }
                _ = walk.tick() => {
                    self.walk(walked.clone());
                    continue;
                }
                () = sleep_until(wake) => Event::Tick,
            };
            self.handle(event).await;
            self.follow_up();
        }
        if let Some(server) = server {
            server.stop().await;
        }
        Ok(())
    }

    async fn handle(&mut self, event: Event) {
        self.handle_all([event]).await;
    }

    async fn handle_all(&mut self, events: impl IntoIterator<Item = Event>) {
        let mut commands = Vec::new();
        for event in events {
            commands.extend(self.controller.handle(event, self.now()));
        }
        self.executor.execute_all(command::without_overtaken(commands)).await;
    }

    /// What the controller's decisions mean for everything else.
    fn follow_up(&mut self) {
        self.judge();
        self.notice_flows();
        self.catch_up();
    }

    /// Takes in what the election said: hooks run when addresses have followed.
    async fn take_in(&mut self, elected: Elected) {
        self.note(&elected);
        let Elected { group, role, why, holder, begun, behind } = elected;
        let event = Event::Elected { group: group.clone(), role, holder };
        let commands = self.controller.handle(event, self.now());
        self.executor.execute_all(commands).await;
        self.notice_flows();
        if begun {
            self.run_hooks(&group, role, &why);
        }
        self.fall_behind(&group, behind).await;
    }

    /// Walks through the flow table beside everything else: that may take tens of milliseconds.
    fn walk(&self, walked: mpsc::UnboundedSender<Occupancy>) {
        let writer = self.executor.datapath.writer();
        let (flows, now) = (writer.memory().flows.clone(), writer.clock().now());
        tokio::task::spawn_blocking(move || {
            // The daemon is stopping: nobody waits for it.
            let _ = walked.send(occupancy::sweep(&flows, now));
        });
    }

    fn now(&self) -> Now {
        Now(self.began.elapsed())
    }

    async fn reload_on_signal(&mut self) {
        match self.reload().await {
            Ok(ReloadView { changes }) if changes.is_empty() => tracing::info!("reloaded: nothing changed"),
            Ok(ReloadView { changes }) => changes.iter().for_each(|change| tracing::info!("reloaded: {change}")),
            Err(error) => tracing::error!("not reloaded, nothing changed: {error}"),
        }
    }

    /// Reads the configuration again and runs it, or changes nothing and says why.
    async fn reload(&mut self) -> Result<ReloadView, ApiError> {
        let config = match start::read_config(&self.options.config) {
            Ok(config) => config,
            Err(DaemonError::Config(errors)) => return Err(ApiError::report(&errors)),
            Err(error) => return Err(ApiError::invalid(error.to_string())),
        };
        let unfit = |error: DaemonError| ApiError::invalid(error.to_string());
        start::check(&config, &self.host, &self.executor.netlink).await.map_err(unfit)?;
        start::check_tracks(&config, &self.executor.netlink).await.map_err(unfit)?;
        let (changes, new_flows) = (self.changes(&config), config.tables.new_flows);
        let joining = self.prepare_cluster(&config).map_err(|error| ApiError::conflict(error.to_string()))?;
        let mut candidate = self.controller.clone();
        let commands = candidate.handle(Event::Configure(Box::new(config)), self.now());
        let refused = |error: ExecuteError| ApiError::conflict(error.to_string());
        self.executor.check(&commands).map_err(refused)?;
        self.executor.try_all(commands).await.map_err(refused)?;
        self.executor.datapath.limit_new_flows(new_flows);
        self.controller = candidate;
        self.remember_orders();
        self.join_cluster(joining);
        self.seat().await.map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(ReloadView { changes })
    }

    /// Orders end with the backends that they are about. Those that cannot be forgotten now are with the next order.
    fn remember_orders(&mut self) {
        if let Err(error) = self.orders.write(&self.controller.orders()) {
            tracing::error!("{error}");
        }
    }

    fn changes(&self, new: &Config) -> Vec<String> {
        let mut changes = self.controller.config().map(|old| crate::core::config::diff(old, new)).unwrap_or_default();
        let sizes = |config: &Config| TableSizes { new_flows: 0, ..config.tables.clone() };
        if self.controller.config().is_some_and(|old| sizes(old) != sizes(new)) {
            changes.push("! sizes of tables change only when pivotd is stopped and started".to_owned());
        }
        changes
    }

    async fn stop(mut self) -> Result<(), DaemonError> {
        tracing::info!("stopping");
        self.leave_cluster();
        self.elections.iter_mut().for_each(Elections::stop);
        let config = self.controller.config().cloned();
        let commands = self.controller.handle(Event::Stop, self.now());
        self.executor.execute_all(commands).await;
        if let Some(config) = config {
            let began = self.began;
            self.hooks.finish(&config, || Now(began.elapsed())).await;
        }
        drop(self.executor);
        self.instance.release()?;
        tracing::info!("stopped: VIPs, routes, programs and maps are gone");
        Ok(())
    }
}

/// What the election says next, if there is one.
async fn said(elections: Option<&mut Elections>) -> Option<Elected> {
    match elections {
        Some(elections) => elections.said.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
