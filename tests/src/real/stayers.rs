//! Publishers and consumers of RabbitMQ that stay: each goes on over a new connection when it has lost one, and writes down what
//! happens and when.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::broker::PORT;
use super::diary::{self, Entry, Gap};
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

/// A client that runs; ends when dropped.
#[derive(Debug)]
pub struct Stayer {
    process: Process,
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
            if stayer.entries().iter().any(|entry| entry.what == "connected") { Ok(()) } else { Err("it is not") }
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

    /// The messages that it knows to be safe, or was given.
    #[must_use]
    pub fn messages(&self) -> BTreeSet<usize> {
        let entries = self.entries().into_iter().filter(|entry| ["confirmed", "consumed"].contains(&&*entry.what));
        entries.filter_map(|entry| entry.about.parse().ok()).collect()
    }

    /// The times without a connection that began since then.
    #[must_use]
    pub fn gaps(&self, since: Duration) -> Vec<Gap> {
        diary::gaps(&self.entries(), since)
    }

    fn entries(&self) -> Vec<Entry> {
        diary::read(&self.process.stdout())
    }
}
