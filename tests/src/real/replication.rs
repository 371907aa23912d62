//! What makes a MariaDB server a member of a Galera cluster: lines of its option file.

use super::packages::GALERA;
use crate::lab::Node;

/// The lines for the server on `host`, in a cluster of those on `members`, with further options of its provider
/// (`;evs.suspect_timeout=PT1S`).
#[must_use]
pub fn options(host: &Node, members: &[&Node], provider: &str) -> String {
    let (name, address) = (&host.name, host.address);
    let members: Vec<String> = members.iter().map(|member| member.address.to_string()).collect();
    let members = members.join(",");
    format!(
        "binlog-format = ROW
default-storage-engine = InnoDB
innodb-autoinc-lock-mode = 2
wsrep-on = ON
wsrep-provider = {GALERA}
wsrep-cluster-name = pivot
wsrep-cluster-address = gcomm://{members}
wsrep-node-name = {name}
wsrep-node-address = {address}
wsrep-sst-method = rsync
wsrep-provider-options = \"gmcast.listen_addr=tcp://{address}:4567;gcache.size=8M{provider}\"
"
    )
}
