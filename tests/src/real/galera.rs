//! MariaDB with Galera: one database on every controller, the writes of each replicated to all before they are answered.
//!
//! The first node makes the cluster and the tables of the system; the others start empty and get everything from it
//! (state snapshot by rsync, which wants the servers to run as `mysql`). Each operation of the client is a connection of
//! its own that writes a row and reads it back; the row holds what the server's process list says of the connection.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::batch::Batch;
use super::replication;
use super::service::{START, Service, await_printed, write};
use crate::lab::{Lab, Node, Process, wait_until};

const PORT: u16 = 3306;

/// The database's account for clients; it holds nothing but what the demo writes.
const USER: &str = "pivot";
const PASSWORD: &str = "pivot-lab";

/// Longest an operation may take, in seconds; the cluster may hold a write back while it finds out who has died.
const OPERATION_SECONDS: &str = "20";

/// What each server says once it has the cluster's state.
const SYNCED: &str = "Synchronized with group, ready for connections";

/// How soon the cluster goes on without a member that is not heard.
const IMPATIENCE: &str = ";evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT5S";

/// What a client does: writes whom the server sees and where it arrived, and reads it back.
const OPERATION: &str = "INSERT INTO operations (client, node)
SELECT SUBSTRING_INDEX(host, ':', 1), @@wsrep_node_name FROM information_schema.processlist WHERE id = CONNECTION_ID();
SELECT client, node FROM operations WHERE id = LAST_INSERT_ID();";

/// A running cluster; killed when dropped.
#[derive(Debug)]
pub struct Galera {
    servers: BTreeMap<String, Process>,
}

impl Galera {
    /// Starts a server on every controller; returns once all are synchronised members of one cluster.
    pub fn start(lab: &Lab) -> Result<Self> {
        let root = lab.directory().join("galera");
        let hosts: Vec<&Node> = lab.hosts().collect();
        for host in &hosts {
            prepare(&root.join(&host.name), host, &hosts)?;
        }
        let (first, joiners) = hosts.split_first().context("a lab without controllers")?;
        install_system_tables(&root.join(&first.name))?;
        let mut galera = Self { servers: BTreeMap::new() };
        galera.start_server(first, &root, &["--wsrep-new-cluster"])?;
        galera.await_synced(first)?;
        for host in joiners {
            galera.start_server(host, &root, &[])?;
        }
        for host in joiners {
            galera.await_synced(host)?;
        }
        let socket = root.join(&first.name).join("server.sock");
        await_members(&socket, hosts.len())?;
        sql(&socket, &schema())?;
        Ok(galera)
    }

    fn start_server(&mut self, host: &Node, root: &Path, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new("/usr/sbin/mariadbd");
        // The option file must come first.
        command.arg(format!("--defaults-file={}", root.join(&host.name).join("my.cnf").display())).args(arguments);
        self.servers.insert(host.name.clone(), host.spawn(&format!("mariadbd-{}", host.name), command)?);
        Ok(())
    }

    fn await_synced(&mut self, host: &Node) -> Result<()> {
        let server = self.servers.get_mut(&host.name).with_context(|| format!("no server on {}", host.name))?;
        await_printed(server, SYNCED)
    }
}

impl Service for Galera {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn port(&self) -> u16 {
        PORT
    }

    fn description(&self) -> &'static str {
        "MariaDB Galera; the mariadb client: INSERT and SELECT, each time over a new connection"
    }

    fn request(&self, target: Ipv4Addr) -> String {
        format!("mariadb --host={target} --user={USER} --password={PASSWORD} --execute='SELECT * FROM demo.operations'")
    }

    fn drive(&mut self, client: &Node, target: Ipv4Addr, ops: usize) -> Result<Batch> {
        let mut batch = Batch::default();
        for _ in 0..ops {
            match operation(client, target)? {
                Ok((address, backend)) => batch.succeed(&backend, address),
                Err(error) => batch.fail(error),
            }
        }
        Ok(batch)
    }

    fn victim(&self) -> Result<String> {
        Ok("c2".to_owned())
    }

    fn end_on(&mut self, host: &str) -> Result<()> {
        self.servers.remove(host).with_context(|| format!("no server runs on {host}"))?.kill()
    }
}

impl Drop for Galera {
    fn drop(&mut self) {
        // An orderly end would flush tables that nobody will read.
        for server in self.servers.values_mut() {
            let _ = server.kill();
        }
    }
}

/// One write and read with the mariadb client: the client's address and the node's name as the server knows them.
fn operation(client: &Node, target: Ipv4Addr) -> Result<Result<(IpAddr, String), String>> {
    let mut command = client.netns().command("timeout")?;
    command
        .args([OPERATION_SECONDS, "/usr/bin/mariadb", "--no-defaults", "--protocol=tcp", "--connect-timeout=5"])
        .args(["--batch", "--skip-column-names", "--database=demo"])
        .args([format!("--host={target}"), format!("--port={PORT}")])
        .args([format!("--user={USER}"), format!("--password={PASSWORD}"), format!("--execute={OPERATION}")]);
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        return Ok(Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())));
    }
    let row = String::from_utf8_lossy(&output.stdout);
    Ok(parse_row(&row).ok_or_else(|| format!("not the row that was written: {row:?}")))
}

/// `address TAB node`.
fn parse_row(row: &str) -> Option<(IpAddr, String)> {
    let (address, node) = row.trim_end().split_once('\t')?;
    Some((address.parse().ok()?, node.to_owned()))
}

/// Directories and options of one server.
fn prepare(directory: &Path, host: &Node, members: &[&Node]) -> Result<()> {
    write(directory, "my.cnf", &options(directory, host, members))?;
    let owned: [PathBuf; 3] = [directory.to_owned(), directory.join("data"), directory.join("tmp")];
    run(Command::new("install").args(["-d", "-o", "mysql", "-g", "mysql"]).args(owned))?;
    Ok(())
}

fn options(directory: &Path, host: &Node, members: &[&Node]) -> String {
    let (directory, address) = (directory.display(), host.address);
    let replication = replication::options(host, members, IMPATIENCE);
    format!(
        "[mariadbd]
user = mysql
datadir = {directory}/data
tmpdir = {directory}/tmp
socket = {directory}/server.sock
pid-file = {directory}/server.pid
bind-address = {address}
port = {PORT}
# Without names there is no cache of hosts either, in which connections by health checks would count as errors.
skip-name-resolve
innodb-flush-log-at-trx-commit = 0
innodb-buffer-pool-size = 32M
innodb-log-file-size = 8M
performance-schema = OFF
{replication}"
    )
}

/// The tables that a server needs before its first start, in the data directory of the cluster's first member.
fn install_system_tables(directory: &Path) -> Result<()> {
    let data = format!("--datadir={}", directory.join("data").display());
    run(Command::new("/usr/bin/mariadb-install-db").args(["--no-defaults", "--user=mysql", &data]).args([
        "--auth-root-socket-user=root",
        "--skip-test-db",
        "--skip-name-resolve",
        "--innodb-log-file-size=8M",
        "--innodb-buffer-pool-size=16M",
    ]))?;
    fs::metadata(directory.join("data/mysql")).context("mariadb-install-db made no system tables")?;
    Ok(())
}

/// Waits until a member counts `members` of them, and is ready.
fn await_members(socket: &Path, members: usize) -> Result<()> {
    let expected = format!("wsrep_cluster_size\t{members}\nwsrep_cluster_status\tPrimary\nwsrep_ready\tON\n");
    wait_until(START, &format!("a Galera cluster of {members}"), || {
        let seen = sql(
            socket,
            "SHOW STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_cluster_status', 'wsrep_ready')",
        )?;
        if seen == expected { Ok(()) } else { bail!("{seen:?}") }
    })
}

/// The table that clients use, and their account.
fn schema() -> String {
    format!(
        "CREATE DATABASE demo;
CREATE TABLE demo.operations (id BIGINT AUTO_INCREMENT PRIMARY KEY, client VARCHAR(64), node VARCHAR(64));
CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT INSERT, SELECT ON demo.* TO '{USER}'@'%';"
    )
}

/// Executes statements as root over the server's own socket.
fn sql(socket: &Path, statements: &str) -> Result<String> {
    run(Command::new("/usr/bin/mariadb")
        .args(["--no-defaults", "--batch", "--skip-column-names", "--user=root"])
        .arg(format!("--socket={}", socket.display()))
        .arg(format!("--execute={statements}")))
}

/// Runs a command to its end and returns what it printed.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{command:?}: {}: {} {}", output.status, err.trim(), out.trim());
    }
    Ok(out.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_row_that_the_client_prints() {
        let client = IpAddr::from([10, 77, 0, 200]);
        assert_eq!(parse_row("10.77.0.200\tc3\n"), Some((client, "c3".to_owned())));
        assert_eq!(parse_row("ERROR 1047\n"), None);
    }
}
