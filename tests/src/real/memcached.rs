//! memcached: one on every controller, each on its own; a Python client (pymemcache) sets and gets.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::batch::Batch;
use super::python;
use super::service::Service;
use crate::lab::{Lab, Node, Process};

const PORT: u16 = 11211;

/// Operations over each of the client's connections; then it opens the next one.
const OPS_PER_CONNECTION: usize = 20;

/// Running servers.
#[derive(Debug)]
pub struct Memcached {
    servers: BTreeMap<String, Process>,
}

impl Memcached {
    /// Starts a server on every controller; returns once all accept connections.
    pub fn start(lab: &Lab) -> Result<Self> {
        let mut servers = BTreeMap::new();
        for host in lab.hosts() {
            let mut command = Command::new("/usr/bin/memcached");
            command.args(["-u", "memcache", "-U", "0", "-m", "16", "-t", "1"]);
            command.args(["-l", &host.address.to_string(), "-p", &PORT.to_string()]);
            servers.insert(host.name.clone(), host.spawn(&format!("memcached-{}", host.name), command)?);
        }
        for host in lab.hosts() {
            super::service::await_listening(host, PORT)?;
        }
        Ok(Self { servers })
    }
}

impl Service for Memcached {
    fn name(&self) -> &'static str {
        "memcached"
    }

    fn port(&self) -> u16 {
        PORT
    }

    fn description(&self) -> &'static str {
        "memcached; a Python client (pymemcache): set and get, 20 to a connection"
    }

    fn request(&self, target: Ipv4Addr) -> String {
        format!("sh -c 'printf \"stats conns\\r\\nquit\\r\\n\" | nc {target} {PORT}'")
    }

    fn drive(&mut self, client: &Node, target: Ipv4Addr, ops: usize) -> Result<Batch> {
        let mut batch: Batch = python::run(client, python::MEMCACHED, &[&target, &PORT, &ops, &OPS_PER_CONNECTION])?;
        // A server tells its process id; the lab knows where that runs.
        let hosts: BTreeMap<String, &String> =
            self.servers.iter().map(|(host, server)| (server.pid().to_string(), host)).collect();
        let named = batch.backends.into_iter().map(|(pid, count)| {
            let host =
                hosts.get(&pid).with_context(|| format!("memcached with process id {pid} is none of this lab"))?;
            Ok((host.to_string(), count))
        });
        batch.backends = named.collect::<Result<_>>()?;
        Ok(batch)
    }

    fn victim(&self) -> Result<String> {
        Ok("c3".to_owned())
    }

    fn end_on(&mut self, host: &str) -> Result<()> {
        self.servers.remove(host).with_context(|| format!("no memcached runs on {host}"))?.kill()
    }
}
