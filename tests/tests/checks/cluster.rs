//! Three MariaDB servers that are one Galera cluster, one on each host of a lab.

use std::collections::BTreeMap;
use std::time::Duration;

use pivot_tests::lab::{Lab, Node, wait_until};
use pivot_tests::real::replication;
use pivot_tests::real::service::START;

use crate::mariadb::{self, Mariadb};

/// The members, by the names of their hosts; killed when dropped.
pub(crate) struct Cluster(BTreeMap<String, Mariadb>);

impl Cluster {
    /// Starts one, with further options of its provider (`;evs.suspect_timeout=PT1S`); returns once all are synchronised, and c1 is the
    /// one that the others got everything from.
    pub(crate) fn start(lab: &Lab, provider: &str) -> Self {
        let hosts: Vec<&Node> = lab.hosts().collect();
        let options = |host: &Node| replication::options(host, &hosts, provider);
        let (first, joiners) = hosts.split_first().unwrap();
        let server = mariadb::start_on(lab, first, &options(first), &["--wsrep-new-cluster"]);
        let mut cluster = Self(BTreeMap::from([(first.name.clone(), server)]));
        for host in joiners {
            cluster.0.insert(host.name.clone(), mariadb::join_on(lab, host, &options(host)));
            cluster.await_member(&host.name);
        }
        cluster.await_size(hosts.len());
        cluster
    }

    pub(crate) fn on(&self, host: &str) -> &Mariadb {
        &self.0[host]
    }

    pub(crate) fn on_mut(&mut self, host: &str) -> &mut Mariadb {
        self.0.get_mut(host).unwrap()
    }

    /// A state variable of a member's (`wsrep_...`), as it tells it.
    pub(crate) fn state(&self, host: &str, name: &str) -> String {
        let said = self.on(host).sql(&format!("SHOW GLOBAL STATUS LIKE '{name}'"));
        said.split_whitespace().nth(1).unwrap_or_default().to_owned()
    }

    /// Waits until a member is one.
    pub(crate) fn await_member(&self, host: &str) {
        self.await_state(host, "wsrep_local_state", "4");
    }

    /// Waits until a member says this.
    pub(crate) fn await_state(&self, host: &str, name: &str, expected: &str) {
        wait_until(START, &format!("{host} to have {name} {expected}"), || match self.state(host, name) {
            state if state == expected => Ok(()),
            state => Err(state),
        })
        .unwrap();
    }

    fn await_size(&self, members: usize) {
        self.0.keys().for_each(|host| self.await_state(host, "wsrep_cluster_size", &members.to_string()));
    }
}

/// Longer than any of Galera's own timeouts.
pub(crate) const VIEW: Duration = Duration::from_secs(40);
