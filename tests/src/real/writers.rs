//! Clients of a database that write rows, one after the other, and go on over a new connection when they have lost one.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::diary::{self, Entry, Gap};
use super::python;
use crate::lab::{Node, Process, wait_until};

/// Longest that one may take to write its first row.
const START: Duration = Duration::from_secs(20);

/// Where rows go, and in whose name.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// Port of the server.
    pub port: u16,
    /// Who may write.
    pub user: &'a str,
    /// Its password.
    pub password: &'a str,
    /// `database.table`, of the columns `client`, `number`, `node`, `since` (when the connection was new) and `at`.
    pub table: &'a str,
}

/// A client that runs; ends when dropped.
#[derive(Debug)]
pub struct Writer {
    process: Process,
}

impl Writer {
    /// Starts one on a host; returns once a row of its is written. `client` tells its rows from those of others.
    ///
    /// # Errors
    /// If it does not come to be.
    pub fn start(host: &Node, target: IpAddr, account: Account<'_>, client: usize) -> Result<Self> {
        let Account { port, user, password, table } = account;
        let command = python::command(python::WRITE, &[&target, &port, &user, &password, &table, &client]);
        let writer = Self { process: host.spawn("database-writer", command)? };
        wait_until(START, "a row to be written", || {
            if writer.committed_since(Duration::ZERO).is_empty() { Err(writer.process.tail()) } else { Ok(()) }
        })
        .context("a client of the database")?;
        Ok(writer)
    }

    /// What has happened so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        diary::read(&self.process.stdout())
    }

    /// When rows were known to be safe, since then.
    #[must_use]
    pub fn committed_since(&self, since: Duration) -> Vec<Duration> {
        let committed = |entry: &Entry| entry.what == "committed" && entry.at >= since;
        self.entries().into_iter().filter(committed).map(|entry| entry.at).collect()
    }

    /// What the server has refused since then.
    #[must_use]
    pub fn failed_since(&self, since: Duration) -> Vec<Entry> {
        self.entries().into_iter().filter(|entry| entry.what == "failed" && entry.at >= since).collect()
    }

    /// The times without a connection that began since then.
    #[must_use]
    pub fn gaps(&self, since: Duration) -> Vec<Gap> {
        diary::gaps(&self.entries(), since)
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it has ended by itself, which it never should.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }
}
