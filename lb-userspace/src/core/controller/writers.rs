//! Services that have one writer: which of their backends it is, and what that makes of the others.
//!
//! Who it is [`crate::core::writer`] decides, of the backends as this host sees them, of who holds the VIP, and of what other hosts
//! state. What must hold: no table leads to another backend than the writer, and no other one keeps a flow.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use super::Controller;
use super::orders::OrderError;
use super::pool::{Deals, Member, Pool};
use super::subject::Subjects;
use crate::core::command::{Command, Level};
use crate::core::config::model::Balance;
use crate::core::event::{BackendKey, DrainTarget, Now};
use crate::core::sync::record::Endpoint;
use crate::core::view::{BackendState, WriterView};
use crate::core::writer::{Candidate, Change, Refusal, Statement, Term, Writer};

/// What a service has that has one writer.
#[derive(Debug, Clone)]
pub(super) struct Single {
    pub(super) writer: Writer,
    endpoint: Endpoint,
    /// What is to be told.
    told: Vec<Command>,
    /// A change of the writer that is not in the chronicle yet: when, and what.
    turned: Option<(Now, String)>,
}

/// Why a writer was not switched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// There is no such backend.
    #[error(transparent)]
    Unknown(OrderError),
    /// The service has no writer.
    #[error(
        "service `{service}` has no writer: its flows go to all of its backends, as it is not `balance = \"single\"`"
    )]
    NotSingle {
        /// The service.
        service: String,
    },
    /// Another host decides, or nobody does.
    #[error("this host does not hold VIP `{vip}`, so the writer of `{service}` is not its to choose: {}", way_out(holder.as_ref()))]
    NotHolder {
        /// The service.
        service: String,
        /// Its VIP.
        vip: String,
        /// Who holds that, if it is known.
        holder: Option<String>,
    },
    /// The backend is not fit.
    #[error("backend `{backend}` {why}: it cannot be the writer")]
    Unfit {
        /// The backend.
        backend: BackendKey,
        /// Why not, behind its name.
        why: String,
    },
}

fn way_out(holder: Option<&String>) -> String {
    match holder {
        Some(holder) => format!("{holder} holds it, switch there"),
        None => "nobody is known to hold it, see `pivot vips`".to_owned(),
    }
}

impl Pool {
    /// Begins to have a writer, goes on with it, or ceases to, as configured. `left` is the backend that had flows when an earlier
    /// pivotd ended.
    pub(super) fn seat_writer(&mut self, endpoint: Option<Endpoint>, left: Option<SocketAddr>, now: Now) {
        let earlier = self.single.take();
        let (Balance::Single { failback }, Some(endpoint)) = (self.service.balance, endpoint) else { return };
        let mut writer = earlier.map_or_else(|| Writer::new(left, now), |single| single.writer);
        writer.configure(failback);
        self.single = Some(Single { writer, endpoint, told: Vec::new(), turned: None });
    }

    /// Looks who is to be the writer.
    pub(super) fn judge_writer(&mut self, subjects: &Subjects, now: Now) {
        let Some(single) = &mut self.single else { return };
        let change = single.writer.judge(&candidates(&self.members, subjects), now);
        self.turn(change.as_ref(), now);
    }

    /// What a backend is sent.
    pub(super) fn sent(&self, member: &Member, subjects: &Subjects) -> BackendState {
        let is_other = self.single.as_ref().is_some_and(|single| !single.is_writer(member));
        match member.sent(subjects) {
            BackendState::Maint => BackendState::Maint,
            // Down or not: what `on_down` keeps of the writer's is not kept of any other one's.
            _ if is_other => BackendState::Standby,
            state => state,
        }
    }

    /// A backend's state as its operator sees it, and since when.
    pub(super) fn shown(&self, member: &Member, subjects: &Subjects) -> (BackendState, Now) {
        let Some(single) = &self.single else { return (member.state(subjects), member.since) };
        let (since, _) = single.writer.since();
        match member.state(subjects) {
            state if state.takes_flows() && single.is_writer(member) => (state, member.since.max(since)),
            state if state.takes_flows() => (BackendState::Standby, member.since.max(since)),
            state => (state, member.since),
        }
    }

    /// The epoch in which a backend became the writer, if it is that.
    pub(super) fn epoch(&self, member: &Member) -> Option<u64> {
        let single = self.single.as_ref().filter(|single| single.is_writer(member))?;
        single.writer.term().map(|term| term.epoch)
    }

    /// The writer, for views.
    pub(super) fn view_writer(&self, now: Now) -> Option<WriterView> {
        let writer = &self.single.as_ref()?.writer;
        let Term { epoch, writer: place, by_hand } = writer.term()?;
        let (since, why) = writer.since();
        Some(WriterView {
            backend: self.name_at(place).map(str::to_owned),
            address: place.ip(),
            port: place.port(),
            epoch,
            since_s: now.0.saturating_sub(since.0).as_secs(),
            why: why.to_owned(),
            by_hand,
            decided_here: writer.decides(),
        })
    }

    fn name_at(&self, place: SocketAddr) -> Option<&str> {
        let member = self.members.iter().find(|member| member.target == place)?;
        Some(&member.key.backend)
    }

    /// Has it told that there is another writer.
    fn turn(&mut self, change: Option<&Change>, now: Now) {
        let Some(Change { from, to, epoch, why }) = change else { return };
        let name = |place: &SocketAddr| self.name_at(*place).map_or_else(|| place.to_string(), str::to_owned);
        let (to, level) = (name(to), if from.is_some() { Level::Warn } else { Level::Info });
        let from = from.as_ref().map(|from| format!("{} -> ", name(from))).unwrap_or_default();
        let turned = format!("{to} is the writer (epoch {epoch}): {why}");
        let message = format!("writer of {}: {from}{to} (epoch {epoch}): {why}", self.service.name);
        if let Some(single) = &mut self.single {
            single.told.push(Command::Log { level, message });
            single.turned = Some((now, turned));
        }
    }
}

impl Single {
    pub(super) fn is_writer(&self, member: &Member) -> bool {
        self.writer.term().is_some_and(|term| term.writer == member.target)
    }

    fn statement(&self) -> Option<Statement> {
        let term = self.writer.term().filter(|term| term.epoch > 0)?;
        Some(Statement { service: self.endpoint, term, holds: self.writer.decides() })
    }
}

impl Controller {
    /// What this host states of writers, to all other hosts.
    #[must_use]
    pub fn statements(&self) -> Arc<[Statement]> {
        self.statements.clone()
    }

    /// Makes a backend the writer of its service, as its operator wants it. Whether it was not already, and what is to be done.
    ///
    /// # Errors
    /// [`SwitchError`]; then nothing has changed.
    pub fn switch(&mut self, backend: &BackendKey, now: Now) -> Result<(bool, Vec<Command>), SwitchError> {
        let slots = self.find(&DrainTarget::One(backend.clone())).map_err(SwitchError::Unknown)?;
        let service = backend.service.clone();
        let Some((place, member)) = slots.first().copied() else { return Err(SwitchError::NotSingle { service }) };
        let not_holder = self.not_holder(place);
        let pool = &mut self.pools[place];
        let target = pool.members[member].target;
        let Some(single) = &mut pool.single else { return Err(SwitchError::NotSingle { service }) };
        match single.writer.give_to(target, &candidates(&pool.members, &self.subjects), now) {
            Err(Refusal::NotHolder) => Err(not_holder),
            Err(Refusal::Unfit(why)) => Err(SwitchError::Unfit { backend: backend.clone(), why }),
            Ok(change) => {
                pool.turn(change.as_ref(), now);
                self.deal_some(&[place], now);
                Ok((change.is_some(), self.publish()))
            }
        }
    }

    fn not_holder(&self, pool: usize) -> SwitchError {
        let service = &self.pools[pool].service;
        let config = self.config.iter();
        let mut vips = config.flat_map(|config| config.vips.iter().map(move |vip| (config, vip)));
        let holder = vips.find(|(_, vip)| vip.name == service.vip).and_then(|(config, vip)| self.holder(config, vip));
        SwitchError::NotHolder { service: service.name.clone(), vip: service.vip.clone(), holder }
    }

    /// Tells writers whether this host holds their VIPs; returns the services of which it is news. No table is dealt yet.
    pub(super) fn hold_writers(&mut self, now: Now) -> Vec<usize> {
        let held = |pool: &Pool| {
            let mut vips = self.config.iter().flat_map(|config| &config.vips);
            vips.any(|vip| vip.name == pool.service.vip && self.holds(vip))
        };
        let singles = self.pools.iter().enumerate().filter_map(|(i, pool)| Some((i, pool, pool.single.as_ref()?)));
        let singles = singles.map(|(i, pool, single)| (i, held(pool), single.writer.decides()));
        let changed: Vec<(usize, bool)> =
            singles.filter(|(_, holds, decides)| holds != decides).map(|(i, holds, _)| (i, holds)).collect();
        for (i, holds) in &changed {
            if let Some(single) = &mut self.pools[*i].single {
                single.writer.hold(*holds, now);
            }
        }
        changed.into_iter().map(|(i, _)| i).collect()
    }

    /// The same, and deals their tables.
    pub(super) fn follow_holders(&mut self, now: Now) {
        let changed = self.hold_writers(now);
        self.deal_some(&changed, now);
    }

    /// Takes in what another host states.
    pub(super) fn hear_of_writers(&mut self, from: &str, statements: &[Statement], now: Now) -> Vec<Command> {
        let hosts = self.config.iter().flat_map(|config| &config.hosts);
        let names: Vec<&str> = hosts.map(|host| host.name.as_str()).collect();
        let place = |name: &str| names.iter().position(|known| *known == name);
        let senior = place(from) < place(&self.host);
        let mut changed = Vec::new();
        for (i, pool) in self.pools.iter_mut().enumerate() {
            let Some(single) = &mut pool.single else { continue };
            let Some(said) = statements.iter().find(|said| said.service == single.endpoint) else { continue };
            let before = single.writer.term();
            let order = candidates(&pool.members, &self.subjects);
            let change = single.writer.hear(said, (from, senior), &order, now);
            if single.writer.term() != before {
                changed.push(i);
            }
            pool.turn(change.as_ref(), now);
        }
        if changed.is_empty() {
            return Vec::new();
        }
        self.deal_some(&changed, now);
        self.publish()
    }

    /// Gives flows back where that is due.
    pub(super) fn fail_back(&mut self, now: Now) -> Vec<Command> {
        if self.writers_due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let is_due =
            |pool: &Pool| pool.single.as_ref().and_then(|it| it.writer.deadline()).is_some_and(|due| due <= now);
        let due: Vec<usize> = (0..self.pools.len()).filter(|i| is_due(&self.pools[*i])).collect();
        self.deal_some(&due, now);
        self.publish()
    }

    /// What is to be told of writers; remembers what this host states, and when time alone may change that.
    pub(super) fn tell_of_writers(&mut self) -> Vec<Command> {
        let mut told = Vec::new();
        for pool in &mut self.pools {
            let Some(single) = &mut pool.single else { continue };
            told.append(&mut single.told);
            if let Some((at, turned)) = single.turned.take() {
                for member in 0..pool.members.len() {
                    self.chronicle.note(pool, member, &self.subjects, || turned.clone(), at);
                }
            }
        }
        let singles = || self.pools.iter().filter_map(|pool| pool.single.as_ref());
        self.writers_due = singles().filter_map(|single| single.writer.deadline()).min();
        let statements: Vec<Statement> = singles().filter_map(Single::statement).collect();
        if *self.statements != *statements {
            self.statements = statements.into();
        }
        told
    }

    fn deal_some(&mut self, pools: &[usize], now: Now) {
        let slots = self.config.as_ref().map_or(0, |config| config.tables.maglev);
        let mut deals = Deals::default();
        for pool in pools {
            self.pools[*pool].deal(slots, &self.subjects, &mut deals, now);
        }
    }
}

/// The backends of a service as candidates, in their order.
fn candidates<'m>(members: &'m [Member], subjects: &Subjects) -> Vec<Candidate<'m>> {
    let candidate =
        |member: &'m Member| Candidate { place: member.target, name: &member.key.backend, fit: fit(member, subjects) };
    members.iter().map(candidate).collect()
}

/// Whether a backend may be the writer.
fn fit(member: &Member, subjects: &Subjects) -> Result<(), Cow<'static, str>> {
    match member.state(subjects) {
        BackendState::Down => Err(match (member.announced.down(), &subjects[member.subject].last_check) {
            (Some(down), _) => format!("is down: its agent says: {down}").into(),
            (None, Some((_, outcome))) => match &outcome.verdict {
                Err(reason) => format!("is down: {reason}").into(),
                Ok(_) => "is down".into(),
            },
            (None, None) => "is down".into(),
        }),
        BackendState::Drain => Err("is drained".into()),
        BackendState::Maint => Err("is in maintenance".into()),
        BackendState::Up | BackendState::Starting | BackendState::Standby => {
            match member.in_force().weight(member.weight) {
                0 => Err("has weight 0".into()),
                _ => Ok(()),
            }
        }
    }
}
