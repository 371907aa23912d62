//! The operator's hand on elections: `pivot failover`, `hold` and `release`, and what `pivot vips` shows.

use std::net::IpAddr;
use std::time::Duration;

use lb_userspace::core::election::Role;
use lb_userspace::core::view::vips::{GroupView, HandOverView, HandedView};
use lb_userspace::core::vrrp::advert::{self, Advert, GROUP4, Shape, Version};
use lb_userspace::io::netlink::Netlink;
use lb_userspace::io::vrrp::socket::Socket;
use pivot_tests::lab::node::INTERFACE;
use pivot_tests::lab::{Cluster, Load, Pivotd, Topology, wait_until};

/// Ten adverts in a second.
const FAST: &str = "advert = \"100ms\"";
/// The group of the lab's configuration.
const GROUP: &str = "control";
/// Adverts within which whoever wanted to take over would have: three make a host that is silent lose the VIP.
const MANY: u64 = 15;
const PATIENCE: Duration = Duration::from_secs(10);

fn elected() -> Cluster {
    elected_by(FAST)
}

fn elected_by(lines: &str) -> Cluster {
    let cluster = Cluster::build(Topology::default(), |config| config.elected(lines)).unwrap();
    await_agreement(&cluster, "c1");
    cluster
}

fn group(pivotd: &Pivotd) -> Result<GroupView, String> {
    let view = pivotd.vips().map_err(|error| format!("{error:#}"))?;
    view.groups.into_iter().find(|group| group.name == GROUP).ok_or_else(|| "no such group".to_owned())
}

/// Waits until every host names this one as the holder, and it alone says that it is.
fn await_agreement(cluster: &Cluster, holder: &str) {
    wait_until(PATIENCE, &format!("all to agree that {holder} holds the VIP"), || {
        for (host, pivotd) in &cluster.daemons {
            let view = group(pivotd)?;
            if view.holder.as_deref() != Some(holder) || (view.role == Role::Holder) != (host == holder) {
                return Err(format!("{host} is {} and says {:?}: {}", view.role.name(), view.holder, view.why));
            }
        }
        Ok(())
    })
    .unwrap();
}

/// Waits until a host has heard so many more messages of another one, as `pivot vips` counts them.
fn await_messages(pivotd: &Pivotd, from: &str, more: u64) {
    let heard = |view: &GroupView| {
        view.peers.iter().filter(|peer| peer.host.as_deref() == Some(from)).map(|peer| peer.messages).sum::<u64>()
    };
    let before = heard(&group(pivotd).unwrap());
    wait_until(PATIENCE, &format!("{more} more messages of {from}"), || {
        let now = heard(&group(pivotd)?);
        if now >= before + more { Ok(()) } else { Err(format!("{} more", now - before)) }
    })
    .unwrap();
}

fn order(pivotd: &Pivotd, arguments: &[&str]) -> HandedView {
    let HandOverView { mut groups } = pivotd.pivot_json(arguments).unwrap();
    assert_eq!(groups.len(), 1, "{groups:?}");
    groups.remove(0)
}

/// What an order is refused with.
fn refusal(pivotd: &Pivotd, arguments: &[&str]) -> String {
    let output = pivotd.pivot(arguments).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_serves(cluster: &Cluster) {
    let report = cluster.client().load(Load::to(cluster.vip()).requests(200)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
}

#[test]
fn a_failover_moves_the_vip_to_the_next_host_which_keeps_it() {
    // Silence would be waited for for more than a second and a half.
    let cluster = elected_by("advert = \"500ms\"");
    let moved = order(&cluster.daemons["c1"], &["failover"]);
    assert_eq!((moved.holder.as_deref(), moved.role, moved.changed), (Some("c2"), Role::Backup, true), "{moved:?}");
    assert!(moved.took_ms.is_some_and(|took| took < 1500), "it was handed over, not waited for: {moved:?}");
    await_agreement(&cluster, "c2");
    assert_serves(&cluster);

    await_messages(&cluster.daemons["c1"], "c2", MANY);
    await_agreement(&cluster, "c2");
    let first = group(&cluster.daemons["c1"]).unwrap();
    assert!(first.yielded && first.why.contains("yield"), "{first:?}");
    assert_eq!((first.counters.takeovers, first.counters.releases), (1, 1), "{first:?}");
    let roles: Vec<Role> = first.transitions.iter().map(|transition| transition.role).collect();
    assert_eq!(roles, [Role::Backup, Role::Holder, Role::Backup], "{first:?}");

    // By the VIP's name, and back again: it is the next in line there.
    let back = order(&cluster.daemons["c2"], &["failover", "internal", "--to", "c1"]);
    assert_eq!(back.holder.as_deref(), Some("c1"), "{back:?}");
    await_agreement(&cluster, "c1");
    assert!(!group(&cluster.daemons["c1"]).unwrap().yielded);
    assert_serves(&cluster);
}

#[test]
fn a_hold_moves_the_vip_and_outlives_restarts_until_the_release() {
    let mut cluster = elected();
    let held = order(&cluster.daemons["c1"], &["hold"]);
    assert_eq!((held.holder.as_deref(), held.role, held.held_back), (Some("c2"), Role::Fault, true), "{held:?}");
    await_agreement(&cluster, "c2");
    assert!(!order(&cluster.daemons["c1"], &["hold", GROUP]).changed);

    for kill in [false, true] {
        let daemon = cluster.daemon_mut("c1");
        if kill {
            daemon.kill9().unwrap();
        } else {
            daemon.stop().unwrap();
        };
        daemon.restart().unwrap();
        await_messages(&cluster.daemons["c1"], "c2", MANY);
        await_agreement(&cluster, "c2");
        let first = group(&cluster.daemons["c1"]).unwrap();
        assert!(first.held_back && first.role == Role::Fault && first.why.contains("held back"), "{first:?}");
    }
    let status = cluster.daemons["c1"].pivot(&["status", "--exit-code"]).unwrap();
    assert_eq!(status.status.code(), Some(5));
    let page = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(page.contains("HELD BACK by its operator") && page.contains("control  HELD BACK"), "{page}");
    assert_serves(&cluster);

    let released = order(&cluster.daemons["c1"], &["release", "10.77.0.100"]);
    assert!(released.changed && !released.held_back && released.role == Role::Backup, "{released:?}");
    assert_eq!(released.holder.as_deref(), Some("c2"), "{released:?}");
    await_agreement(&cluster, "c1");
    assert_serves(&cluster);
    cluster.daemon_mut("c1").kill9().unwrap();
    cluster.daemon_mut("c1").restart().unwrap();
    await_agreement(&cluster, "c1");
}

#[test]
fn orders_that_cannot_be_carried_out_say_what_to_do_instead() {
    let mut cluster = elected();
    let [first, second] = [&cluster.daemons["c1"], &cluster.daemons["c2"]];
    let error = refusal(second, &["failover"]);
    assert!(error.contains("c1 holds group `control`, run `pivot failover control` there"), "{error}");
    let error = refusal(first, &["failover", "--to", "c3"]);
    assert!(error.contains("would go to c2, not to c3") && error.contains("pivot hold control"), "{error}");
    let error = refusal(first, &["failover", "--to", "c9"]);
    assert!(error.contains("no host `c9`") && error.contains("c2, c3"), "{error}");
    for command in ["failover", "hold", "release"] {
        let error = refusal(first, &[command, "contrl"]);
        assert!(error.contains("`contrl`") && error.contains("control") && error.contains("internal"), "{error}");
    }
    await_agreement(&cluster, "c1");
    for host in ["c2", "c3"] {
        cluster.daemon_mut(host).stop().unwrap();
    }
    let error = refusal(&cluster.daemons["c1"], &["failover"]);
    assert!(error.contains("no other host took over group `control`, so c1 holds it again"), "{error}");
}

#[test]
fn a_vip_that_is_held_as_configured_is_shown_and_cannot_be_handed_over() {
    let cluster = Cluster::web().unwrap();
    let view = cluster.daemons["c2"].vips().unwrap();
    assert!(view.groups.is_empty());
    let held: Vec<_> = view.fixed.iter().map(|vip| (vip.name.as_str(), vip.holder.as_deref(), vip.held)).collect();
    assert_eq!(held, [("internal", Some("c1"), false)]);
    let error = refusal(cluster.holder(), &["failover"]);
    assert!(error.contains("no VIP has its holder elected"), "{error}");
    let error = refusal(cluster.holder(), &["hold", "internal"]);
    assert!(error.contains("VIP `internal` is always held by c1"), "{error}");
}

#[test]
fn three_hosts_agree_and_show_leases_peers_and_counters() {
    let cluster = elected();
    let [first, second] = ["c1", "c2"].map(|host| {
        wait_until(PATIENCE, "twenty adverts", || {
            let view = group(&cluster.daemons[host])?;
            let counters = view.counters;
            let adverts = if host == "c1" { counters.adverts_sent } else { counters.adverts_received };
            if adverts >= 20 { Ok(view) } else { Err(format!("{adverts}")) }
        })
        .unwrap()
    });
    assert_eq!((first.protocol.as_str(), first.id, first.advert_ms, first.lease_ms), ("VRRP 3", 51, 100, 250));
    assert_eq!((first.priority, first.configured_priority), (250, 250));
    assert!(first.lease_left_ms.is_some_and(|left| left <= 250) && first.takes_over_in_ms.is_none(), "{first:?}");
    assert!(first.counters.announcements >= 1 && first.counters.takeovers == 1, "{first:?}");
    let line: Vec<_> = first.line.iter().map(|it| (it.host.as_str(), it.priority)).collect();
    assert_eq!(line, [("c2", 240), ("c3", 230)]);

    let address: IpAddr = cluster.lab.node("c1").address.into();
    let peer = second.peers.iter().find(|peer| peer.host.as_deref() == Some("c1")).unwrap();
    assert_eq!((peer.address, peer.priority, peer.advert_ms), (address, 250, 100));
    let messages: u64 = second.peers.iter().map(|peer| peer.messages).sum();
    assert_eq!(messages, second.counters.adverts_received, "{second:?}");
    assert!(second.takes_over_in_ms.is_some() && second.lease_left_ms.is_none(), "{second:?}");

    let page = cluster.daemons["c1"].pivot(&["vips"]).unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    for expected in ["this host is holder for", "c1 (this host)", "internal 10.77.0.100 on eth0", "250 ms left"] {
        assert!(page.contains(expected), "{page}");
    }
}

#[test]
fn messages_that_are_ignored_are_counted_by_sender_and_kind_and_told_once() {
    let mut cluster = elected();
    let client: IpAddr = cluster.client().address.into();
    let advert = |vrid, address: [u8; 4]| {
        let (interval, addresses) = (Duration::from_secs(1), vec![address.into()]);
        let advert = Advert { version: Version::V3, vrid, priority: 254, interval, addresses };
        advert::encode(&advert, Shape { password: None, pseudo_header: true }, client, GROUP4.into())
    };
    // Of a router that nobody here has, and of another cluster that uses the same number.
    let messages = [(5, advert(99, [10, 77, 0, 100])), (3, advert(51, [10, 77, 0, 200]))];
    cluster
        .lab
        .run_in("client", || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let link = runtime.block_on(async { Netlink::connect().unwrap().link(INTERFACE).await.unwrap() });
            let socket = Socket::open(&link, client).unwrap();
            for (count, message) in &messages {
                (0..*count).for_each(|_| socket.send(message, GROUP4.into()).unwrap());
            }
        })
        .unwrap();
    for (host, pivotd) in &cluster.daemons {
        let ignored = wait_until(PATIENCE, &format!("{host} to have counted them"), || {
            let ignored = pivotd.vips().map_err(|error| format!("{error:#}"))?.ignored;
            if ignored.total >= 8 { Ok(ignored) } else { Err(format!("{ignored:?}")) }
        })
        .unwrap();
        assert_eq!((ignored.total, ignored.kinds["unknown_id"], ignored.kinds["addresses"]), (8, 5, 3), "{ignored:?}");
        let senders: Vec<_> =
            ignored.senders.iter().map(|it| (it.source, it.kind.as_str(), it.group.as_deref(), it.messages)).collect();
        assert_eq!(senders.len(), 2);
        assert!(senders.contains(&(client, "unknown_id", None, 5)), "{senders:?}");
        assert!(senders.contains(&(client, "addresses", Some(GROUP), 3)), "{senders:?}");
        assert_eq!(group(pivotd).unwrap().counters.adverts_ignored, 3);
    }
    await_agreement(&cluster, "c1");
    let log = cluster.daemon_mut("c1").process().stderr();
    assert_eq!(log.matches("no virtual router 99").count(), 1, "{log}");
    assert_eq!(log.matches("another cluster uses the same virtual router number").count(), 1, "{log}");
}

#[test]
fn a_reload_that_makes_another_virtual_router_of_a_group_elects_anew() {
    let mut cluster = elected();
    let config = std::fs::read_to_string(cluster.lab.directory().join("c1.toml")).unwrap();
    let hosts: Vec<String> = cluster.daemons.keys().cloned().collect();
    for host in &hosts {
        cluster.daemons[host].write_config(config.replace("id = 51", "id = 52")).unwrap();
        cluster.daemon_mut(host).reload().unwrap();
    }
    wait_until(PATIENCE, "all to be routers 52", || {
        let ids: Vec<u8> = cluster.daemons.values().map(|it| group(it).map(|it| it.id)).collect::<Result<_, _>>()?;
        if ids == [52; 3] { Ok(()) } else { Err(format!("{ids:?}")) }
    })
    .unwrap();
    await_agreement(&cluster, "c1");
    assert_serves(&cluster);
}
