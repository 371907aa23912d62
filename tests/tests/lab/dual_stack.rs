//! Services and VIPs of both families at once.

use pivot_tests::lab::cluster::{BACKEND_PORT, HOLDER, SERVICE_PORT};
use pivot_tests::lab::{Cluster, ConfigText, Family, Lab, Listen, Load, Node};

/// A service behind a VIP of each family, bound as `listen` says.
fn both(listen: Listen) -> Cluster {
    let lab = Lab::new().unwrap();
    let hosts = ["c1", "c2", "c3"];
    let config = ConfigText::new(&lab, HOLDER).service("web", SERVICE_PORT, BACKEND_PORT, &hosts);
    let config = config.of(Family::V6).service("web6", SERVICE_PORT, BACKEND_PORT, &hosts);
    Cluster::start(lab, config, |host: &Node| host.serve_http_on(listen, BACKEND_PORT)).unwrap()
}

fn assert_served(cluster: &Cluster) {
    for family in Family::ALL {
        let target = (family.vip(), SERVICE_PORT).into();
        let report = cluster.client().load(Load::to(target).requests(300)).unwrap();
        assert_eq!(report.failed(), 0, "{}", report.summary());
        assert_eq!(report.backends().len(), 3, "{}", report.summary());
        assert!(report.client_seen_as(cluster.client().address_in(family)));
        assert!(report.answers().all(|answer| answer.local == Some(target)));
    }
}

#[test]
fn listeners_of_both_families_at_once_serve_the_vips_of_both() {
    assert_served(&both(Listen::Wildcard));
}

#[test]
fn a_listener_of_each_family_serves_the_vip_of_its_own() {
    assert_served(&both(Listen::Addresses));
}

#[test]
fn a_clean_stop_removes_everything_of_both_families() {
    let lab = Lab::new().unwrap();
    let hosts = ["c1", "c2", "c3"];
    let config = ConfigText::new(&lab, HOLDER).service("web", SERVICE_PORT, BACKEND_PORT, &hosts);
    let config = config.of(Family::V6).service("web6", SERVICE_PORT, BACKEND_PORT, &hosts);
    for host in ["c1", "c2"] {
        let before = lab.traces(host).unwrap();
        let mut pivotd = lab.pivotd(host, config.clone()).unwrap();
        let during = lab.traces(host).unwrap();
        assert!(Family::ALL.iter().all(|family| during.contains(&family.vip().to_string())), "{during}");
        pivotd.stop().unwrap();
        assert_eq!(lab.traces(host).unwrap(), before);
    }
}
