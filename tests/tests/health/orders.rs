//! Maintenance and weights at run time, and that orders outlive whatever becomes of pivotd.

use std::fs;
use std::time::Duration;

use lb_userspace::core::view::{BackendState, BackendView, OrderView};
use pivot_tests::lab::request::is_reset;
use pivot_tests::lab::{Cluster, Load, Pivotd, wait_until};

/// Enough that every backend with a share of a tenth gets some.
const REQUESTS: usize = 200;

fn order(pivotd: &Pivotd, arguments: &[&str]) -> OrderView {
    pivotd.pivot_json(arguments).unwrap()
}

fn shown(pivotd: &Pivotd, id: &str) -> BackendView {
    let backends: Vec<BackendView> = pivotd.pivot_json(&["backends"]).unwrap();
    backends.into_iter().find(|backend| backend.id == id).unwrap()
}

/// How many of the requests that begin now go to a backend; none may fail.
fn share(cluster: &Cluster, backend: &str) -> usize {
    let summary = cluster.client().load(Load::to(cluster.vip()).requests(REQUESTS)).unwrap().summary();
    assert_eq!(summary.failed, 0, "{summary}");
    summary.backends.get(backend).copied().unwrap_or_default()
}

#[test]
fn maintenance_cuts_the_connections_of_a_backend_until_it_is_ready() {
    let mut cluster = Cluster::web().unwrap();
    let mut open = cluster.client().open_to_backend(cluster.vip(), "c3").unwrap();
    let mut other = cluster.client().open_to_backend(cluster.vip(), "c2").unwrap();
    let ordered = order(cluster.holder(), &["maintenance", "web/c3"]).backends;
    assert_eq!((ordered[0].state, ordered[0].changed), (BackendState::Maint, true));
    let error = open.ask().unwrap_err();
    assert!(is_reset(&error), "{error:#}");
    assert_eq!(other.ask().unwrap().name, "c2");
    assert_eq!(share(&cluster, "c3"), 0);

    // Nobody asks it: what becomes of it is not seen, and no check is due.
    cluster.kill_server("c3").unwrap();
    let checked = |pivotd: &Pivotd| shown(pivotd, "web/c2").checked_s.unwrap();
    let since = shown(cluster.holder(), "web/c3").checked_s.unwrap();
    wait_until(Duration::from_secs(10), "the others to be checked three times more", || {
        let rested = shown(cluster.holder(), "web/c3").checked_s.unwrap();
        if rested > since + 1.0 && checked(cluster.holder()) < 1.0 { Ok(()) } else { Err(rested) }
    })
    .unwrap();
    let resting = shown(cluster.holder(), "web/c3");
    assert_eq!((resting.state, resting.next_check_s), (BackendState::Maint, None));

    order(cluster.holder(), &["ready", "web/c3"]);
    cluster.holder().await_state("c3", BackendState::Down).unwrap();
    assert_eq!(share(&cluster, "c3"), 0);
    cluster.restart_server("c3").unwrap();
    assert!(share(&cluster, "c3") > 0);
}

#[test]
fn a_weight_at_run_time_moves_new_connections_and_no_old_ones() {
    let cluster = Cluster::web().unwrap();
    let mut open = cluster.client().open_to_backend(cluster.vip(), "c3").unwrap();
    let none = order(cluster.holder(), &["weight", "web/c3", "0"]).backends;
    assert_eq!((none[0].state, none[0].weight, none[0].weight_now), (BackendState::Up, 100, Some(0)));
    assert_eq!(share(&cluster, "c3"), 0);
    order(cluster.holder(), &["weight", "web/c3", "1000%"]);
    assert!(share(&cluster, "c3") > REQUESTS / 2 - REQUESTS / 10, "256 of 456");
    let page = cluster.holder().pivot(&["backends"]).unwrap();
    assert!(String::from_utf8_lossy(&page.stdout).contains("256/100"), "{page:?}");
    order(cluster.holder(), &["weight", "web/c3", "reset"]);
    let about_a_third = share(&cluster, "c3");
    assert!((REQUESTS / 5..REQUESTS / 2).contains(&about_a_third), "{about_a_third}");
    assert_eq!(open.ask().unwrap().name, "c3");
}

#[test]
fn orders_outlive_a_kill_and_a_reboot() {
    let mut cluster = Cluster::web().unwrap();
    let holder = cluster.holder_mut();
    order(holder, &["drain", "web/c1"]);
    order(holder, &["maintenance", "web/c2"]);
    order(holder, &["weight", "web/c3", "50%"]);
    let as_ordered = |pivotd: &Pivotd, when: &str| {
        let states = ["web/c1", "web/c2", "web/c3"].map(|id| {
            let BackendView { state, weight_now, .. } = shown(pivotd, id);
            (state, weight_now)
        });
        let expected = [(BackendState::Drain, None), (BackendState::Maint, None), (BackendState::Up, Some(50))];
        assert_eq!(states, expected, "{when}");
    };
    as_ordered(holder, "as ordered");
    holder.kill9().unwrap();
    holder.restart().unwrap();
    as_ordered(holder, "after a kill");
    // A clean stop leaves no more in the kernel than a reboot does.
    holder.stop().unwrap();
    holder.restart().unwrap();
    as_ordered(holder, "after a reboot");
    for undo in [&["undrain", "c1"][..], &["ready", "c2"], &["weight", "c3", "reset"]] {
        order(holder, undo);
    }
    assert!(!holder.remembered("orders").exists(), "nothing is left to be remembered");
    holder.stop().unwrap();
    holder.restart().unwrap();
    holder.await_all_up().unwrap();
}

#[test]
fn a_damaged_file_of_orders_is_set_aside_with_a_warning() {
    let mut cluster = Cluster::web().unwrap();
    order(cluster.holder(), &["drain", "web/c3"]);
    let file = cluster.holder().remembered("orders");
    let whole = fs::read(&file).unwrap();
    cluster.holder_mut().stop().unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    cluster.holder_mut().restart().unwrap();
    cluster.holder().await_all_up().unwrap();
    let log = cluster.holder().whole_log();
    assert!(log.contains("ERROR") && log.contains(&format!("{}, which says", file.display())), "{log}");
    assert_eq!(fs::read(file.with_extension("damaged")).unwrap(), &whole[..whole.len() / 2]);
}

#[test]
fn an_order_that_cannot_be_remembered_is_refused_and_not_carried_out() {
    let cluster = Cluster::web().unwrap();
    let directory = cluster.holder().remembered("orders").parent().unwrap().to_owned();
    fs::create_dir_all(directory.parent().unwrap()).unwrap();
    fs::write(&directory, "a file where the directory is to be").unwrap();
    let output = cluster.holder().pivot(&["maintenance", "web/c3"]).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && error.contains("orders, which says"), "{output:?}");
    assert_eq!(shown(cluster.holder(), "web/c3").state, BackendState::Up);
    assert!(share(&cluster, "c3") > 0);
    fs::remove_file(&directory).unwrap();
    order(cluster.holder(), &["maintenance", "web/c3"]);
    assert_eq!(share(&cluster, "c3"), 0);
}
