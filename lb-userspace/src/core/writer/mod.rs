//! The writer of a service that is served by one backend at a time: who it is, on every host the same one.
//!
//! In: which backends are fit, in their order; whether this host holds the service's VIP; what other hosts state; an operator's
//! order; time. Out: the writer. Only whoever holds the VIP decides; all others follow what is stated, so that each of them has
//! the right one when the VIP comes to it.
//!
//! A decision is a [`Term`]: the writer, and an epoch that says which decision is the later one. What must hold:
//! - the epoch of a host never falls while its pivotd runs, and only a holder makes a new one, above all that it has heard of;
//! - a fit writer stays, whoever holds the VIP, but for an operator's order and for `failback`;
//! - a host that holds the VIP is not led astray by what was decided where it could not be heard ([`Writer::hear`]).

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::event::Now;
use super::sync::record::Endpoint;

/// For so long a new holder takes in what others know: all of them state it once a second.
pub const GRACE: Duration = Duration::from_secs(3);
/// After so long, one of two hosts that both say that they hold the VIP follows the other. Elections need less to end that.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Who has not said for so long that it holds the VIP does not say so any more.
const HUSH: Duration = Duration::from_secs(3);

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Counts decisions, whoever made them; 0: nobody has decided anything yet.
    pub epoch: u64,
    /// Where the backend is bound that has all flows, fit or not.
    pub writer: SocketAddr,
    /// Whether an operator wanted it: then nothing is given back while it is fit.
    pub by_hand: bool,
}

/// What a host says of a service's writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// The service.
    pub service: Endpoint,
    /// The last decision that it knows of.
    pub term: Term,
    /// Whether it holds the VIP.
    pub holds: bool,
}

/// Whether flows go back to a backend that comes first in the order, once it is fit again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Failback {
    /// They do not.
    #[default]
    Never,
    /// They do when it has been fit for so long.
    After(Duration),
}

/// A backend, as this host sees it.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// Where it is bound.
    pub place: SocketAddr,
    /// Its name.
    pub name: &'a str,
    /// Whether it may be the writer; if not, why, behind its name: "is drained".
    pub fit: Result<(), Cow<'a, str>>,
}

/// Another writer than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The one before; `None`: there was none.
    pub from: Option<SocketAddr>,
    /// The one from now on.
    pub to: SocketAddr,
    /// The decision's epoch.
    pub epoch: u64,
    /// Why, in words.
    pub why: String,
}

/// Why an operator's order is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Another host holds the VIP, or nobody does.
    NotHolder,
    /// The backend is not fit, and why, behind its name.
    Unfit(String),
}

/// The writer of one service, on one host.
#[derive(Debug, Clone)]
pub struct Writer {
    failback: Failback,
    /// Since when this host holds the VIP; `None`: it does not.
    holds_since: Option<Now>,
    term: Option<Term>,
    since: Now,
    why: String,
    /// Since when each backend that is fit has been.
    fit_since: BTreeMap<SocketAddr, Now>,
    /// When a better one will have been fit for long enough.
    due: Option<Now>,
    /// From when to when another host said that it holds the VIP, as this one does.
    contested: Option<(Now, Now)>,
}

impl Writer {
    /// Of a service of which nobody was heard yet. `left` is the backend that had all flows when an earlier pivotd of this host ended.
    #[must_use]
    pub fn new(left: Option<SocketAddr>, now: Now) -> Self {
        Self {
            failback: Failback::Never,
            holds_since: None,
            term: left.map(|writer| Term { epoch: 0, writer, by_hand: false }),
            since: now,
            why: left.map(|_| "an earlier pivotd of this host left it so".to_owned()).unwrap_or_default(),
            fit_since: BTreeMap::new(),
            due: None,
            contested: None,
        }
    }

    /// The last decision that this host knows of; before anybody has decided, whom it takes for the writer. `None`: nobody yet.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        self.term
    }

    /// Since when this host knows the writer, and why it is that one.
    #[must_use]
    pub fn since(&self) -> (Now, &str) {
        (self.since, &self.why)
    }

    /// Whether this host decides.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.holds_since.is_some()
    }

    /// When time alone may change the writer.
    #[must_use]
    pub fn deadline(&self) -> Option<Now> {
        self.due
    }

    /// What is configured; [`Writer::judge`] says what comes of it.
    pub fn configure(&mut self, failback: Failback) {
        self.failback = failback;
    }

    /// Whether this host holds the VIP; [`Writer::judge`] says what comes of it.
    pub fn hold(&mut self, holds: bool, now: Now) {
        self.holds_since = holds.then(|| self.holds_since.unwrap_or(now));
    }

    /// Looks at the backends, in their order, at least one: whether another one is to be the writer from now on.
    pub fn judge(&mut self, order: &[Candidate<'_>], now: Now) -> Option<Change> {
        let fit = |place: &SocketAddr| order.iter().any(|it| it.place == *place && it.fit.is_ok());
        self.fit_since.retain(|place, _| fit(place));
        for it in order.iter().filter(|it| it.fit.is_ok()) {
            self.fit_since.entry(it.place).or_insert(now);
        }
        let epoch = self.term.map_or(0, |term| term.epoch);
        let next = if self.decides() || epoch == 0 { self.next(order, now) } else { None };
        // Whoever decides says so, also where nothing is to be changed.
        let epoch = if self.decides() && (epoch == 0 || next.is_some()) { epoch.saturating_add(1) } else { epoch };
        if let Some(term) = &mut self.term {
            term.epoch = epoch;
        }
        let change = next.map(|(to, why)| self.turn(Term { epoch, writer: to, by_hand: false }, why, now));
        self.due = self.failback_due(order);
        change
    }

    /// Takes in what the host `from` states; `senior`: it comes before this one in the configuration.
    ///
    /// A host that does not hold the VIP follows every later decision. One that does keeps its writer, in a new epoch, so that the others
    /// follow it: what it hears was decided where it could not be heard. But
    /// - when it has just become the holder, it may have missed the last word of the one before;
    /// - if two hosts go on and on saying that they hold the VIP, the one that comes first in the configuration decides for both.
    pub fn hear(
        &mut self,
        said: &Statement,
        (from, senior): (&str, bool),
        order: &[Candidate<'_>],
        now: Now,
    ) -> Option<Change> {
        let is_contested = self.is_contested(said, now);
        let own = self.term;
        if own.is_some_and(|own| !is_later(said.term, own, order)) {
            return None;
        }
        let same = own.is_some_and(|own| own.writer == said.term.writer);
        if let Some(since) = self.holds_since.filter(|_| !same) {
            let is_fit = order.iter().any(|it| it.place == said.term.writer && it.fit.is_ok());
            let is_new = now < Now(since.0 + GRACE) && is_fit;
            if !(is_new || is_contested && senior) {
                if let Some(term) = &mut self.term {
                    term.epoch = said.term.epoch.saturating_add(1);
                }
                return None;
            }
        }
        let change = (!same).then(|| self.turn(said.term, format!("as {from} says"), now));
        self.term = Some(said.term);
        self.due = self.failback_due(order);
        change
    }

    /// Makes a backend the writer because an operator wants it; `None`: it is.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed.
    pub fn give_to(&mut self, place: SocketAddr, order: &[Candidate<'_>], now: Now) -> Result<Option<Change>, Refusal> {
        if !self.decides() {
            return Err(Refusal::NotHolder);
        }
        let fit = order.iter().find(|it| it.place == place).map(|it| it.fit.clone());
        match fit {
            Some(Ok(())) => {}
            Some(Err(why)) => return Err(Refusal::Unfit(why.into_owned())),
            None => return Err(Refusal::Unfit("is not configured".to_owned())),
        }
        let before = self.term;
        let epoch = before.map_or(0, |term| term.epoch);
        if before.is_some_and(|term| term.writer == place && term.by_hand) {
            return Ok(None);
        }
        let term = Term { epoch: epoch.saturating_add(1), writer: place, by_hand: true };
        let change = match before {
            Some(before) if before.writer == place => None,
            _ => Some(self.turn(term, "its operator wants it".to_owned(), now)),
        };
        self.term = Some(term);
        self.due = None;
        Ok(change)
    }

    /// Who is to be the writer instead, and why; `None`: it stays, or nobody is fit.
    fn next(&self, order: &[Candidate<'_>], now: Now) -> Option<(SocketAddr, String)> {
        let first = order.iter().find(|it| it.fit.is_ok());
        let Some(term) = self.term else {
            let first = first.or(order.first())?;
            return Some((first.place, "it is the first of those that are fit".to_owned()));
        };
        let Some(at) = order.iter().position(|it| it.place == term.writer) else {
            return Some((first?.place, format!("{} is not configured any more", term.writer)));
        };
        match (&order[at].fit, self.failback) {
            (Err(why), _) => Some((first?.place, format!("{} {why}", order[at].name))),
            (Ok(()), Failback::After(pause)) if !term.by_hand => {
                let ripe = |since: &Now| Now(since.0 + pause) <= now;
                let better = order[..at].iter().find(|it| self.fit_since.get(&it.place).is_some_and(ripe))?;
                let fit_for = now.0.saturating_sub(self.fit_since[&better.place].0).as_secs();
                Some((better.place, format!("{} comes first, and has been fit for {fit_for} s", better.name)))
            }
            (Ok(()), _) => None,
        }
    }

    /// When a backend that comes before a fit writer will have been fit for long enough.
    fn failback_due(&self, order: &[Candidate<'_>]) -> Option<Now> {
        let (Failback::After(pause), Some(term)) = (self.failback, self.term) else { return None };
        if !self.decides() || term.by_hand {
            return None;
        }
        let better = order.iter().take_while(|it| it.place != term.writer);
        better.filter_map(|it| self.fit_since.get(&it.place)).map(|since| Now(since.0 + pause)).min()
    }

    fn turn(&mut self, to: Term, why: String, now: Now) -> Change {
        let from = self.term.replace(to).map(|term| term.writer);
        (self.since, self.why) = (now, why.clone());
        Change { from, to: to.writer, epoch: to.epoch, why }
    }

    /// Whether this host and another one have said for long that they hold the VIP.
    fn is_contested(&mut self, said: &Statement, now: Now) -> bool {
        if !(said.holds && self.decides()) {
            return false;
        }
        let goes_on = |(_, last): &(Now, Now)| now < Now(last.0 + HUSH);
        let (first, _) = self.contested.filter(goes_on).unwrap_or((now, now));
        self.contested = Some((first, now));
        now >= Now(first.0 + PATIENCE)
    }
}

/// Whether one decision is later than another. Of the same epoch, it is that for the backend that comes first: all hosts have the same
/// order.
fn is_later(one: Term, other: Term, order: &[Candidate<'_>]) -> bool {
    let rank = |term: Term| {
        let place = order.iter().position(|it| it.place == term.writer);
        (term.epoch, Reverse(place.unwrap_or(usize::MAX)))
    };
    rank(one) > rank(other)
}
