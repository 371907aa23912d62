//! MariaDB servers on hosts of the lab, each under its own directory, with a cache of hosts as on a real one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pivot_tests::lab::{Lab, Node, Process, wait_until};
use pivot_tests::real::service::{START, write};

use crate::rig::SERVER;

pub(crate) const PORT: u16 = 3306;
pub(crate) const USER: &str = "check";
pub(crate) const PASSWORD: &str = "only for namespaces of the lab";

/// Few enough that any check that counts against its host is noticed.
const OPTIONS: &str = "skip-networking = OFF
max-connections = 10
max-connect-errors = 5
host-cache-size = 128
performance-schema = ON
innodb-buffer-pool-size = 16M
innodb-log-file-size = 8M
innodb-flush-log-at-trx-commit = 0
";

/// A running server.
#[derive(Debug)]
pub(crate) struct Mariadb {
    pub(crate) process: Process,
    socket: PathBuf,
}

/// Starts one with further options and arguments; returns once it answers, and has an account for checks.
pub(crate) fn start(lab: &Lab, options: &str, arguments: &[&str]) -> Mariadb {
    start_on(lab, lab.node(SERVER), options, arguments)
}

/// The same on any host.
pub(crate) fn start_on(lab: &Lab, host: &Node, options: &str, arguments: &[&str]) -> Mariadb {
    let root = prepare(lab, host, options);
    let data = root.join("data");
    run(Command::new("/usr/bin/mariadb-install-db").args(["--no-defaults", "--user=mysql", "--skip-test-db"]).args([
        "--skip-name-resolve",
        "--auth-root-socket-user=root",
        "--innodb-log-file-size=8M",
        "--innodb-buffer-pool-size=16M",
        &format!("--datadir={}", data.display()),
    ]));
    let mut server = Mariadb::spawn(host, &root, arguments);
    server.await_answer();
    server.sql(&format!("CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'"));
    server
}

/// Starts one that gets everything from the members of its cluster, its accounts included.
pub(crate) fn join_on(lab: &Lab, host: &Node, options: &str) -> Mariadb {
    let root = prepare(lab, host, options);
    let mut server = Mariadb::spawn(host, &root, &[]);
    server.await_answer();
    server
}

/// Directories and options of one; its root.
fn prepare(lab: &Lab, host: &Node, options: &str) -> PathBuf {
    let root = lab.directory().join(format!("mariadb-{}", host.name));
    let data = root.join("data");
    run(Command::new("install").args(["-d", "-o", "mysql", "-g", "mysql"]).args([&root, &data]));
    let text = format!(
        "[mariadbd]\nuser = mysql\ndatadir = {}\nsocket = {}\npid-file = {}\nbind-address = {}\nport = {PORT}\n{OPTIONS}{options}",
        data.display(),
        root.join("server.sock").display(),
        root.join("pid").display(),
        host.address
    );
    write(&root, "my.cnf", &text).unwrap();
    // Only hosts whose names are known are in the cache in which errors are counted.
    let names: String =
        lab.hosts().chain([lab.node("client")]).map(|host| format!("{} {}\n", host.address, host.name)).collect();
    write(&root, "hosts", &format!("127.0.0.1 localhost\n{names}")).unwrap();
    root
}

impl Mariadb {
    fn spawn(host: &Node, root: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new("unshare");
        let script = "mount --bind \"$0/hosts\" /etc/hosts && exec /usr/sbin/mariadbd \"$@\"";
        command.args(["--mount", "sh", "-c", script]).arg(root);
        command.arg(format!("--defaults-file={}", root.join("my.cnf").display())).args(arguments);
        let process = host.spawn(&format!("mariadbd-{}", host.name), command).unwrap();
        Self { process, socket: root.join("server.sock") }
    }

    fn await_answer(&mut self) {
        let process = self.process.to_string();
        let answered = wait_until(START, &format!("{process} to answer"), || match self.process.ended() {
            Ok(None) => self.try_sql("SELECT 1").map(Ok),
            ended => Ok(Err(format!("{ended:?}"))),
        });
        answered.unwrap().unwrap_or_else(|ended| panic!("{process} ended: {ended}{}", self.process.tail()));
    }

    /// Statements as root over the server's own socket.
    pub(crate) fn sql(&self, statements: &str) -> String {
        self.try_sql(statements).unwrap()
    }

    fn try_sql(&self, statements: &str) -> Result<String, String> {
        let output = self.client(statements).output().unwrap();
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The client that executes statements.
    pub(crate) fn client(&self, statements: &str) -> Command {
        let mut command = Command::new("timeout");
        command.args(["20", "/usr/bin/mariadb", "--no-defaults", "--batch", "--skip-column-names", "--user=root"]);
        command.arg(format!("--socket={}", self.socket.display())).arg(format!("--execute={statements}"));
        command
    }

    /// What the server counts of connections that did not go as they should: names with numbers, and what is counted
    /// against hosts.
    pub(crate) fn complaints(&self) -> String {
        self.sql(
            "SHOW GLOBAL STATUS WHERE Variable_name IN ('Aborted_clients', 'Aborted_connects', 'Aborted_connects_preauth',
             'Access_denied_errors') OR Variable_name LIKE 'Connection\\_errors\\_%'",
        ) + &self.against_hosts()
    }

    /// What is counted against hosts: errors of theirs, refusals that followed.
    pub(crate) fn against_hosts(&self) -> String {
        self.sql(
            "SELECT COALESCE(SUM(sum_connect_errors), 0), COALESCE(SUM(count_host_blocked_errors), 0),
             COALESCE(SUM(count_handshake_errors), 0) FROM performance_schema.host_cache",
        )
    }

    /// What is counted against one host: as [`Self::against_hosts`].
    pub(crate) fn against(&self, host: &Node) -> String {
        self.sql(&format!(
            "SELECT COALESCE(SUM(sum_connect_errors), 0), COALESCE(SUM(count_host_blocked_errors), 0)
             FROM performance_schema.host_cache WHERE ip = '{}'",
            host.address
        ))
    }

    /// A number that it counts.
    pub(crate) fn status(&self, name: &str) -> usize {
        let said = self.sql(&format!("SHOW GLOBAL STATUS LIKE '{name}'"));
        said.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{said}"))
    }

    /// Waits until it has no connections but the one that asks.
    pub(crate) fn await_idle(&self) {
        wait_until(Duration::from_secs(20), "a server without connections", || {
            match self.sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'").trim() {
                "Threads_connected\t1" => Ok(()),
                seen => Err(seen.to_owned()),
            }
        })
        .unwrap();
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        // An orderly end would flush tables that nobody will read.
        let _ = self.process.kill();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
