//! MariaDB as the only member of a Galera cluster.

use lb_userspace::core::config::model::{CheckKind, MysqlCheck};
use pivot_tests::real::replication;

use crate::databases::logged_in;
use crate::mariadb::{self, PASSWORD, PORT};
use crate::rig::{SERVER, await_verdict, lab, says};

#[test]
fn a_member_is_judged_by_its_state_in_the_cluster() {
    let lab = lab();
    let host = lab.node(SERVER);
    let options = replication::options(host, &[host], "");
    let server = mariadb::start(&lab, &options, &["--wsrep-new-cluster"]);
    let check = logged_in(PASSWORD);
    let kind = CheckKind::Mysql(check.clone());
    await_verdict(&lab, PORT, &kind, Ok("Synced, takes writes"));
    let must = CheckKind::Mysql(MysqlCheck { wsrep: Some(true), ..check.clone() });
    assert_eq!(says(&lab, PORT, &must), Ok("Synced, takes writes".into()));

    server.sql("SET GLOBAL wsrep_desync = ON");
    await_verdict(&lab, PORT, &kind, Err("wsrep_local_state is 2 (Donor/Desynced)"));
    let forgiving = CheckKind::Mysql(MysqlCheck { donor_ok: true, ..check.clone() });
    assert_eq!(says(&lab, PORT, &forgiving), Ok("Donor/Desynced, takes writes".into()));
    server.sql("SET GLOBAL wsrep_desync = OFF");
    await_verdict(&lab, PORT, &kind, Ok("Synced, takes writes"));

    // It looks for a cluster that is not there: it still takes logins, and answers nothing but SHOW.
    let mut lost = server.client("SET GLOBAL wsrep_cluster_address = 'gcomm://10.77.0.99?pc.wait_prim=no'");
    let mut lost = lost.stderr(std::process::Stdio::null()).spawn().unwrap();
    await_verdict(&lab, PORT, &kind, Err("wsrep_cluster_status is non-Primary, expected Primary"));
    let careless = CheckKind::Mysql(MysqlCheck { wsrep: Some(false), ..check });
    assert_eq!(says(&lab, PORT, &careless), Ok("takes writes".into()));
    let _ = lost.kill();
    lost.wait().unwrap();
}
