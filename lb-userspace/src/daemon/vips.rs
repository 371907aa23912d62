//! Elections as an operator sees and steers them: how each group stands, and orders to hand over, to hold back, to release.
//!
//! An order is carried out at once. That another host has taken over is known a little later, when it is heard: the answer
//! waits for that, and nothing else does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Daemon;
use super::election::Elected;
use super::election::report::{GroupReport, Report, millis};
use crate::api::error::ApiError;
use crate::api::request::Answer;
use crate::core::config::Config;
use crate::core::config::model::Group;
use crate::core::election::Role;
use crate::core::handover::{self, OrderError, Standing};
use crate::core::view::VipView;
use crate::core::view::vips::{CandidateView, GroupView, GroupVipView, HandOverView, HandedView, VipsView};

/// Adverts of the next holder that may get lost before nobody is waited for any more: three make it take over, one is its skew.
const LOST: u32 = 4;
/// What it has on top of that.
const MARGIN: Duration = Duration::from_secs(1);
/// Longest that anybody is waited for: the API gives an order a minute.
const LONGEST: Duration = Duration::from_secs(50);

/// How each group stands, by what the election said last.
pub(super) type Standings = BTreeMap<String, Known>;

/// What the election said of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    standing: Standing,
    why: String,
}

/// A group that this host held, and was told not to.
#[derive(Debug)]
struct Move {
    group: String,
    vips: Vec<String>,
    began: Instant,
    patience: Duration,
    held_back: bool,
}

impl Daemon {
    /// Remembers what the election said.
    pub(super) fn note(&self, elected: &Elected) {
        let Elected { group, role, why, holder, .. } = elected.clone();
        let other = || holder.map(|peer| peer.name.unwrap_or_else(|| peer.address.to_string()));
        let holder = if role == Role::Holder { Some(self.host.clone()) } else { other() };
        self.standings.send_modify(|standings| {
            standings.insert(group, Known { standing: Standing { role, holder }, why });
        });
    }

    /// Adds to VIPs how the election stands.
    pub(super) fn add_standing(&self, vips: &mut [VipView]) {
        let standings = self.standings.borrow();
        for vip in vips {
            let Some(group) = &vip.group else { continue };
            vip.held_back = self.holds.has(group);
            if let Some(known) = standings.get(group) {
                (vip.role, vip.why) = (Some(known.standing.role), Some(known.why.clone()));
            }
        }
    }

    /// Says which groups this host was held back from before it was started.
    pub(super) fn warn_of_holds(&self) {
        let groups = self.controller.config().into_iter().flat_map(|config| &config.groups);
        for Group { name, .. } in groups.filter(|group| self.holds.has(&group.name)) {
            tracing::warn!("group {name}: this host is held back by its operator; `pivot release {name}` ends that");
        }
    }

    /// `pivot vips`.
    pub(super) async fn vips(&self) -> Result<VipsView, ApiError> {
        let report = self.report().await?;
        let config = self.controller.config();
        let groups = config.iter().flat_map(|config| config.groups.iter().map(move |group| (config, group)));
        let groups = groups.map(|(config, group)| {
            self.group_view(config, group, report.groups.iter().find(|it| it.name == group.name))
        });
        let (vips, _) = self.controller.view(self.now());
        Ok(VipsView {
            host: self.host.clone(),
            groups: groups.collect(),
            fixed: vips.into_iter().filter(|vip| vip.group.is_none()).collect(),
            ignored: report.ignored,
        })
    }

    /// Has other hosts take over what this one holds: what is meant by a name, or everything. The answer follows when they
    /// have.
    pub(super) async fn fail_over(&mut self, name: Option<&str>, to: Option<String>, answer: Answer<HandOverView>) {
        match self.begin_failover(name, to.as_deref()).await {
            Err(error) => drop(answer.send(Err(error))),
            Ok(moves) => {
                let (standings, host) = (self.standings.subscribe(), self.host.clone());
                tokio::spawn(async move { drop(answer.send(moved(moves, standings, &host, to.as_deref()).await)) });
            }
        }
    }

    /// Holds this host back from what is meant by a name, or from everything; or ends that.
    pub(super) async fn hold(&mut self, name: Option<&str>, hold: bool, answer: Answer<HandOverView>) {
        match self.begin_hold(name, hold).await {
            Err(error) => drop(answer.send(Err(error))),
            Ok((views, moves)) => {
                let standings = self.standings.subscribe();
                tokio::spawn(async move {
                    let ends = join_all(moves.into_iter().map(|one| one.end(standings.clone()))).await;
                    drop(answer.send(Ok(HandOverView { groups: views.into_iter().chain(ends).collect() })));
                });
            }
        }
    }

    async fn begin_failover(&self, name: Option<&str>, to: Option<&str>) -> Result<Vec<Move>, ApiError> {
        let config = self.config()?;
        let report = self.report().await?;
        let standing = |group: &str| {
            let known = report.groups.iter().find(|it| it.name == *group);
            known.map_or(Standing { role: Role::Fault, holder: None }, |it| Standing {
                role: it.role,
                holder: it.holder.clone(),
            })
        };
        let groups = handover::failover(config, &self.host, name, to, standing).map_err(refused)?;
        let moves = groups.iter().map(|group| Move::new(config, group, false)).collect();
        for group in groups {
            tracing::info!(group = group.name, "its operator has this host hand over");
            self.elections.iter().for_each(|elections| elections.yield_to_others(&group.name));
        }
        Ok(moves)
    }

    /// Groups that stand as ordered already, and those that another host is to take over.
    async fn begin_hold(&mut self, name: Option<&str>, hold: bool) -> Result<(Vec<HandedView>, Vec<Move>), ApiError> {
        let config = self.config()?.clone();
        let groups = handover::meant(&config, name).map_err(refused)?;
        let before = self.report().await?;
        let names = groups.iter().map(|group| group.name.as_str());
        let changes: Vec<&str> = names.filter(|group| self.holds.has(group) != hold).collect();
        self.holds.set(&changes, hold).map_err(|error| ApiError::internal(error.to_string()))?;
        for group in &changes {
            let done = if hold { "its operator holds this host back" } else { "its operator releases this host" };
            tracing::info!(group, "{done}");
        }
        let moves: Vec<Move> = groups
            .iter()
            .filter(|group| hold && before.groups.iter().any(|it| it.name == group.name && it.role == Role::Holder))
            .map(|group| Move::new(&config, group, hold))
            .collect();
        self.seat().await.map_err(|error| ApiError::internal(error.to_string()))?;
        let after = self.report().await?;
        let settled = groups.iter().filter(|group| !moves.iter().any(|one| one.group == group.name));
        let views = settled.map(|group| {
            let [was, is] = [&before, &after].map(|it| it.groups.iter().find(|it| it.name == group.name));
            HandedView {
                group: group.name.clone(),
                vips: names_of(&config, group),
                changed: changes.contains(&group.name.as_str()),
                role: is.map_or(Role::Fault, |it| it.role),
                held_back: hold,
                // Who takes part again has heard of nobody yet.
                holder: [is, was].into_iter().flatten().find_map(|it| it.holder.clone()),
                took_ms: None,
            }
        });
        Ok((views.collect(), moves))
    }

    async fn report(&self) -> Result<Report, ApiError> {
        let nothing = Report { groups: Vec::new(), ignored: Default::default() };
        let Some(elections) = &self.elections else { return Ok(nothing) };
        elections.report().await.ok_or_else(|| {
            ApiError::internal("the election does not answer: its leases run out by themselves; see pivotd's log")
        })
    }

    fn config(&self) -> Result<&Config, ApiError> {
        self.controller.config().ok_or_else(|| ApiError::unavailable("pivotd has no configuration yet, or is stopping"))
    }

    fn group_view(&self, config: &Config, group: &Group, report: Option<&GroupReport>) -> GroupView {
        let place = config.hosts.iter().position(|host| host.name == self.host);
        let configured_priority = place.and_then(|place| group.priorities.get(place)).copied().unwrap_or(0);
        let vip = |vip: &crate::core::config::model::Vip| GroupVipView {
            name: vip.name.clone(),
            address: vip.address,
            interface: vip.interface.clone(),
        };
        let candidate = |(host, priority): (&crate::core::config::model::Host, u8)| CandidateView {
            host: host.name.clone(),
            priority,
        };
        // Nobody takes part in its election on a host that has no interface or address for it.
        let unfit = self.tracking.fault(&group.name).unwrap_or("it has not begun");
        GroupView {
            name: group.name.clone(),
            vips: config.vips_of(group).map(vip).collect(),
            interface: group.interface.clone(),
            protocol: format!("VRRP {}", group.version.number()),
            id: group.id,
            role: report.map_or(Role::Fault, |it| it.role),
            why: report.map_or(unfit, |it| &it.why).to_owned(),
            since_s: report.map_or_else(|| self.began.elapsed(), |it| it.since).as_secs(),
            held_back: self.holds.has(&group.name),
            yielded: report.is_some_and(|it| it.yielded),
            learns: self.behind.of(&group.name).map(str::to_owned),
            holder: report.and_then(|it| it.holder.clone()),
            priority: report.map_or(configured_priority, |it| it.priority),
            configured_priority,
            line: handover::line(config, group, &self.host).into_iter().map(candidate).collect(),
            advert_ms: millis(group.advert),
            lease_ms: millis(group.lease),
            lease_left_ms: report.and_then(|it| it.lease_left).map(millis),
            takes_over_in_ms: report.and_then(|it| it.silence_left).map(millis),
            peers: report.map(|it| it.peers.clone()).unwrap_or_default(),
            transitions: report.map(|it| it.transitions.clone()).unwrap_or_default(),
            hooks: self.hooks.view(&group.name, self.now()),
            counters: report.map(|it| it.counters).unwrap_or_default(),
        }
    }
}

impl Move {
    fn new(config: &Config, group: &Group, held_back: bool) -> Self {
        let patience = (group.advert * LOST + MARGIN).min(LONGEST);
        let (vips, began) = (names_of(config, group), Instant::now());
        Self { group: group.name.clone(), vips, began, patience, held_back }
    }

    /// Waits until this host has ceased to hold it, and another host does or this one again; how it stands then.
    async fn end(self, mut standings: watch::Receiver<Standings>) -> HandedView {
        let role = |standings: &Standings| standings.get(&self.group).map(|known| known.standing.role);
        let holder = |standings: &Standings| standings.get(&self.group).and_then(|known| known.standing.holder.clone());
        let taken = async {
            // An error: the daemon is stopping, and nothing more is known.
            drop(standings.wait_for(|it| role(it) != Some(Role::Holder)).await);
            drop(standings.wait_for(|it| holder(it).is_some()).await);
        };
        // Nobody took over in time: that is how it stands.
        let in_time = timeout(self.patience.saturating_sub(self.began.elapsed()), taken).await.is_ok();
        let took_ms = in_time.then(|| millis(self.began.elapsed()));
        let last = standings.borrow();
        let (role, holder) = (role(&last).unwrap_or(Role::Fault), holder(&last));
        let Self { group, vips, held_back, .. } = self;
        HandedView { group, vips, changed: true, role, held_back, holder, took_ms }
    }
}

/// Waits until other hosts have taken over what they were to, or one certain host.
async fn moved(
    moves: Vec<Move>,
    standings: watch::Receiver<Standings>,
    host: &str,
    to: Option<&str>,
) -> Result<HandOverView, ApiError> {
    let mut failures = Vec::new();
    let groups = join_all(moves.into_iter().map(|one| one.end(standings.clone()))).await;
    for view in &groups {
        let group = &view.group;
        match (view.holder.as_deref(), to) {
            (None, _) => failures
                .push(format!("nobody was heard to take over group `{group}`: see `pivot vips` on the other hosts")),
            (Some(holder), _) if holder == host => failures.push(format!(
                "no other host took over group `{group}`, so {host} holds it again: see `pivot vips` on the other hosts"
            )),
            (Some(holder), Some(to)) if holder != to => failures.push(format!(
                "{holder} took over group `{group}`, and not {to}: see `pivot vips` on {to} for what keeps it from that"
            )),
            (Some(_), _) => {}
        }
    }
    if failures.is_empty() { Ok(HandOverView { groups }) } else { Err(ApiError::conflict(failures.join("\n"))) }
}

fn names_of(config: &Config, group: &Group) -> Vec<String> {
    config.vips_of(group).map(|vip| vip.name.clone()).collect()
}

fn refused(error: OrderError) -> ApiError {
    let message = error.to_string();
    match error {
        OrderError::Unknown { .. } | OrderError::UnknownHost { .. } => ApiError::not_found(message),
        OrderError::NothingElected
        | OrderError::Fixed { .. }
        | OrderError::NotHolder { .. }
        | OrderError::Alone { .. }
        | OrderError::NotNext { .. } => ApiError::conflict(message),
    }
}
