//! The state machine of one virtual router (RFC 9568 section 6.4).
//!
//! In: what other routers say, what this host is fit for, time. Out: [`Output`]s, in order. What it adds to the RFC:
//!
//! - *Lease*: the holder serves its VIPs until [`Rules::lease`] after its last message, which is sooner than any backup can
//!   have taken over. If that passes, because this host hung, it is a backup like any other: another host may hold them.
//! - *Fault*: a host that is not fit takes no part (keepalived's FAULT state).
//! - *Delay*: keepalived's `preempt_delay`: the time for which a better router leaves a worse one alone.
//! - *Claim*: whoever takes over says so first, and serves once all others have had time to hear it, as backups may have woken
//!   up at the same instant. A pivot that is preempted answers by resigning; if it does not, because it hangs, its lease
//!   is waited for. So no two pivots hold them, not even for a millisecond (over IPv6 see ADR 12).
//! - *Succession*: all hosts have the same configuration, so the first in line knows that it is when the holder resigns,
//!   and need not wait for its skew; its claim is half as long, as it has hardly a rival.
//! - *Old stories*: a host that hung reads what others said meanwhile. That counts from when it arrived, and a resignation
//!   that is old makes no successor; nor does a host that is late take over before it has listened again.
//! - *Behind*: a host that took no part for a while, or hung, lacks what others learnt meanwhile. Until it has caught up it
//!   leaves alone whoever holds them, as if it did not preempt; if nobody does, it is better than none.
//! - A host that was told to yield does not take over again from one that is there, as if it did not preempt.
//! - A lease that an earlier pivotd of this host left behind, and that still runs, is taken over.
//! - *Duplicates*: what nobody was heard to hold is asked about before it is claimed, see [`super::duplicate`]. The owner asks
//!   nobody, as it waits for nobody.
//!
//! What must hold: [`State::Holder`] and nothing else has a lease, and its end never lies beyond
//! `last message + Rules::lease`. After every event, what was due is done: [`Router::deadline`] lies beyond `now`.

use std::time::Duration;

use super::duplicate::{self, Duplicate};
use super::rules::{Heard, OWNER, Rules};
use super::state::{Fences, Input, Output, State};
use super::timers;
use crate::core::election::{Fitness, InUse, Role};
use crate::core::event::Now;

/// The holder gives its addresses up.
const RESIGNED: u8 = 0;
/// Messages with which a holder answers others, in one of its intervals at most: what they send cannot make it flood.
const ASSERTIONS: u32 = 10;

/// One virtual router.
#[derive(Debug, Clone)]
pub struct Router {
    rules: Rules,
    /// Of this host, with what is tracked.
    priority: u8,
    /// Told what this host is fit for.
    begun: bool,
    /// Told to yield, and not the holder since.
    yielded: bool,
    /// Since when this host may lack what others know.
    behind: Option<Now>,
    /// The end of the lease that an earlier pivotd had, until this one has begun.
    inherited: Option<Now>,
    /// Whether another machine has the addresses.
    duplicate: Duplicate,
    /// Other pivots that may serve them.
    fences: Fences,
    state: State,
}

impl Router {
    /// A router that waits for the first [`Input::Fitness`]; `inherited` is the end of the lease that an earlier pivotd of
    /// this host left behind.
    #[must_use]
    pub fn new(rules: Rules, inherited: Option<Now>) -> Self {
        let state = State::Fault("it has not begun".to_owned());
        Self {
            priority: rules.priority,
            rules,
            begun: false,
            yielded: false,
            behind: None,
            inherited,
            duplicate: Duplicate::default(),
            fences: Fences::default(),
            state,
        }
    }

    /// Goes by other rules from now on: what is due is due as it was.
    pub fn go_by(&mut self, rules: Rules) {
        let weight = i32::from(self.priority) - i32::from(self.rules.priority);
        self.rules = rules;
        self.priority = self.rules.weighted(weight);
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What this host is.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.state {
            State::Fault(_) => Role::Fault,
            State::Backup { .. } | State::Claim { .. } => Role::Backup,
            State::Holder { .. } => Role::Holder,
        }
    }

    /// Whether it has been told what this host is fit for: before that, it is unfit because nobody knows.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// This host's priority, with what is tracked.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Whether it was told to yield and has not held the addresses since: it leaves whoever does alone.
    #[must_use]
    pub fn yielded(&self) -> bool {
        self.yielded
    }

    /// Since when this host may lack what others know: until it has caught up, it leaves alone whoever holds the addresses.
    #[must_use]
    pub fn behind(&self) -> Option<Now> {
        self.behind
    }

    /// Whether answers to [`Output::Ask`] are waited for.
    #[must_use]
    pub fn asks(&self) -> bool {
        matches!(self.state, State::Backup { .. }) && self.duplicate.asks()
    }

    /// When an [`Input::Tick`] is wanted.
    #[must_use]
    pub fn deadline(&self) -> Option<Now> {
        match self.state {
            State::Fault(_) => None,
            State::Backup { down_at, .. } => Some(down_at),
            State::Claim { advertise_at, heard_by, .. } => Some(advertise_at.min(self.fences.free_at(heard_by))),
            State::Holder { advertise_at, until, announce_at, .. } => {
                [Some(advertise_at), Some(until), announce_at].into_iter().flatten().min()
            }
        }
    }

    /// Takes in what happened; returns what is to be done, in order.
    #[must_use]
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.lapse(now, &mut outputs);
        match input {
            Input::Heard(heard) => self.heard(heard, now, &mut outputs),
            Input::Fitness(fitness) => self.fitness(fitness, now, &mut outputs),
            Input::CaughtUp(since) => self.caught_up(since, now, &mut outputs),
            Input::Yield => self.yield_to_others(now, &mut outputs),
            Input::InUse(answer) => self.in_use(&answer, now, &mut outputs),
            Input::Unsent(why) => self.unsent(&why, now, &mut outputs),
            Input::Tick => self.tick(now, &mut outputs),
            Input::Stop => self.stop(now, &mut outputs),
        }
        outputs
    }

    /// A holder whose lease has run out holds nothing, whatever comes next; the tables know that already. Nor does a claim
    /// count for longer.
    fn lapse(&mut self, now: Now, outputs: &mut Vec<Output>) {
        let (State::Holder { until, .. } | State::Claim { until, .. }) = self.state else { return };
        if now < until {
            return;
        }
        let late = now.0 - until.0 + self.rules.lease;
        self.fall_behind(now);
        outputs.push(Output::Release);
        self.back(
            None,
            format!("this host was held up: its last message left {} ms ago", late.as_millis()),
            now,
            outputs,
        );
    }

    fn heard(&mut self, heard: Heard, now: Now, outputs: &mut Vec<Output>) {
        let resigns = heard.priority == RESIGNED;
        let is_better = (heard.priority, heard.from) > (self.priority, self.rules.own);
        let had_put_off = self.duplicate.settle();
        if resigns {
            self.fences.remove(heard.from);
        } else if self.rules.is_rival(&heard) {
            self.fences.add(&heard);
        }
        match &mut self.state {
            State::Fault(_) => {}
            // RFC 9568 section 6.4.2 (420): the holder resigns.
            State::Backup { holder, .. } if resigns => match *holder {
                // Whoever it is did not hold them.
                Some(last) if last.from != heard.from => {}
                last => self.succeed(heard, last, now, outputs),
            },
            // Its claim crossed that of a better one, which it has not heard yet.
            State::Backup { holder: Some(last), .. }
                if last.is_better(&heard) && heard.at < after(last.at, self.rules.claim()) => {}
            // (435): a better holder, or one that is left alone; (450) else, as if it had not been heard.
            State::Backup { holder, heeded, down_at, patient_until } => {
                let worse = heard.priority < self.priority;
                *patient_until = worse.then(|| patient_until.unwrap_or(after(now, self.rules.preempt_delay)));
                let patient = patient_until.is_some_and(|until| now < until);
                *holder = Some(heard);
                *heeded = !worse || !self.rules.preempt || self.yielded || self.behind.is_some() || patient;
                if *heeded {
                    *down_at = after(heard.at, self.rules.master_down(self.priority, &heard));
                } else if had_put_off {
                    let interval = self.rules.interval_of(&heard);
                    let skew = timers::skew(self.rules.version, self.priority, interval);
                    *down_at = (*down_at).min(after(now, skew));
                }
            }
            State::Claim { .. } if resigns => {}
            // Both woke up at once. The better one has heard this claim, too, and would wait for a lease that nobody has.
            State::Claim { .. } if is_better => {
                outputs.push(Output::Advertise(RESIGNED));
                self.back(Some(heard), better(&heard, self.priority), now, outputs);
            }
            // It has not heard the claim, and goes on.
            State::Claim { .. } => {}
            // 6.4.3 (735): a better one, even if this host does not preempt. It waits for this host to say that it made way.
            State::Holder { .. } if is_better => {
                self.resign(now, outputs);
                self.back(Some(heard), better(&heard, self.priority), now, outputs);
            }
            // (705): whoever takes over waits for its skew; that it need not. (725): a lesser one. In either case that it
            // spoke means that somebody may believe it, who is to hear the better.
            State::Holder { assert_at, announce_at, .. } => {
                if now < *assert_at {
                    *announce_at = Some(announce_at.map_or(*assert_at, |at| at.min(*assert_at)));
                    return;
                }
                *assert_at = after(now, self.rules.interval / ASSERTIONS);
                if announce_at.is_some_and(|at| at <= now) {
                    *announce_at = self.rules.announce_after(now);
                }
                self.advertise(now, outputs);
                outputs.push(Output::Announce);
            }
        }
    }

    /// A holder has resigned: the first in line takes over, all others wait for their skews.
    fn succeed(&mut self, resigned: Heard, last: Option<Heard>, now: Now, outputs: &mut Vec<Output>) {
        let fresh = now < after(resigned.at, self.rules.claim());
        let is_next = self.rules.is_next(self.priority, resigned.from, last.map(|last| last.priority));
        if fresh && is_next && !self.yielded {
            let why = format!("{} gave them up", resigned.from);
            return self.claim(why, self.rules.claim() / 2, now, outputs);
        }
        let wait = timers::skew(self.rules.version, self.priority, self.rules.interval_of(&resigned));
        let down_at = after(now, wait);
        self.state = State::Backup { holder: None, heeded: false, down_at, patient_until: None };
    }

    fn fitness(&mut self, fitness: Fitness, now: Now, outputs: &mut Vec<Output>) {
        self.begun = true;
        match fitness {
            Fitness::Fault(why) => {
                match self.state {
                    State::Fault(_) => {}
                    State::Backup { .. } | State::Claim { .. } | State::Holder { .. } => {
                        self.resign(now, outputs);
                        outputs.push(Output::Changed(Role::Fault, why.clone()));
                    }
                }
                self.inherited = None;
                self.state = State::Fault(why);
            }
            Fitness::Weighted(weight) => {
                self.priority = self.rules.weighted(weight);
                let inherited = self.inherited.take().is_some_and(|until| now < until);
                match self.state {
                    State::Fault(_) if inherited => {
                        self.take("an earlier pivotd of this host held them".to_owned(), now, outputs);
                    }
                    // 6.4.1 (105): the owner waits for nobody, all others listen first.
                    State::Fault(_) if self.priority == OWNER && !self.rules.catches_up => {
                        self.claim("this host owns the addresses".to_owned(), self.rules.claim(), now, outputs);
                    }
                    State::Fault(_) => {
                        self.fall_behind(now);
                        self.back(None, "this host is fit".to_owned(), now, outputs);
                    }
                    // As the holder hears of it with the next message, a backup goes by it from the next one on.
                    State::Backup { .. } | State::Claim { .. } | State::Holder { .. } => {}
                }
            }
        }
    }

    fn fall_behind(&mut self, now: Now) {
        if self.rules.catches_up {
            self.behind = Some(now);
        }
    }

    fn caught_up(&mut self, since: Now, now: Now, outputs: &mut Vec<Output>) {
        if self.behind.is_none_or(|behind| behind > since) {
            return;
        }
        self.behind = None;
        // What it would have done when it became fit.
        if let (State::Backup { .. }, OWNER) = (&self.state, self.priority) {
            self.claim("this host owns the addresses".to_owned(), self.rules.claim(), now, outputs);
        }
    }

    fn yield_to_others(&mut self, now: Now, outputs: &mut Vec<Output>) {
        self.yielded = true;
        if matches!(self.state, State::Claim { .. } | State::Holder { .. }) {
            self.resign(now, outputs);
            self.back(None, "its operator had this host yield".to_owned(), now, outputs);
        }
    }

    /// Another machine has one of the addresses: this host leaves them alone, and asks again after a while. It has said
    /// nothing to others that it would have to take back.
    fn in_use(&mut self, answer: &InUse, now: Now, outputs: &mut Vec<Output>) {
        let State::Backup { down_at, .. } = &mut self.state else { return };
        if let Some(why) = self.duplicate.answered(answer) {
            *down_at = after(now, duplicate::RETRY);
            outputs.extend(why.map(Output::InUse));
        }
    }

    /// Nobody hears this host: it must not go on until it is believed to be dead.
    fn unsent(&mut self, why: &str, now: Now, outputs: &mut Vec<Output>) {
        if matches!(self.state, State::Claim { .. } | State::Holder { .. }) {
            outputs.push(Output::Release);
            self.back(None, format!("it cannot be told to others: {why}"), now, outputs);
        }
    }

    fn tick(&mut self, now: Now, outputs: &mut Vec<Output>) {
        match &mut self.state {
            State::Fault(_) => {}
            // 6.4.2 (375): nobody was heard for too long, or only a worse one.
            State::Backup { down_at, .. } if now < *down_at => {}
            // It is late itself: what others said meanwhile may not have arrived yet.
            State::Backup { down_at, holder, .. } if now > after(*down_at, self.rules.interval) => {
                let interval = holder.as_ref().map_or(self.rules.interval, |heard| self.rules.interval_of(heard));
                *down_at = after(now, interval + timers::skew(self.rules.version, self.priority, interval));
            }
            State::Backup { holder, heeded, down_at, .. } => {
                let wait = self.rules.claim();
                match *holder {
                    None if let Some(pause) = self.duplicate.ask(self.rules.duplicate_check) => {
                        *down_at = after(now, pause);
                        outputs.push(Output::Ask);
                    }
                    None => self.claim("no other host holds them".to_owned(), wait, now, outputs),
                    Some(heard) if *heeded => {
                        self.claim(format!("{} is silent", heard.from), wait, now, outputs);
                    }
                    Some(heard) => {
                        self.claim(better(&heard, self.priority), wait, now, outputs);
                    }
                }
            }
            State::Claim { why, heard_by, .. } if self.fences.free_at(*heard_by) <= now => {
                let why = std::mem::take(why);
                self.take(why, now, outputs);
            }
            State::Claim { advertise_at, until, .. } => {
                if *advertise_at <= now {
                    *advertise_at = after(now, self.rules.interval);
                    *until = after(now, self.rules.lease);
                    outputs.push(Output::Advertise(self.priority));
                }
            }
            State::Holder { advertise_at, announce_at, .. } => {
                let is_due = |at: &Now| *at <= now;
                let announces = announce_at.as_ref().is_some_and(is_due);
                if announces {
                    *announce_at = self.rules.announce_after(now);
                }
                // 6.4.3 (685).
                if is_due(advertise_at) {
                    self.advertise(now, outputs);
                }
                if announces {
                    outputs.push(Output::Announce);
                }
            }
        }
    }

    /// 6.4.3 (650).
    fn stop(&mut self, now: Now, outputs: &mut Vec<Output>) {
        self.resign(now, outputs);
        self.state = State::Fault("pivotd stops".to_owned());
    }

    /// Gives up what this host holds or has claimed, before anybody hears of it. While another one may still serve, nobody
    /// may hear of it at all: there is nothing to succeed to.
    fn resign(&self, now: Now, outputs: &mut Vec<Output>) {
        match self.state {
            State::Holder { .. } => outputs.extend([Output::Release, Output::Advertise(RESIGNED)]),
            State::Claim { .. } if self.fences.free_at(now) == now => {
                outputs.extend([Output::Release, Output::Advertise(RESIGNED)]);
            }
            State::Claim { .. } | State::Backup { .. } | State::Fault(_) => {}
        }
    }

    /// Says that this host takes over: after a while, and once each pivot that may serve has made way or lost its lease.
    fn claim(&mut self, why: String, wait: Duration, now: Now, outputs: &mut Vec<Output>) {
        outputs.push(Output::Advertise(self.priority));
        self.state = State::Claim {
            why,
            advertise_at: after(now, self.rules.interval),
            heard_by: after(now, wait),
            until: after(now, self.rules.lease),
        };
    }

    /// Becomes the holder.
    fn take(&mut self, why: String, now: Now, outputs: &mut Vec<Output>) {
        (self.yielded, self.behind) = (false, None);
        self.duplicate.settle();
        self.state = State::Holder {
            advertise_at: now,
            until: now,
            announce_at: Some(after(now, self.rules.announce_again)),
            assert_at: now,
        };
        self.advertise(now, outputs);
        outputs.extend([Output::Announce, Output::Changed(Role::Holder, why)]);
    }

    /// Becomes a backup.
    fn back(&mut self, holder: Option<Heard>, why: String, now: Now, outputs: &mut Vec<Output>) {
        let down_at = match &holder {
            Some(heard) => after(heard.at, self.rules.master_down(self.priority, heard)),
            None => after(now, timers::master_down(self.rules.version, self.priority, self.rules.interval)),
        };
        self.state = State::Backup { holder, heeded: holder.is_some(), down_at, patient_until: None };
        self.duplicate.begin_anew();
        outputs.push(Output::Changed(Role::Backup, why));
    }

    /// Sends a message, and serves the addresses for as long as it is good for.
    fn advertise(&mut self, now: Now, outputs: &mut Vec<Output>) {
        let State::Holder { advertise_at, until, .. } = &mut self.state else { return };
        *advertise_at = after(now, self.rules.interval);
        *until = after(now, self.rules.lease);
        outputs.extend([Output::Advertise(self.priority), Output::Lease(*until)]);
    }
}

fn better(heard: &Heard, priority: u8) -> String {
    format!("{} has priority {}, this host {priority}", heard.from, heard.priority)
}

fn after(now: Now, wait: Duration) -> Now {
    Now(now.0 + wait)
}

#[cfg(test)]
mod tests;
