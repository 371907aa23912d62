//! Another machine that has a VIP: hosts that never heard of a holder ask before they take over, and nobody else is delayed.

use std::net::IpAddr;
use std::time::Duration;

use lb_userspace::core::election::Role;
use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::cluster::{BACKEND_PORT, web_config_in};
use pivot_tests::lab::frame::{Frame, NeighbourKind};
use pivot_tests::lab::{Cluster, Family, Lab, Load, Node, wait_until};

/// Ten adverts in a second.
const FAST: &str = "advert = \"100ms\"";

/// Longer than a host waits before it asks again, and the election after it.
const RETRY: Duration = Duration::from_secs(20);

fn owns(stranger: &Node, vip: IpAddr, owns: bool) {
    let (set, nodad) = if owns { ("add", if vip.is_ipv6() { "nodad" } else { "" }) } else { ("del", "") };
    let bits = Family::of(vip).bits();
    stranger.netns().ip(&format!("address {set} {vip}/{bits} dev {} {nodad}", stranger.interface)).unwrap();
}

/// Questions of a host about an address, from nobody: of duplicate address detection.
fn questions(capture: Capture, host: &Node, vip: IpAddr) -> usize {
    let frames = capture.stop().unwrap();
    let about = frames.iter().filter_map(Frame::neighbour).filter(|said| said.mac == host.mac && said.target == vip);
    about.filter(|said| said.kind == NeighbourKind::Question && said.sender.is_unspecified()).count()
}

fn capture(lab: &Lab, port: &str) -> Capture {
    Capture::start(lab.switch(), port, |frame| frame.neighbour().is_some()).unwrap()
}

#[test]
fn a_vip_that_another_machine_has_is_left_alone_until_it_is_free() {
    left_alone(Family::V4);
}

#[test]
fn a_vip_of_ipv6_that_another_machine_has_is_left_alone_until_it_is_free() {
    left_alone(Family::V6);
}

fn left_alone(family: Family) {
    let (lab, vip) = (Lab::new().unwrap(), family.vip());
    let stranger = lab.node("client").clone();
    owns(&stranger, vip, true);
    let config = web_config_in(&lab, family).elected(FAST);
    let cluster = Cluster::start(lab, config, |host| host.serve_http(BACKEND_PORT)).unwrap();
    let says = format!("{vip} is in use by {} on eth0, though no host was heard to hold it", stranger.mac);
    for (host, daemon) in &cluster.daemons {
        wait_until(Duration::from_secs(10), &format!("{host} to say who has {vip}"), || {
            let (vips, status) = (daemon.vips()?, daemon.status()?);
            let whys = [vips.groups[0].why.clone(), status.vips[0].why.clone().unwrap_or_default()];
            let roles = (vips.groups[0].role, status.vips[0].role);
            let told = whys.iter().all(|why| why.starts_with(&says)) && roles == (Role::Backup, Some(Role::Backup));
            if told { Ok(()) } else { Err(anyhow::anyhow!("{roles:?}: {whys:?}")) }
        })
        .unwrap();
        let log = daemon.whole_log();
        assert_eq!(log.matches(&says).count(), 1, "{log}");
    }
    for daemon in cluster.daemons.values() {
        let group = daemon.vips().unwrap().groups.remove(0);
        assert_eq!((group.counters.adverts_sent, group.counters.takeovers), (0, 0), "{group:?}");
    }

    owns(&stranger, vip, false);
    wait_until(RETRY, "c1 to hold the VIP", || match cluster.holders()[..] {
        ["c1"] => Ok(()),
        ref others => Err(format!("{others:?}")),
    })
    .unwrap();
    let report = cluster.client().load(Load::to(cluster.vip()).requests(100)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
}

#[test]
fn a_host_that_hears_of_nobody_asks_three_times_and_then_takes_the_vip() {
    for family in Family::ALL {
        let lab = Lab::new().unwrap();
        let asked = capture(&lab, "c1");
        let daemon = lab.pivotd("c1", web_config_in(&lab, family).elected(FAST)).unwrap();
        wait_until(Duration::from_secs(10), "c1 to hold the VIP", || {
            let status = daemon.status()?;
            if status.vips[0].held { Ok(()) } else { Err(anyhow::anyhow!("{:?}", status.vips[0])) }
        })
        .unwrap();
        assert_eq!(questions(asked, lab.node("c1"), family.vip()), 3, "{family}");
    }
}

/// The machine of a holder that was killed may go on answering, as one with keepalived does.
#[test]
fn whoever_succeeds_to_a_holder_that_was_heard_does_not_ask() {
    for family in Family::ALL {
        let mut cluster = Cluster::build_in(family, Default::default(), |config| config.elected(FAST)).unwrap();
        cluster.await_holder("c1").unwrap();
        // Now c2 has heard it.
        wait_until(Duration::from_secs(10), "c2 to know the holder", || {
            let group = cluster.daemons["c2"].vips()?.groups.remove(0);
            if group.holder.is_some() { Ok(()) } else { Err(anyhow::anyhow!("{group:?}")) }
        })
        .unwrap();
        let asked = capture(&cluster.lab, "c2");
        owns(cluster.client(), family.vip(), true);
        cluster.daemon_mut("c1").kill9().unwrap();
        wait_until(Duration::from_secs(10), "c2 to hold the VIP", || {
            let group = cluster.daemons["c2"].vips()?.groups.remove(0);
            if group.role == Role::Holder {
                Ok(())
            } else {
                Err(anyhow::anyhow!("{}: {}", group.role.name(), group.why))
            }
        })
        .unwrap();
        assert_eq!(questions(asked, cluster.lab.node("c2"), family.vip()), 0, "{family}");
    }
}

#[test]
fn a_label_is_there_comes_back_and_changes() {
    let lab = Lab::new().unwrap();
    let (host, vip) = (lab.node("c1").clone(), Family::V4.vip());
    let labelled = |label: &str| {
        let config = web_config_in(&lab, Family::V4).elected(FAST).to_string();
        config.replace("interface = \"eth0\"\n", &format!("interface = \"eth0\"\nlabel = {label:?}\n"))
    };
    let await_label = |label: &str| {
        wait_until(Duration::from_secs(10), &format!("the VIP to be labelled {label}"), || {
            let shown = host.netns().output("ip", &["-o", "address", "show", "to", &vip.to_string()])?;
            // The label is the last word before the lifetimes.
            let seen = shown.split('\\').next().and_then(|line| line.split_whitespace().last());
            let is_so = shown.matches(&vip.to_string()).count() == 1 && seen == Some(label);
            if is_so { Ok(()) } else { Err(anyhow::anyhow!("{shown}")) }
        })
        .unwrap();
    };
    let daemon = lab.pivotd("c1", labelled("eth0:vip")).unwrap();
    await_label("eth0:vip");
    host.netns().ip(&format!("address del {vip}/32 dev eth0")).unwrap();
    await_label("eth0:vip");
    daemon.write_config(labelled("eth0:other")).unwrap();
    assert!(daemon.pivot(&["reload"]).unwrap().status.success());
    await_label("eth0:other");
    daemon.write_config(web_config_in(&lab, Family::V4).elected(FAST)).unwrap();
    assert!(daemon.pivot(&["reload"]).unwrap().status.success());
    await_label("eth0");
}
