//! One RabbitMQ node: its name server (epmd), the broker, and the broker's command line, all with a home of their own.
//!
//! Nodes are named after their addresses (`rabbit@10.77.0.11`), so that no host name has to be resolved, and bind to
//! them. The log goes to standard output.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::packages::{RABBITMQ_SERVER, RABBITMQCTL};
use super::service::{await_listening, await_printed, write};
use crate::lab::{Lab, Node, Process};

/// Port of AMQP.
pub const PORT: u16 = 5672;

/// Port of Erlang's name server, with which nodes find each other.
const EPMD_PORT: u16 = 4369;

/// Port between the nodes, and for the command line.
const DISTRIBUTION_PORT: u16 = 25672;

/// What nodes of one cluster share to trust each other.
const COOKIE: &str = "PIVOTLAB";

/// A node of the cluster; killed when dropped.
#[derive(Debug)]
pub struct Broker {
    host: Node,
    environment: Vec<(&'static str, String)>,
    broker: Process,
    /// Kept for its end: other nodes ask it where this one is.
    _epmd: Process,
}

impl Broker {
    /// Starts a node that will join with `members`; returns before it has.
    pub fn start(lab: &Lab, host: &Node, members: &[&Node]) -> Result<Self> {
        Self::start_with(lab, host, members, "")
    }

    /// The same, with further lines of its configuration.
    pub fn start_with(lab: &Lab, host: &Node, members: &[&Node], options: &str) -> Result<Self> {
        let directory = lab.directory().join("rabbitmq").join(&host.name);
        write(&directory, "rabbitmq.conf", &(configuration(host, members) + options))?;
        write(&directory, "enabled_plugins", "[].")?;
        write(&directory, ".erlang.cookie", COOKIE)?;
        let cookie = directory.join(".erlang.cookie");
        // Erlang refuses a cookie that others may read.
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))
            .with_context(|| format!("protecting {}", cookie.display()))?;
        let environment = environment(&directory, host);
        let spawn = |label: &str, program: &str| {
            let mut command = Command::new(program);
            command.envs(environment.clone());
            host.spawn(&format!("{label}-{}", host.name), command)
        };
        let epmd = spawn("epmd", "/usr/bin/epmd")?;
        // A broker that finds no name server starts one that would outlive it.
        await_listening(host, EPMD_PORT)?;
        let broker = spawn("rabbitmq", RABBITMQ_SERVER)?;
        Ok(Self { host: host.clone(), environment, broker, _epmd: epmd })
    }

    /// Waits until the node has joined its cluster and serves.
    pub fn await_started(&mut self) -> Result<()> {
        await_printed(&mut self.broker, "Server startup complete")
    }

    /// Runs `rabbitmqctl` against this node, and reads the JSON that it prints.
    pub fn control(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let stdout = self.rabbitmqctl(&[&["--quiet", "--formatter", "json"], arguments].concat())?;
        serde_json::from_str(&stdout)
            .with_context(|| format!("reading the answer to rabbitmqctl {arguments:?}: {stdout}"))
    }

    /// Runs `rabbitmqctl` against this node, to have it do something.
    pub fn order(&self, arguments: &[&str]) -> Result<()> {
        self.rabbitmqctl(arguments).map(drop)
    }

    fn rabbitmqctl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.host.netns().command(RABBITMQCTL)?;
        command.envs(self.environment.clone()).args(arguments);
        let output = command.output().with_context(|| format!("starting {command:?}"))?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("rabbitmqctl {arguments:?}: {}: {stdout}{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(stdout.into_owned())
    }

    /// What the node logged so far.
    pub fn log(&self) -> String {
        self.broker.stdout()
    }

    /// The node's host.
    pub fn host(&self) -> &Node {
        &self.host
    }

    /// Signals the node.
    pub fn signal(&mut self, signal: rustix::process::Signal) -> Result<()> {
        self.broker.signal(signal)
    }

    /// Kills the node; its name server stays.
    pub fn kill(&mut self) -> Result<()> {
        self.broker.kill()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // An orderly end would hand queues over to nodes that are about to end themselves.
        let _ = self.broker.kill();
    }
}

/// Name of the node on a host.
pub fn node_name(address: Ipv4Addr) -> String {
    format!("rabbit@{address}")
}

fn configuration(host: &Node, members: &[&Node]) -> String {
    let address = host.address;
    let mut text = format!(
        "listeners.tcp.1 = {address}:{PORT}
loopback_users = none
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 1MB
cluster_formation.peer_discovery_backend = classic_config
"
    );
    for (number, member) in members.iter().enumerate() {
        let name = node_name(member.address);
        text += &format!("cluster_formation.classic_config.nodes.{} = {name}\n", number + 1);
    }
    text
}

fn environment(directory: &Path, host: &Node) -> Vec<(&'static str, String)> {
    let path = |name: &str| directory.join(name).display().to_string();
    let [a, b, c, d] = host.address.octets();
    vec![
        ("HOME", directory.display().to_string()),
        ("LANG", "C.UTF-8".to_owned()),
        ("ERL_EPMD_ADDRESS", host.address.to_string()),
        ("RABBITMQ_NODENAME", node_name(host.address)),
        ("RABBITMQ_USE_LONGNAME", "true".to_owned()),
        // Neither is the machine's own.
        ("RABBITMQ_CONF_ENV_FILE", path("rabbitmq-env.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_LOGS", "-".to_owned()),
        ("RABBITMQ_DIST_PORT", DISTRIBUTION_PORT.to_string()),
        // No busy waiting: three nodes share this machine with all the rest.
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            format!("+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {{{a},{b},{c},{d}}}"),
        ),
        // The start script then becomes the broker, instead of waiting for it: a signal meets the broker itself.
        ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
    ]
}
