//! Drain and undrain.

use lb_userspace::core::view::BackendState;
use pivot_tests::demo::steps;
use pivot_tests::lab::Cluster;

#[test]
fn a_drained_backend_keeps_its_open_connections_and_gets_no_new_ones() {
    let mut cluster = Cluster::web().unwrap();
    let after = steps::drain(&mut cluster, "c3").unwrap();
    assert_eq!((after.failed, after.new_to_drained), (0, 0), "{after:?}");
    assert!(after.open_connection_kept, "{after:?}");
}

#[test]
fn an_undrained_backend_gets_connections_again() {
    let cluster = Cluster::web().unwrap();
    assert!(cluster.holder().pivot(&["drain", "web/c3"]).unwrap().status.success());
    cluster.holder().await_state("c3", BackendState::Drain).unwrap();
    assert!(cluster.holder().pivot(&["undrain", "web/c3"]).unwrap().status.success());
    cluster.holder().await_state("c3", BackendState::Up).unwrap();
    cluster.client().open_to_backend(cluster.vip(), "c3").unwrap();
}

#[test]
fn draining_what_does_not_exist_is_an_error() {
    let cluster = Cluster::web().unwrap();
    let states = || -> Vec<BackendState> {
        cluster.holder().status().unwrap().services[0].backends.iter().map(|backend| backend.state).collect()
    };
    let before = states();
    let output = cluster.holder().pivot(&["drain", "web/c9"]).unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("c9"), "{output:?}");
    assert_eq!(states(), before);
}
