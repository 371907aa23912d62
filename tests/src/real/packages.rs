//! What has to be installed for the real services, and which Debian package brings it.
//!
//! Paths are absolute, as Debian lays them out: another python3 or mariadbd further up in `PATH` is not meant.

use std::path::Path;

use anyhow::{Result, bail};

/// Debian's own Python: the one that sees the packages `python3-*`.
pub(super) const PYTHON: &str = "/usr/bin/python3";
/// The AMQP broker's start script.
pub(super) const RABBITMQ_SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// The AMQP broker's command line; not Debian's wrapper of it, which changes the user.
pub(super) const RABBITMQCTL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";
/// The replication of MariaDB.
pub const GALERA: &str = "/usr/lib/galera/libgalera_smm.so";

/// What is needed, and the package that it comes in.
pub const NEEDED: &[(&str, &str)] = &[
    ("/usr/sbin/mariadbd", "mariadb-server"),
    ("/usr/bin/wsrep_sst_rsync", "mariadb-server"),
    ("/usr/bin/mariadb-install-db", "mariadb-server-core"),
    ("/usr/bin/mariadb", "mariadb-client"),
    (GALERA, "galera-4"),
    ("/usr/bin/rsync", "rsync"),
    ("/usr/bin/ss", "iproute2"),
    (RABBITMQ_SERVER, "rabbitmq-server"),
    (RABBITMQCTL, "rabbitmq-server"),
    ("/usr/bin/epmd", "erlang-base"),
    ("/usr/bin/memcached", "memcached"),
    ("/usr/sbin/nginx", "nginx"),
    ("/usr/bin/curl", "curl"),
    (PYTHON, "python3"),
    ("/usr/lib/python3/dist-packages/pika", "python3-pika"),
    ("/usr/lib/python3/dist-packages/pymemcache", "python3-pymemcache"),
];

/// Fails, naming the packages to install, unless all of them are there.
pub fn check() -> Result<()> {
    let missing = missing(NEEDED);
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "not installed: {}. `cargo xtask setup` installs them without starting them; by hand: apt-get install {}",
        missing.join(", "),
        missing.join(" ")
    );
}

/// Packages that do not have their file in place, each once.
fn missing<'a>(needed: &[(&str, &'a str)]) -> Vec<&'a str> {
    let absent = needed.iter().filter(|(path, _)| !Path::new(path).exists());
    let mut packages: Vec<&str> = absent.map(|&(_, package)| package).collect();
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_each_missing_package_once() {
        let needed = [("/", "base-files"), ("/no/such/server", "x-server"), ("/no/such/tool", "x-server")];
        assert_eq!(missing(&needed), ["x-server"]);
    }
}
