//! Health checks: one bounded attempt, one outcome in words an operator knows, and what was said on the way.
//!
//! - [`talk`]: the verdict and the steps of an attempt. [`figures`]: how many, and how late. [`socket`]: connections of checks; [`tls`]: over TLS.
//! - `agent`: what agents of backends say; no check, and asked as one.
//! - `http`, `mysql`, `amqp`, `memcached`, `udp`, `command`: one type each; what they understand is in `core::check`.
//!
//! What must hold: an attempt ends within its timeout, whatever the other side does or does not do, keeps nothing open, and costs
//! the service no more than its protocol asks for: no TIME_WAIT on either side, and a farewell where there is one.

mod agent;
mod amqp;
mod command;
mod figures;
mod http;
mod memcached;
mod mysql;
mod socket;
mod talk;
#[cfg(test)]
mod tests;
mod tls;
mod udp;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::core::check::{Attempt, Step, spoken};
use crate::core::config::model::CheckKind;
use crate::core::event::{BackendKey, ProbeOutcome};
use crate::core::view::ChecksView;

use figures::Figures;
use talk::Talk;

/// Attempts that may be under way at once.
const AT_ONCE: usize = 512;
/// The same where descriptors are plenty: more than one of each backend there will not be.
const MOST_AT_ONCE: usize = 8192;
/// Descriptors that everything else may need: connections of the API and to agents, maps and programs, hooks.
const OTHERS: u64 = 512 + agent::AT_ONCE as u64;
/// Descriptors of an attempt: a socket, or the pipes of a command.
const EACH: u64 = 3;
/// Longest that a killed command may take to be gone.
const REAPING: Duration = Duration::from_secs(2);
/// Longest that a server is given to take leave, after the verdict.
const FAREWELL: Duration = Duration::from_millis(500);

/// Makes attempts. Cheap to clone: clones share certificates, and the bound on attempts at once.
#[derive(Debug, Clone)]
pub struct Prober {
    host: String,
    tls: Arc<tls::Configs>,
    figures: Arc<Figures>,
    places: Arc<Semaphore>,
    /// Places, free or not.
    at_once: usize,
    /// The same for questions to agents.
    agents: Arc<Semaphore>,
}

/// An attempt that is over.
#[derive(Debug)]
pub struct Checked {
    /// How it ended.
    pub outcome: ProbeOutcome,
    /// What was said and done, in order.
    pub steps: Vec<Step>,
}

impl Prober {
    /// On a host of this name.
    #[must_use]
    pub fn new(host: String) -> Self {
        Self {
            host,
            tls: Arc::default(),
            figures: Arc::default(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            at_once: AT_ONCE,
            agents: Arc::new(Semaphore::new(agent::AT_ONCE)),
        }
    }

    /// The same, which makes as many attempts at once as these descriptors allow. A backend that hangs keeps a place for as long as
    /// its timeout: there should be one for every backend of the hosts that may fail together.
    #[must_use]
    pub fn within(self, descriptors: u64) -> Self {
        let room = usize::try_from(descriptors.saturating_sub(OTHERS) / EACH).unwrap_or(MOST_AT_ONCE);
        let at_once = room.clamp(AT_ONCE / 4, MOST_AT_ONCE);
        Self { places: Arc::new(Semaphore::new(at_once)), at_once, ..self }
    }

    /// Makes one attempt at a backend, and tells what was said.
    pub async fn run(&self, attempt: &Attempt, backend: &BackendKey) -> Checked {
        self.attempted(attempt, backend, Talk::recorded()).await
    }

    /// Makes one of the checks that are due, so much later than it was.
    pub async fn judge(&self, attempt: &Attempt, backend: &BackendKey, late: Duration) -> ProbeOutcome {
        self.figures.begin(late);
        let Checked { outcome, .. } = self.attempted(attempt, backend, Talk::begin()).await;
        self.figures.end();
        outcome
    }

    /// How many checks were due and made.
    #[must_use]
    pub fn figures(&self) -> ChecksView {
        self.figures.view()
    }

    async fn attempted(&self, attempt: &Attempt, backend: &BackendKey, mut talk: Talk) -> Checked {
        let Ok(place) = timeout(attempt.timeout, self.places.acquire()).await else {
            let why = format!("cannot check from this host: {} checks are under way already", self.at_once);
            return Checked { outcome: ProbeOutcome::failed(why, attempt.timeout), steps: Vec::new() };
        };
        let limit = match attempt.kind {
            // It is killed at its timeout, and reaped after that.
            CheckKind::Command(_) => attempt.timeout + REAPING,
            _ => attempt.timeout,
        };
        let ended = timeout(limit, self.attempt(attempt, backend, &mut talk)).await;
        drop(place);
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(why)) => talk.fail(why),
            Err(_) => {
                let why = talk.timed_out(attempt.timeout);
                talk.fail(why);
            }
        }
        talk.end()
    }

    /// What is done until there is a verdict, and after it to take leave. The long conversations are kept apart (boxed): a check that
    /// only connects, of which there are the most, would have to carry room for them.
    async fn attempt(&self, attempt: &Attempt, backend: &BackendKey, talk: &mut Talk) -> Result<(), String> {
        let Attempt { target, kind, .. } = attempt;
        match kind {
            CheckKind::None => talk.pass("no check"),
            CheckKind::Command(argv) => {
                return Box::pin(command::run(argv, attempt, (&self.host, backend), talk)).await;
            }
            CheckKind::Udp(check) => return Box::pin(udp::run(check, attempt, talk)).await,
            CheckKind::Mysql(check) => return Box::pin(mysql::run(check, attempt, &self.tls, talk)).await,
            CheckKind::Tcp if attempt.tls.is_none() => {
                talk.doing(format_args!("connecting to {target}"), "an answer");
                socket::touch(*target).await.map_err(|error| socket::in_words(&error, attempt.timeout))?;
                talk.pass("");
            }
            CheckKind::Tcp | CheckKind::Http(_) | CheckKind::Amqp | CheckKind::Memcached => {
                return Box::pin(self.over_a_stream(attempt, talk)).await;
            }
        }
        Ok(())
    }

    /// The same for what is asked over a connection, with TLS or without.
    async fn over_a_stream(&self, attempt: &Attempt, talk: &mut Talk) -> Result<(), String> {
        let stream = socket::connect(attempt, talk).await?;
        let stream = match &attempt.tls {
            Some(tls) => self.tls.secure(stream, tls, attempt.target, talk).await?.trusted()?,
            None => Box::new(stream),
        };
        match &attempt.kind {
            CheckKind::Http(check) => http::run(check, attempt, stream, talk).await,
            CheckKind::Amqp => amqp::run(stream, talk).await,
            CheckKind::Memcached => memcached::run(stream, talk).await,
            _ => {
                talk.pass("");
                socket::leave(stream, talk).await;
                Ok(())
            }
        }
    }
}

/// How a backend that was silent is told of.
fn no_answer(timeout: Duration) -> String {
    format!("no answer within {}", spoken(timeout))
}
