//! Publishers and consumers of RabbitMQ that stay: each goes on over a new connection when it has lost one, and writes down what
//! happens and when.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

use super::broker::PORT;
use super::python;
use crate::lab::{Node, Process, wait_until};

/// The queue that all of them use.
pub const QUEUE: &str = "stay";

/// Longest that one may take to be connected for the first time.
const START: Duration = Duration::from_secs(20);

/// What one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Publishes the numbers from here on, each confirmed before the next.
    Publish(usize),
    /// Consumes whatever is there.
    Consume,
}

/// Something that happened to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, on the monotonic clock.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It has a connection.
    Connected,
    /// It has lost it, or has failed to get one; the library's words.
    Lost(String),
    /// This message is safe.
    Confirmed(usize),
    /// This message was delivered.
    Consumed(usize),
}

/// A client that runs; ends when dropped.
#[derive(Debug)]
pub struct Stayer {
    process: Process,
}

/// A connection that was lost: for how long, and what came before.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// When it was lost.
    pub lost: Duration,
    /// How long there was none; `None`: there still is none.
    pub lasted: Option<Duration>,
    /// The library's words.
    pub why: String,
}

/// Now, on the clock of [`Event::at`].
#[must_use]
pub fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

impl Stayer {
    /// Starts one on a host; returns once it has been connected.
    ///
    /// # Errors
    /// If it does not come to be.
    pub fn start(client: &Node, target: IpAddr, role: Role) -> Result<Self> {
        let command = match role {
            Role::Publish(first) => python::command(python::STAY, &[&target, &PORT, &QUEUE, &"publish", &first]),
            Role::Consume => python::command(python::STAY, &[&target, &PORT, &QUEUE, &"consume"]),
        };
        let stayer = Self { process: client.spawn("amqp-stayer", command)? };
        wait_until(START, "a client of RabbitMQ to be connected", || {
            if stayer.events().iter().any(|event| event.what == What::Connected) { Ok(()) } else { Err("it is not") }
        })
        .with_context(|| stayer.process.tail())?;
        Ok(stayer)
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it has ended by itself, which it never should.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }

    /// What has happened so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.process.stdout().lines().filter_map(Event::parse).collect()
    }

    /// The messages that it knows to be safe, or was given.
    #[must_use]
    pub fn messages(&self) -> BTreeSet<usize> {
        let message = |event: Event| match event.what {
            What::Confirmed(number) | What::Consumed(number) => Some(number),
            What::Connected | What::Lost(_) => None,
        };
        self.events().into_iter().filter_map(message).collect()
    }

    /// The times without a connection that began since then.
    #[must_use]
    pub fn gaps(&self, since: Duration) -> Vec<Gap> {
        gaps(&self.events(), since)
    }
}

/// From the first loss of a connection to the next one that there is.
fn gaps(events: &[Event], since: Duration) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    let mut open = false;
    for event in events.iter().filter(|event| event.at >= since) {
        match &event.what {
            What::Lost(why) if !open => {
                gaps.push(Gap { lost: event.at, lasted: None, why: why.clone() });
                open = true;
            }
            What::Connected if open => {
                open = false;
                if let Some(gap) = gaps.last_mut() {
                    gap.lasted = Some(event.at.saturating_sub(gap.lost));
                }
            }
            _ => {}
        }
    }
    gaps
}

impl Event {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let at = Duration::try_from_secs_f64(words.next()?.parse().ok()?).ok()?;
        let (what, about) = (words.next()?, words.next().unwrap_or_default());
        let what = match what {
            "connected" => What::Connected,
            "lost" => What::Lost(about.to_owned()),
            "confirmed" => What::Confirmed(about.parse().ok()?),
            "consumed" => What::Consumed(about.parse().ok()?),
            _ => return None,
        };
        Some(Self { at, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lasts_from_the_first_loss_to_the_next_connection() {
        let text = "1.0 connected \n1.5 confirmed 7\n2.0 lost StreamLostError reset\n2.1 lost refused \n2.75 connected \n3.0 lost x\n4";
        let events: Vec<Event> = text.lines().filter_map(Event::parse).collect();
        assert_eq!(events.len(), 6, "half a line is none");
        let gap = |lost: f64, lasted: Option<u64>, why: &str| Gap {
            lost: Duration::from_secs_f64(lost),
            lasted: lasted.map(Duration::from_millis),
            why: why.to_owned(),
        };
        let all = [gap(2.0, Some(750), "StreamLostError reset"), gap(3.0, None, "x")];
        assert_eq!(gaps(&events, Duration::ZERO), all);
        assert_eq!(gaps(&events, Duration::from_millis(2900)), all[1..]);
        assert_eq!(events[1].what, What::Confirmed(7));
    }

    #[test]
    fn the_clock_is_the_one_that_python_calls_monotonic() {
        let (before, after) = (now(), now());
        assert!(before > Duration::ZERO && after >= before);
    }
}
